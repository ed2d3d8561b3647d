//! `bench --site SITE migrate-doctypes`: the tables of the site's doctypes, made and altered by the library
//! for Python workers, where no framework is installed that does so.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::process::Command;

use super::{Context, run_as};
use crate::error::{Error, Problem, Result, plain_io};
use crate::settings::BenchDir;

/// The command's name, behind `--site SITE`.
pub const MIGRATE: &str = "migrate-doctypes";

/// Becomes the library's command line for a site, or for all of them if it is `all`. Only comes back if that
/// fails.
pub fn become_the_migration(context: &Context, bench: &BenchDir, site: &OsStr) -> Error {
    migration(context, bench, site).map_or_else(
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

fn migration(context: &Context, bench: &BenchDir, site: &OsStr) -> Result<Command> {
    let sites = sites_meant(bench, site)?;
    run_as::settle_by_settings(context, bench)?;
    let python = bench.join("env/bin/python");
    if !python.exists() {
        return Err(Error::failed(
            Problem::new(format!("`{MIGRATE}` is done by the bench's Python, which is missing"))
                .at(python.display())
                .fix("make it with `bench setup env`"),
        ));
    }
    let mut command = Command::new(&python);
    command.args(["-m", "dontmanage_cache.model", MIGRATE]);
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
