//! `bench cache set`

use dontmanage_cache::{Lifetime, Value};

use super::json;
use super::server::usage;
use super::site_cache::{KeyArgs, SiteCache};
use crate::cli::Context;
use crate::error::Result;
use crate::exit_code::ExitCode;
use crate::settings::parse_duration;

/// Store a value in the cache, as a worker would
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The key, without the site's prefix
    key: String,
    /// The value: a text, or anything with --json; behind `--` if it begins with `-`
    #[arg(allow_negative_numbers = true)]
    value: String,
    #[command(flatten)]
    whose: KeyArgs,
    /// How long it is kept: `60s`, `1h` [default: until it is evicted]
    #[arg(long, value_name = "DURATION")]
    ttl: Option<String>,
    /// Store it as this field of a hash
    #[arg(long, conflicts_with = "ttl")]
    field: Option<String>,
    /// VALUE is JSON: `42`, `null`, `{"a": [1, 2]}`
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args, context: &Context) -> Result<ExitCode> {
    let value = if args.json {
        json::parse(&args.value).map_err(|why| {
            usage(format!("the value is no JSON: {why}"), "a text goes in double quotes, as in '\"text\"'")
        })?
    } else {
        Value::from(args.value.as_str())
    };
    let lifetime = args.ttl.as_deref().map_or(Ok(Lifetime::NONE), lifetime)?;
    let site = SiteCache::open(&args.whose.site.site, context)?;
    let key = args.whose.key(&args.key);
    let stored = match &args.field {
        Some(field) => site.cache.strict().hset(key, field, &value),
        None => site.cache.strict().set_value(key, &value, lifetime),
    };
    stored.map_err(|error| site.failed(&args.key, error))?;
    Ok(ExitCode::Done)
}

fn lifetime(text: &str) -> Result<Lifetime> {
    let duration =
        parse_duration(text).map_err(|error| usage(format!("--ttl: {error}"), "write `--ttl 60s`"))?;
    if duration.is_zero() {
        return Err(usage("--ttl: a lifetime of 0 is none", "leave `--ttl` out for a value without one"));
    }
    Ok(Lifetime::from(duration))
}
