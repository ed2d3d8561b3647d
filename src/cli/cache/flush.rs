//! `bench cache flush`

use std::io::{BufRead, IsTerminal, Write};
use std::time::{Duration, Instant};

use dontmanage_cache::{Flush, FlushReport, KeyPrefix};
use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use super::escape::escaped;
use super::server::{Server, failed, usage};
use super::site_cache::key_prefix;
use crate::cli::{Context, stdout};
use crate::error::{Error, Problem, Result, plain_io};
use crate::exit_code::ExitCode;
use crate::settings::{BenchDir, Site};

/// Remove all cached values of a site, and no one else's
///
/// Goes over the keys in small steps while other programs are served. Keys that the sites of a bench
/// share stay.
#[derive(clap::Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[command(group = clap::ArgGroup::new("which").required(true))]
pub struct Args {
    /// The site; may be given several times
    #[arg(long, value_name = "SITE", group = "which")]
    site: Vec<String>,
    /// Every site of the bench
    #[arg(long, group = "which")]
    all_sites: bool,
    /// Count the keys and show some, but remove nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask before flushing every site
    #[arg(short, long)]
    yes: bool,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args, context: &Context) -> Result<ExitCode> {
    let server = Server::of(context)?;
    let sites = if args.all_sites {
        let sites = Site::all(&server.bench)?;
        if sites.is_empty() {
            return Err(usage("the bench has no sites", "make one with `bench new-site SITE`"));
        }
        sites
    } else {
        let sites =
            args.site.iter().map(|name| Site::find(&server.bench, name)).collect::<Result<Vec<_>>>()?;
        warn_of_sharers(&server.bench, &sites, context)?;
        sites
    };
    let prefixes = sites.iter().map(key_prefix).collect::<Result<Vec<_>>>()?;
    if args.all_sites && !args.yes && !args.dry_run {
        confirm(&sites)?;
    }
    let started = Instant::now();
    let report = flush(&server, prefixes, args.dry_run)?;
    if args.json {
        stdout::print(as_json(&sites, &report, args.dry_run))?;
    } else {
        stdout::print(describe(&sites, &report, args.dry_run, started.elapsed()))?;
    }
    Ok(ExitCode::Done)
}

fn flush(server: &Server, prefixes: Vec<KeyPrefix>, dry_run: bool) -> Result<FlushReport> {
    let connected = server.connect()?;
    let bar = progress_bar();
    let done = Flush::of(prefixes)
        .dry_run(dry_run)
        .on_progress(|so_far| {
            bar.set_length(so_far.total);
            bar.set_position(so_far.scanned);
            bar.set_message(format!("{} found", HumanCount(so_far.matched)));
        })
        .run(&connected.client);
    bar.finish_and_clear();
    done.map_err(|error| {
        let removed = error.report.removed;
        let failure = failed(error.source, &connected.url);
        if removed == 0 {
            return failure;
        }
        // Half done is said: the rest is still there.
        let told =
            Problem::new(format!("the flush ended early, after {} keys were removed", HumanCount(removed)))
                .fix("run it again: it removes what is left");
        let problems = failure.problems().iter().cloned().chain([told]).collect();
        Error::with_code(failure.exit_code(), problems)
    })
}

/// On a terminal's stderr only, and only once it has lasted long enough to be worth a look.
fn progress_bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("  {bar:30} {human_pos} of {human_len} keys looked at, {msg}");
    ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10))
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn warn_of_sharers(bench: &BenchDir, sites: &[Site], context: &Context) -> Result<()> {
    for site in sites {
        let others: Vec<_> = site.sharers(bench)?.iter().map(|name| format!("`{name}`")).collect();
        if !others.is_empty() {
            context.say(format!(
                "warning: `{}` has the same `db_name` as {}: their keys are the same and go with it",
                site.name,
                others.join(", ")
            ));
        }
    }
    Ok(())
}

/// Asks a person. Nobody there to ask is a refusal: a script says what it means by `--yes`.
fn confirm(sites: &[Site]) -> Result<()> {
    let question = format!("remove all cached values of {} ({})?", count(sites), names(sites));
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(usage(
            question.trim_end_matches('?').replacen("remove", "not asked whether to remove", 1),
            "add `--yes`, or see first what is there with `--dry-run`",
        ));
    }
    let answer = (|| {
        let mut stderr = std::io::stderr();
        write!(stderr, "{} [y/N] ", crate::error::printable(&question))?;
        stderr.flush()?;
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer)?;
        Ok(answer)
    })()
    .map_err(|source: std::io::Error| {
        Error::failed(Problem::new(format!("cannot ask: {}", plain_io(&source))))
    })?;
    if matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
        Ok(())
    } else {
        Err(Error::failed(Problem::new("nothing was removed")))
    }
}

fn count(sites: &[Site]) -> String {
    format!("{} site{}", sites.len(), if sites.len() == 1 { "" } else { "s" })
}

fn names(sites: &[Site]) -> String {
    const NAMED: usize = 5;
    let names: Vec<_> = sites.iter().take(NAMED).map(|site| site.name.to_string()).collect();
    if sites.len() > NAMED { format!("{}, …", names.join(", ")) } else { names.join(", ") }
}

/// How many keys a site has, by the report. Sites of one prefix have the same keys.
fn matched(site: &Site, report: &FlushReport) -> u64 {
    let counts = report.by_prefix.iter();
    counts.filter(|(prefix, _)| prefix.as_str() == site.key_prefix()).map(|(_, count)| count).sum()
}

fn describe(sites: &[Site], report: &FlushReport, dry_run: bool, took: Duration) -> String {
    let mut lines = Vec::new();
    let width = sites.iter().map(|site| site.name.as_str().chars().count()).max().unwrap_or(0);
    if sites.len() > 1 {
        for site in sites {
            lines.push(format!(
                "{:<width$}  {} keys",
                escaped(site.name.as_str().as_bytes()),
                HumanCount(matched(site, report))
            ));
        }
    }
    let of = match sites {
        [site] => format!("of `{}` (they begin with `{}|`)", site.name, site.key_prefix()),
        sites => format!("of {}", count(sites)),
    };
    let (found, removed, total) =
        (HumanCount(report.matched), HumanCount(report.removed), HumanCount(report.total));
    if dry_run {
        lines.push(format!("would remove {found} of the cache's {total} keys: those {of}"));
        lines.extend(report.samples.iter().map(|key| format!("  {}", escaped(key))));
        let more = report.matched.saturating_sub(report.samples.len() as u64);
        if more > 0 {
            lines.push(format!("  … and {} more", HumanCount(more)));
        }
    } else {
        lines.push(format!("removed {removed} of {found} keys {of} in {:.2} s", took.as_secs_f64()));
    }
    lines.iter().map(|line| crate::error::printable(line)).collect::<Vec<_>>().join("\n")
}

fn as_json(sites: &[Site], report: &FlushReport, dry_run: bool) -> serde_json::Value {
    let sites = sites.iter().map(|site| {
        json!({ "site": site.name.as_str(), "prefix": site.key_prefix(), "matched": matched(site, report) })
    });
    let samples = report.samples.iter().map(|key| String::from_utf8_lossy(key));
    json!({
        "dry_run": dry_run,
        "total": report.total,
        "matched": report.matched,
        "removed": report.removed,
        "sites": sites.collect::<Vec<_>>(),
        "samples": if dry_run { samples.collect() } else { Vec::new() },
    })
}
