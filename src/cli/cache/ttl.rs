//! `bench cache ttl`

use std::time::Duration;

use dontmanage_cache::Ttl;
use serde_json::json;

use super::site_cache::{KeyArgs, SiteCache};
use crate::cli::{Context, stdout};
use crate::error::Result;
use crate::exit_code::ExitCode;
use crate::settings::show_duration;

/// Print how long a value is kept yet
///
/// Exit status 1 if there is no such key.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The key, without the site's prefix
    key: String,
    #[command(flatten)]
    whose: KeyArgs,
    /// One JSON object: `{"ttl_s": 59.5}`; null is no limit
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args, context: &Context) -> Result<ExitCode> {
    let site = SiteCache::open(&args.whose.site.site, context)?;
    let left = match site.cache.strict().ttl(args.whose.key(&args.key)) {
        Ok(Ttl::Left(left)) => Some(left),
        Ok(Ttl::Missing) => return Err(site.missing(&args.key, None)),
        Ok(_) => None,
        Err(error) => return Err(site.failed(&args.key, error)),
    };
    if args.json {
        stdout::print(json!({ "ttl_s": left.map(|left| left.as_secs_f64()) }))?;
    } else {
        stdout::print(left.map_or_else(|| "no limit".to_owned(), |left| show_duration(whole_seconds(left))))?;
    }
    Ok(ExitCode::Done)
}

/// Rounded up: a value that is still there has a second left, not none.
fn whole_seconds(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_secs() + u64::from(duration.subsec_nanos() > 0))
}
