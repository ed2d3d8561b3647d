//! `bench completions SHELL`

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, Context};
use crate::error::Result;
use crate::exit_code::ExitCode;

/// Print the completions for a shell
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The shell
    shell: Shell,
}

pub fn run(args: &Args, _context: &Context) -> Result<ExitCode> {
    clap_complete::generate(args.shell, &mut Cli::command(), "bench", &mut std::io::stdout());
    Ok(ExitCode::Done)
}
