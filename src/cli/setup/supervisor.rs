//! `bench setup supervisor`

use super::put::Plan;
use super::{Choices, Setup};
use crate::cli::Context;
use crate::error::{Problem, Result};
use crate::exit_code::ExitCode;
use crate::settings::Layout;
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
    let tools = setup.tools_with_library()?;
    let conf = render::supervisor(&setup.scene(&tools))?;
    let mut plan = Plan::new(setup, "supervisor");
    plan.add(vec![conf], None)?;
    if setup.choices.only_looks() {
        return plan.carry_out();
    }
    // supervisord does not start a program whose log has no folder.
    files::make_folder(setup.dir.path(), &setup.dir.logs())?;
    let code = plan.carry_out()?;
    note_in_settings(setup)?;
    Ok(code)
}

/// What today's tool notes for the framework: who restarts the programs after an update, and that
/// socketio talks to the cache's redis in the current layout.
fn note_in_settings(setup: &Setup<'_>) -> Result<()> {
    let settings = &setup.settings;
    let mut edits = vec![
        ("restart_supervisor_on_update".to_owned(), Some(true.into())),
        ("restart_systemd_on_update".to_owned(), Some(false.into())),
    ];
    let both_are_set =
        ["redis_cache.url", "redis_socketio.url"].iter().all(|key| settings.origins.is_set(key));
    if settings.layout == Layout::Current && both_are_set {
        let url = settings.redis_cache.server.url_text.reveal();
        edits.push(("redis_socketio".to_owned(), Some(url.into())));
    }
    setup.edit_common(&edits)
}
