//! What the files are rendered from: the settings, the bench on disk and the tools on the machine, and
//! what follows from them for every target alike.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::template::BENCH_PATH;
use crate::error::{Error, Problem, Result};
use crate::names::ProgramName;
use crate::settings::{
    BenchDir, Layout, PYTHON_PATH, Program, RedisServer, ServerKind, ServerVersion, Settings, SocketioRedis,
    WORKER_LIBRARY_SWITCH, WorkerLibrary,
};

/// The package that the framework is.
pub const FRAMEWORK: &str = "dontmanage";

/// All that a rendered file depends on.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// The bench on disk.
    pub dir: &'a BenchDir,
    /// Its settings.
    pub settings: &'a Settings,
    /// What there is on the machine.
    pub tools: &'a Tools,
}

/// What there is on the machine.
#[derive(Clone, Debug)]
pub struct Tools {
    /// The `bench` that programs call.
    pub bench: PathBuf,
    /// redis-server or a relative, if there is one on the PATH.
    pub redis_server: Option<PathBuf>,
    /// The cache's server, if it was asked what it is.
    pub cache_server: Option<KnownServer>,
    /// node, if there is one.
    pub node: Option<PathBuf>,
    /// The system user that the programs run as.
    pub user: String,
    /// That user's group.
    pub group: String,
    /// Whether this is a run of continuous integration, where nothing is watched for changes.
    pub ci: bool,
    /// Whether redis is looked after by somebody else.
    pub skip_redis: bool,
    /// The servers that have a file of the user's own beside ours: `config/NAME.local.conf`.
    pub local_files: Vec<&'static str>,
    /// The cache library, if the framework's workers are to have it.
    pub worker_library: Option<WorkerLibrary>,
}

/// A variable of a program's environment.
#[derive(Clone, Debug, Serialize)]
pub struct Variable {
    /// Where it comes from.
    pub key: String,
    /// Its name.
    pub name: String,
    /// What it is set to.
    pub value: String,
}

/// A redis-server that said its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownServer {
    /// Its version.
    pub version: ServerVersion,
    /// By which the very program is known again: another build, or another machine's, has another one.
    pub fingerprint: String,
}

impl KnownServer {
    /// As the seal of a file carries it.
    pub fn to_fact(&self) -> String {
        let ServerVersion { kind, major, minor, patch } = self.version;
        let kind = match kind {
            ServerKind::Redis => "redis",
            ServerKind::Valkey => "valkey",
            ServerKind::Other => "other",
        };
        format!("{kind}-{major}.{minor}.{patch}@{}", self.fingerprint)
    }

    /// What a seal says.
    pub fn from_fact(fact: &str) -> Option<Self> {
        let (version, fingerprint) = fact.split_once('@')?;
        let (kind, numbers) = version.split_once('-')?;
        let kind = match kind {
            "redis" => ServerKind::Redis,
            "valkey" => ServerKind::Valkey,
            "other" => ServerKind::Other,
            _ => return None,
        };
        let mut numbers = numbers.split('.').map(|number| number.parse::<u32>().ok());
        let mut next = || numbers.next().flatten();
        let version = ServerVersion { kind, major: next()?, minor: next()?, patch: next()? };
        Some(Self { version, fingerprint: fingerprint.to_owned() })
    }
}

/// One redis-server that the bench runs itself.
#[derive(Clone, Copy, Debug)]
pub struct Server<'a> {
    /// `redis_cache`, `redis_queue` or `redis_socketio`: its name in settings, Procfile and files.
    pub name: &'static str,
    /// Its settings.
    pub settings: &'a RedisServer,
}

impl Server<'_> {
    /// Its file, relative to the bench.
    pub fn file(&self) -> String {
        format!("config/{}.conf", self.name)
    }

    /// Its name where dashes are the custom.
    pub fn dashed(&self) -> String {
        self.name.replace('_', "-")
    }
}

/// The worker processes for one of the framework's queues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// The queue that it is named after.
    pub name: String,
    /// The queues it takes jobs from, in order.
    pub queues: String,
    /// How many processes.
    pub count: u32,
    /// How long a job may take to end when the worker is to stop.
    pub stop_timeout: Duration,
    /// Whether the bench's settings made the queue, and not the framework.
    pub own: bool,
}

/// A program that the settings define.
#[derive(Clone, Copy, Debug)]
pub struct OwnProgram<'a> {
    /// Its name.
    pub name: &'a ProgramName,
    /// A line for `sh`.
    pub command: &'a str,
}

/// Jobs of the short queue end within 5 minutes, of the others within 25; one minute more to tidy up.
const SHORT: Duration = Duration::from_secs(360);
const LONG: Duration = Duration::from_secs(1560);

/// The framework's programs, by their names in the Procfile. Own programs are all others.
const FRAMEWORK_PROGRAMS: [&str; 5] = ["web", "socketio", "watch", "schedule", "worker"];

impl<'a> Scene<'a> {
    /// A path below the bench, as text.
    pub fn path(&self, below: &str) -> Result<String> {
        text(self.dir.join(below))
    }

    /// The bench's directory, as text.
    pub fn root(&self) -> Result<String> {
        text(self.dir.path().to_owned())
    }

    /// Whether this is a bench of the older layout, with three redis servers.
    pub fn is_legacy(&self) -> bool {
        self.settings.layout == Layout::ThreeRedis
    }

    /// Whether there is a framework whose programs can run.
    pub const fn has_framework(&self) -> bool {
        self.settings.framework.is_installed()
    }

    /// The redis servers that this bench runs, the cache first.
    pub fn servers(&self) -> Vec<Server<'a>> {
        let mut servers = self.all_servers();
        servers.retain(|server| server.settings.local);
        servers
    }

    /// The redis servers that run elsewhere.
    pub fn remote_servers(&self) -> Vec<Server<'a>> {
        let mut servers = self.all_servers();
        servers.retain(|server| !server.settings.local);
        servers
    }

    fn all_servers(&self) -> Vec<Server<'a>> {
        let settings = self.settings;
        let mut servers = vec![
            Server { name: "redis_cache", settings: &settings.redis_cache.server },
            Server { name: "redis_queue", settings: &settings.redis_queue },
        ];
        if let SocketioRedis::Own(own) = &settings.redis_socketio {
            servers.push(Server { name: "redis_socketio", settings: own });
        }
        servers
    }

    /// The framework's workers, by queue; none without a framework.
    pub fn pools(&self) -> Vec<Pool> {
        if !self.has_framework() {
            return Vec::new();
        }
        let workers = &self.settings.workers;
        let pool = |name: &str, queues: &str, stop_timeout| Pool {
            name: name.to_owned(),
            queues: queues.to_owned(),
            count: workers.count,
            stop_timeout,
            own: false,
        };
        let mut pools = if self.settings.layout.merges_queues(self.settings.framework) {
            vec![pool("short", "short,default", SHORT), pool("long", "long,default,short", LONG)]
        } else {
            vec![pool("default", "default", LONG), pool("short", "short", SHORT), pool("long", "long", LONG)]
        };
        pools.extend(workers.queues.iter().map(|(name, queue)| Pool {
            name: name.to_string(),
            queues: name.to_string(),
            count: queue.count.unwrap_or(workers.count),
            stop_timeout: queue.timeout,
            own: true,
        }));
        pools
    }

    /// The programs that the settings define, those left out whose command replaces the framework's.
    pub fn own_programs(&self) -> Vec<OwnProgram<'a>> {
        let programs = self.settings.programs.iter();
        programs
            .filter_map(|(name, policy)| Some(OwnProgram { name, command: policy.command.as_deref()? }))
            .filter(|own| !self.is_known(own.name.as_str()))
            .collect()
    }

    /// Whether the program of this name is a redis server or the framework's in this bench.
    fn is_known(&self, name: &str) -> bool {
        let servers = self.servers();
        let framework = self.has_framework()
            && (FRAMEWORK_PROGRAMS.contains(&name)
                || self.pools().iter().any(|pool| pool.own && own_queue_program(&pool.name) == name));
        framework || servers.iter().any(|server| server.name == name)
    }

    /// What the settings say about how a program is run.
    pub fn policy(&self, name: &str) -> Option<&'a Program> {
        self.settings.programs.iter().find(|(program, _)| program.as_str() == name).map(|(_, policy)| policy)
    }

    /// The variables of a program, by its name in the Procfile: what its settings say, and what brings the
    /// cache library into a worker.
    pub fn environment(&self, name: &str) -> Result<Vec<Variable>> {
        let said = self.policy(name).map(|policy| &policy.env);
        let key = |variable: &str| format!("programs.{name}.env.{variable}");
        let mut variables: Vec<Variable> = said
            .into_iter()
            .flatten()
            .map(|(name, value)| Variable { key: key(name), name: name.clone(), value: value.clone() })
            .collect();
        let is_worker = name != "socketio" && !self.all_servers().iter().any(|server| server.name == name);
        let Some(library) = self.tools.worker_library.as_ref().filter(|_| is_worker) else {
            return Ok(variables);
        };
        let given = |wanted: &str| said.and_then(|said| said.get(wanted));
        let path = text(library.python_path(given(PYTHON_PATH).map(OsStr::new)).into())?;
        variables.retain(|variable| variable.name != PYTHON_PATH);
        let add = |name: &str, value| {
            let key = given(name).map_or_else(|| BENCH_PATH.to_owned(), |_| key(name));
            Variable { key, name: name.to_owned(), value }
        };
        variables.push(add(PYTHON_PATH, path));
        if given(WORKER_LIBRARY_SWITCH).is_none() {
            variables.push(add(WORKER_LIBRARY_SWITCH, text(library.bench().to_owned())?));
        }
        Ok(variables)
    }

    /// The command that the settings put in the place of the framework's, or of a redis server's.
    pub fn command_instead(&self, name: &str) -> Option<&'a str> {
        self.policy(name)?.command.as_deref()
    }

    /// The server's program, which supervisor and systemd need by its path.
    pub fn redis_program(&self, server: &Server<'_>) -> Result<String> {
        if let Some(binary) = &server.settings.binary {
            return text(binary.clone());
        }
        match &self.tools.redis_server {
            Some(path) => text(path.clone()),
            None => Err(Problem::new("no redis-server is installed, and its path belongs in this file")
                .fix("install it with `apt-get install redis-server`, or leave redis out with `--skip-redis`")
                .into()),
        }
    }

    /// The web server of a bench in production, as words.
    pub fn web_command(&self) -> Result<Vec<String>> {
        let web = &self.settings.web;
        let jitter = web.max_requests / 10;
        let mut words = vec![self.path("env/bin/gunicorn")?];
        let mut add = |flag: &str, value: String| words.extend([flag.to_owned(), value]);
        add("-b", format!("127.0.0.1:{}", web.port));
        add("-w", web.workers.to_string());
        add("--max-requests", web.max_requests.to_string());
        add("--max-requests-jitter", jitter.to_string());
        add("-t", seconds(web.timeout).to_string());
        if !self.is_legacy() {
            add("--graceful-timeout", "30".to_owned());
        }
        words.extend([format!("{FRAMEWORK}.app:application"), "--preload".to_owned()]);
        Ok(words)
    }

    /// What starts the framework's socketio, as words; none without node.
    pub fn socketio_command(&self) -> Result<Option<Vec<String>>> {
        let Some(node) = &self.tools.node else { return Ok(None) };
        Ok(Some(if self.is_legacy() {
            vec![text(node.clone())?, self.path(&format!("apps/{FRAMEWORK}/socketio.js"))?]
        } else {
            self.bench_command(&["socketio"])?
        }))
    }

    /// `bench` with these arguments, as words.
    pub fn bench_command(&self, arguments: &[&str]) -> Result<Vec<String>> {
        let mut words = vec![text(self.tools.bench.clone())?];
        words.extend(arguments.iter().map(|&argument| argument.to_owned()));
        Ok(words)
    }
}

/// The program in the Procfile that works on a queue of the bench's own.
pub fn own_queue_program(queue: &str) -> String {
    format!("worker_{}", queue.replace('.', "_"))
}

/// Whole seconds, rounded up: no file that we render knows less.
pub fn seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// A path as text: the files that we render are UTF-8.
pub fn text(path: PathBuf) -> Result<String> {
    path.into_os_string().into_string().map_err(|path| {
        Error::failed(
            Problem::new(format!("the path `{}` is not UTF-8 text", path.to_string_lossy()))
                .fix("move the bench to a directory whose name is"),
        )
    })
}
