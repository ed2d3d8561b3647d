//! `bench setup systemd`

use std::process::Command;

use super::put::Plan;
use super::{Choices, Setup};
use crate::cli::Context;
use crate::error::{Error, Problem, Result, plain_io};
use crate::exit_code::ExitCode;
use crate::files::{self, MAX_TEXT, read_text};
use crate::render::{self, Rendered, SYSTEMD_FOLDER, Scene, Seal, examine};

/// Write the units of config/systemd, for a bench in production
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    choices: Choices,
    /// The system user that the programs run as
    #[arg(long)]
    user: Option<String>,
    /// Stop the bench's units, and write nothing
    #[arg(long, conflicts_with_all = ["create_symlinks", "delete_symlinks"])]
    stop: bool,
    /// Make the units known to systemd, by links to them, and write nothing
    #[arg(long, conflicts_with = "delete_symlinks")]
    create_symlinks: bool,
    /// Make systemd forget the units, and write nothing
    #[arg(long)]
    delete_symlinks: bool,
}

pub fn run(args: &Args, context: &Context) -> Result<ExitCode> {
    let setup = Setup::new(context, args.choices, args.user.as_deref())?;
    if !(args.stop || args.create_symlinks || args.delete_symlinks) {
        return set_up(&setup);
    }
    let tools = setup.tools()?;
    let units = render::systemd(&setup.scene(&tools))?;
    if args.stop {
        let targets = names(&units).filter(|name| name.ends_with(".target"));
        systemctl(&["stop"], targets)
    } else if args.create_symlinks {
        let paths = units.iter().map(|unit| setup.dir.join(&unit.path).to_string_lossy().into_owned());
        systemctl(&["link"], paths)?;
        systemctl(&["daemon-reload"], std::iter::empty())
    } else {
        systemctl(&["disable"], names(&units))?;
        systemctl(&["daemon-reload"], std::iter::empty())
    }
}

fn names(units: &[Rendered]) -> impl Iterator<Item = String> + '_ {
    units.iter().filter_map(|unit| Some(unit.path.file_name()?.to_string_lossy().into_owned()))
}

/// Lets systemd do it: who may, it knows itself.
fn systemctl(verb: &[&str], units: impl Iterator<Item = String>) -> Result<ExitCode> {
    let line = format!("systemctl {}", verb.join(" "));
    let status = Command::new("systemctl").args(verb).arg("--").args(units).status().map_err(|source| {
        Error::failed(
            Problem::new(format!("cannot run `{line}`: {}", plain_io(&source)))
                .fix("this needs a machine that systemd runs"),
        )
    })?;
    if status.success() {
        return Ok(ExitCode::Done);
    }
    Err(Problem::new(format!("`{line}` ended with {status}"))
        .fix("if it is a matter of rights, run the command with `sudo`")
        .into())
}

pub fn set_up(setup: &Setup<'_>) -> Result<ExitCode> {
    let tools = setup.tools_with_library()?;
    let scene = setup.scene(&tools);
    if !render::systemd_takes_name(&scene) {
        let name = &setup.settings.bench.name;
        setup.context.say(format!(
            "warning: systemd takes no unit whose name holds `{name}`: use ASCII letters and digits, by \
             `bench config set bench.name NAME`"
        ));
    }
    let units = render::systemd(&scene)?;
    let mut plan = Plan::new(setup, "systemd");
    plan.add(units.clone(), None)?;
    if setup.choices.only_looks() {
        return plan.carry_out();
    }
    files::make_folder(setup.dir.path(), &setup.dir.join(SYSTEMD_FOLDER))?;
    files::make_folder(setup.dir.path(), &setup.dir.logs())?;
    let code = plan.carry_out()?;
    remove_old_units(setup, &scene, &units)?;
    // As today's tool notes it for the framework: neither restarts the programs after an update.
    setup.edit_common(&[
        ("restart_supervisor_on_update".to_owned(), Some(false.into())),
        ("restart_systemd_on_update".to_owned(), Some(false.into())),
    ])?;
    Ok(code)
}

/// Removes units that we rendered once and that are none now: a queue that is gone, a redis elsewhere.
fn remove_old_units(setup: &Setup<'_>, scene: &Scene<'_>, units: &[Rendered]) -> Result<()> {
    let folder = setup.dir.join(SYSTEMD_FOLDER);
    let failed = |source| Error::io("read", &folder, &source);
    let prefix = scene.settings.bench.name.as_str();
    for entry in folder.read_dir().map_err(failed)? {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        let is_unit = [".service", ".target"].iter().any(|suffix| name.ends_with(suffix));
        if !is_unit || !name.starts_with(prefix) || names(units).any(|unit| unit == name) {
            continue;
        }
        let path = folder.join(&name);
        let text = read_text(&path, MAX_TEXT)?.unwrap_or_default();
        if examine(&text) == Seal::Intact {
            files::remove(setup.dir.path(), &path)?;
            setup.context.tell(format!("removed {SYSTEMD_FOLDER}/{name}"));
        } else {
            setup.context.say(format!(
                "note: {SYSTEMD_FOLDER}/{name} is no unit of the bench any more; remove it if nobody needs it"
            ));
        }
    }
    Ok(())
}
