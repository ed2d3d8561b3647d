//! The settings as keys and values again, for `bench config show` and `get`.

use toml_edit::{Array, InlineTable, Value};

use super::convert::{POLICIES, RESTARTS, SIGNALS};
use super::key::KeyPath;
use super::model::{Health, MaxMemory, Probe, Program, RedisServer, Settings, SocketioRedis};
use super::units::{Bytes, show_duration};

/// A key and its value, as `bench.toml` would say it.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The key.
    pub key: KeyPath,
    /// The value, with its secrets.
    pub value: Value,
    /// The value for the screen, if it must not be shown as it is.
    pub masked: Option<Value>,
}

/// Every key that has a value, in the schema's order.
pub fn all(settings: &Settings) -> Vec<Shown> {
    let mut list = List::default();
    list.add("bench.name", settings.bench.name.as_str());
    list.add_some("bench.user", settings.bench.user.as_deref());
    let cache = &settings.redis_cache;
    list.server("redis_cache", &cache.server);
    list.add(
        "redis_cache.maxmemory",
        match cache.maxmemory {
            MaxMemory::Limit(bytes) => bytes.to_string(),
            MaxMemory::Unlimited => "unlimited".to_owned(),
        },
    );
    list.add_some("redis_cache.maxmemory_policy", word(POLICIES, cache.maxmemory_policy));
    list.add("redis_cache.sign", cache.sign);
    list.add_some("redis_cache.timeout", cache.timeout.map(show_duration));
    list.add_some("redis_cache.connect_timeout", cache.connect_timeout.map(show_duration));
    list.add_some("redis_cache.compress_above", cache.compress_above.map(|bytes| bytes.to_string()));
    list.add("redis_cache.worker_library", cache.worker_library);
    list.extra("redis_cache", &cache.server);
    list.server("redis_queue", &settings.redis_queue);
    list.extra("redis_queue", &settings.redis_queue);
    match &settings.redis_socketio {
        SocketioRedis::Own(server) => {
            list.server("redis_socketio", server);
            list.extra("redis_socketio", server);
        }
        SocketioRedis::SharesCache => list.url("redis_socketio", &cache.server),
    }
    let web = &settings.web;
    list.add("web.port", i64::from(web.port.number()));
    list.add("web.workers", i64::from(web.workers));
    list.add("web.timeout", show_duration(web.timeout));
    list.add("web.max_requests", i64::from(web.max_requests));
    list.add("socketio.port", i64::from(settings.socketio_port.number()));
    list.add("watch.port", i64::from(settings.watch_port.number()));
    list.add("workers.count", i64::from(settings.workers.count));
    for (name, queue) in &settings.workers.queues {
        let table = KeyPath::from("workers.queues").child(name.as_str());
        list.put_some(table.child("count"), queue.count.map(i64::from));
        list.put(table.child("timeout"), show_duration(queue.timeout));
    }
    for (name, program) in &settings.programs {
        list.program(&KeyPath::from("programs").child(name.as_str()), program);
    }
    list.0
}

#[derive(Default)]
struct List(Vec<Shown>);

impl List {
    fn put(&mut self, key: KeyPath, value: impl Into<Value>) {
        self.0.push(Shown { key, value: value.into(), masked: None });
    }

    fn put_some(&mut self, key: KeyPath, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }

    fn add(&mut self, key: &str, value: impl Into<Value>) {
        self.put(KeyPath::from(key), value);
    }

    fn add_some(&mut self, key: &str, value: Option<impl Into<Value>>) {
        self.put_some(KeyPath::from(key), value);
    }

    /// A value whose name tells whether it is secret.
    fn put_named(&mut self, key: KeyPath, name: &str, value: &str) {
        let name = name.to_ascii_lowercase();
        let secret = ["pass", "secret", "token", "auth", "private"].iter().any(|word| name.contains(word));
        let masked = secret.then(|| Value::from("***"));
        self.0.push(Shown { key, value: value.into(), masked });
    }

    fn url(&mut self, table: &str, server: &RedisServer) {
        let masked = server.url.password().map(|_| Value::from(server.url.to_string()));
        let key = KeyPath::from(table).child("url");
        self.0.push(Shown { key, value: server.url_text.reveal().into(), masked });
    }

    fn server(&mut self, table: &str, server: &RedisServer) {
        self.url(table, server);
        let table = KeyPath::from(table);
        self.put_some(table.child("port"), server.port.map(|port| i64::from(port.number())));
        if server.local {
            self.put(table.child("bind"), server.bind.to_string());
        }
        let path = |path: &std::path::PathBuf| path.display().to_string();
        self.put_some(table.child("socket"), server.socket.as_ref().map(path));
        self.put_some(table.child("binary"), server.binary.as_ref().map(path));
    }

    fn extra(&mut self, table: &str, server: &RedisServer) {
        let table = KeyPath::from(table).child("extra");
        for (name, value) in &server.extra {
            self.put_named(table.child(name), name, value);
        }
    }

    fn program(&mut self, table: &KeyPath, program: &Program) {
        self.put_some(table.child("command"), program.command.as_deref());
        self.put_some(table.child("instances"), program.instances.map(i64::from));
        self.put_some(table.child("restart"), program.restart.and_then(|value| word(RESTARTS, value)));
        self.put_some(table.child("stop_signal"), program.stop_signal.and_then(|value| word(SIGNALS, value)));
        self.put_some(table.child("stop_timeout"), program.stop_timeout.map(show_duration));
        let names =
            program.depends_on.as_ref().map(|names| names.iter().map(AsRef::as_ref).collect::<Array>());
        self.put_some(table.child("depends_on"), names);
        self.put_some(table.child("ready"), program.ready.as_ref().map(probe));
        self.put_some(table.child("health"), program.health.as_ref().map(health));
        self.put_some(table.child("memory_limit"), program.memory_limit.as_ref().map(Bytes::to_string));
        for (name, value) in &program.env {
            self.put_named(table.child("env").child(name), name, value);
        }
    }
}

fn word<T: Copy + PartialEq>(words: &[(&'static str, T)], value: T) -> Option<&'static str> {
    words.iter().find(|(_, known)| *known == value).map(|(word, _)| *word)
}

fn probe(probe: &Probe) -> Value {
    match probe {
        Probe::Redis => "redis".into(),
        Probe::Notify => "notify".into(),
        asked => Value::InlineTable(question(asked)),
    }
}

fn question(probe: &Probe) -> InlineTable {
    let mut table = InlineTable::new();
    match probe {
        Probe::Redis => table.insert("redis", true.into()),
        Probe::Notify => table.insert("notify", true.into()),
        Probe::Tcp(port) => table.insert("tcp", i64::from(port.number()).into()),
        Probe::Exec(command) => table.insert("exec", command.as_str().into()),
        Probe::Log(text) => table.insert("log", text.as_str().into()),
        Probe::Http { url, host } => {
            if let Some(host) = host {
                table.insert("host", host.as_str().into());
            }
            table.insert("http", url.as_str().into())
        }
    };
    table
}

fn health(health: &Health) -> Value {
    let mut table = question(&health.probe);
    table.insert("every", show_duration(health.every).into());
    table.insert("timeout", show_duration(health.timeout).into());
    table.insert("failures", i64::from(health.failures).into());
    Value::InlineTable(table)
}
