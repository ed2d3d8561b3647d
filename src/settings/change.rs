//! Changing a setting: which file says it, what the file's new text is, and whether the settings are
//! still good with it. Nothing is written here; a change that would break the settings is refused
//! before anybody could write it.

use std::path::PathBuf;

use serde_json::Value as Json;
use toml_edit::{Array, Value as Toml};

use super::common_config::CommonConfig;
use super::key::KeyPath;
use super::layout::BenchDir;
use super::load::{Flags, Machine, Texts, from_texts};
use super::model::{MaxMemory, RedisServer, Settings, SocketioRedis};
use super::origin::Origin;
use super::reader::{BENCH_TOML, COMMON_SITE_CONFIG};
use super::schema::{self, Key, Kind};
use super::source::{self, SyntaxError};
use super::toml_edits::{self, EditError};
use super::units::Bytes;
use crate::error::{Error, Problem, Result};

/// A settings file's new text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The file.
    pub path: PathBuf,
    /// All of its text.
    pub text: String,
}

/// What a variable is set to.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Sets a key to what the user typed. A bench with a `bench.toml` has it there; another one in
/// `common_site_config.json`, if the key has a name there.
pub fn set(bench: &BenchDir, env: Env<'_>, key: &str, typed: &str) -> Result<Vec<Change>> {
    let (path, known) = find_key(key)?;
    let before = Texts::read(bench)?;
    let mut after = before.clone();
    if let Some(name) = known.legacy.filter(|_| before.bench_toml.is_none()) {
        let mut config = common_config(&before)?;
        config.set(name, &legacy_value(known, typed));
        after.common_site_config = Some(config.to_string());
    } else {
        let text = before.bench_toml.clone().unwrap_or_default();
        let value = toml_value(known.kind, typed);
        after.bench_toml = Some(toml_edits::set(&text, &path, value).map_err(cannot_edit)?);
    }
    agree(bench, env, &before, after, &[path])
}

/// Takes a key out of the file that says it; no change if no file does.
pub fn unset(bench: &BenchDir, env: Env<'_>, key: &str) -> Result<Vec<Change>> {
    let (path, known) = find_key(key)?;
    let before = Texts::read(bench)?;
    let mut after = before.clone();
    if let Some(text) = &before.bench_toml {
        if let Some(new) = toml_edits::unset(text, &path).map_err(cannot_edit)? {
            after.bench_toml = Some(new);
        }
    } else if let Some(name) = known.legacy {
        let mut config = common_config(&before)?;
        if config.remove(name) {
            after.common_site_config = Some(config.to_string());
        }
    }
    agree(bench, env, &before, after, &[path])
}

/// Sets keys of `common_site_config.json` by their names there, or takes them out. Keys that nobody
/// here knows are the framework's, and as good as any.
pub fn edit_common(bench: &BenchDir, env: Env<'_>, edits: &[(String, Option<Json>)]) -> Result<Vec<Change>> {
    let before = Texts::read(bench)?;
    let mut config = common_config(&before)?;
    for (name, value) in edits {
        match value {
            Some(value) => config.set(name, value),
            None => drop(config.remove(name)),
        }
    }
    let mut after = before.clone();
    if config.is_changed() {
        after.common_site_config = Some(config.to_string());
    }
    let keys: Vec<KeyPath> = edits
        .iter()
        .map(|(name, _)| KeyPath::from(schema::find_legacy(name).map_or(name.as_str(), |key| key.name)))
        .collect();
    agree(bench, env, &before, after, &keys)
}

/// What workers must agree on and `common_site_config.json` says differently, or not at all although
/// somebody has set it: addresses, ports, signing, deadlines and compression. None if the file is right.
pub fn write_back(bench: &BenchDir, settings: &Settings) -> Result<Option<Change>> {
    let texts = Texts::read(bench)?;
    let mut config = common_config(&texts)?;
    agreed(&mut config, settings);
    Ok(config.is_changed().then(|| Change { path: bench.common_site_config(), text: config.to_string() }))
}

/// Makes the object say what the settings say about addresses and ports, and about how workers use the
/// cache, where they are set.
pub fn agreed(config: &mut CommonConfig, settings: &Settings) {
    let is_set = |key: &str| settings.origins.is_set(key);
    let mut url = |name: &'static str, server: &RedisServer| {
        let set = is_set(&format!("{name}.url"))
            || is_set(&format!("{name}.port"))
            || is_set(&format!("{name}.bind"));
        if set && config.text(name).as_deref() != Some(server.url_text.reveal()) {
            config.set(name, &server.url_text.reveal().into());
        }
    };
    url("redis_cache", &settings.redis_cache.server);
    url("redis_queue", &settings.redis_queue);
    if let SocketioRedis::Own(server) = &settings.redis_socketio {
        url("redis_socketio", server);
    }
    for (key, name, port) in [
        ("web.port", "webserver_port", settings.web.port),
        ("socketio.port", "socketio_port", settings.socketio_port),
        ("watch.port", "file_watcher_port", settings.watch_port),
    ] {
        let said =
            config.text(name).and_then(|text| text.trim().parse().ok()).or_else(|| config.number(name));
        if is_set(key) && said != Some(i64::from(port.number())) {
            config.set(name, &port.number().into());
        }
    }
    let cache = &settings.redis_cache;
    // Signing is what workers do if nothing is said.
    if is_set("redis_cache.sign") && (config.has("redis_cache_sign") || !cache.sign) {
        config.set("redis_cache_sign", &cache.sign.into());
    }
    if is_set("redis_cache.compress_above")
        && let Some(bytes) = cache.compress_above
    {
        config.set("redis_cache_compress_above", &bytes.0.into());
    }
    for (key, name, wait) in [
        ("redis_cache.timeout", "redis_cache_timeout", cache.timeout),
        ("redis_cache.connect_timeout", "redis_cache_connect_timeout", cache.connect_timeout),
    ] {
        let seconds = wait.map(|wait| wait.as_secs_f64());
        if let Some(seconds) = seconds.filter(|seconds| is_set(key) && config.decimal(name) != Some(*seconds))
        {
            config.set(name, &seconds.into());
        }
    }
}

/// Where socketio shares the cache's server by the same URL, it moves along with it: left behind it
/// would talk to a server that is gone, and an old framework's bench would seem to have a third one.
fn keep_socketio_with_cache(before: &Texts, after: &mut Texts, cache: &RedisServer) -> Result<()> {
    if after.bench_toml == before.bench_toml || after.common_site_config != before.common_site_config {
        return Ok(());
    }
    let mut config = common_config(before)?;
    let shared = config.text("redis_socketio").filter(|url| config.text("redis_cache").as_ref() == Some(url));
    let new = cache.url_text.reveal();
    if shared.is_some_and(|old| old != new) {
        config.set("redis_socketio", &new.into());
        after.common_site_config = Some(config.to_string());
    }
    Ok(())
}

/// Checks the new texts and adds what must be written back for the workers.
fn agree(
    bench: &BenchDir,
    env: Env<'_>,
    before: &Texts,
    mut after: Texts,
    keys: &[KeyPath],
) -> Result<Vec<Change>> {
    let machine = Machine::of(bench);
    let read = |texts: &Texts, env| from_texts(bench, texts, env, &Flags::default(), machine);
    if let Ok(lasting) = read(&after, &|_| None) {
        keep_socketio_with_cache(before, &mut after, &lasting.redis_cache.server)?;
    }
    match read(&after, env) {
        Ok(settings) if after.bench_toml.is_some() && after.common_site_config.is_some() => {
            // Without the environment: what holds for this one command is not for the file.
            let lasting = read(&after, &|_| None).unwrap_or(settings);
            let mut config = common_config(&after)?;
            agreed(&mut config, &lasting);
            if config.is_changed() {
                after.common_site_config = Some(config.to_string());
            }
        }
        Ok(_) => {}
        Err(error) => refuse_new_mistakes(&error, read(before, env).err().as_ref(), keys)?,
    }
    let mut changes = Vec::new();
    for (old, new, path) in [
        (&before.bench_toml, after.bench_toml, bench.settings_file()),
        (&before.common_site_config, after.common_site_config, bench.common_site_config()),
    ] {
        if let Some(text) = new.filter(|new| old.as_ref() != Some(new)) {
            changes.push(Change { path, text });
        }
    }
    Ok(changes)
}

/// A mistake that was there before does not stand in the way: this may be the edit that mends another.
fn refuse_new_mistakes(after: &Error, before: Option<&Error>, keys: &[KeyPath]) -> Result<()> {
    let old: Vec<&str> =
        before.map(|error| error.problems().iter().map(Problem::what).collect()).unwrap_or_default();
    let names: Vec<KeyNames> = keys.iter().map(KeyNames::of).collect();
    let mut new = Vec::new();
    for problem in after.problems() {
        let place = problem.place().unwrap_or_default();
        if let Some(names) = names.iter().find(|names| names.are_all_of(place)) {
            // The line is of a file that nobody wrote.
            new.push(problem.clone().at(format!("{}, as given; nothing was changed", names.here)));
        } else if names.iter().any(|names| names.are_in(place)) || !old.contains(&problem.what()) {
            new.push(problem.clone().at(format!("{place}; nothing was changed")));
        }
    }
    if new.is_empty() { Ok(()) } else { Err(source::refused(new)) }
}

/// How places in error messages call a key.
struct KeyNames {
    here: String,
    legacy: Option<&'static str>,
}

impl KeyNames {
    fn of(key: &KeyPath) -> Self {
        let here = key.to_string();
        Self { legacy: schema::legacy_name(&here), here }
    }

    fn is_name(&self, word: &str) -> bool {
        word == self.here || Some(word) == self.legacy
    }

    /// `FILE:LINE KEY`
    fn are_all_of(&self, place: &str) -> bool {
        place.split_once(' ').is_some_and(|(_, rest)| self.is_name(rest))
    }

    /// `FILE:LINE KEY and FILE:LINE KEY`
    fn are_in(&self, place: &str) -> bool {
        place.split(' ').any(|word| self.is_name(word))
    }
}

/// Where the key's value really comes from, if that is not the file that a change of it goes to: a higher
/// layer. `common` says that the change went to `common_site_config.json`. None too if the settings
/// can't be read.
pub fn overruled(bench: &BenchDir, env: Env<'_>, key: &str, common: bool) -> Result<Option<String>> {
    let texts = Texts::read(bench)?;
    let (_, known) = find_key(key)?;
    let written = match known.legacy {
        Some(_) if common || texts.bench_toml.is_none() => COMMON_SITE_CONFIG,
        _ => BENCH_TOML,
    };
    let Ok(settings) = from_texts(bench, &texts, env, &Flags::default(), Machine::of(bench)) else {
        return Ok(None);
    };
    let overrules = |key: &str| match settings.origins.of(key) {
        Origin::Default => None,
        Origin::File { file, .. } if file.as_os_str() == written => None,
        _ => Some(settings.origins.place(key)),
    };
    // A port that is set by itself is put into the URL.
    let port = key.strip_suffix(".url").map(|table| format!("{table}.port"));
    Ok(overrules(key).or_else(|| overrules(&port?)))
}

/// Where a key's value comes from now, if anybody says something about it.
pub fn said_by(bench: &BenchDir, env: Env<'_>, key: &str) -> Result<Option<String>> {
    let (path, _) = find_key(key)?;
    let settings = from_texts(bench, &Texts::read(bench)?, env, &Flags::default(), Machine::of(bench));
    let key = path.to_string();
    Ok(settings
        .ok()
        .filter(|settings| settings.origins.is_set(&key))
        .map(|settings| settings.origins.place(&key)))
}

/// The key that the user means by this text.
pub fn known_key(typed: &str) -> Result<KeyPath> {
    find_key(typed).map(|(path, _)| path)
}

fn find_key(typed: &str) -> Result<(KeyPath, &'static Key)> {
    let path = KeyPath::parse(typed);
    if let Some(path) = &path
        && let Some(known) = schema::find(path)
    {
        return Ok((path.clone(), known));
    }
    if path.as_ref().is_some_and(schema::is_table) {
        return Err(Error::usage(
            Problem::new(format!("`{typed}` is a table of settings")).fix("name one of the keys below it"),
        ));
    }
    let suggestion = path.as_ref().and_then(schema::suggestion);
    let problem = Problem::new(format!("unknown key `{typed}`"));
    Err(Error::usage(match suggestion {
        Some(known) => problem.fix(format!("did you mean `{known}`?")),
        None => problem.fix("`bench config keys` lists the keys there are"),
    }))
}

/// The file for changing; an empty one if there is none.
pub fn common_config(texts: &Texts) -> Result<CommonConfig> {
    let Some(text) = &texts.common_site_config else { return Ok(CommonConfig::default()) };
    CommonConfig::parse(text).map_err(|error| Error::usage(error.in_file(COMMON_SITE_CONFIG)))
}

fn cannot_edit(error: EditError) -> Error {
    Error::usage(match error {
        EditError::Syntax(error) => SyntaxError::in_file(error, BENCH_TOML),
        EditError::NoTable(table) => Problem::new(format!("`{table}` is no table"))
            .at(BENCH_TOML)
            .fix(format!("write `[{table}]` and the settings below it")),
    })
}

fn toml_value(kind: Kind, typed: &str) -> Toml {
    let number = || typed.parse::<i64>().ok().map(Toml::from);
    let flag = || match typed {
        "true" | "yes" | "on" => Some(Toml::from(true)),
        "false" | "no" | "off" => Some(Toml::from(false)),
        _ => None,
    };
    let value = match kind {
        Kind::Number | Kind::Port => number(),
        Kind::Flag => flag(),
        Kind::Word => number().or_else(|| typed.parse::<bool>().ok().map(Toml::from)),
        Kind::Names => typed.parse().ok().filter(Toml::is_array).or_else(|| {
            let names = typed.split([',', ' ']).filter(|name| !name.is_empty());
            Some(Toml::Array(names.collect::<Array>()))
        }),
        Kind::Probe => typed.parse().ok().filter(Toml::is_inline_table),
        Kind::Text | Kind::Url | Kind::Size | Kind::Threshold | Kind::Duration | Kind::Deadline => None,
    };
    value.unwrap_or_else(|| Toml::from(typed))
}

/// As today's tool writes it: sizes in megabytes, durations in seconds.
fn legacy_value(key: &Key, typed: &str) -> Json {
    let node = super::value::Node::text(typed);
    let layer = super::reader::Layer::Environment;
    let text = || Json::from(typed);
    let number = || typed.parse::<i64>().ok().map(Json::from);
    match key.kind {
        Kind::Number | Kind::Port => number().unwrap_or_else(text),
        Kind::Size => match super::convert::maxmemory(&node, layer) {
            Ok(Some(MaxMemory::Limit(bytes))) if bytes == Bytes::from_mib(bytes.mib()) => bytes.mib().into(),
            _ => number().unwrap_or_else(text),
        },
        Kind::Threshold => match super::convert::threshold(&node, layer) {
            Ok(Some(bytes)) => bytes.0.into(),
            _ => number().unwrap_or_else(text),
        },
        Kind::Flag => super::convert::flag(&node, layer).ok().flatten().map_or_else(text, Json::from),
        Kind::Deadline => {
            let seconds =
                super::convert::deadline(&node, layer).ok().flatten().map(|wait| wait.as_secs_f64());
            seconds.or_else(|| typed.parse().ok()).map_or_else(text, Json::from)
        }
        Kind::Duration => match super::convert::whole_seconds(&node, layer) {
            Ok(Some(duration)) => duration.as_secs().into(),
            _ => number().unwrap_or_else(text),
        },
        _ => text(),
    }
}
