//! `bench stop`

use std::time::Duration;

use super::Context;
use crate::control::{Client, Request};
use crate::error::{Problem, Result};
use crate::exit_code::ExitCode;
use crate::supervise::Lock;

/// Stop the running bench, or some of its programs; return when they are gone
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Only these programs
    programs: Vec<String>,
    /// Give up waiting after so many seconds [default: wait for the longest stop timeout]
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
}

/// Longer than any stop timeout that is rendered for a program.
const LONGEST: Duration = Duration::from_secs(2 * 3600);

pub fn run(args: &Args, context: &Context) -> Result<ExitCode> {
    let bench = context.bench()?;
    let patience = args.timeout.map_or(LONGEST, Duration::from_secs);
    let mut client = Client::connect(bench.path())?;
    let request = Request::Stop { programs: args.programs.clone() };
    if args.programs.is_empty() {
        client.send(&request)?;
        // It says nothing more: it ends. So does its guard, which then lets go of the lock.
        while client.receive(Some(patience))?.is_some() {}
        if !Lock::wait_until_free(bench.path(), patience)? {
            return Err(Problem::new("the bench did not stop in time").at(bench.path().display()).into());
        }
        context.say("stopped");
    } else {
        client.ask(&request, Some(patience))?;
        context.say(format_args!("stopped {}", args.programs.join(", ")));
    }
    Ok(ExitCode::Done)
}
