//! Commands that are not ours. A bench with the framework hands them on to it, unchanged: words,
//! streams and exit status. The framework's own programs call `bench …` and rely on that.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use clap::CommandFactory;

use super::library::{self, CLEAR, CLEAR_WEBSITE, MIGRATE, become_the_library};
use super::{Cli, Context, GlobalArgs, env, run_as, sites};
use crate::error::{Error, Problem, Result, plain_io};
use crate::settings::{self, BenchDir, PYTHON_PATH, WORKER_LIBRARY_SWITCH, WorkerLibrary};
use crate::supervise;

/// Commands that both have. They concern the framework's sites, so where it is installed they are its.
const THE_FRAMEWORKS: &[&str] = &["new-site", "use"];

/// A command line that is not, or not always, for our own parser.
#[derive(Debug)]
struct Handed {
    /// Our own flags before the command, as they are.
    flags: Vec<OsString>,
    /// What they say.
    global: GlobalArgs,
    /// Everything behind them.
    words: Vec<OsString>,
    /// Whether we have such a command too.
    ours_too: bool,
}

/// Takes the command line, without the program's name, and answers the one for our own parser. A command
/// of the framework does not come back: this process becomes it.
pub fn settle(line: Vec<OsString>) -> Result<Vec<OsString>> {
    let Some(handed) = sort(&line) else { return Ok(line) };
    let context = Context::new(handed.global.clone());
    let bench = match context.bench() {
        Ok(bench) => bench,
        Err(_) if handed.ours_too => return Ok(line),
        Err(error) => return Err(outside(&handed.words, error)),
    };
    if bench.framework().is_installed() {
        return Err(become_the_framework(&context, &bench, &handed.words));
    }
    if handed.ours_too {
        return Ok(line);
    }
    let mut ours = handed.flags;
    ours.extend(without_framework(&context, &bench, &handed.words)?);
    Ok(ours)
}

/// None for a command line that is ours.
fn sort(line: &[OsString]) -> Option<Handed> {
    let mut global = GlobalArgs { dir: None, quiet: false };
    let mut rest = line;
    while let Some((word, after)) = rest.split_first() {
        match word.to_str() {
            Some("-q" | "--quiet") => {
                global.quiet = true;
                rest = after;
            }
            Some("-C") => {
                let (dir, after) = after.split_first()?;
                global.dir = Some(PathBuf::from(dir));
                rest = after;
            }
            Some(text) if text.starts_with("-C") => {
                let dir = text.trim_start_matches("-C");
                global.dir = Some(PathBuf::from(dir.strip_prefix('=').unwrap_or(dir)));
                rest = after;
            }
            Some("-h" | "--help" | "-v" | "-V" | "--version" | "--") => return None,
            text => {
                let ours_too = text.is_some_and(is_ours);
                if ours_too && !text.is_some_and(|text| THE_FRAMEWORKS.contains(&text)) {
                    return None;
                }
                let flags = line.iter().take(line.len() - rest.len()).cloned().collect();
                return Some(Handed { flags, global, words: rest.to_vec(), ours_too });
            }
        }
    }
    None
}

fn is_ours(word: &str) -> bool {
    Cli::command()
        .get_subcommands()
        .any(|command| command.get_name() == word || command.get_all_aliases().any(|alias| alias == word))
}

/// Becomes the framework's command line. Only comes back if that fails.
fn become_the_framework(context: &Context, bench: &BenchDir, words: &[OsString]) -> Error {
    if let Err(error) = run_as::settle_by_settings(context, bench) {
        return error;
    }
    let python = bench.join("env/bin/python");
    if !python.exists() {
        return Error::failed(
            Problem::new(format!(
                "`{}` is a command of the framework, whose Python is missing",
                shown(words)
            ))
            .at(python.display())
            .fix("make it with `bench setup env`, and install the bench's apps into it"),
        );
    }
    let mut command = Command::new(&python);
    command
        .args(["-m", "dontmanage.utils.bench_helper", "dontmanage"])
        .args(words)
        .current_dir(bench.sites());
    if std::env::var_os("BENCH_DIR").is_some_and(|dir| dir != bench.path().as_os_str()) {
        // A worker of another bench calls; where its cache is, and how it is used, is not for this one.
        for name in ["BENCH_DIR"].iter().chain(supervise::CACHE_VARIABLES) {
            command.env_remove(name);
        }
    }
    match WorkerLibrary::find_despite_mistakes(bench, &env) {
        Ok(Some(library)) => {
            let path = library.python_path(std::env::var_os(PYTHON_PATH).as_deref());
            command.env(PYTHON_PATH, path).env(WORKER_LIBRARY_SWITCH, library.bench());
        }
        // Whoever calls may be a worker of another bench.
        Ok(None) => drop(command.env_remove(WORKER_LIBRARY_SWITCH)),
        Err(error) => return error,
    }
    let source = command.exec();
    if bench.sites().is_dir() {
        Error::failed(
            Problem::new(format!("cannot run `{}`: {}", python.display(), plain_io(&source)))
                .fix("make the environment anew: remove `env/`, then `bench setup env`"),
        )
    } else {
        Error::failed(
            Problem::new("the bench has no `sites/`, where the framework runs").at(bench.path().display()),
        )
    }
}

/// What we answer ourselves in a bench without the framework: `bench [--site SITE] clear-cache` is our
/// `bench cache flush`, unless apps have a word in it, and the rest is the library's.
fn without_framework(context: &Context, bench: &BenchDir, words: &[OsString]) -> Result<Vec<OsString>> {
    const NO_FRAMEWORK: &str = "no framework is installed in this bench";
    let (site, rest) = split_site(words);
    let Some((command, arguments)) = rest.split_first() else {
        return Err(unknown(words.first(), NO_FRAMEWORK));
    };
    let known = [MIGRATE, CLEAR, CLEAR_WEBSITE].into_iter().find(|known| command == known);
    if let Some(known) = known.filter(|_| arguments.is_empty()) {
        let site = match site {
            Some(site) => site.to_owned(),
            None => sites::current_site(bench)?.ok_or_else(|| no_site(bench, command))?.into(),
        };
        if known != CLEAR || library::clears(bench)? {
            return Err(become_the_library(context, bench, known, &site));
        }
        let flush =
            if site == "all" { ["--all-sites".into(), "--yes".into()] } else { ["--site".into(), site] };
        return Ok(["cache", "flush"].into_iter().map(OsString::from).chain(flush).collect());
    }
    match command.to_str() {
        Some(command) if site.is_some() && is_ours(command) => Err(Error::usage(
            Problem::new(format!("`--site` does not go before `{command}`"))
                .fix(format!("see `bench {command} --help`")),
        )),
        _ => Err(unknown(Some(command), NO_FRAMEWORK)),
    }
}

fn no_site(bench: &BenchDir, command: &OsStr) -> Error {
    let known = bench.site_names().unwrap_or_default();
    let known: Vec<_> = known.iter().take(20).map(|name| format!("`{name}`")).collect();
    let fix = if known.is_empty() {
        "make one with `bench new-site SITE`".to_owned()
    } else {
        format!(
            "name one: `bench --site SITE {}`, or `--site all`; the bench has {}",
            command.to_string_lossy(),
            known.join(", ")
        )
    };
    Error::usage(Problem::new("no site is named").fix(fix))
}

/// `--site SITE` or `--site=SITE` at the beginning, and the words behind it.
fn split_site(words: &[OsString]) -> (Option<&OsStr>, &[OsString]) {
    match words {
        [flag, site, rest @ ..] if flag == "--site" => (Some(site), rest),
        [flag, rest @ ..] => match flag.to_str().and_then(|flag| flag.strip_prefix("--site=")) {
            Some(site) => (Some(OsStr::new(site)), rest),
            None => (None, words),
        },
        [] => (None, words),
    }
}

/// A command that nobody has, typed outside of a bench: whatever it was meant to be, say both.
fn outside(words: &[OsString], not_inside: Error) -> Error {
    let word = words.first().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
    match nearest_command(&word) {
        Some(_) => unknown(words.first(), "and this is no bench whose framework could know it"),
        None => not_inside,
    }
}

fn unknown(word: Option<&OsString>, why: &str) -> Error {
    let word = word.map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
    let kind = if word.starts_with('-') { "option" } else { "command" };
    let problem = Problem::new(format!("unknown {kind} `{word}`: {why}"));
    Error::usage(match nearest_command(&word) {
        Some(known) => problem.fix(format!("did you mean `bench {known}`?")),
        None => problem.fix("`bench --help` lists the commands there are"),
    })
}

fn nearest_command(word: &str) -> Option<String> {
    let known =
        Cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect::<Vec<_>>();
    settings::nearest(word, known)
}

fn shown(words: &[OsString]) -> String {
    words.first().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(line: &[&str]) -> Option<Handed> {
        sort(&line.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn our_own_commands_are_told_from_the_frameworks() {
        for line in [
            &["start"][..],
            &["-C", "/b", "-q", "status", "--json"],
            &["--help"],
            &["-v"],
            &[],
            &["-C"],
            &["set-redis-cache-host", "x"],
        ] {
            assert!(sorted(line).is_none(), "{line:?}");
        }
        for (line, words, ours_too) in [
            (&["serve", "--port", "8000"][..], 3, false),
            (&["--site", "a", "migrate"], 3, false),
            (&["--verbose", "start"], 2, false),
            (&["new-site", "a"], 2, true),
            (&["use", "a"], 2, true),
        ] {
            let handed = sorted(line).unwrap_or_else(|| panic!("{line:?}"));
            assert_eq!((handed.words.len(), handed.ours_too), (words, ours_too), "{line:?}");
        }
        let handed = sorted(&["-C/b", "-q", "worker", "-q", "x"]).unwrap();
        assert_eq!(handed.words, ["worker", "-q", "x"]);
        assert_eq!(handed.flags, ["-C/b", "-q"]);
        assert_eq!((handed.global.dir, handed.global.quiet), (Some(PathBuf::from("/b")), true));
    }

    #[test]
    fn the_site_is_split_off() {
        for (line, site, rest) in [
            (&["--site", "a", "clear-cache"][..], Some("a"), 1),
            (&["--site=a", "clear-cache"], Some("a"), 1),
            (&["clear-cache"], None, 1),
            (&["--site"], None, 1),
        ] {
            let line: Vec<OsString> = line.iter().map(OsString::from).collect();
            let (found, words) = split_site(&line);
            assert_eq!((found.and_then(OsStr::to_str), words.len()), (site, rest), "{line:?}");
        }
    }
}
