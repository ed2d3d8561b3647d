//! `bench cache …`: looks into the bench's cache. Unlike a worker, for which a cache that is away is
//! only slow, a person is told what is wrong with it.

mod ping;
mod server;

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
}

pub fn run(args: &Args, context: &Context) -> Result<ExitCode> {
    match &args.command {
        Command::Ping(args) => ping::run(args, context),
    }
}
