//! `bench setup config`: completes `sites/common_site_config.json`, which the workers read.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use super::{Choices, Setup};
use crate::cli::stdout::Stdout;
use crate::cli::{Context, env, run_as};
use crate::error::{Error, Problem, Result};
use crate::exit_code::ExitCode;
use crate::files::{self, MAX_TEXT, Mode, read_text};
use crate::names::Port;
use crate::probe::{self, Listener};
use crate::render;
use crate::settings::{BenchDir, Change, Surroundings, setup_config};

/// Complete `sites/common_site_config.json`: free ports, addresses and defaults that it does not say yet
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    choices: Choices,
}

pub fn run(args: &Args, context: &Context) -> Result<ExitCode> {
    let setup = Setup::new(context, args.choices, None)?;
    set_up(context, &setup.dir, args.choices)
}

/// What there is stays; so there is nothing to overwrite, and `--yes` and `--force` change nothing.
pub fn set_up(context: &Context, bench: &BenchDir, choices: Choices) -> Result<ExitCode> {
    let Some(change) = plan(context, bench)? else { return Ok(ExitCode::Done) };
    let shown = change.path.strip_prefix(bench.path()).unwrap_or(&change.path);
    if choices.only_looks() {
        return show(shown, &change, choices);
    }
    files::make_folder(bench.path(), &bench.sites())?;
    files::write(bench.path(), &change.path, change.text.as_bytes(), Mode::Public)?;
    context.tell(format_args!("wrote {}", shown.display()));
    Ok(ExitCode::Done)
}

fn show(shown: &Path, change: &Change, choices: Choices) -> Result<ExitCode> {
    if choices.diff {
        let on_disk = read_text(&change.path, MAX_TEXT)?;
        let mut out = Stdout::new();
        out.bytes(render::diff(shown, on_disk.as_deref(), &change.text).as_bytes())?;
        out.finish()?;
    }
    if !choices.check {
        return Ok(ExitCode::Done);
    }
    let problem = Problem::new(format!("`{}` is not complete", shown.display()));
    anstream::eprintln!("{}", Error::failed(problem.fix("run `bench setup config`")));
    Ok(ExitCode::Failed)
}

/// The file's new text; none if nothing is missing.
fn plan(context: &Context, bench: &BenchDir) -> Result<Option<Change>> {
    let user = run_as::login_name();
    let is_free = |port| is_free(bench, port);
    let planned = setup_config(bench, &env, &Surroundings { user: &user, is_free: &is_free })?;
    for warning in &planned.warnings {
        context.warn(warning);
    }
    Ok(planned.change)
}

/// Whether nobody listens there, or only this bench, which may be running.
fn is_free(bench: &BenchDir, port: Port) -> bool {
    probe::check_free(IpAddr::V4(Ipv4Addr::LOCALHOST), port).is_ok()
        || match probe::listener(port) {
            Listener::Known(owner) => owner.bench_dir.as_deref() == Some(bench.path()),
            Listener::None | Listener::Hidden { .. } => false,
        }
}
