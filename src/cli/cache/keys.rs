//! `bench cache keys`

use serde_json::json;

use super::escape::key_line;
use super::site_cache::{SiteArgs, SiteCache};
use crate::cli::{Context, stdout};
use crate::error::Result;
use crate::exit_code::ExitCode;

/// List a site's keys, in order, without the site's prefix
#[derive(clap::Args, Debug)]
pub struct Args {
    /// What the keys begin with; `*` stands for anything
    #[arg(default_value = "", hide_default_value = true)]
    prefix: String,
    #[command(flatten)]
    site: SiteArgs,
    /// At most so many
    #[arg(short = 'n', value_name = "N")]
    limit: Option<usize>,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args, context: &Context) -> Result<ExitCode> {
    let site = SiteCache::open(&args.site.site, context)?;
    let keys =
        site.cache.strict().get_keys(&args.prefix).map_err(|error| site.failed(&args.prefix, error))?;
    let shown = args.limit.unwrap_or(keys.len()).min(keys.len());
    let names = keys.iter().take(shown).map(|key| site.without_prefix(key));
    if args.json {
        let names: Vec<_> = names.map(String::from_utf8_lossy).collect();
        stdout::print(json!({ "keys": names, "total": keys.len() }))?;
    } else {
        let terminal = stdout::is_terminal();
        let mut out = stdout::Stdout::new();
        for name in names {
            out.bytes(&key_line(name, terminal))?;
        }
        out.finish()?;
        if shown < keys.len() {
            context.say(format!("{} more keys are not shown", keys.len() - shown));
        }
    }
    Ok(ExitCode::Done)
}
