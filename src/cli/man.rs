//! `bench man`

use clap::CommandFactory;

use super::{Cli, Context};
use crate::error::{Error, Problem, Result, plain_io};
use crate::exit_code::ExitCode;

/// Print the manual page
#[derive(clap::Args, Debug)]
pub struct Args {}

pub fn run(_args: &Args, _context: &Context) -> Result<ExitCode> {
    clap_mangen::Man::new(Cli::command()).render(&mut std::io::stdout()).map_err(|source| {
        Error::failed(Problem::new(format!("cannot print the manual page: {}", plain_io(&source))))
    })?;
    Ok(ExitCode::Done)
}
