//! `bench setup procfile`

use super::put::Plan;
use super::{Choices, Setup, tools};
use crate::cli::Context;
use crate::error::Result;
use crate::exit_code::ExitCode;
use crate::files;
use crate::render::{self, Scene};
use crate::settings::{BenchDir, Settings};

/// Write the Procfile, which `bench start` runs
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    choices: Choices,
}

pub fn run(args: &Args, context: &Context) -> Result<ExitCode> {
    set_up(&Setup::new(context, args.choices, None)?)
}

pub fn set_up(setup: &Setup<'_>) -> Result<ExitCode> {
    let tools = setup.tools()?;
    let procfile = render::procfile(&setup.scene(&tools))?;
    let mut plan = Plan::new(setup, "procfile");
    plan.add(vec![procfile], None)?;
    if !setup.choices.only_looks() {
        // Where the workers' lines go.
        files::make_folder(setup.dir.path(), &setup.dir.logs())?;
    }
    plan.carry_out()
}

/// The text that the Procfile of a bench without one would have.
pub fn procfile_text(dir: &BenchDir, settings: &Settings) -> Result<String> {
    let tools = tools::find(dir, settings)?;
    render::procfile(&Scene { dir, settings, tools: &tools }).map(|rendered| rendered.text)
}
