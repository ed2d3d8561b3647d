//! What a bench can be told: the settings, typed and checked. How they are read is in `load`;
//! their defaults, which need the machine and the framework's version, in `defaults`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use dontmanage_cache::RedisUrl;
use indexmap::IndexMap;

use super::generation::Layout;
use super::layout::Framework;
use super::origin::Origins;
use super::units::Bytes;
use super::url_text::UrlText;
use crate::error::Problem;
use crate::names::{BenchName, Port, ProgramName, QueueName};

/// All settings of one bench, and where each came from.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `[bench]`
    pub bench: Bench,
    /// `[redis_cache]`
    pub redis_cache: RedisCache,
    /// `[redis_queue]`: must not evict.
    pub redis_queue: RedisServer,
    /// `[redis_socketio]`: what socketio talks to. Benches of the framework before 15 run a third
    /// server for it; later ones share the cache's.
    pub redis_socketio: SocketioRedis,
    /// `[web]`
    pub web: Web,
    /// `[socketio]`: its TCP port.
    pub socketio_port: Port,
    /// `[watch]`: its TCP port.
    pub watch_port: Port,
    /// `[workers]`
    pub workers: Workers,
    /// `[programs.NAME]`, in the file's order.
    pub programs: IndexMap<ProgramName, Program>,
    /// The framework that is installed.
    pub framework: Framework,
    /// Which generation of benches this one belongs to.
    pub layout: Layout,
    /// Where each value came from, by dotted key.
    pub origins: Origins,
    /// What is odd, but no mistake.
    pub warnings: Vec<Problem>,
}

/// `[bench]`
#[derive(Clone, Debug)]
pub struct Bench {
    /// The bench's name. Default: the directory's.
    pub name: BenchName,
    /// The system user that supervisor and systemd run the programs as. Default: whoever runs `bench`.
    pub user: Option<String>,
}

/// One redis-server of the bench, or the address of one elsewhere.
#[derive(Clone, Debug)]
pub struct RedisServer {
    /// What workers connect to, with everything that was written there: for `common_site_config.json`
    /// and the workers' environment, never for the screen.
    pub url_text: UrlText,
    /// The same, read. Shows no password.
    pub url: RedisUrl,
    /// Whether this bench renders and starts the server: false for a URL of another host.
    pub local: bool,
    /// The address the server listens on.
    pub bind: IpAddr,
    /// The TCP port; none for a server reached by its unix socket alone.
    pub port: Option<Port>,
    /// The unix socket, absolute. For the cache there is one by default, `config/redis_cache.sock`,
    /// unless its path is longer than the system allows.
    pub socket: Option<PathBuf>,
    /// The server's program. Default: `redis-server`, then `valkey-server`, of the PATH.
    pub binary: Option<PathBuf>,
    /// More directives for its file, in the user's order: name to value.
    pub extra: IndexMap<String, String>,
}

/// `[redis_cache]`
#[derive(Clone, Debug)]
pub struct RedisCache {
    /// The server.
    pub server: RedisServer,
    /// How much memory the cached data may take.
    pub maxmemory: MaxMemory,
    /// What is thrown out when it is full.
    pub maxmemory_policy: EvictionPolicy,
    /// Whether values are signed with the key of `config/cache.key`.
    pub sign: bool,
    /// How long a worker waits for an answer. Default: what the library takes for good.
    pub timeout: Option<Duration>,
    /// How long a worker waits until it is connected. Default: likewise.
    pub connect_timeout: Option<Duration>,
    /// Above which size signed values are compressed. Default: never.
    pub compress_above: Option<Bytes>,
    /// Whether the library of this project serves the framework's workers.
    pub worker_library: bool,
}

/// The cache's memory limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxMemory {
    /// At most so much.
    Limit(Bytes),
    /// `"unlimited"`, said on purpose: nothing is ever evicted.
    Unlimited,
}

/// redis-server's `maxmemory-policy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvictionPolicy {
    /// The least recently used key of all: the default.
    AllkeysLru,
    /// The least frequently used key of all.
    AllkeysLfu,
    /// Any key.
    AllkeysRandom,
    /// The least recently used of the keys that have a lifetime.
    VolatileLru,
    /// The least frequently used of the keys that have a lifetime.
    VolatileLfu,
    /// Any of the keys that have a lifetime.
    VolatileRandom,
    /// The key that ends soonest.
    VolatileTtl,
    /// None: writes fail when it is full.
    Noeviction,
}

/// `[redis_socketio]`
#[derive(Clone, Debug)]
pub enum SocketioRedis {
    /// The cache's server, the layout of the framework from 15 on.
    SharesCache,
    /// A server of its own, the layout of benches before that.
    Own(Box<RedisServer>),
}

impl SocketioRedis {
    /// Its own server, if it has one.
    pub fn own(&self) -> Option<&RedisServer> {
        match self {
            Self::SharesCache => None,
            Self::Own(server) => Some(server),
        }
    }
}

/// `[web]`
#[derive(Clone, Debug)]
pub struct Web {
    /// The TCP port.
    pub port: Port,
    /// Whether some setting names the port. Without one, today's Procfile line has no `--port`.
    pub port_is_set: bool,
    /// gunicorn's worker processes. Default: 2 x CPUs + 1.
    pub workers: u32,
    /// How long a request may take.
    pub timeout: Duration,
    /// After how many requests a gunicorn worker is replaced; 0 for never.
    pub max_requests: u32,
}

/// `[workers]`
#[derive(Clone, Debug)]
pub struct Workers {
    /// Processes for each of the framework's own queues.
    pub count: u32,
    /// `[workers.queues.NAME]`: queues of the bench's own, in the file's order.
    pub queues: IndexMap<QueueName, Queue>,
}

/// `[workers.queues.NAME]`
#[derive(Clone, Debug)]
pub struct Queue {
    /// Processes for this queue. Default: `workers.count`.
    pub count: Option<u32>,
    /// How long a job may take, and so how long a worker has to stop.
    pub timeout: Duration,
}

/// `[programs.NAME]`: the policy for a program of the Procfile, or a program of its own.
/// What is not said here has the default that suits the program.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// The command, only if the Procfile does not have it. A line for `sh`.
    pub command: Option<String>,
    /// How many processes run it.
    pub instances: Option<u32>,
    /// When it is started again.
    pub restart: Option<RestartPolicy>,
    /// The signal that asks it to stop.
    pub stop_signal: Option<StopSignal>,
    /// How long it may take to stop before it is killed.
    pub stop_timeout: Option<Duration>,
    /// What must be ready before it starts. Default for all but the redis servers: these servers.
    pub depends_on: Option<Vec<ProgramName>>,
    /// When it counts as ready.
    pub ready: Option<Probe>,
    /// How its health is watched once it is ready.
    pub health: Option<Health>,
    /// It is started again when it holds more resident memory than this.
    pub memory_limit: Option<Bytes>,
    /// More environment for it.
    pub env: IndexMap<String, String>,
}

/// When a program that ended is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartPolicy {
    /// However it ended.
    Always,
    /// Only after a failure: an exit status other than 0, or a signal that was not ours.
    OnFailure,
    /// Not at all.
    Never,
}

/// A signal that may ask a program to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopSignal {
    /// SIGTERM
    Term,
    /// SIGINT
    Int,
    /// SIGQUIT
    Quit,
    /// SIGHUP
    Hup,
    /// SIGUSR1
    Usr1,
    /// SIGUSR2
    Usr2,
    /// SIGKILL
    Kill,
}

/// A question whose answer says whether a program is ready, or healthy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// `"redis"`: PING is answered by the program's own process.
    Redis,
    /// `{ tcp = 8000 }`: the port of 127.0.0.1 accepts a connection.
    Tcp(Port),
    /// `{ http = "http://127.0.0.1:8000/…" }`: answered with a status of 200 to 399.
    Http {
        /// The address, `http` only.
        url: String,
        /// The Host header, where a site is chosen by it.
        host: Option<String>,
    },
    /// `{ exec = "…" }`: the command, a line for `sh`, ends with 0.
    Exec(String),
    /// `"notify"`: the program says READY=1 to the socket that `NOTIFY_SOCKET` names (`sd_notify`).
    Notify,
    /// `{ log = "…" }`: a line of its output holds this text.
    Log(String),
}

/// `health = { … }`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// The question.
    pub probe: Probe,
    /// How often it is asked.
    pub every: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How many failures in a row count as unhealthy.
    pub failures: u32,
}
