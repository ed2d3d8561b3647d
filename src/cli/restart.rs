//! `bench restart`

use std::time::Duration;

use super::Context;
use crate::control::{Client, Request};
use crate::error::Result;
use crate::exit_code::ExitCode;

/// Start programs of the running bench again; return when they are ready
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The programs, or single processes of theirs like `web.2`
    #[arg(required = true)]
    programs: Vec<String>,
    /// Give up waiting after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 7200)]
    timeout: u64,
}

pub fn run(args: &Args, context: &Context) -> Result<ExitCode> {
    let bench = context.bench()?;
    let request = Request::Restart { programs: args.programs.clone() };
    Client::connect(bench.path())?.ask(&request, Some(Duration::from_secs(args.timeout)))?;
    context.say(format_args!("started {} again", args.programs.join(", ")));
    Ok(ExitCode::Done)
}
