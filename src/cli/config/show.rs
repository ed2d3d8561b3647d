//! `bench config show` and `bench config get`

use serde_json::json;
use toml_edit::Value;

use crate::cli::{Context, stdout};
use crate::error::{Error, Problem, Result, printable};
use crate::exit_code::ExitCode;
use crate::settings::{self, Key, Shown};

/// Show all settings, passwords hidden
#[derive(clap::Args, Debug)]
pub struct ShowArgs {
    /// Where each value came from
    #[arg(long)]
    origin: bool,
    /// One JSON object, with origins
    #[arg(long)]
    json: bool,
}

/// Print one setting, as it is
#[derive(clap::Args, Debug)]
pub struct GetArgs {
    /// The key, like `redis_cache.maxmemory`
    key: String,
}

/// List all keys there are, and what each is for
#[derive(clap::Args, Debug)]
pub struct KeysArgs {}

pub fn keys(_args: &KeysArgs, _context: &Context) -> Result<ExitCode> {
    let name = |key: &Key| key.name.replace('*', "NAME");
    let width = settings::KEYS.iter().map(|key| name(key).len()).max().unwrap_or(0);
    let mut out = stdout::Stdout::new();
    for key in settings::KEYS {
        out.line(format_args!("{:width$}  {}", name(key), key.doc))?;
    }
    out.finish()?;
    Ok(ExitCode::Done)
}

pub fn show(args: &ShowArgs, context: &Context) -> Result<ExitCode> {
    let settings = context.settings(&context.bench()?)?;
    let all = settings::show_all(&settings);
    let origin = |shown: &Shown| settings.origins.of(&shown.key.to_string()).to_string();
    let mut out = stdout::Stdout::new();
    if args.json {
        let entries = all.iter().map(|shown| {
            let value = as_json(shown.masked.as_ref().unwrap_or(&shown.value));
            (shown.key.to_string(), json!({ "value": value, "origin": origin(shown) }))
        });
        out.line(serde_json::Value::Object(entries.collect()))?;
    } else {
        let line = |shown: &Shown| {
            let value = shown.masked.as_ref().unwrap_or(&shown.value).to_string();
            format!("{} = {}", shown.key, printable(value.trim()))
        };
        let width = all.iter().map(|shown| line(shown).chars().count()).max().unwrap_or(0);
        for shown in &all {
            if args.origin {
                out.line(format_args!("{:width$}  # {}", line(shown), origin(shown)))?;
            } else {
                out.line(line(shown))?;
            }
        }
    }
    out.finish()?;
    Ok(ExitCode::Done)
}

pub fn get(args: &GetArgs, context: &Context) -> Result<ExitCode> {
    let key = settings::known_key(&args.key)?;
    let settings = context.settings(&context.bench()?)?;
    let Some(shown) = settings::show_all(&settings).into_iter().find(|shown| shown.key == key) else {
        return Err(Error::failed(
            Problem::new(format!("`{key}` is not set"))
                .fix(format!("`bench config set {key} VALUE` sets it")),
        ));
    };
    match &shown.value {
        Value::String(text) => stdout::print(text.value())?,
        other => stdout::print(other.to_string().trim())?,
    }
    Ok(ExitCode::Done)
}

fn as_json(value: &Value) -> serde_json::Value {
    match value {
        Value::String(text) => text.value().as_str().into(),
        Value::Integer(number) => (*number.value()).into(),
        Value::Float(number) => (*number.value()).into(),
        Value::Boolean(flag) => (*flag.value()).into(),
        Value::Datetime(date) => date.value().to_string().into(),
        Value::Array(items) => items.iter().map(as_json).collect(),
        Value::InlineTable(table) => {
            table.iter().map(|(name, value)| (name.to_owned(), as_json(value))).collect()
        }
    }
}
