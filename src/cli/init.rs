//! `bench init`: a new bench, or what an existing one lacks. What is there is never changed.

mod demo;

use std::path::{Path, PathBuf};

use super::setup::{self, Choices, Setup};
use super::{Context, run_as};
use crate::error::{Error, Problem, Result};
use crate::exit_code::ExitCode;
use crate::files::{self, Mode};
use crate::settings::{BenchDir, Settings};

/// The folders of a bench.
const FOLDERS: &[&str] = &["apps", "config/pids", "logs", "sites"];

/// What someone who looks into a new bench first needs to know. Nothing is set that has a good default.
const BENCH_TOML: &str = r#"# The settings of this bench. What is left out has its default:
#   bench config show --origin      lists every setting, its value and where that comes from
#   bench config set KEY VALUE      changes one, and keeps these comments
# The workers read sites/common_site_config.json; addresses and ports are kept the same there.

[redis_cache]
# How much memory cached values may take. Left out: 5 % of this machine's memory, at least 50mb.
# maxmemory = "512mb"

[web]
# workers = 5
# timeout = "120s"

[workers]
# Processes for each queue of background jobs.
# count = 1

# How a program of the Procfile is run, or a program of your own.
# [programs.NAME]
# command = "…"
# ready = { tcp = 8000 }
# memory_limit = "1gb"
"#;

/// Make a new bench, or what an existing one lacks
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Where: a directory that is empty, does not exist yet, or is a bench
    path: PathBuf,
    /// With two sites and two programs that show the cache at work
    #[arg(long)]
    demo: bool,
}

pub fn run(args: &Args, context: &Context) -> Result<ExitCode> {
    let path = context.below(&args.path)?;
    let is_new = make_room(&path)?;
    let bench = BenchDir::at(real(&path)?);
    let inside = context.inside(&bench);
    if !is_new {
        run_as::settle_by_settings(&inside, &bench)?;
    }
    for folder in FOLDERS {
        files::make_folder(bench.path(), &bench.join(folder))?;
    }
    files::create(bench.path(), &bench.settings_file(), BENCH_TOML.as_bytes(), Mode::Public)?;

    setup::config::set_up(&inside, &bench, Choices::default())?;
    if args.demo {
        demo::set_up(&inside, &bench)?;
    }
    let setup = Setup::new(&inside, Choices::default(), None)?;
    setup::redis::set_up(&setup)?;
    setup::procfile::set_up(&setup)?;
    setup::try_to_make_env(&bench, &inside);
    context.say(report(&bench, &inside.settings(&bench)?, is_new));
    Ok(ExitCode::Done)
}

/// Makes the directory, and says whether a bench is to be made in it.
fn make_room(path: &Path) -> Result<bool> {
    std::fs::create_dir_all(path).map_err(|source| Error::io("make", path, &source))?;
    if BenchDir::is_bench(path) {
        return Ok(false);
    }
    let entries = std::fs::read_dir(path).map_err(|source| Error::io("read", path, &source))?;
    for entry in entries {
        let name = entry.map_err(|source| Error::io("read", path, &source))?.file_name();
        // A bench may be kept in git.
        if name != ".git" && name != ".gitignore" {
            return Err(Error::failed(
                Problem::new(format!("`{}` is not empty, and is no bench", path.display()))
                    .at(path.join(name).display())
                    .fix("name a directory that does not exist yet"),
            ));
        }
    }
    Ok(true)
}

/// The directory without links, as redis and supervisor will see it.
fn real(path: &Path) -> Result<PathBuf> {
    path.canonicalize().map_err(|source| Error::io("find", path, &source))
}

fn report(bench: &BenchDir, settings: &Settings, is_new: bool) -> String {
    let made = if is_new { "made the bench" } else { "completed the bench" };
    let path = bench.path().display().to_string();
    let typed = shlex::try_quote(&path).unwrap_or(path.as_str().into());
    format!(
        "{made} {path}\n  redis_cache  {}\n  redis_queue  {}\n  web          port {}\nnext: `cd {typed}`, `bench start`",
        settings.redis_cache.server.url, settings.redis_queue.url, settings.web.port,
    )
}
