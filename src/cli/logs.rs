//! `bench logs`

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::Context;
use crate::control::{Client, Reply, Request};
use crate::error::{Error, Result, printable};
use crate::exit_code::ExitCode;
use crate::settings::BenchDir;
use crate::supervise::Lock;

/// Show what the programs say
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Only these programs
    programs: Vec<String>,
    /// Go on with every new line
    #[arg(short, long)]
    follow: bool,
    /// How many of the last lines
    #[arg(short = 'n', long, value_name = "N", default_value_t = 100)]
    lines: usize,
}

pub fn run(args: &Args, context: &Context) -> Result<ExitCode> {
    let bench = context.bench()?;
    if Lock::holder(bench.path())?.is_none() && !args.follow {
        return of_a_stopped_bench(args, &bench);
    }
    let mut client = Client::connect(bench.path())?;
    let request = Request::Logs { programs: args.programs.clone(), lines: args.lines, follow: args.follow };
    client.send(&request)?;
    let mut out = std::io::stdout().lock();
    // Without end while the bench runs and somebody reads.
    let patience = (!args.follow).then_some(super::PATIENCE);
    loop {
        let written = match client.receive(patience)? {
            Some(Reply::Line { program, text }) => writeln!(out, "{program} | {}", printable(&text)),
            Some(Reply::Lost { lines }) => writeln!(out, "({lines} lines were too fast)"),
            Some(Reply::Failed { what, fix }) => {
                let problem = crate::error::Problem::new(what);
                return Err(Error::usage(match fix {
                    Some(fix) => problem.fix(fix),
                    None => problem,
                }));
            }
            Some(Reply::Done | Reply::Status(_)) | None => return Ok(ExitCode::Done),
        };
        if written.is_err() {
            // Whoever read it has gone.
            return Ok(ExitCode::Done);
        }
    }
}

/// The last lines of each log file.
fn of_a_stopped_bench(args: &Args, bench: &BenchDir) -> Result<ExitCode> {
    let folder = bench.logs();
    let mut files: Vec<(String, std::path::PathBuf)> = Vec::new();
    if let Ok(entries) = std::fs::read_dir(&folder) {
        for entry in entries.flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if let Some(name) = name.strip_suffix(".log")
                // A fifo would keep us waiting.
                && path.is_file()
                && (args.programs.is_empty() || args.programs.iter().any(|program| is_of(name, program)))
            {
                files.push((name.to_owned(), path));
            }
        }
    }
    files.sort();
    let mut out = std::io::stdout().lock();
    for (name, path) in files {
        for line in last_lines(&path, args.lines)? {
            if writeln!(out, "{name} | {}", printable(&line)).is_err() {
                return Ok(ExitCode::Done);
            }
        }
    }
    Ok(ExitCode::Done)
}

fn is_of(name: &str, program: &str) -> bool {
    name.strip_prefix(program).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// So much of a log's end is read: a log that others write may be as large as the disk.
const END: u64 = 4 * 1024 * 1024;

fn last_lines(path: &Path, count: usize) -> Result<Vec<String>> {
    let mut bytes = Vec::new();
    let mut read = || {
        let mut file = File::open(path)?;
        let begin = file.metadata()?.len().saturating_sub(END);
        file.seek(SeekFrom::Start(begin))?;
        file.take(END).read_to_end(&mut bytes)?;
        Ok(begin > 0)
    };
    let cut = read().map_err(|source: io::Error| Error::io("read", path, &source))?;
    let text = String::from_utf8_lossy(&bytes);
    // Of a line that begins before, only a part would be shown.
    let lines: Vec<&str> = text.lines().skip(usize::from(cut)).collect();
    Ok(lines[lines.len().saturating_sub(count)..].iter().map(ToString::to_string).collect())
}
