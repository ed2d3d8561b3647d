//! `bench cache delete`

use super::site_cache::{KeyArgs, SiteCache};
use crate::cli::{Context, stdout};
use crate::error::Result;
use crate::exit_code::ExitCode;

/// Remove values from the cache
///
/// What is not there counts as removed already: the exit status is 0.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The keys, without the site's prefix; `*` is no wildcard here
    #[arg(required = true, value_name = "KEY")]
    keys: Vec<String>,
    #[command(flatten)]
    whose: KeyArgs,
}

pub fn run(args: &Args, context: &Context) -> Result<ExitCode> {
    let site = SiteCache::open(&args.whose.site.site, context)?;
    let keys = args.keys.iter().map(|name| args.whose.key(name));
    let first = args.keys.first().map(String::as_str).unwrap_or_default();
    let removed = site.cache.strict().delete_values(keys).map_err(|error| site.failed(first, error))?;
    let plural = if args.keys.len() == 1 { "key" } else { "keys" };
    stdout::print(format!("removed {removed} of {} {plural}", args.keys.len()))?;
    Ok(ExitCode::Done)
}
