//! `bench setup …`: renders the bench's files from its settings.

pub mod config;
mod env;
mod live;
mod maxmemory;
pub mod procfile;
mod put;
pub mod redis;
mod supervisor;
mod systemd;
mod tools;

pub use env::try_to_make_env;
pub use procfile::procfile_text;

use super::{Context, run_as};
use crate::cli::env;
use crate::error::Result;
use crate::exit_code::ExitCode;
use crate::settings::{BenchDir, Flags, Settings, load_with};

/// Write the bench's files from its settings
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    Config(config::Args),
    Redis(redis::Args),
    Procfile(procfile::Args),
    Supervisor(supervisor::Args),
    Systemd(systemd::Args),
    Env(env::Args),
    All(AllArgs),
}

/// What to do with files that are there already.
#[derive(clap::Args, Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Choices {
    /// Overwrite files that were edited by hand; what was there is kept as NAME.bak
    #[arg(short, long)]
    yes: bool,
    /// The same as --yes
    #[arg(long)]
    force: bool,
    /// Write nothing; exit with 1 if a file is out of date
    #[arg(long)]
    check: bool,
    /// Write nothing; print what would change
    #[arg(long)]
    diff: bool,
    /// Leave out the redis servers: they are somebody else's
    #[arg(long)]
    skip_redis: bool,
}

impl Choices {
    /// Whether files that were edited by hand may go.
    pub const fn overwrites(self) -> bool {
        self.yes || self.force
    }

    /// Whether nothing may be written.
    pub const fn only_looks(self) -> bool {
        self.check || self.diff
    }
}

/// Write all files: config, redis, Procfile, supervisor, systemd and the Python environment
#[derive(clap::Args, Debug)]
pub struct AllArgs {
    #[command(flatten)]
    choices: Choices,
    /// The system user that the programs run as
    #[arg(long)]
    user: Option<String>,
}

/// A bench that is being set up.
pub struct Setup<'a> {
    context: &'a Context,
    dir: BenchDir,
    settings: Settings,
    choices: Choices,
}

impl<'a> Setup<'a> {
    /// Finds the bench and reads its settings.
    pub fn new(context: &'a Context, choices: Choices, user: Option<&str>) -> Result<Self> {
        let dir = context.bench()?;
        let flags = Flags { user: user.map(str::to_owned) };
        let settings = load_with(&dir, &env, &flags)?;
        run_as::settle(&dir, &settings)?;
        for warning in &settings.warnings {
            context.warn(warning);
        }
        Ok(Self { context, dir, settings, choices })
    }
}

pub fn run(args: &Args, context: &Context) -> Result<ExitCode> {
    match &args.command {
        Command::Config(args) => config::run(args, context),
        Command::Redis(args) => redis::run(args, context),
        Command::Procfile(args) => procfile::run(args, context),
        Command::Supervisor(args) => supervisor::run(args, context),
        Command::Systemd(args) => systemd::run(args, context),
        Command::Env(args) => env::run(args, context),
        Command::All(args) => all(args, context),
    }
}

fn all(args: &AllArgs, context: &Context) -> Result<ExitCode> {
    let new = || Setup::new(context, args.choices, args.user.as_deref());
    let mut code = config::set_up(context, &new()?.dir, args.choices)?;
    // Read anew: the ports may have been chosen only now.
    let setup = new()?;
    let mut steps = [redis::set_up, procfile::set_up, supervisor::set_up, systemd::set_up, env::set_up];
    if setup.settings.redis_cache.worker_library {
        // The files of the programs then name a folder of the environment.
        steps[2..].rotate_right(1);
    }
    for step in steps {
        match step(&setup)? {
            ExitCode::Done => {}
            other => code = other,
        }
    }
    Ok(code)
}
