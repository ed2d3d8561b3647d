//! `bench status`

use std::fmt::Write as _;

use super::{Context, stdout};
use crate::control::{Client, LastExit, ProgramStatus, Reply, Request, StatusReport};
use crate::error::{Problem, Result};
use crate::exit_code::ExitCode;
use crate::settings::Bytes;

/// Show the programs of the running bench
#[derive(clap::Args, Debug)]
pub struct Args {
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args, context: &Context) -> Result<ExitCode> {
    let bench = context.bench()?;
    let report = match Client::connect(bench.path())?.ask(&Request::Status, Some(super::PATIENCE))? {
        Reply::Status(report) => report,
        other => return Err(Problem::new(format!("the supervisor gave an odd answer: {other:?}")).into()),
    };
    if args.json {
        let text = serde_json::to_string_pretty(&report)
            .map_err(|error| Problem::new(format!("cannot write the status: {error}")))?;
        stdout::print(text)?;
    } else {
        stdout::print(table(&report).trim_end())?;
    }
    let unhealthy =
        |program: &ProgramStatus| matches!(program.state.as_str(), "failed" | "unhealthy" | "backoff");
    Ok(if report.programs.iter().any(unhealthy) { ExitCode::Unhealthy } else { ExitCode::Done })
}

fn table(report: &StatusReport) -> String {
    let mut rows =
        vec![["PROGRAM", "STATE", "PID", "UPTIME", "RESTARTS", "MEMORY", "LAST EXIT"].map(str::to_owned)];
    rows.extend(report.programs.iter().map(|program| {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        [
            program.name.clone(),
            program.state.clone(),
            or_dash(program.pid.map(|pid| pid.to_string())),
            or_dash(program.uptime_s.map(uptime)),
            program.restarts.to_string(),
            or_dash(program.rss_bytes.map(|bytes| format!("{} MiB", Bytes(bytes).mib()))),
            or_dash(program.last_exit.map(|exit| match exit {
                LastExit::Status(status) => status.to_string(),
                LastExit::Signal(signal) => format!("signal {signal}"),
            })),
        ]
    }));
    let widths: Vec<usize> =
        (0..7).map(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}")).collect();
        // Writing to a String can't fail.
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
    text
}

fn uptime(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        3600..86400 => format!("{}h {}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d {}h", seconds / 86400, seconds / 3600 % 24),
    }
}
