//! `bench run COMMAND`

use std::os::unix::process::CommandExt;
use std::process::Command;

use super::{Context, surroundings};
use crate::error::{Error, Problem, Result, plain_io};
use crate::exit_code::ExitCode;
use crate::supervise;

/// Run one command in the bench's directory and environment
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    command: Vec<std::ffi::OsString>,
}

pub fn run(args: &Args, context: &Context) -> Result<ExitCode> {
    let (bench, settings) = context.bench_and_settings()?;
    let surroundings = surroundings::of(&bench, &settings)?;
    let env = supervise::environment(&bench, &settings, &surroundings);
    let Some((program, rest)) = args.command.split_first() else {
        return Err(Error::usage(Problem::new("there is no command to run")));
    };
    let mut command = Command::new(program);
    command.args(rest).current_dir(bench.path()).env_clear().envs(env);
    // Becomes the command: its output and its exit status are its own.
    let source = command.exec();
    let code = if source.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 };
    let problem = Problem::new(format!("cannot run `{}`: {}", program.display(), plain_io(&source)));
    Err(Error::with_code(ExitCode::Own(code), vec![problem]))
}
