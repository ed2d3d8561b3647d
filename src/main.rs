//! `bench`: runs a DontManage bench. Parses the command line, runs the command, prints the error,
//! ends with its exit status.

mod cli;
mod control;
mod error;
mod exit_code;
mod files;
mod names;
mod probe;
mod procfile;
mod python;
mod render;
mod settings;
mod supervise;
#[cfg(test)]
mod testing;

use std::process::ExitCode as ProcessExitCode;

fn main() -> ProcessExitCode {
    let code = match cli::run() {
        Ok(code) => code,
        Err(error) => {
            anstream::eprintln!("{error}");
            error.exit_code()
        }
    };
    code.into()
}
