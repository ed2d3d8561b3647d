//! `ready` and `health` of a program: `"redis"`, `{ tcp = 8000 }`, `{ http = "…", every = "5s" }`.

use std::time::Duration;

use super::convert::{self, Converted, plain};
use super::model::{Health, Probe};
use super::reader::{Layer, Refusal};
use super::schema;
use super::value::{Node, Value};
use crate::names::Port;

const READY: &str = "write `\"redis\"`, `\"notify\"`, `{ tcp = 8000 }`, `{ http = \"http://…\" }`, `{ exec = \"…\" }` \
                     or `{ log = \"…\" }`";
const HEALTH: &str =
    "write `\"redis\"`, `{ tcp = 8000, every = \"10s\" }`, `{ http = \"http://…\" }` or `{ exec = \"…\" }`";
const QUESTIONS: &[&str] = &["tcp", "http", "exec", "log", "redis", "notify"];

/// When a program counts as ready.
pub fn ready(node: &Node, _layer: Layer) -> Converted<Probe> {
    match &node.value {
        Value::Text(word) if word == "redis" => Ok(Some(Probe::Redis)),
        Value::Text(word) if word == "notify" => Ok(Some(Probe::Notify)),
        Value::Table(entries) => question(entries, &["host"], READY).map(Some),
        _ => Err(Refusal::kind(node, "a probe", READY)),
    }
}

/// How a program's health is watched.
pub fn health(node: &Node, _layer: Layer) -> Converted<Health> {
    let (probe, entries) = match &node.value {
        Value::Text(word) if word == "redis" => (Probe::Redis, &[][..]),
        Value::Table(entries) => {
            (question(entries, &["host", "every", "timeout", "failures"], HEALTH)?, entries.as_slice())
        }
        _ => return Err(Refusal::kind(node, "a probe", HEALTH)),
    };
    if matches!(probe, Probe::Notify | Probe::Log(_)) {
        return Err(Refusal::new("asks a question that is answered only once, at the start", HEALTH));
    }
    let mut health =
        Health { probe, every: Duration::from_secs(10), timeout: Duration::from_secs(2), failures: 3 };
    for (name, value) in entries {
        let named = |refusal: Refusal| Refusal { what: format!("({name}) {}", refusal.what), ..refusal };
        match name.as_str() {
            "every" => set(&mut health.every, convert::some_time(value, Layer::BenchToml).map_err(named)?),
            "timeout" => {
                set(&mut health.timeout, convert::some_time(value, Layer::BenchToml).map_err(named)?);
            }
            "failures" => set(&mut health.failures, convert::count(value, Layer::BenchToml).map_err(named)?),
            _ => {}
        }
    }
    Ok(Some(health))
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

/// The one question that a table asks.
fn question(entries: &[(String, Node)], also: &[&str], forms: &str) -> Result<Probe, Refusal> {
    let mut asked: Option<(&str, &Node)> = None;
    let mut host = None;
    for (name, value) in entries {
        if QUESTIONS.contains(&name.as_str()) {
            if let Some((first, _)) = asked {
                return Err(Refusal::new(format!("asks two questions, `{first}` and `{name}`"), "keep one"));
            }
            asked = Some((name, value));
        } else if !also.contains(&name.as_str()) {
            let known = QUESTIONS.iter().chain(also).map(|word| (*word).to_owned());
            let fix = schema::nearest(name, known)
                .map_or_else(|| forms.to_owned(), |known| format!("did you mean `{known}`?"));
            return Err(Refusal::new(format!("has the unknown key `{name}`"), fix));
        } else if name == "host" {
            host = Some(text("host", value)?);
        }
    }
    let Some((name, value)) = asked else {
        return Err(Refusal::new("asks no question", forms));
    };
    if host.is_some() && name != "http" {
        return Err(Refusal::new(format!("has a `host`, which `{name}` does not use"), "remove `host`"));
    }
    match name {
        "tcp" => port(value).map(Probe::Tcp),
        "http" => http_url(text(name, value)?).map(|url| Probe::Http { url, host }),
        "exec" => text(name, value).map(Probe::Exec),
        "log" => text(name, value).map(Probe::Log),
        _ if value.value == Value::Flag(true) => {
            Ok(if name == "redis" { Probe::Redis } else { Probe::Notify })
        }
        _ => Err(Refusal::new(format!("has a `{name}` that is not `true`"), forms)),
    }
}

fn port(node: &Node) -> Result<Port, Refusal> {
    convert::port(node, Layer::BenchToml)?.ok_or_else(|| Refusal::kind(node, "a port", "write a port"))
}

fn text(name: &str, node: &Node) -> Result<String, Refusal> {
    match &node.value {
        Value::Text(text) => {
            plain(text).map_err(|refusal| Refusal { what: format!("({name}) {}", refusal.what), ..refusal })
        }
        _ => Err(Refusal::kind(node, "text", format!("write `{name}` in quotes"))),
    }
}

/// `http://HOST[:PORT][/PATH]`, nothing cleverer: a program's health is asked for on this machine.
fn http_url(url: String) -> Result<String, Refusal> {
    let fix = "write `http://127.0.0.1:8000/path`";
    let refused = |why: &str| Err(Refusal::new(format!("asks `{url}`, {why}"), fix));
    let Some(rest) = url.strip_prefix("http://") else { return refused("which is not `http://`") };
    if url.chars().any(char::is_whitespace) {
        return refused("which holds a space");
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return refused("which holds a login");
    }
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => {
            if port.parse::<i64>().ok().and_then(|port| Port::new(port).ok()).is_none() {
                return refused("whose port is not one");
            }
            host
        }
        _ => authority,
    };
    if host.is_empty() {
        return refused("which names no host");
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(toml: &str) -> Node {
        super::super::toml_source::parse(&format!("x = {toml}")).unwrap().remove(0).1
    }

    #[test]
    fn all_forms_of_ready_are_read() {
        let http = |host: Option<&str>| Probe::Http {
            url: "http://127.0.0.1:8000/ping".to_owned(),
            host: host.map(str::to_owned),
        };
        for (toml, probe) in [
            ("\"redis\"", Probe::Redis),
            ("\"notify\"", Probe::Notify),
            ("{ tcp = 8000 }", Probe::Tcp(Port::new(8000).unwrap())),
            ("{ http = \"http://127.0.0.1:8000/ping\" }", http(None)),
            ("{ http = \"http://127.0.0.1:8000/ping\", host = \"site1\" }", http(Some("site1"))),
            ("{ exec = \"test -e x\" }", Probe::Exec("test -e x".to_owned())),
            ("{ log = \"ready\" }", Probe::Log("ready".to_owned())),
        ] {
            assert_eq!(ready(&node(toml), Layer::BenchToml).unwrap(), Some(probe), "{toml}");
        }
    }

    #[test]
    fn a_probe_that_asks_nothing_sensible_is_refused() {
        for (toml, what) in [
            ("\"soon\"", "must be a probe"),
            ("{}", "asks no question"),
            ("{ tpc = 8000 }", "unknown key `tpc`"),
            ("{ tcp = 8000, exec = \"x\" }", "two questions"),
            ("{ tcp = 0 }", "must be a port"),
            ("{ tcp = 8000, host = \"a\" }", "does not use"),
            ("{ http = \"https://x\" }", "not `http://`"),
            ("{ http = \"http://\" }", "names no host"),
            ("{ http = \"http://x:99999/\" }", "port is not one"),
            ("{ http = \"http://a b\" }", "holds a space"),
            ("{ exec = \"a\\nb\" }", "line break"),
            ("8000", "must be a probe"),
        ] {
            let refusal = ready(&node(toml), Layer::BenchToml).unwrap_err();
            assert!(refusal.what.contains(what), "{toml}: {refusal:?}");
        }
    }

    #[test]
    fn health_has_its_intervals() {
        let read = |toml| health(&node(toml), Layer::BenchToml);
        let health = read("{ tcp = 1, every = \"5s\", timeout = \"500ms\", failures = 2 }").unwrap().unwrap();
        assert_eq!((health.every, health.timeout), (Duration::from_secs(5), Duration::from_millis(500)));
        assert_eq!(health.failures, 2);
        for toml in ["{ log = \"x\" }", "\"notify\"", "{ tcp = 1, every = 5 }", "{ tcp = 1, every = \"0s\" }"]
        {
            assert!(read(toml).is_err(), "{toml}");
        }
    }
}
