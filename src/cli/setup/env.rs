//! `bench setup env`: the bench's Python environment, and our library in it.

use std::ffi::OsString;

use super::Setup;
use crate::cli::{Context, run_as};
use crate::error::{Error, Problem, Result};
use crate::exit_code::ExitCode;
use crate::files;
use crate::python::{self, Environment, Plan, State};
use crate::settings::BenchDir;

/// Make the Python environment env/ if there is none, and put the library into it that `bench` carries
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The Python to make it with; without it `python3`, or the newest on the PATH that fits
    #[arg(long, value_name = "PROGRAM")]
    python: Option<OsString>,
    /// Write nothing; exit with 1 if something is missing or out of date
    #[arg(long)]
    check: bool,
}

/// What was done, and what could not be.
#[derive(Debug, Default)]
pub struct Done {
    /// What was made or changed, for a person to read.
    changes: Vec<String>,
    /// What is odd, and was left as it is.
    warnings: Vec<Problem>,
    /// Why the library is not there: this binary does not carry it.
    lacks_library: Option<Problem>,
}

pub fn run(args: &Args, context: &Context) -> Result<ExitCode> {
    let dir = context.bench()?;
    run_as::settle_by_settings(context, &dir)?;
    if args.check {
        return check(&dir);
    }
    let done = make_env(&dir, args.python.as_ref())?;
    done.tell(context);
    match done.lacks_library {
        // The framework has a cache of its own.
        Some(problem) if dir.framework().is_installed() => context.warn(&problem),
        Some(problem) => return Err(Error::failed(problem)),
        None => {}
    }
    Ok(ExitCode::Done)
}

pub fn set_up(setup: &Setup<'_>) -> Result<ExitCode> {
    if setup.choices.check {
        return check(&setup.dir);
    }
    if setup.choices.only_looks() {
        return Ok(ExitCode::Done);
    }
    let done = make_env(&setup.dir, None)?;
    done.tell(setup.context);
    done.warn_of_library(setup.context);
    Ok(ExitCode::Done)
}

impl Done {
    /// What was done, and what is odd.
    fn tell(&self, context: &Context) {
        for change in &self.changes {
            context.tell(change);
        }
        for warning in &self.warnings {
            context.warn(warning);
        }
    }

    /// Where the library is one thing among others.
    fn warn_of_library(&self, context: &Context) {
        if let Some(problem) = &self.lacks_library {
            context.warn(problem);
        }
    }
}

/// For a command that goes on without an environment, because only Python workers need it.
pub fn try_to_make_env(dir: &BenchDir, context: &Context) {
    match make_env(dir, None) {
        Ok(done) => {
            done.tell(context);
            done.warn_of_library(context);
        }
        Err(error) => {
            for problem in error.problems() {
                context.warn(problem);
            }
        }
    }
}

/// Makes the bench's Python environment, unless it has one, and puts into it what it lacks of what this
/// binary carries.
fn make_env(dir: &BenchDir, python: Option<&OsString>) -> Result<Done> {
    let mut done = Done::default();
    let mut state = Environment::look(dir)?;
    if matches!(state, State::Missing) {
        let folder = Environment::folder(dir);
        files::make_folder(dir.path(), &folder)?;
        python::make(&folder, python.map(OsString::as_os_str))?;
        done.changes.push("made env/".to_owned());
        state = Environment::look(dir)?;
    }
    if !python::carries_wheels() {
        done.lacks_library = Some(python::no_wheels());
        return Ok(done);
    }
    if let Some(env) = state.usable()? {
        let plan = Plan::new(env, python::wheels()?)?;
        done.changes.extend(plan.steps().iter().map(|step| format!("env/ has {step} now")));
        done.warnings = plan.warnings().to_vec();
        plan.carry_out()?;
    }
    Ok(done)
}

/// What `make_env` would do, as a problem.
fn check(dir: &BenchDir) -> Result<ExitCode> {
    let missing = |what: &str| Error::failed(Problem::new(what).fix("run `bench setup env`"));
    let Some(env) = Environment::look(dir)?.usable()? else {
        anstream::eprintln!("{}", missing("`env/` is missing"));
        return Ok(ExitCode::Failed);
    };
    let plan = Plan::new(env, python::wheels()?)?;
    let steps: Vec<String> = plan.steps().iter().map(ToString::to_string).collect();
    if steps.is_empty() {
        return Ok(ExitCode::Done);
    }
    anstream::eprintln!("{}", missing(&format!("`env/` is to have {}", steps.join(", "))));
    Ok(ExitCode::Failed)
}
