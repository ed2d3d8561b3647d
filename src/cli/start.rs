//! `bench start`

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use indexmap::IndexMap;

use super::{Context, run_as, setup, surroundings};
use crate::control::{self, Server};
use crate::error::{Error, Problem, Result};
use crate::exit_code::ExitCode;
use crate::names::ProgramName;
use crate::procfile::{self, Entry};
use crate::settings::{BenchDir, Settings};
use crate::supervise::{
    self, Choice, Divided, Guarded, Lock, Output, Plan, Stream, Style, Terminal, divide, preflight,
};

/// Start redis, wait until it answers, then start the programs, and keep them running
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Only these programs, and what they depend on
    programs: Vec<String>,
    /// How many processes of a program, like `web=2,worker=3`
    #[arg(short = 'm', long = "formation", visible_short_alias = 'c', visible_alias = "concurrency",
          value_name = "PROGRAM=N", value_delimiter = ',', value_parser = formation)]
    formation: Vec<(String, u32)>,
    /// Another file instead of the bench's Procfile
    #[arg(short = 'p', long = "procfile", visible_alias = "procfile-path", value_name = "FILE")]
    procfile: Option<PathBuf>,
    /// Return when everything is ready, and leave it running
    #[arg(long)]
    detach: bool,
    /// This is the process that `--detach` left running
    #[arg(long, hide = true)]
    detached: bool,
    /// Stop everything when a program fails for good
    #[arg(long)]
    exit_on_failure: bool,
    /// Without the framework's development helpers
    #[arg(long)]
    no_dev: bool,
    /// Without the programs' names before their lines
    #[arg(long)]
    no_prefix: bool,
}

/// The stream of a detached bench, in `logs/`.
const STREAM: &str = "bench.log";

fn formation(text: &str) -> Result<(String, u32), String> {
    let (name, count) = text.split_once('=').ok_or("write PROGRAM=N")?;
    let name = ProgramName::new(name).map_err(|error| error.to_string())?;
    let count = count.parse().map_err(|_| format!("`{count}` is not a number of processes"))?;
    if count > 1000 {
        return Err(format!("{count} processes are too many"));
    }
    Ok((name.to_string(), count))
}

pub fn run(args: &Args, context: &Context) -> Result<ExitCode> {
    let (bench, settings) = context.bench_and_settings()?;
    run_as::settle(&bench, &settings)?;
    if args.detach {
        return detach(&bench, context);
    }
    let plan = make_plan(args, &bench, &settings, context)?;
    let mut lock = Lock::take(bench.path())?;
    let findings = preflight::look(&bench, &settings, &plan);
    if !findings.problems.is_empty() {
        return Err(Error::with_code(ExitCode::Failed, findings.problems));
    }
    for remark in findings.remarks {
        context.say(remark);
    }
    let seed = u64::from_str_radix(plan.run_id.get(..16).unwrap_or_default(), 16).unwrap_or(1);
    // From here on there are two of us; the lock is held until both are gone.
    match divide()? {
        Divided::Guard(code) => Ok(code),
        Divided::Supervisor(guarded) => {
            lock.sign(std::process::id(), &plan.run_id);
            supervise_plan(&plan, args, &guarded, seed)
        }
    }
}

fn supervise_plan(plan: &Plan, args: &Args, guarded: &Guarded, seed: u64) -> Result<ExitCode> {
    let names: Vec<String> = plan.instances.iter().map(|instance| instance.name.clone()).collect();
    let mut server = Server::listen(&plan.bench, names)?;
    let stdout = std::io::stdout();
    let terminal = stdout.is_terminal();
    let style = Style {
        colour: anstream::AutoStream::choice(&stdout) != anstream::ColorChoice::Never,
        escape: terminal,
        bare: args.no_prefix,
    };
    let names: Vec<&str> = plan.instances.iter().map(|instance| instance.name.as_str()).collect();
    let output = Output::new(
        &names,
        &plan.bench.join("logs"),
        style,
        terminal_for(args, plan).map_err(|source| no_output(&source))?,
    );
    supervise::supervise(plan, output, &mut server, guarded, seed)
}

/// Where the stream goes: to stdout, or, of a detached bench, to a log that does not grow for ever.
fn terminal_for(args: &Args, plan: &Plan) -> std::io::Result<Terminal> {
    if args.detached {
        return Terminal::new(Stream::new(plan.bench.join("logs").join(STREAM)));
    }
    Terminal::new(std::fs::File::from(std::io::stdout().as_fd().try_clone_to_owned()?))
}

fn no_output(source: &std::io::Error) -> Error {
    Error::io("write to", Path::new("/dev/stdout"), source)
}

fn make_plan(args: &Args, bench: &BenchDir, settings: &Settings, context: &Context) -> Result<Plan> {
    let entries = read_procfile(args, bench, settings)?;
    let mut surroundings = surroundings::of(bench, settings)?;
    surroundings.development = !args.no_dev;
    let choice = Choice {
        only: args.programs.clone(),
        instances: args.formation.iter().cloned().collect::<IndexMap<_, _>>(),
        exit_on_failure: args.exit_on_failure,
    };
    let plan = supervise::plan(bench, settings, &entries, &surroundings, &choice)?;
    if entries.is_empty() {
        context.say("note: the Procfile names no program, only `[programs]` of bench.toml do");
    }
    Ok(plan)
}

/// The Procfile, or, where there is none, what `bench setup procfile` would write.
fn read_procfile(args: &Args, bench: &BenchDir, settings: &Settings) -> Result<Vec<Entry>> {
    let path = args.procfile.clone().unwrap_or_else(|| bench.join("Procfile"));
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(source) if source.kind() == std::io::ErrorKind::NotFound && args.procfile.is_none() => {
            setup::procfile_text(bench, settings)?
        }
        Err(source) => return Err(Error::io("read", &path, &source)),
    };
    let file = path
        .file_name()
        .map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
    procfile::parse(&text).map_err(|errors| {
        Error::with_code(ExitCode::Usage, errors.iter().map(|error| error.problem(&file)).collect())
    })
}

/// Starts the same command without `--detach` in a session of its own, and waits until all is ready.
fn detach(bench: &BenchDir, context: &Context) -> Result<ExitCode> {
    // Whoever holds it is told about, before anything is started.
    drop(Lock::take(bench.path())?);
    let path = bench.logs().join(STREAM);
    std::fs::create_dir_all(bench.logs()).map_err(|source| Error::io("make", &bench.logs(), &source))?;
    let log = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        .custom_flags(nix::libc::O_NOFOLLOW)
        .open(&path)
        .map_err(|source| Error::io("open", &path, &source))?;
    let already = log.metadata().map_err(|source| Error::io("read", &path, &source))?.len();
    let program =
        std::env::current_exe().map_err(|source| Error::io("find", Path::new("/proc/self/exe"), &source))?;
    let detached = |arg: OsString| if arg == "--detach" { "--detached".into() } else { arg };
    let args: Vec<OsString> = std::env::args_os().skip(1).map(detached).collect();
    let mut command = Command::new(program);
    command.args(args);
    let pid = supervise::detached(&mut command, log)
        .map_err(|source| Error::io("start", Path::new("bench"), &source))?;
    if let Some(report) = control::wait_until_up(bench.path(), pid)? {
        let (programs, pid) = (report.programs.len(), report.pid);
        let failed: Vec<&str> = report
            .programs
            .iter()
            .filter(|program| program.state == "failed")
            .map(|program| program.name.as_str())
            .collect();
        if failed.is_empty() {
            context.say(format_args!("{programs} programs run, supervised by pid {pid}"));
            return Ok(ExitCode::Done);
        }
        let names = failed.join(", ");
        let problem =
            Problem::new(format!("{names} failed; the rest of the bench runs, supervised by pid {pid}"))
                .at(path.display())
                .fix(format!(
                    "look at `bench logs {}`, then run `bench restart {0}`, or `bench stop`",
                    failed.join(" ")
                ));
        return Err(Error::with_code(ExitCode::Unhealthy, vec![problem]));
    }
    let text = std::fs::read(&path).map_err(|source| Error::io("read", &path, &source))?;
    let begin = usize::try_from(already).unwrap_or(0).min(text.len());
    let said = String::from_utf8_lossy(&text[begin..]).into_owned();
    Err(Problem::new(format!("the bench did not come up\n{}", said.trim_end())).at(path.display()).into())
}
