//! From what stands in a file to what it means, one function for each kind of value. Each says what
//! is accepted when it refuses.
//!
//! `common_site_config.json` is read as generously as today's tool reads it where that works: a
//! number may be text, sizes are megabytes, durations seconds, and 0 or null mean "not set".

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::model::{EvictionPolicy, MaxMemory, RestartPolicy, StopSignal};
use super::reader::{Layer, Refusal};
use super::units::{Bytes, parse_duration};
use super::value::{Node, Value};
use crate::names::{BenchName, Port, ProgramName};

/// What every converter answers.
pub type Converted<T> = Result<Option<T>, Refusal>;

/// The largest size that redis-server reads.
const MAX_BYTES: u64 = i64::MAX as u64;

/// Text with at least one character and no control character: whatever it is written into, it stays one
/// value there.
pub fn text(node: &Node, layer: Layer) -> Converted<String> {
    match &node.value {
        Value::Null if layer == Layer::CommonSiteConfig => Ok(None),
        Value::Text(text) if text.is_empty() && layer == Layer::CommonSiteConfig => Ok(None),
        Value::Text(text) => plain(text).map(Some),
        _ => Err(Refusal::kind(node, "text", "write it in quotes")),
    }
}

/// Refuses control characters and empty text.
pub fn plain(text: &str) -> Result<String, Refusal> {
    if let Some(control) = text.chars().find(|c| c.is_control()) {
        let name = match control {
            '\n' | '\r' => "a line break".to_owned(),
            '\t' => "a tab".to_owned(),
            '\0' => "a NUL".to_owned(),
            other => format!("the control character {}", other.escape_default()),
        };
        return Err(Refusal::new(
            format!("holds {name}"),
            "settings end up in other programs' files, line by line: write it without",
        ));
    }
    if text.is_empty() {
        return Err(Refusal::new("is empty", "write a value, or remove the key to have its default"));
    }
    Ok(text.to_owned())
}

/// A whole number, as it stands or, where text is all there is, as text.
fn whole(node: &Node, layer: Layer, lenient: bool) -> Result<Option<i128>, Refusal> {
    let refused = || Refusal::kind(node, "a whole number", "write a number, like `4`, without quotes");
    match &node.value {
        Value::Null if layer == Layer::CommonSiteConfig => Ok(None),
        Value::Whole(number) => Ok(Some(*number)),
        Value::Text(text) if lenient || layer >= Layer::Environment => {
            let text = text.trim();
            if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
                return Err(refused());
            }
            text.parse().map(Some).map_err(|_| refused())
        }
        _ => Err(refused()),
    }
}

fn ranged(node: &Node, layer: Layer, least: u32, most: u32) -> Converted<u32> {
    let Some(number) = whole(node, layer, false)? else { return Ok(None) };
    // Today's tool takes a 0 for "not set".
    if number == 0 && layer == Layer::CommonSiteConfig && least > 0 {
        return Ok(None);
    }
    match u32::try_from(number) {
        Ok(count) if (least..=most).contains(&count) => Ok(Some(count)),
        _ => {
            let fix = "write a number in that range";
            Err(Refusal::kind(node, &format!("a whole number from {least} to {most}"), fix))
        }
    }
}

/// How many processes.
pub fn count(node: &Node, layer: Layer) -> Converted<u32> {
    ranged(node, layer, 1, 1000)
}

/// How many requests; 0 for without end.
pub fn requests(node: &Node, layer: Layer) -> Converted<u32> {
    ranged(node, layer, 0, 1_000_000_000)
}

/// A TCP port.
pub fn port(node: &Node, layer: Layer) -> Converted<Port> {
    let refused = || Refusal::kind(node, "a port", "write a number from 1 to 65535");
    let number = whole(node, layer, layer == Layer::CommonSiteConfig).map_err(|_| refused())?;
    let Some(number) = number else { return Ok(None) };
    if number == 0 && layer == Layer::CommonSiteConfig {
        return Ok(None);
    }
    let port = i64::try_from(number).ok().and_then(|number| Port::new(number).ok());
    port.map(Some).ok_or_else(refused)
}

/// true or false.
pub fn flag(node: &Node, layer: Layer) -> Converted<bool> {
    match &node.value {
        Value::Flag(flag) => Ok(Some(*flag)),
        Value::Null if layer == Layer::CommonSiteConfig => Ok(None),
        // As Python takes them.
        Value::Whole(number @ (0 | 1)) if layer == Layer::CommonSiteConfig => Ok(Some(*number == 1)),
        Value::Text(text) if layer >= Layer::Environment => match text.trim().to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => Ok(Some(true)),
            "0" | "false" | "no" | "off" => Ok(Some(false)),
            _ => Err(Refusal::kind(node, "true or false", "write `true` or `false`")),
        },
        _ => Err(Refusal::kind(node, "true or false", "write `true` or `false`, without quotes")),
    }
}

/// A size with a unit.
pub fn size(node: &Node, _layer: Layer) -> Converted<Bytes> {
    let refused =
        || Refusal::kind(node, "a size", "write a whole number with a unit, like `\"512mb\"` or `\"1gb\"`");
    let Value::Text(text) = &node.value else { return Err(refused()) };
    let bytes = Bytes::parse(&plain(text)?).map_err(|_| refused())?;
    limited(node, bytes).map(Some)
}

/// From which size on something is done: a size with a unit; in `common_site_config.json` a number of bytes,
/// where 0 is "not set" as for today's tool.
pub fn threshold(node: &Node, layer: Layer) -> Converted<Bytes> {
    if layer != Layer::CommonSiteConfig || matches!(node.value, Value::Text(_)) {
        return size(node, layer);
    }
    let bytes = whole(node, layer, false)
        .map_err(|_| Refusal::kind(node, "a number of bytes", "write a whole number, like `4096`"))?;
    match bytes {
        None | Some(0) => Ok(None),
        Some(bytes) => {
            let bytes = u64::try_from(bytes)
                .map_err(|_| Refusal::kind(node, "a number of bytes", "write a whole number, like `4096`"))?;
            limited(node, Bytes(bytes)).map(Some)
        }
    }
}

fn limited(node: &Node, bytes: Bytes) -> Result<Bytes, Refusal> {
    match bytes.0 {
        0 => Err(Refusal::kind(node, "more than nothing", "write a size, like `\"512mb\"`")),
        n if n > MAX_BYTES => Err(Refusal::kind(node, "a size that fits in memory", "write a smaller size")),
        _ => Ok(bytes),
    }
}

/// The cache's memory limit. A bare number is megabytes in `common_site_config.json`, as today's tool
/// means it, and refused elsewhere, where nobody could tell bytes from megabytes.
pub fn maxmemory(node: &Node, layer: Layer) -> Converted<MaxMemory> {
    let fix = "write a whole number with a unit, like `\"512mb\"` or `\"1gb\"`";
    let refused = |must_be: &str| Refusal::kind(node, must_be, fix);
    let zero = || {
        Refusal::new(
            "is 0, and 0 would mean no limit: the cache would grow until memory is full",
            "write a size, like `\"512mb\"`; `\"unlimited\"` says it on purpose",
        )
    };
    let legacy = layer == Layer::CommonSiteConfig;
    let megabytes = |number: i128| -> Converted<MaxMemory> {
        let bytes = u64::try_from(number).ok().and_then(|mib| mib.checked_mul(1024 * 1024));
        let bytes = bytes.map(Bytes).ok_or_else(|| refused("a size that fits in memory"))?;
        limited(node, bytes).map(|bytes| Some(MaxMemory::Limit(bytes)))
    };
    match &node.value {
        Value::Whole(0) => Err(zero()),
        Value::Whole(number) if *number < 0 => Err(refused("more than nothing")),
        Value::Whole(number) if legacy => megabytes(*number),
        Value::Text(text) => {
            let text = plain(text)?;
            let text = text.trim();
            if text.eq_ignore_ascii_case("unlimited") {
                return Ok(Some(MaxMemory::Unlimited));
            }
            if !text.is_empty() && text.bytes().all(|b| b == b'0') {
                return Err(zero());
            }
            if legacy && text.bytes().all(|b| b.is_ascii_digit()) {
                return text.parse().map_err(|_| refused("a size")).and_then(megabytes);
            }
            match Bytes::parse(text) {
                Ok(Bytes(0)) => Err(zero()),
                Ok(bytes) => limited(node, bytes).map(|bytes| Some(MaxMemory::Limit(bytes))),
                Err(_) => Err(refused("a size with a unit, or \"unlimited\"")),
            }
        }
        _ if legacy => Err(refused("megabytes as a whole number, or a size with a unit")),
        _ => Err(refused("a size with a unit, or \"unlimited\"")),
    }
}

/// A duration with a unit; whole seconds in `common_site_config.json`.
pub fn duration(node: &Node, layer: Layer) -> Converted<Duration> {
    let fix = "write a number with a unit, like `\"120s\"` or `\"1h 30m\"`";
    if layer == Layer::CommonSiteConfig {
        let seconds = whole(node, layer, true)
            .map_err(|_| Refusal::kind(node, "seconds", "write a whole number of seconds, like `120`"))?;
        return match seconds {
            None | Some(0) => Ok(None),
            Some(seconds) => match u32::try_from(seconds) {
                Ok(seconds) => Ok(Some(Duration::from_secs(seconds.into()))),
                Err(_) => Err(Refusal::kind(node, "seconds", "write a whole number of seconds, like `120`")),
            },
        };
    }
    let refused = || Refusal::kind(node, "a duration", fix);
    let Value::Text(text) = &node.value else { return Err(refused()) };
    let duration = parse_duration(&plain(text)?).map_err(|_| refused())?;
    // Far beyond anything meant, and small enough that adding it to a clock can't overflow.
    if duration > Duration::from_secs(u32::MAX.into()) {
        return Err(Refusal::kind(node, "shorter than a hundred years", fix));
    }
    Ok(Some(duration))
}

/// A duration for a program that counts in whole seconds, from 1 on.
pub fn whole_seconds(node: &Node, layer: Layer) -> Converted<Duration> {
    match duration(node, layer)? {
        Some(duration) if duration.as_secs() == 0 || duration.subsec_nanos() != 0 => {
            Err(Refusal::kind(node, "whole seconds, at least one", "write `\"1s\"` or more"))
        }
        other => Ok(other),
    }
}

/// A duration that is more than nothing.
pub fn some_time(node: &Node, layer: Layer) -> Converted<Duration> {
    match duration(node, layer)? {
        Some(Duration::ZERO) => {
            Err(Refusal::kind(node, "more than nothing", "write a duration, like `\"10s\"`"))
        }
        other => Ok(other),
    }
}

/// How long a worker waits for the cache: a duration; in `common_site_config.json` seconds, with a fraction
/// if need be.
pub fn deadline(node: &Node, layer: Layer) -> Converted<Duration> {
    const LONGEST: Duration = Duration::from_secs(60);
    let refused = |must_be| {
        let fix = if layer == Layer::CommonSiteConfig { "`0.2`" } else { "`\"200ms\"`" };
        Refusal::kind(node, must_be, format!("write what a request may wait, like {fix}"))
    };
    let waits = match (&node.value, layer) {
        (Value::Number(text), Layer::CommonSiteConfig) => {
            let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            Some(seconds.ok_or_else(|| refused("seconds"))?)
        }
        _ => duration(node, layer)?,
    };
    match waits {
        Some(waits) if waits < Duration::from_millis(1) || waits > LONGEST => {
            Err(refused("from a millisecond to a minute"))
        }
        other => Ok(other),
    }
}

/// An IP address to listen on.
pub fn address(node: &Node, layer: Layer) -> Converted<IpAddr> {
    let Some(text) = text(node, layer)? else { return Ok(None) };
    let refused = |_| Refusal::kind(node, "an IP address", "write an address, like `\"127.0.0.1\"`");
    text.trim().parse().map(Some).map_err(refused)
}

/// A path.
pub fn path(node: &Node, layer: Layer) -> Converted<PathBuf> {
    Ok(text(node, layer)?.map(PathBuf::from))
}

/// The bench's name.
pub fn bench_name(node: &Node, layer: Layer) -> Converted<BenchName> {
    let Some(text) = text(node, layer)? else { return Ok(None) };
    BenchName::new(text).map(Some).map_err(|error| {
        Refusal::new(format!("is no name for a bench: {error}"), "write a name, like `\"develop\"`")
    })
}

/// A system user's name.
pub fn user(node: &Node, layer: Layer) -> Converted<String> {
    let Some(text) = text(node, layer)? else { return Ok(None) };
    let odd = |c: char| c.is_whitespace() || ":/,%\"'\\;#@=".contains(c);
    if text.len() > 32 || text.starts_with('-') || text.contains(odd) {
        return Err(Refusal::kind(node, "the name of a system user", "write a name, like `\"dontmanage\"`"));
    }
    Ok(Some(text))
}

/// One of these words.
fn word<T: Copy>(node: &Node, layer: Layer, words: &[(&str, T)]) -> Converted<T> {
    let choices = || words.iter().map(|(word, _)| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    let refused = || Refusal::kind(node, "one of its words", format!("write one of {}", choices()));
    let text = text(node, layer).map_err(|refusal| match node.value {
        Value::Text(_) => refusal,
        _ => refused(),
    })?;
    let Some(text) = text else { return Ok(None) };
    let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text.trim()));
    found.map(|(_, value)| Some(*value)).ok_or_else(refused)
}

/// The names of redis-server's eviction policies.
pub const POLICIES: &[(&str, EvictionPolicy)] = &[
    ("allkeys-lru", EvictionPolicy::AllkeysLru),
    ("allkeys-lfu", EvictionPolicy::AllkeysLfu),
    ("allkeys-random", EvictionPolicy::AllkeysRandom),
    ("volatile-lru", EvictionPolicy::VolatileLru),
    ("volatile-lfu", EvictionPolicy::VolatileLfu),
    ("volatile-random", EvictionPolicy::VolatileRandom),
    ("volatile-ttl", EvictionPolicy::VolatileTtl),
    ("noeviction", EvictionPolicy::Noeviction),
];

/// The names of the restart policies.
pub const RESTARTS: &[(&str, RestartPolicy)] = &[
    ("always", RestartPolicy::Always),
    ("on-failure", RestartPolicy::OnFailure),
    ("never", RestartPolicy::Never),
];

/// The names of the signals that may ask a program to stop.
pub const SIGNALS: &[(&str, StopSignal)] = &[
    ("TERM", StopSignal::Term),
    ("INT", StopSignal::Int),
    ("QUIT", StopSignal::Quit),
    ("HUP", StopSignal::Hup),
    ("USR1", StopSignal::Usr1),
    ("USR2", StopSignal::Usr2),
    ("KILL", StopSignal::Kill),
];

/// An eviction policy.
pub fn policy(node: &Node, layer: Layer) -> Converted<EvictionPolicy> {
    word(node, layer, POLICIES)
}

/// A restart policy.
pub fn restart(node: &Node, layer: Layer) -> Converted<RestartPolicy> {
    word(node, layer, RESTARTS)
}

/// A stop signal, with or without SIG before it.
pub fn stop_signal(node: &Node, layer: Layer) -> Converted<StopSignal> {
    let short = match &node.value {
        Value::Text(text) => {
            let text = text.strip_prefix("SIG").or_else(|| text.strip_prefix("sig")).unwrap_or(text);
            Node { value: Value::Text(text.to_owned()), line: node.line }
        }
        _ => node.clone(),
    };
    word(&short, layer, SIGNALS)
}

/// A word as redis directives and variables take them: text, a number, true or false.
pub fn directive(node: &Node, _layer: Layer) -> Converted<String> {
    match &node.value {
        // redis says `save ""`.
        Value::Text(text) if text.is_empty() => Ok(Some(String::new())),
        Value::Text(text) => plain(text).map(Some),
        Value::Whole(number) => Ok(Some(number.to_string())),
        Value::Number(text) => Ok(Some(text.clone())),
        Value::Flag(flag) => Ok(Some(if *flag { "yes" } else { "no" }.to_owned())),
        _ => Err(Refusal::kind(node, "one value", "write text, a number, `true` or `false`")),
    }
}

/// The value of a variable.
pub fn variable(node: &Node, layer: Layer) -> Converted<String> {
    match &node.value {
        Value::Flag(flag) => Ok(Some(flag.to_string())),
        _ => directive(node, layer),
    }
}

/// A list of programs' names.
pub fn program_names(node: &Node, _layer: Layer) -> Converted<Vec<ProgramName>> {
    let refused = || Refusal::kind(node, "a list of programs", "write a list, like `[\"redis_cache\"]`");
    let Value::List(items) = &node.value else { return Err(refused()) };
    let name = |item: &Node| match &item.value {
        Value::Text(text) => ProgramName::new(text.as_str()).map_err(|error| {
            Refusal::new(format!("names no program: {error}"), "write the name of a program")
        }),
        _ => Err(refused()),
    };
    items.iter().map(name).collect::<Result<_, _>>().map(Some)
}
