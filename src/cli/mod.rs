//! The command line: one file per command. Nothing here is logic that another caller could want.

mod cache;
mod completions;
mod context;
mod logs;
mod man;
mod restart;
mod run;
mod setup;
mod start;
mod status;
mod stdout;
mod stop;
mod surroundings;

pub use context::Context;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::error::Result;
use crate::exit_code::ExitCode;

/// Runs a DontManage bench: settings to config files, a healthy Redis, supervised workers, a cache.
#[derive(Parser, Debug)]
#[command(name = "bench", version, propagate_version = false, disable_help_subcommand = true)]
pub struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

/// Flags that every command takes.
#[derive(clap::Args, Debug, Clone)]
pub struct GlobalArgs {
    /// The bench, or a directory in it [default: found upwards from the current directory]
    #[arg(short = 'C', value_name = "PATH", global = true)]
    dir: Option<PathBuf>,
    /// Only errors and data
    #[arg(short, long, global = true)]
    quiet: bool,
}

#[derive(Subcommand, Debug)]
enum Command {
    Cache(cache::Args),
    Completions(completions::Args),
    Logs(logs::Args),
    Man(man::Args),
    Restart(restart::Args),
    Run(run::Args),
    Start(start::Args),
    Status(status::Args),
    Stop(stop::Args),
    Setup(setup::Args),
}

/// How long a running supervisor may take to answer a question.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

/// Parses the command line and runs it.
pub fn run() -> Result<ExitCode> {
    // Bad usage ends here, in clap's words, with exit status 2.
    let cli = Cli::parse();
    let context = Context::new(cli.global);
    match cli.command {
        Command::Cache(args) => cache::run(&args, &context),
        Command::Completions(args) => completions::run(&args, &context),
        Command::Logs(args) => logs::run(&args, &context),
        Command::Man(args) => man::run(&args, &context),
        Command::Restart(args) => restart::run(&args, &context),
        Command::Run(args) => run::run(&args, &context),
        Command::Start(args) => start::run(&args, &context),
        Command::Status(args) => status::run(&args, &context),
        Command::Stop(args) => stop::run(&args, &context),
        Command::Setup(args) => setup::run(&args, &context),
    }
}
