//! All keys there are: their names in `bench.toml`, in `common_site_config.json` and in the
//! environment, what kind of value each takes, and what it is for. `bench config` and the loader
//! both go by this table, so a key is known to both or to neither.

use super::key::KeyPath;

/// One key. `*` in the name stands for a name that the user chooses.
#[derive(Debug)]
pub struct Key {
    /// Dotted name.
    pub name: &'static str,
    /// The name of the same setting in `common_site_config.json`.
    pub legacy: Option<&'static str>,
    /// What it takes.
    pub kind: Kind,
    /// What it is for, in a sentence.
    pub doc: &'static str,
}

/// What kind of value a key takes, so that a word of the command line becomes the right one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// A whole number.
    Number,
    /// true or false.
    Flag,
    /// A TCP port.
    Port,
    /// An address of a redis server.
    Url,
    /// A size with a unit.
    Size,
    /// A size with a unit; in `common_site_config.json` a number of bytes.
    Threshold,
    /// A duration with a unit.
    Duration,
    /// A duration that is a part of a second, as a rule.
    Deadline,
    /// Text, a number or a flag, as a directive of redis or a variable takes them.
    Word,
    /// A list of names.
    Names,
    /// `ready` and `health`: text or an inline table.
    Probe,
}

impl Key {
    /// The variable that sets it; none for a key with a name that the user chooses.
    pub fn variable(&self) -> Option<String> {
        if self.name.contains('*') {
            return None;
        }
        // `bench.name` is BENCH_NAME, not BENCH_BENCH_NAME.
        let name = self.name.strip_prefix("bench.").unwrap_or(self.name);
        Some(format!("BENCH_{}", name.replace('.', "_").to_ascii_uppercase()))
    }

    fn matches(&self, path: &[&str]) -> bool {
        let mut parts = self.name.split('.');
        path.iter().all(|part| parts.next().is_some_and(|mine| mine == "*" || mine == *part))
            && parts.next().is_none()
    }

    fn is_below(&self, path: &[&str]) -> bool {
        let mut parts = self.name.split('.');
        path.iter().all(|part| parts.next().is_some_and(|mine| mine == "*" || mine == *part))
            && parts.next().is_some()
    }
}

/// The key of that name.
pub fn find(path: &KeyPath) -> Option<&'static Key> {
    let parts = path.parts();
    KEYS.iter().find(|key| key.matches(&parts))
}

/// Whether keys lie below that name, so that it must be a table.
pub fn is_table(path: &KeyPath) -> bool {
    let parts = path.parts();
    KEYS.iter().any(|key| key.is_below(&parts))
}

/// The key that `common_site_config.json` calls so.
pub fn find_legacy(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.legacy == Some(name))
}

/// The dotted name of what `common_site_config.json` calls so.
pub fn key_of_legacy(name: &str) -> Option<&'static str> {
    find_legacy(name).map(|key| key.name)
}

/// The name in `common_site_config.json` of the setting that is called so here.
pub fn legacy_name(dotted: &str) -> Option<&'static str> {
    KEYS.iter().find(|key| key.name == dotted)?.legacy
}

/// What to write instead of an unknown key: the key that this file calls differently, or the one that
/// was probably meant.
pub fn suggestion(path: &KeyPath) -> Option<String> {
    let parts = path.parts();
    let last = parts.last()?;
    if let Some(key) = find_legacy(last) {
        return Some(key.name.to_owned());
    }
    let wanted = path.to_string();
    let candidates = KEYS.iter().map(|key| with_names(key.name, &parts)).chain(tables(&parts));
    nearest(&wanted, candidates)
}

/// The one of these words that the wanted word was probably meant to be.
pub fn nearest(wanted: &str, known: impl IntoIterator<Item = String>) -> Option<String> {
    known
        .into_iter()
        .map(|word| (strsim::damerau_levenshtein(wanted, &word), word))
        .filter(|(distance, word)| *distance <= (wanted.len().max(word.len()) / 3).clamp(1, 5))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// The names of tables, for a mistyped table's own name.
fn tables(parts: &[&str]) -> Vec<String> {
    let mut tables = Vec::new();
    for key in KEYS {
        if let Some((table, _)) = key.name.rsplit_once('.') {
            let table = with_names(table, parts);
            if !tables.contains(&table) {
                tables.push(table);
            }
        }
    }
    tables
}

/// The key's name with the names that the user chose in place of its stars.
fn with_names(name: &str, parts: &[&str]) -> String {
    let named = name.split('.').enumerate().map(|(index, part)| match part {
        "*" => parts.get(index).copied().unwrap_or("NAME").to_owned(),
        part => part.to_owned(),
    });
    KeyPath::new(named.collect()).to_string()
}

const fn key(name: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key { name, legacy: None, kind, doc }
}

const fn old(name: &'static str, legacy: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key { name, legacy: Some(legacy), kind, doc }
}

/// All keys, in the order in which they are shown.
pub const KEYS: &[Key] = &[
    key(
        "bench.name",
        Kind::Text,
        "the bench's name, part of the names of supervisor programs and systemd units",
    ),
    old("bench.user", "dontmanage_user", Kind::Text, "the system user that the programs run as"),
    old(
        "redis_cache.url",
        "redis_cache",
        Kind::Url,
        "the address of the cache's redis server: `redis://`, `rediss://` (TLS) or `unix://`",
    ),
    key("redis_cache.port", Kind::Port, "the TCP port of the cache's redis server"),
    key("redis_cache.bind", Kind::Text, "the address that the cache's redis server listens on"),
    key("redis_cache.socket", Kind::Text, "the unix socket of the cache's redis server"),
    key("redis_cache.binary", Kind::Text, "the redis-server program for the cache"),
    old("redis_cache.maxmemory", "cache_maxmemory", Kind::Size, "how much memory the cached data may take"),
    key("redis_cache.maxmemory_policy", Kind::Text, "what is thrown out when the cache is full"),
    old(
        "redis_cache.sign",
        "redis_cache_sign",
        Kind::Flag,
        "whether cached values are signed with the key of config/cache.key",
    ),
    old(
        "redis_cache.timeout",
        "redis_cache_timeout",
        Kind::Deadline,
        "how long a worker waits for the cache's answer",
    ),
    old(
        "redis_cache.connect_timeout",
        "redis_cache_connect_timeout",
        Kind::Deadline,
        "how long a worker waits for the cache to accept it",
    ),
    old(
        "redis_cache.compress_above",
        "redis_cache_compress_above",
        Kind::Threshold,
        "above which size signed values are compressed; never if it is left out",
    ),
    key(
        "redis_cache.worker_library",
        Kind::Flag,
        "whether this cache library serves the framework's workers",
    ),
    key("redis_cache.extra.*", Kind::Word, "one more directive for config/redis_cache.conf"),
    old("redis_queue.url", "redis_queue", Kind::Url, "the address of the queue's redis server"),
    key("redis_queue.port", Kind::Port, "the TCP port of the queue's redis server"),
    key("redis_queue.bind", Kind::Text, "the address that the queue's redis server listens on"),
    key("redis_queue.socket", Kind::Text, "the unix socket of the queue's redis server"),
    key("redis_queue.binary", Kind::Text, "the redis-server program for the queue"),
    key("redis_queue.extra.*", Kind::Word, "one more directive for config/redis_queue.conf"),
    old(
        "redis_socketio.url",
        "redis_socketio",
        Kind::Url,
        "the address of the redis server that socketio listens to",
    ),
    key("redis_socketio.port", Kind::Port, "the TCP port of socketio's own redis server"),
    key("redis_socketio.bind", Kind::Text, "the address that socketio's own redis server listens on"),
    key("redis_socketio.socket", Kind::Text, "the unix socket of socketio's own redis server"),
    key("redis_socketio.binary", Kind::Text, "the redis-server program for socketio"),
    key("redis_socketio.extra.*", Kind::Word, "one more directive for config/redis_socketio.conf"),
    old("web.port", "webserver_port", Kind::Port, "the TCP port of the web server"),
    old("web.workers", "gunicorn_workers", Kind::Number, "gunicorn's worker processes"),
    old("web.timeout", "http_timeout", Kind::Duration, "how long a request may take"),
    old(
        "web.max_requests",
        "gunicorn_max_requests",
        Kind::Number,
        "after how many requests a gunicorn worker is replaced; 0 for never",
    ),
    old("socketio.port", "socketio_port", Kind::Port, "the TCP port of socketio"),
    old("watch.port", "file_watcher_port", Kind::Port, "the TCP port of the file watcher"),
    old(
        "workers.count",
        "background_workers",
        Kind::Number,
        "processes for each of the framework's own queues",
    ),
    key("workers.queues.*.count", Kind::Number, "processes for a queue of the bench's own"),
    key("workers.queues.*.timeout", Kind::Duration, "how long a job of this queue may take"),
    key("programs.*.command", Kind::Text, "the program's command, a line for sh"),
    key("programs.*.instances", Kind::Number, "how many processes run the program"),
    key("programs.*.restart", Kind::Text, "when it is started again: always, on-failure or never"),
    key("programs.*.stop_signal", Kind::Text, "the signal that asks it to stop"),
    key("programs.*.stop_timeout", Kind::Duration, "how long it may take to stop before it is killed"),
    key("programs.*.depends_on", Kind::Names, "what must be ready before it starts"),
    key("programs.*.ready", Kind::Probe, "when it counts as ready"),
    key("programs.*.health", Kind::Probe, "how its health is watched once it is ready"),
    key("programs.*.memory_limit", Kind::Size, "it is started again when it holds more resident memory"),
    key("programs.*.env.*", Kind::Word, "one more variable of its environment"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_named_after_their_keys() {
        let variable = |name| KEYS.iter().find(|key| key.name == name).and_then(Key::variable);
        assert_eq!(variable("bench.name").as_deref(), Some("BENCH_NAME"));
        assert_eq!(variable("bench.user").as_deref(), Some("BENCH_USER"));
        assert_eq!(variable("redis_cache.maxmemory").as_deref(), Some("BENCH_REDIS_CACHE_MAXMEMORY"));
        assert_eq!(variable("programs.*.command"), None);
    }

    #[test]
    fn no_name_is_given_twice() {
        let mut seen = std::collections::BTreeSet::new();
        for key in KEYS {
            for name in std::iter::once(key.name.to_owned()).chain(key.variable()) {
                assert!(seen.insert(name.clone()), "{name}");
            }
            if let Some(legacy) = key.legacy {
                assert!(seen.insert(format!("json {legacy}")), "{legacy}");
            }
        }
    }

    #[test]
    fn a_mistyped_key_names_the_one_that_was_meant() {
        for (typed, meant) in [
            ("redis_cache.maxmemroy", Some("redis_cache.maxmemory")),
            ("redis_cahce.port", Some("redis_cache.port")),
            ("redis_cahce", Some("redis_cache")),
            ("cache_maxmemory", Some("redis_cache.maxmemory")),
            ("web.gunicorn_workers", Some("web.workers")),
            ("programs.web.comand", Some("programs.web.command")),
            ("workers.queues.reports.timout", Some("workers.queues.reports.timeout")),
            ("weather.forecast", None),
        ] {
            assert_eq!(suggestion(&KeyPath::from(typed)).as_deref(), meant, "{typed}");
        }
    }

    #[test]
    fn keys_are_told_from_tables() {
        assert_eq!(find(&KeyPath::from("programs.web.env.A")).map(|key| key.name), Some("programs.*.env.*"));
        assert!(find(&KeyPath::from("programs.web.env")).is_none());
        assert!(is_table(&KeyPath::from("programs.web.env")));
        assert!(!is_table(&KeyPath::from("programs.web.command")));
    }
}
