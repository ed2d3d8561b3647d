//! `bench stop`

use std::time::Duration;

use super::Context;
use crate::control::{Client, Request};
use crate::error::{Problem, Result};
use crate::exit_code::ExitCode;
use crate::settings::BenchDir;
use crate::supervise::leftovers::{self, Leftover};
use crate::supervise::{Holder, Lock};

/// Stop the running bench, or some of its programs; return when they are gone
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Only these programs
    programs: Vec<String>,
    /// What an earlier run left behind: its supervisor and its guard were killed
    #[arg(long, conflicts_with = "programs")]
    leftovers: bool,
    /// Give up waiting after so many seconds [default: wait for the longest stop timeout]
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
}

/// Longer than any stop timeout that is rendered for a program.
const LONGEST: Duration = Duration::from_secs(2 * 3600);

pub fn run(args: &Args, context: &Context) -> Result<ExitCode> {
    let bench = context.bench()?;
    if args.leftovers {
        return stop_leftovers(args, &bench, context);
    }
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

/// How long what was left behind has to end before it is killed, if nobody says.
const LEFTOVERS_GRACE: Duration = Duration::from_secs(10);

fn stop_leftovers(args: &Args, bench: &BenchDir, context: &Context) -> Result<ExitCode> {
    let grace = args.timeout.map_or(LEFTOVERS_GRACE, Duration::from_secs);
    // A run that is under way is not what is meant; none begins meanwhile.
    let holder = Lock::holder(bench.path())?;
    let _lock = if holder.is_none() { Some(Lock::take(bench.path())?) } else { None };
    let run_id = match holder {
        None => None,
        Some(Holder { run_id: Some(run_id), .. }) => Some(run_id),
        Some(Holder { run_id: None, .. }) => {
            let problem = Problem::new("the bench is just being started, and its run is not known yet");
            return Err(problem.at(bench.path().display()).fix("try again in a moment").into());
        }
    };
    let (ended, alive) = leftovers::end(bench.path(), run_id.as_deref(), grace);
    let describe = |one: &Leftover| format!("pid {} ({}, of `{}`)", one.pid, one.program, one.instance);
    for one in &ended {
        context.say(format_args!("ended {}", describe(one)));
    }
    if !alive.is_empty() {
        let names: Vec<String> = alive.iter().map(describe).collect();
        return Err(Problem::new(format!("could not end {}", names.join(", ")))
            .fix("end it as the user whose it is")
            .into());
    }
    if ended.is_empty() {
        context.say("nothing is left of an earlier run");
    }
    Ok(ExitCode::Done)
}
