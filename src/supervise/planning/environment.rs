//! The environment of a program: what the shell had that started the bench, less what belongs to
//! others, plus what a program of a bench relies on.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use indexmap::IndexMap;

use super::super::{INSTANCE_VARIABLE, RUN_VARIABLE};
use super::recognise::Kind;
use crate::settings::{BenchDir, PYTHON_PATH, Settings, WORKER_LIBRARY_SWITCH, WorkerLibrary};

/// The first port that a program without a port of its own finds in `PORT`, as honcho gives it.
const FIRST_PORT: u32 = 5000;
const PORT_STEP: u32 = 100;

/// Where the bench is started from.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The environment of the shell.
    pub shell: Vec<(OsString, OsString)>,
    /// What `.env` in the bench says.
    pub dotenv: Vec<(String, String)>,
    /// The `bench` program itself, absolute.
    pub bench_program: PathBuf,
    /// The redis-server, if one is found.
    pub redis_server: Option<PathBuf>,
    /// Marks the processes of this run.
    pub run_id: String,
    /// Whether the framework's development helpers are wanted.
    pub development: bool,
    /// The cache library, if the framework's workers are to have it.
    pub worker_library: Option<WorkerLibrary>,
}

/// Variables that say something about the shell's own surroundings, and would mislead a program.
/// `CI` turns off parts of the framework's workers.
const FOREIGN: &[&str] = &[
    "CI",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "LISTEN_FDNAMES",
    "LISTEN_FDS",
    "LISTEN_PID",
    "MAKEFLAGS",
    "MAKELEVEL",
    "MFLAGS",
    "NOTIFY_SOCKET",
    "OLDPWD",
    "PORT",
    "PWD",
    "SHLVL",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "_",
];
/// Not `BENCH_`: these are settings, and a `bench` that a program calls must see the same ones.
const FOREIGN_PREFIXES: &[&str] =
    &["CARGO_", "DONTMANAGE_", "HONCHO_", "NEXTEST_", "OVERMIND_", "PM2_", "SUPERVISOR_"];

/// What tells a worker where the cache is, and how to use it.
pub const CACHE_VARIABLES: &[&str] = &[
    "DONTMANAGE_REDIS_CACHE",
    "DONTMANAGE_REDIS_CACHE_SIGN",
    "DONTMANAGE_REDIS_CACHE_TIMEOUT",
    "DONTMANAGE_REDIS_CACHE_CONNECT_TIMEOUT",
    "DONTMANAGE_REDIS_CACHE_COMPRESS_ABOVE",
];

/// What one process adds to the bench's environment.
pub(super) struct Own<'a> {
    /// `web.1`
    pub name: &'a str,
    /// Its `PORT`.
    pub port: u32,
    /// `[programs.NAME] env`
    pub env: &'a IndexMap<String, String>,
    /// Its `NOTIFY_SOCKET`.
    pub notify_socket: Option<&'a Path>,
}

/// The environment of an instance, from the bench's.
pub(super) fn of_instance(
    of_bench: &IndexMap<OsString, OsString>,
    own: &Own<'_>,
    surroundings: &Surroundings,
) -> Vec<(OsString, OsString)> {
    let mut env = of_bench.clone();
    let mut set = |name: &str, value: &OsStr| {
        env.insert(name.into(), value.to_owned());
    };
    // `.env` may know better.
    if !surroundings.dotenv.iter().any(|(name, _)| name == "PORT") {
        set("PORT", OsStr::new(&own.port.to_string()));
    }
    for (name, value) in own.env {
        set(name, OsStr::new(value));
    }
    if let (true, Some(library)) = (own.env.contains_key(PYTHON_PATH), &surroundings.worker_library) {
        let path = library.python_path(own.env.get(PYTHON_PATH).map(OsStr::new));
        set(PYTHON_PATH, &path);
    }
    set(RUN_VARIABLE, OsStr::new(&surroundings.run_id));
    set(INSTANCE_VARIABLE, OsStr::new(own.name));
    if let Some(socket) = own.notify_socket {
        set("NOTIFY_SOCKET", socket.as_os_str());
    }
    env.into_iter().collect()
}

/// The environment of anything that runs in a bench.
pub fn of_bench(
    bench: &BenchDir,
    settings: &Settings,
    surroundings: &Surroundings,
) -> IndexMap<OsString, OsString> {
    let mut env: IndexMap<OsString, OsString> =
        surroundings.shell.iter().filter(|(name, _)| !is_foreign(name)).cloned().collect();
    let mut set = |name: &str, value: &OsStr| {
        env.insert(name.into(), value.to_owned());
    };
    set("PYTHONUNBUFFERED", OsStr::new("true"));
    if surroundings.development {
        set("DEV_SERVER", OsStr::new("true"));
    }
    set("BENCH_DIR", bench.path().as_os_str());
    let cache = &settings.redis_cache;
    let seconds = |wait: Option<Duration>| wait.map(|wait| wait.as_secs_f64().to_string());
    let values = [
        Some(cache_url(bench, settings)),
        Some(u8::from(cache.sign).to_string()),
        seconds(cache.timeout),
        seconds(cache.connect_timeout),
        cache.compress_above.map(|bytes| bytes.0.to_string()),
    ];
    for (name, value) in CACHE_VARIABLES.iter().zip(values) {
        if let Some(value) = value {
            set(name, OsStr::new(&value));
        }
    }
    for (name, value) in &surroundings.dotenv {
        set(name, OsStr::new(value));
    }
    if let Some(library) = &surroundings.worker_library {
        let path = library.python_path(env.get(OsStr::new(PYTHON_PATH)).map(OsString::as_os_str));
        env.insert(PYTHON_PATH.into(), path);
        env.insert(WORKER_LIBRARY_SWITCH.into(), library.bench().into());
    }
    let path = with_bench_on_path(env.get(OsStr::new("PATH")), &surroundings.bench_program);
    let (path, is_entered) = with_python_on_path(path, &bench.join("env"));
    env.insert("PATH".into(), path);
    if is_entered {
        env.insert("VIRTUAL_ENV".into(), bench.join("env").into());
    }
    env
}

fn is_foreign(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    FOREIGN.contains(&name.as_ref()) || FOREIGN_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// The port of a program's first process: its own, or one of the series that honcho gives.
pub(super) fn first_port(settings: &Settings, kind: &Kind, program: &str, index: usize) -> u32 {
    match (kind, program) {
        (Kind::Web(Some(port)) | Kind::Socketio(port), _) => u32::from(port.number()),
        (_, "web") => u32::from(settings.web.port.number()),
        _ => FIRST_PORT + PORT_STEP * u32::try_from(index).unwrap_or(0),
    }
}

/// How workers reach the cache: by its unix socket where the server has one, else by the URL.
pub fn cache_url(bench: &BenchDir, settings: &Settings) -> String {
    let server = &settings.redis_cache.server;
    let file = bench.config().join("redis_cache.conf");
    // What counts is the file that the server reads: it may be older than the settings.
    let has_socket = || {
        std::fs::read_to_string(file)
            .is_ok_and(|text| text.lines().any(|line| line.starts_with("unixsocket ")))
    };
    match &server.socket {
        Some(socket) if server.local && server.port.is_some() && has_socket() => {
            let mut url = format!("unix://{}", percent_encode(socket.as_os_str().as_bytes()));
            let login = server
                .url
                .password()
                .map(|password| format!("password={}", percent_encode(password.as_bytes())));
            let db = (server.url.db() != 0).then(|| format!("db={}", server.url.db()));
            let query: Vec<String> = login.into_iter().chain(db).collect();
            if !query.is_empty() {
                url.push('?');
                url.push_str(&query.join("&"));
            }
            url
        }
        _ => server.url_text.reveal().to_owned(),
    }
}

fn percent_encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte) {
            text.push(byte.into());
        } else {
            // Writing to a String can't fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// Programs call `bench` by its name, from any directory.
fn with_bench_on_path(path: Option<&OsString>, bench_program: &Path) -> OsString {
    let folder = bench_program.parent().unwrap_or_else(|| Path::new("/"));
    let path = path.map_or_else(|| OsString::from("/usr/local/bin:/usr/bin:/bin"), Clone::clone);
    if std::env::split_paths(&path).next().as_deref() == Some(folder) {
        return path;
    }
    let folders = std::iter::once(folder.to_owned()).chain(std::env::split_paths(&path));
    // A folder with a `:` in its name can't be on any PATH.
    std::env::join_paths(folders).unwrap_or(path)
}

/// `python` and the programs of the bench's environment come before those of the machine, and whether there
/// is one. A `bench` in it does not come before the one that runs.
fn with_python_on_path(path: OsString, env: &Path) -> (OsString, bool) {
    let programs = env.join("bin");
    if !programs.join("python").exists() {
        return (path, false);
    }
    let mut folders: Vec<PathBuf> =
        std::env::split_paths(&path).filter(|folder| *folder != programs).collect();
    folders.insert(usize::from(programs.join("bench").exists() && !folders.is_empty()), programs);
    match std::env::join_paths(folders) {
        Ok(path) => (path, true),
        // A folder with a `:` in its name can't be on any PATH.
        Err(_) => (path, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_other_tools_is_left_out() {
        for name in ["CI", "NOTIFY_SOCKET", "CARGO_PKG_NAME", "PORT"] {
            assert!(is_foreign(OsStr::new(name)), "{name}");
        }
        for name in ["HOME", "LANG", "PATH", "NODE_ENV", "CIRCLE"] {
            assert!(!is_foreign(OsStr::new(name)), "{name}");
        }
    }

    #[test]
    fn bench_comes_first_on_the_path_and_only_once() {
        let path = OsString::from("/usr/bin:/bin");
        let with = with_bench_on_path(Some(&path), Path::new("/opt/bench/bin/bench"));
        assert_eq!(with, "/opt/bench/bin:/usr/bin:/bin");
        assert_eq!(with_bench_on_path(Some(&with), Path::new("/opt/bench/bin/bench")), with);
    }

    #[test]
    fn the_environments_python_comes_first_and_its_bench_does_not() {
        let bench = tempfile::tempdir().unwrap();
        let env = bench.path().join("env");
        let path = || OsString::from("/opt/bench:/usr/bin");
        assert_eq!(with_python_on_path(path(), &env), (path(), false));
        std::fs::create_dir_all(env.join("bin")).unwrap();
        std::fs::write(env.join("bin/python"), "").unwrap();
        let programs = env.join("bin").display().to_string();
        let (with, is_entered) = with_python_on_path(path(), &env);
        assert_eq!(
            (with.to_str().unwrap(), is_entered),
            (format!("{programs}:/opt/bench:/usr/bin").as_str(), true)
        );
        assert_eq!(with_python_on_path(with.clone(), &env), (with, true));
        std::fs::write(env.join("bin/bench"), "").unwrap();
        assert_eq!(
            with_python_on_path(path(), &env).0.to_str().unwrap(),
            format!("/opt/bench:{programs}:/usr/bin")
        );
    }

    #[test]
    fn a_path_in_a_url_is_encoded() {
        assert_eq!(percent_encode("/my bench/é?".as_bytes()), "/my%20bench/%C3%A9%3F");
    }
}
