//! `bench cache get`

use dontmanage_cache::{Reply, Value};

use super::escape::escaped;
use super::json::Json;
use super::site_cache::{KeyArgs, SiteCache};
use crate::cli::{Context, stdout};
use crate::error::{Error, Problem, Result};
use crate::exit_code::ExitCode;

/// How many members of a list or set are shown.
const MEMBERS: i64 = 1000;

/// Print a cached value, as Python shows it
///
/// A hash is printed as a dict of its fields. Exit status 1 if there is no such key, or if its value is
/// not signed by this bench or is no plain data.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The key, without the site's prefix
    key: String,
    #[command(flatten)]
    whose: KeyArgs,
    /// Only this field of a hash
    #[arg(long)]
    field: Option<String>,
    /// As JSON, as far as JSON can hold it
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args, context: &Context) -> Result<ExitCode> {
    let site = SiteCache::open(&args.whose.site.site, context)?;
    let found = match &args.field {
        Some(field) => {
            let found = site.cache.strict().hget(args.whose.key(&args.key), field);
            found.map_err(|error| site.failed(&args.key, error))?
        }
        None => whole(&site, args, context)?,
    };
    let value = found.ok_or_else(|| site.missing(&args.key, args.field.as_deref()))?;
    if args.json {
        let text = serde_json::to_string(&Json(&value)).map_err(|error| {
            Error::failed(Problem::new(format!(
                "the value of `{}` can't be shown as JSON: {error}",
                args.key
            )))
        })?;
        stdout::print(text)?;
    } else {
        stdout::print(value)?;
    }
    Ok(ExitCode::Done)
}

fn whole(site: &SiteCache, args: &Args, context: &Context) -> Result<Option<Value>> {
    let key = args.whose.key(&args.key);
    let full_key = site.cache.make_key(key);
    let kind = site.connected.ask(|redis| redis.command(&[b"TYPE", &full_key]))?;
    match kind.as_bytes().unwrap_or_default() {
        b"none" => Ok(None),
        b"string" => site.cache.strict().get_value(key).map_err(|error| site.failed(&args.key, error)),
        b"hash" => hash(site, args, context),
        b"list" => members(site, &[b"LRANGE", &full_key, b"0", MEMBERS.to_string().as_bytes()]).map(Some),
        b"set" => members(site, &[b"SRANDMEMBER", &full_key, MEMBERS.to_string().as_bytes()]).map(Some),
        other => {
            let what =
                format!("`{}` is a {}, which is no value", escaped(args.key.as_bytes()), escaped(other));
            Err(Error::failed(Problem::new(what).fix("look at it with redis-cli")))
        }
    }
}

fn hash(site: &SiteCache, args: &Args, context: &Context) -> Result<Option<Value>> {
    let fields = site.cache.strict().hgetall(args.whose.key(&args.key));
    let fields = fields.map_err(|error| site.failed(&args.key, error))?;
    let mut pairs = Vec::with_capacity(fields.len());
    let mut refused = None;
    for (field, value) in fields {
        let value = match value {
            Ok(value) => value,
            Err(error) => {
                context.say(format!("warning: field `{}` is left out: {error}", escaped(&field)));
                refused = Some(error);
                continue;
            }
        };
        let name = String::from_utf8(field).map_or_else(|error| Value::Bytes(error.into_bytes()), Value::Str);
        pairs.push((name, value));
    }
    match refused {
        Some(error) if pairs.is_empty() => Err(site.failed(&args.key, error)),
        // Gone between the question for its type and this one.
        None if pairs.is_empty() => Ok(None),
        _ => Ok(Some(Value::Dict(pairs))),
    }
}

/// Members of lists and sets are bare bytes, as workers put them there.
fn members(site: &SiteCache, command: &[&[u8]]) -> Result<Value> {
    let reply = site.connected.ask(|redis| redis.command(command))?;
    let members = reply.as_array().unwrap_or_default().iter();
    Ok(Value::List(members.filter_map(Reply::as_bytes).map(Value::from).collect()))
}
