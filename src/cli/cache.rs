//! `bench cache …`: looks into the bench's cache. Unlike a worker, for which a cache that is away is
//! only slow, a person is told what is wrong with it.

mod delete;
mod escape;
mod flush;
mod get;
mod json;
mod keys;
mod ping;
mod server;
mod set;
mod site_cache;
mod site_stats;
mod stats;
mod ttl;

use super::Context;
use crate::error::Result;
use crate::exit_code::ExitCode;

/// Look into the cache, and flush it
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    Ping(ping::Args),
    Flush(flush::Args),
    Get(get::Args),
    Set(set::Args),
    Delete(delete::Args),
    Keys(keys::Args),
    Ttl(ttl::Args),
    Stats(stats::Args),
}

pub fn run(args: &Args, context: &Context) -> Result<ExitCode> {
    match &args.command {
        Command::Ping(args) => ping::run(args, context),
        Command::Flush(args) => flush::run(args, context),
        Command::Get(args) => get::run(args, context),
        Command::Set(args) => set::run(args, context),
        Command::Delete(args) => delete::run(args, context),
        Command::Keys(args) => keys::run(args, context),
        Command::Ttl(args) => ttl::run(args, context),
        Command::Stats(args) => stats::run(args, context),
    }
}
