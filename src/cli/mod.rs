//! The command line: one file per command. Nothing here is logic that another caller could want.

mod cache;
mod completions;
mod config;
mod context;
mod dispatch;
mod init;
mod library;
mod logs;
mod man;
mod restart;
mod run;
mod run_as;
mod setup;
mod sites;
mod start;
mod status;
mod stdout;
mod stop;
mod surroundings;

pub use context::{Context, env};

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::error::Result;
use crate::exit_code::ExitCode;

/// Runs a DontManage bench: settings to config files, a healthy Redis, supervised workers, a cache.
#[derive(Parser, Debug)]
#[command(name = "bench", version, propagate_version = false, disable_help_subcommand = true)]
#[command(disable_version_flag = true, arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    /// Print the version
    #[arg(short = 'v', long, short_alias = 'V', action = clap::ArgAction::Version)]
    version: (),
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
    Config(config::Args),
    Init(init::Args),
    Logs(logs::Args),
    Man(man::Args),
    NewSite(sites::NewSiteArgs),
    Restart(restart::Args),
    Run(run::Args),
    /// Set the address of the cache's redis server
    SetRedisCacheHost(config::RedisHostArgs),
    /// Set the address of the queue's redis server
    SetRedisQueueHost(config::RedisHostArgs),
    /// Set the address of socketio's redis server
    SetRedisSocketioHost(config::RedisHostArgs),
    Sites(sites::SitesArgs),
    Start(start::Args),
    Status(status::Args),
    Stop(stop::Args),
    Setup(setup::Args),
    Use(sites::UseArgs),
}

/// How long a running supervisor may take to answer a question.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

/// Parses the command line and runs it.
pub fn run() -> Result<ExitCode> {
    let mut line = std::env::args_os();
    let name = line.next().unwrap_or_else(|| "bench".into());
    let line = dispatch::settle(line.collect())?;
    // Bad usage ends here, in clap's words, with exit status 2.
    let cli = Cli::parse_from(std::iter::once(name).chain(line));
    let context = Context::new(cli.global);
    match cli.command {
        Command::Cache(args) => cache::run(&args, &context),
        Command::Completions(args) => completions::run(&args, &context),
        Command::Config(args) => config::run(&args, &context),
        Command::Init(args) => init::run(&args, &context),
        Command::Logs(args) => logs::run(&args, &context),
        Command::Man(args) => man::run(&args, &context),
        Command::NewSite(args) => sites::new_site(&args, &context),
        Command::Restart(args) => restart::run(&args, &context),
        Command::Run(args) => run::run(&args, &context),
        Command::SetRedisCacheHost(args) => config::set_redis_host("redis_cache", &args, &context),
        Command::SetRedisQueueHost(args) => config::set_redis_host("redis_queue", &args, &context),
        Command::SetRedisSocketioHost(args) => config::set_redis_host("redis_socketio", &args, &context),
        Command::Sites(args) => sites::sites(&args, &context),
        Command::Start(args) => start::run(&args, &context),
        Command::Status(args) => status::run(&args, &context),
        Command::Stop(args) => stop::run(&args, &context),
        Command::Setup(args) => setup::run(&args, &context),
        Command::Use(args) => sites::use_site(&args, &context),
    }
}
