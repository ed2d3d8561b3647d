//! `bench --site SITE migrate-doctypes`, `clear-cache` and `clear-website-cache` where no framework is
//! installed that does so: done by the library for Python workers, which knows the doctypes of the site and
//! the hooks of its apps.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::process::Command;

use super::{Context, run_as};
use crate::error::{Error, Problem, Result, plain_io};
use crate::files::{MAX_TEXT, read_text};
use crate::settings::BenchDir;

/// Makes and alters the tables of the site's doctypes.
pub const MIGRATE: &str = "migrate-doctypes";

/// Empties the site's cache, but for what its apps keep.
pub const CLEAR: &str = "clear-cache";

/// Forgets what is cached of the site's pages.
pub const CLEAR_WEBSITE: &str = "clear-website-cache";

/// Whether clearing a site is the library's: its apps may have hooks.
pub fn clears(bench: &BenchDir) -> Result<bool> {
    let path = bench.sites().join("apps.txt");
    let apps = read_text(&path, MAX_TEXT)?;
    Ok(apps.is_some_and(|apps| apps.lines().any(|app| !app.trim().is_empty())))
}

/// Becomes the library's command line for a site, or for all of them if it is `all`. Only comes back if that
/// fails.
pub fn become_the_library(context: &Context, bench: &BenchDir, verb: &str, site: &OsStr) -> Error {
    command_line(context, bench, verb, site).map_or_else(
        |error| error,
        |mut command| {
            let source = command.exec();
            Error::failed(
                Problem::new(format!(
                    "cannot run `{}`: {}",
                    command.get_program().to_string_lossy(),
                    plain_io(&source)
                ))
                .fix("make the environment anew: remove `env/`, then `bench setup env`"),
            )
        },
    )
}

fn command_line(context: &Context, bench: &BenchDir, verb: &str, site: &OsStr) -> Result<Command> {
    let sites = sites_meant(bench, site)?;
    run_as::settle_by_settings(context, bench)?;
    let python = bench.join("env/bin/python");
    if !python.exists() {
        return Err(Error::failed(
            Problem::new(format!("`{verb}` is done by the bench's Python, which is missing"))
                .at(python.display())
                .fix("make it with `bench setup env`"),
        ));
    }
    let mut command = Command::new(&python);
    command.args(["-m", "dontmanage_cache", verb]);
    for site in sites {
        command.arg("--site").arg(site);
    }
    command.current_dir(bench.sites()).env("SITES_PATH", bench.sites());
    Ok(command)
}

fn sites_meant(bench: &BenchDir, site: &OsStr) -> Result<Vec<OsString>> {
    if site != "all" {
        return Ok(vec![site.to_owned()]);
    }
    let sites: Vec<_> = bench.site_names()?.iter().map(|name| OsString::from(name.to_string())).collect();
    if sites.is_empty() {
        return Err(Error::usage(
            Problem::new("the bench has no site").fix("make one with `bench new-site SITE`"),
        ));
    }
    Ok(sites)
}
