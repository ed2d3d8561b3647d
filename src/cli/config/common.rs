//! The commands of today's tool that change `sites/common_site_config.json`, under their old names.

use serde_json::Value;

use super::edit::{warn_if_overruled, write};
use crate::cli::{Context, env};
use crate::error::Result;
use crate::exit_code::ExitCode;
use crate::settings;

/// Set keys of `sites/common_site_config.json` by their names there
#[derive(clap::Args, Debug)]
pub struct SetArgs {
    /// A key and its value, a Python literal or else text
    #[arg(
        short,
        long = "config",
        num_args = 2,
        value_names = ["KEY", "VALUE"],
        required = true,
        allow_hyphen_values = true
    )]
    config: Vec<String>,
}

/// Take keys out of `sites/common_site_config.json`
#[derive(clap::Args, Debug)]
pub struct RemoveArgs {
    /// The keys, by their names there
    #[arg(required = true)]
    keys: Vec<String>,
}

/// Set how long a request may take
#[derive(clap::Args, Debug)]
pub struct HttpTimeoutArgs {
    /// In seconds
    #[arg(value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
}

/// On or off
#[derive(clap::Args, Debug)]
pub struct SwitchArgs {
    /// Whether it is to be so
    state: Switch,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Switch {
    On,
    Off,
}

/// Set the address of this redis server
#[derive(clap::Args, Debug)]
pub struct RedisHostArgs {
    /// `host:port`, or a URL: redis://, rediss:// or unix://
    host: String,
}

pub fn set(args: &SetArgs, context: &Context) -> Result<ExitCode> {
    let edits: Vec<_> = args
        .config
        .chunks_exact(2)
        .filter_map(|pair| match pair {
            [key, value] => Some((key.clone(), Some(settings::parse_python_literal(value)))),
            _ => None,
        })
        .collect();
    apply(context, &edits)
}

pub fn remove(args: &RemoveArgs, context: &Context) -> Result<ExitCode> {
    let edits: Vec<_> = args.keys.iter().map(|key| (key.clone(), None)).collect();
    apply(context, &edits)
}

pub fn http_timeout(args: &HttpTimeoutArgs, context: &Context) -> Result<ExitCode> {
    apply(context, &[("http_timeout".to_owned(), Some(args.seconds.into()))])
}

pub fn switch(name: &str, args: &SwitchArgs, context: &Context) -> Result<ExitCode> {
    apply(context, &[(name.to_owned(), Some((args.state == Switch::On).into()))])
}

/// `bench set-redis-cache-host HOST` and its like.
pub fn set_redis_host(name: &str, args: &RedisHostArgs, context: &Context) -> Result<ExitCode> {
    let host = args.host.trim();
    let url = if host.contains("://") {
        host.to_owned()
    } else if host.starts_with('/') {
        format!("unix://{host}")
    } else {
        format!("redis://{host}")
    };
    apply(context, &[(name.to_owned(), Some(url.into()))])
}

fn apply(context: &Context, edits: &[(String, Option<Value>)]) -> Result<ExitCode> {
    let bench = context.bench()?;
    let changes = settings::edit_common(&bench, &env, edits)?;
    write(context, &bench, &changes)?;
    for (name, value) in edits {
        if let (Some(key), Some(_)) = (settings::key_of_legacy(name), value) {
            warn_if_overruled(context, &bench, key, true)?;
        }
    }
    Ok(ExitCode::Done)
}
