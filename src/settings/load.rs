//! Reading all settings of a bench: default < `common_site_config.json` < `bench.toml` < environment <
//! command line. Every mistake in any of them is reported, all at once.

use std::path::PathBuf;
use std::time::Duration;

use indexmap::IndexMap;

use super::convert;
use super::generation::{Layout, SocketioUrl};
use super::key::KeyPath;
use super::layout::{BenchDir, Framework};
use super::memory::Memory;
use super::model::{
    Bench, EvictionPolicy, MaxMemory, Queue, RedisCache, RedisServer, Settings, SocketioRedis, Web, Workers,
};
use super::reader::{BENCH_TOML, COMMON_SITE_CONFIG, Reader};
use super::redis_server::{self, Defaults};
use super::source::{self, SyntaxError};
use super::units::Bytes;
use super::{json_source, programs, toml_source};
use crate::error::{Problem, Result};
use crate::names::{BenchName, Port, QueueName};

/// Nobody writes so much by hand; whatever is larger is no settings file.
const TOML_LIMIT: Bytes = Bytes::from_mib(1);
/// The framework's own settings are in here too.
pub const JSON_LIMIT: Bytes = Bytes::from_mib(16);

/// What flags say about settings.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--user`
    pub user: Option<String>,
}

/// The texts of the settings files; none where there is no file.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    /// `sites/common_site_config.json`
    pub common_site_config: Option<String>,
    /// `bench.toml`
    pub bench_toml: Option<String>,
}

/// What the defaults depend on.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// The framework that is installed in the bench.
    pub framework: Framework,
    /// Memory.
    pub memory: Memory,
    /// CPUs that this process may use.
    pub cpus: u32,
}

impl Machine {
    /// Asks the kernel and the bench's folder.
    pub fn of(bench: &BenchDir) -> Self {
        let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            framework: bench.framework(),
            memory: Memory::of_this_machine(),
            cpus: u32::try_from(cpus).unwrap_or(u32::MAX),
        }
    }
}

impl Texts {
    /// Reads both files.
    pub fn read(bench: &BenchDir) -> Result<Self> {
        let mut problems = Vec::new();
        let mut read = |path: PathBuf, limit| {
            source::read(&path, limit).unwrap_or_else(|error| {
                problems.extend(error.problems().iter().cloned());
                None
            })
        };
        let texts = Self {
            common_site_config: read(bench.common_site_config(), JSON_LIMIT),
            bench_toml: read(bench.settings_file(), TOML_LIMIT),
        };
        if problems.is_empty() { Ok(texts) } else { Err(source::refused(problems)) }
    }
}

/// Reads the settings of a bench.
pub fn load(bench: &BenchDir, env: &dyn Fn(&str) -> Option<String>) -> Result<Settings> {
    load_with(bench, env, &Flags::default())
}

/// The same, with what flags say.
pub fn load_with(bench: &BenchDir, env: &dyn Fn(&str) -> Option<String>, flags: &Flags) -> Result<Settings> {
    from_texts(bench, &Texts::read(bench)?, env, flags, Machine::of(bench))
}

/// The same, from texts: also from texts that nobody has written yet.
pub fn from_texts(
    bench: &BenchDir,
    texts: &Texts,
    env: &dyn Fn(&str) -> Option<String>,
    flags: &Flags,
    machine: Machine,
) -> Result<Settings> {
    let mut reader = layers(texts, env, flags);
    let mut settings = build(&mut reader, bench, machine);
    check_ports(&mut reader, &settings);
    check_memory(&mut reader, &settings, machine);
    if !reader.problems.is_empty() {
        return Err(source::refused(reader.problems));
    }
    settings.origins = reader.origins;
    settings.warnings = reader.warnings;
    Ok(settings)
}

/// All that somebody says, not looked at yet.
pub fn layers(texts: &Texts, env: &dyn Fn(&str) -> Option<String>, flags: &Flags) -> Reader {
    let mut reader = Reader::default();
    if let Some(text) = &texts.common_site_config {
        match json_source::parse(text) {
            Ok(entries) => reader.add_common_site_config(entries),
            Err(error) => reader.problems.push(mend_json(error)),
        }
    }
    if let Some(text) = &texts.bench_toml {
        match toml_source::parse(text) {
            Ok(entries) => reader.add_bench_toml(entries),
            Err(error) => reader.problems.push(mend_toml(error)),
        }
    }
    reader.add_environment(env);
    if let Some(user) = &flags.user {
        reader.add_flag("bench.user", "--user", user);
    }
    reader
}

fn mend_toml(error: SyntaxError) -> Problem {
    error.in_file(BENCH_TOML).fix("mend that line; a setting is `key = value`, and text goes in quotes")
}

fn mend_json(error: SyntaxError) -> Problem {
    error.in_file(COMMON_SITE_CONFIG).fix("mend the file, or put back a copy of it; it holds JSON")
}

fn build(reader: &mut Reader, bench: &BenchDir, machine: Machine) -> Settings {
    let directory = bench.path().file_name().unwrap_or_default().to_string_lossy();
    let name = reader.read("bench.name", convert::bench_name);
    let user = reader.read("bench.user", convert::user);
    let (layout, cache, queue, socketio) = redis_servers(reader, bench, machine.framework);
    let maxmemory = reader.read("redis_cache.maxmemory", convert::maxmemory);
    let policy = reader.read("redis_cache.maxmemory_policy", convert::policy);
    Settings {
        bench: Bench { name: name.unwrap_or_else(|| BenchName::from_directory(&directory)), user },
        redis_cache: RedisCache {
            server: cache,
            maxmemory: maxmemory.unwrap_or_else(|| MaxMemory::Limit(machine.memory.default_maxmemory())),
            maxmemory_policy: policy.unwrap_or(EvictionPolicy::AllkeysLru),
            sign: reader.read("redis_cache.sign", convert::flag).unwrap_or(true),
            timeout: reader.read("redis_cache.timeout", convert::deadline),
            connect_timeout: reader.read("redis_cache.connect_timeout", convert::deadline),
            compress_above: reader.read("redis_cache.compress_above", convert::threshold),
            worker_library: reader.read("redis_cache.worker_library", convert::flag).unwrap_or(false),
        },
        redis_queue: queue,
        redis_socketio: socketio,
        web: web(reader, machine.cpus),
        socketio_port: reader.read("socketio.port", convert::port).unwrap_or(SOCKETIO_PORT),
        watch_port: reader.read("watch.port", convert::port).unwrap_or(WATCH_PORT),
        workers: workers(reader),
        programs: programs::read(reader),
        framework: machine.framework,
        layout,
        origins: super::origin::Origins::default(),
        warnings: Vec::new(),
    }
}

/// The ports that benches have always had.
pub const CACHE_PORT: Port = port(13000);
/// See [`CACHE_PORT`].
pub const QUEUE_PORT: Port = port(11000);
/// See [`CACHE_PORT`].
pub const SOCKETIO_REDIS_PORT: Port = port(12000);
/// See [`CACHE_PORT`].
pub const WEB_PORT: Port = port(8000);
/// See [`CACHE_PORT`].
pub const SOCKETIO_PORT: Port = port(9000);
/// See [`CACHE_PORT`].
pub const WATCH_PORT: Port = port(6787);

const fn port(number: u16) -> Port {
    match Port::known(number) {
        Some(port) => port,
        None => panic!("a default port is not 0"),
    }
}

fn redis_servers(
    reader: &mut Reader,
    bench: &BenchDir,
    framework: Framework,
) -> (Layout, RedisServer, RedisServer, SocketioRedis) {
    let given = |reader: &Reader, table: &str| {
        reader.is_given(&format!("{table}.url")) || reader.is_given(&format!("{table}.port"))
    };
    let cache_given = given(reader, "redis_cache");
    let socketio_given = given(reader, "redis_socketio");
    let fresh = !cache_given && !socketio_given;
    let spelt = |layout| if layout == Layout::ThreeRedis { "localhost" } else { "127.0.0.1" };
    let cache_host = if fresh { spelt(Layout::of(framework, SocketioUrl::NothingSet)) } else { "127.0.0.1" };
    let cache = redis_server::read(
        reader,
        bench,
        Defaults {
            table: "redis_cache",
            port: CACHE_PORT,
            host: cache_host,
            socket: Some("config/redis_cache.sock"),
        },
    );
    let own = redis_server::read(
        reader,
        bench,
        Defaults { table: "redis_socketio", port: SOCKETIO_REDIS_PORT, host: "localhost", socket: None },
    );
    let said = match (fresh, socketio_given) {
        (true, _) => SocketioUrl::NothingSet,
        (_, true) if !same_server(&own, &cache) => SocketioUrl::Differs,
        _ => SocketioUrl::AsTheCache,
    };
    let layout = Layout::of(framework, said);
    let queue = redis_server::read(
        reader,
        bench,
        Defaults { table: "redis_queue", port: QUEUE_PORT, host: spelt(layout), socket: None },
    );
    let socketio = match layout {
        Layout::ThreeRedis => SocketioRedis::Own(Box::new(own)),
        Layout::Current => SocketioRedis::SharesCache,
    };
    (layout, cache, queue, socketio)
}

fn same_server(a: &RedisServer, b: &RedisServer) -> bool {
    a.url == b.url || (a.local && b.local && a.port.is_some() && a.port == b.port)
}

fn web(reader: &mut Reader, cpus: u32) -> Web {
    const REQUESTS: u32 = 5000;
    let port = reader.read("web.port", convert::port);
    let workers = reader.read("web.workers", convert::count);
    let workers = workers.unwrap_or_else(|| cpus.saturating_mul(2).saturating_add(1));
    let max_requests = reader.read("web.max_requests", convert::requests);
    Web {
        port: port.unwrap_or(WEB_PORT),
        port_is_set: port.is_some(),
        workers,
        timeout: reader.read("web.timeout", convert::whole_seconds).unwrap_or(Duration::from_secs(120)),
        // A single worker that is being replaced would leave nobody to answer.
        max_requests: max_requests.unwrap_or(if workers <= 1 { 0 } else { REQUESTS }),
    }
}

fn workers(reader: &mut Reader) -> Workers {
    // As long as a job of the framework's own `long` queue. Today's tool writes an empty
    // `stopwaitsecs` there, with which supervisord refuses the whole file.
    const TIMEOUT: Duration = Duration::from_secs(1500);
    let count = reader.read("workers.count", convert::count).unwrap_or(1);
    let mut queues = IndexMap::new();
    for (name, place) in reader.names_below("workers.queues") {
        let table = KeyPath::from("workers.queues").child(&name);
        let count = reader.pick(&table.child("count"), convert::count).map(|picked| picked.value);
        let timeout = reader.pick(&table.child("timeout"), convert::whole_seconds).map(|picked| picked.value);
        match QueueName::new(name) {
            Ok(name) => {
                queues.insert(name, Queue { count, timeout: timeout.unwrap_or(TIMEOUT) });
            }
            Err(error) => {
                reader.problems.push(Problem::new(error.to_string()).at(place).fix("choose another name"));
            }
        }
    }
    Workers { count, queues }
}

/// No two servers of this bench can listen on one port. A port that nobody chose is no mistake of the
/// user's, but for redis: two servers would be rendered that can't both start.
fn check_ports(reader: &mut Reader, settings: &Settings) {
    let mut ports: Vec<(&str, &str, Port)> = Vec::new();
    for (name, key, server) in [
        ("redis_cache", "redis_cache.port", Some(&settings.redis_cache.server)),
        ("redis_queue", "redis_queue.port", Some(&settings.redis_queue)),
        ("redis_socketio", "redis_socketio.port", settings.redis_socketio.own()),
    ] {
        if let Some(port) = server.filter(|server| server.local).and_then(|server| server.port) {
            ports.push((name, key, port));
        }
    }
    let redis_servers = ports.len();
    ports.push(("web", "web.port", settings.web.port));
    ports.push(("socketio", "socketio.port", settings.socketio_port));
    for (index, (name, key, port)) in ports.iter().enumerate() {
        for (later, (other, other_key, _)) in
            ports.iter().enumerate().skip(index + 1).filter(|(_, (_, _, other))| other == port)
        {
            let chosen = reader.origins.is_set(key) && reader.origins.is_set(other_key);
            if !chosen && later >= redis_servers {
                continue;
            }
            let place = format!("{} and {}", reader.origins.place(key), reader.origins.place(other_key));
            reader.problems.push(
                Problem::new(format!("{name} and {other} both have the port {port}"))
                    .at(place)
                    .fix("give one of them another port"),
            );
        }
    }
}

/// More memory than there is: not refused, because limits can change, but the kernel would end the
/// server before it evicts anything.
fn check_memory(reader: &mut Reader, settings: &Settings, machine: Machine) {
    if let (MaxMemory::Limit(limit), Some(usable)) = (settings.redis_cache.maxmemory, machine.memory.usable())
        && limit > usable
        && settings.redis_cache.server.local
    {
        reader.warnings.push(
            Problem::new(format!(
                "the cache may take {limit}, but this machine has {}mb for all its programs",
                usable.mib()
            ))
            .at(reader.origins.place("redis_cache.maxmemory"))
            .fix(format!("choose less; the default would be {}", machine.memory.default_maxmemory())),
        );
    }
}
