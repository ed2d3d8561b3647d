//! `bench setup redis`

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use dontmanage_cache::SigningKey;

use super::put::Plan;
use super::{Choices, Setup, live, maxmemory};
use crate::cli::Context;
use crate::error::{Problem, Result};
use crate::exit_code::ExitCode;
use crate::files::{self, MAX_TEXT, Mode, read_text};
use crate::render::{self, Scene};
use crate::settings::{self, Settings};

/// Write the files of the redis servers, and the key that signs cached values
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    choices: Choices,
}

pub fn run(args: &Args, context: &Context) -> Result<ExitCode> {
    set_up(&Setup::new(context, args.choices, None)?)
}

pub fn set_up(setup: &Setup<'_>) -> Result<ExitCode> {
    let tools = setup.tools_with_version()?;
    let scene = setup.scene(&tools);
    for server in scene.remote_servers() {
        let url = &server.settings.url;
        setup.context.say(format!("note: {} is at {url}, so no server is set up for it here", server.name));
    }
    let files = if setup.choices.skip_redis { Vec::new() } else { render::redis(&scene)? };
    let mut plan = Plan::new(setup, "redis");
    match maxmemory::take_over(setup, &files)? {
        None => {
            plan.add_changes(settings::write_back(&setup.dir, &setup.settings)?)?;
            plan.add(files, None)?;
        }
        Some(taken) => {
            let mut changed = setup.settings.clone();
            changed.redis_cache.maxmemory = taken.limit;
            let scene = Scene { settings: &changed, ..scene };
            // The settings come first: if the second write fails, nothing that was said is lost.
            plan.add_changes(taken.changes)?;
            plan.add(render::redis(&scene)?, Some("config/redis_cache.conf".as_ref()))?;
            if let Some(note) = taken.note.filter(|_| !setup.choices.only_looks()) {
                setup.context.say(note);
            }
        }
    }
    if setup.choices.only_looks() {
        return plan.carry_out();
    }
    files::make_folder(setup.dir.path(), &setup.dir.join("config/pids"))?;
    let before: Vec<_> = scene
        .servers()
        .iter()
        .map(|server| read_text(&setup.dir.join(server.file()), MAX_TEXT))
        .collect::<Result<_>>()?;
    let code = plan.carry_out()?;
    make_key(setup, &setup.settings)?;
    for (server, before) in scene.servers().iter().zip(before) {
        live::apply(setup, server, before.as_deref());
    }
    Ok(code)
}

/// Makes the key that signs cached values, unless the settings say that they are not signed.
fn make_key(setup: &Setup<'_>, settings: &Settings) -> Result<()> {
    if !settings.redis_cache.sign {
        return Ok(());
    }
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes)
        .map_err(|_| Problem::new("the system gives no random numbers, so no key can be made"))?;
    let text = SigningKey::from_bytes(bytes).to_file_text();
    let path = setup.dir.join("config/cache.key");
    if files::create(setup.dir.path(), &path, text.as_bytes(), Mode::Private)? {
        setup.context.tell("wrote config/cache.key");
        return Ok(());
    }
    make_private(setup, &path)
}

/// Who can read the key can sign values that every worker takes.
fn make_private(setup: &Setup<'_>, path: &Path) -> Result<()> {
    let Ok(status) = path.metadata() else {
        let what = "`config/cache.key` is a link, and what it points at can't be read";
        let fix = "mend the link, or remove it and run `bench setup redis`, which makes a new one";
        return Err(Problem::new(what).at(path.display()).fix(fix).into());
    };
    let mode = status.permissions().mode() & 0o777;
    let of_others = mode & 0o077;
    if of_others == 0 {
        return Ok(());
    }
    let Some(text) = read_text(path, MAX_TEXT)? else { return Ok(()) };
    files::write(setup.dir.path(), path, text.as_bytes(), Mode::Private)?;
    let problem = format!("`config/cache.key` was open to others (mode {mode:03o}), and is closed again");
    setup.context.warn(
        &Problem::new(problem)
            .at(path.display())
            .fix("if others may have read it, remove it and run `bench setup redis`, which makes another"),
    );
    Ok(())
}
