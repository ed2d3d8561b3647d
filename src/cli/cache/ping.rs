//! `bench cache ping`

use std::fmt::Write as _;
use std::time::Duration;

use dontmanage_cache::{Info, RedisUrl};
use indicatif::{HumanBytes, HumanDuration};
use serde_json::json;

use super::server::{Connected, Server};
use crate::cli::{Context, stdout};
use crate::error::Result;
use crate::exit_code::ExitCode;

/// How many times it is asked; the median is shown. The first one pays for waking the server up.
const PINGS: usize = 7;

/// Ask the cache whether it is there, and how fast it answers
///
/// Exit status 5 if it does not answer, with what is wrong and how to mend it.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// One JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args, context: &Context) -> Result<ExitCode> {
    let server = Server::of(context)?;
    match server.try_connect() {
        Ok(connected) => answered(args, &connected),
        Err(away) => {
            if args.json {
                stdout::print(json!({
                    "ok": false,
                    "address": away.url.to_string(),
                    "error": away.answer.describe(),
                    "fix": away.answer.advice(&away.url),
                }))?;
            }
            Err(away.into())
        }
    }
}

fn answered(args: &Args, connected: &Connected) -> Result<ExitCode> {
    let latency = connected.ask(|redis| {
        let mut times = (0..PINGS).map(|_| redis.ping()).collect::<Result<Vec<_>, _>>()?;
        times.sort_unstable();
        Ok(times[PINGS / 2])
    })?;
    // A user that may only PING has had what was asked for.
    let server = connected.ask(|redis| redis.info("server")).unwrap_or_default();
    let memory = connected.ask(|redis| redis.info("memory")).unwrap_or_default();
    if args.json {
        stdout::print(json!({
            "ok": true,
            "address": connected.url.to_string(),
            "latency_ms": latency.as_secs_f64() * 1000.0,
            "version": server.version(),
            "process_id": server.process_id(),
            "uptime_s": server.number("uptime_in_seconds"),
            "used_memory_bytes": memory.number("used_memory"),
            "maxmemory_bytes": memory.number("maxmemory"),
            "maxmemory_policy": memory.get("maxmemory_policy"),
        }))?;
    } else {
        stdout::print(describe(&connected.url, latency, &server, &memory))?;
    }
    Ok(ExitCode::Done)
}

fn describe(url: &RedisUrl, latency: Duration, server: &Info, memory: &Info) -> String {
    let mut lines = vec![format!("redis_cache answers in {:.3} ms", latency.as_secs_f64() * 1000.0)];
    lines.push(format!("  address  {url}"));
    lines.extend(describe_server(server).map(|text| format!("  server   {text}")));
    lines.extend(describe_memory(memory).map(|text| format!("  memory   {text}")));
    lines.join("\n")
}

/// `redis 7.0.15, pid 812, up 3 hours`
pub fn describe_server(info: &Info) -> Option<String> {
    let mut text = info.version()?;
    if let Some(pid) = info.process_id() {
        let _ = write!(text, ", pid {pid}");
    }
    if let Some(seconds) = info.number("uptime_in_seconds") {
        let _ = write!(text, ", up {}", HumanDuration(Duration::from_secs(seconds)));
    }
    Some(text)
}

/// `12.30 MiB of 737.00 MiB, allkeys-lru`
pub fn describe_memory(info: &Info) -> Option<String> {
    let used = HumanBytes(info.number("used_memory")?);
    let limit = match info.number("maxmemory") {
        None => String::new(),
        Some(0) => ", without a limit".to_owned(),
        Some(limit) => format!(" of {}", HumanBytes(limit)),
    };
    let policy = info.get("maxmemory_policy").map(|policy| format!(", {policy}")).unwrap_or_default();
    Some(format!("{used}{limit}{policy}"))
}
