//! `bench setup supervisor`

use super::{Choices, Setup};
use crate::cli::Context;
use crate::error::{Problem, Result};
use crate::exit_code::ExitCode;
use crate::{files, render};

/// Write config/supervisor.conf, for a bench in production
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    choices: Choices,
    /// The system user that the programs run as
    #[arg(long)]
    user: Option<String>,
    /// Do not ask for supervisor itself
    #[arg(long)]
    skip_supervisord: bool,
}

pub fn run(args: &Args, context: &Context) -> Result<ExitCode> {
    if !args.skip_supervisord && which::which("supervisorctl").is_err() {
        return Err(Problem::new("supervisor is not installed: there is no `supervisorctl`")
            .fix("install it with `apt-get install supervisor`, or pass `--skip-supervisord`")
            .into());
    }
    set_up(&Setup::new(context, args.choices, args.user.as_deref())?)
}

pub fn set_up(setup: &Setup<'_>) -> Result<ExitCode> {
    let tools = setup.tools()?;
    let conf = render::supervisor(&setup.scene(&tools))?;
    if !setup.choices.only_looks() {
        // supervisord does not start a program whose log has no folder.
        files::make_folder(setup.dir.path(), &setup.dir.logs())?;
    }
    setup.put(&[conf], "supervisor")
}
