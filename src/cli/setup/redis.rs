//! `bench setup redis`

use super::{Choices, Setup};
use crate::cli::Context;
use crate::error::Result;
use crate::exit_code::ExitCode;
use crate::files::{self, Mode};
use crate::render;

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
    let files = render::redis(&scene)?;
    if !setup.choices.only_looks() {
        files::make_folder(setup.dir.path(), &setup.dir.join("config/pids"))?;
    }
    let code = setup.put(&files, "redis")?;
    if !setup.choices.only_looks() {
        make_key(setup)?;
    }
    Ok(code)
}

/// Makes the key that signs cached values, unless the settings say that they are not signed.
fn make_key(setup: &Setup<'_>) -> Result<()> {
    if !setup.settings.redis_cache.sign {
        return Ok(());
    }
    let mut key = [0_u8; 32];
    getrandom::fill(&mut key).map_err(|_| {
        crate::error::Problem::new("the system gives no random numbers, so no key can be made")
    })?;
    let text = format!("{}\n", blake3::Hash::from_bytes(key).to_hex());
    let path = setup.dir.join("config/cache.key");
    if files::create(setup.dir.path(), &path, text.as_bytes(), Mode::Private)? {
        setup.tell("wrote config/cache.key");
    }
    Ok(())
}
