//! `bench setup env`

use std::process::{Command, Stdio};

use super::Setup;
use crate::cli::{Context, run_as};
use crate::error::{Error, Problem, Result, plain_io};
use crate::exit_code::ExitCode;
use crate::files;
use crate::settings::BenchDir;

/// Make the Python environment env/, if there is none
#[derive(clap::Args, Debug)]
pub struct Args {}

pub fn run(_args: &Args, context: &Context) -> Result<ExitCode> {
    let dir = context.bench()?;
    run_as::settle_by_settings(context, &dir)?;
    make_env(&dir).map(|_| ExitCode::Done)
}

pub fn set_up(setup: &Setup<'_>) -> Result<ExitCode> {
    let dir = &setup.dir;
    if setup.choices.only_looks() {
        let is_missing = !python(dir).exists();
        if is_missing && setup.choices.check {
            let problem = Problem::new("`env/` is missing").fix("run `bench setup env`");
            anstream::eprintln!("{}", Error::failed(problem));
            return Ok(ExitCode::Failed);
        }
        return Ok(ExitCode::Done);
    }
    if make_env(dir)? {
        setup.context.tell("made env/");
    }
    Ok(ExitCode::Done)
}

fn python(dir: &BenchDir) -> std::path::PathBuf {
    dir.join("env/bin/python")
}

/// Makes the bench's Python environment, unless it has one, and says whether it did. It has no pip:
/// Debian's Python cannot always install it, and who needs it can add it.
pub fn make_env(dir: &BenchDir) -> Result<bool> {
    if python(dir).exists() {
        return Ok(false);
    }
    let env = dir.join("env");
    files::make_folder(dir.path(), &env)?;
    let output = Command::new("python3")
        .args(["-m", "venv", "--without-pip", "--"])
        .arg(&env)
        .stdin(Stdio::null())
        .output()
        .map_err(|source| {
            Error::failed(
                Problem::new(format!("cannot run `python3`: {}", plain_io(&source)))
                    .fix("install it with `apt-get install python3 python3-venv`"),
            )
        })?;
    if output.status.success() {
        return Ok(true);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.trim().lines().next_back().unwrap_or("it says nothing").to_owned();
    Err(Problem::new(format!("`python3 -m venv` could not make `{}`: {said}", env.display()))
        .fix("install what it needs with `apt-get install python3-venv`")
        .into())
}
