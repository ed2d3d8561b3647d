//! What a program is, by its command: a redis-server, or one of the framework's own. What it needs,
//! and how long it may take to stop, follows from that.

use std::path::Path;
use std::time::Duration;

use dontmanage_cache::RedisUrl;

use super::super::plan::RestartLimit;
use crate::names::{Port, ProgramName, QueueName};
use crate::settings::{BenchDir, Health, Probe, RedisServer, Settings, SocketioRedis};

/// How long one answer to a readiness question may take.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// A program's kind.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A redis-server, and where it answers.
    Redis(RedisUrl),
    /// The framework's web server, on this port.
    Web(Option<Port>),
    /// The framework's workers; a job may take so long.
    Worker(Duration),
    /// The framework's socketio, on this port.
    Socketio(Port),
    /// Anything else.
    Other,
}

/// gunicorn's graceful timeout is 30 s, and today's supervisor entries wait 10 s longer.
const WEB_STOP: Duration = Duration::from_secs(40);
/// The longest job of the framework's own queues takes 1500 s, and a worker waits for its job.
const WORKER_STOP: Duration = Duration::from_secs(1560);
const SHORT_WORKER_STOP: Duration = Duration::from_secs(360);
const STOP: Duration = Duration::from_secs(10);

impl Kind {
    /// When it counts as ready, if nobody says.
    pub const fn readiness(&self) -> Option<Probe> {
        match self {
            Self::Redis(_) => Some(Probe::Redis),
            Self::Web(Some(port)) | Self::Socketio(port) => Some(Probe::Tcp(*port)),
            Self::Web(None) | Self::Worker(_) | Self::Other => None,
        }
    }

    /// How its health is watched, if nobody says: a redis-server that is stopped, or hangs, still has
    /// its port open, so it is asked for an answer.
    pub const fn health(&self) -> Option<Health> {
        match self {
            Self::Redis(_) => Some(Health {
                probe: Probe::Redis,
                every: Duration::from_secs(2),
                timeout: ANSWER_TIMEOUT,
                failures: 3,
            }),
            _ => None,
        }
    }

    /// How long it may take to stop, if nobody says.
    pub const fn stop_timeout(&self) -> Duration {
        match self {
            Self::Web(_) => WEB_STOP,
            Self::Worker(timeout) => *timeout,
            Self::Redis(_) | Self::Socketio(_) | Self::Other => STOP,
        }
    }

    /// A redis-server that can't even start won't by being started ten times.
    pub const fn restart_limit(&self) -> RestartLimit {
        match self {
            Self::Redis(_) => RestartLimit { before_ready: 2, after_ready: 10 },
            _ => RestartLimit { before_ready: 10, after_ready: 10 },
        }
    }
}

/// Looks at a program's name and command.
pub fn recognise(bench: &BenchDir, settings: &Settings, name: &ProgramName, command: &str) -> Kind {
    let words = program_words(command);
    let Some(program) = words.first() else { return Kind::Other };
    let program = file_name(program);
    if is_server(program) {
        let own = own_server(settings, name.as_str()).map(|server| server.url.clone());
        let url = own.or_else(|| words.get(1).and_then(|file| url_of_file(&bench.join(file))));
        return url.map_or(Kind::Other, Kind::Redis);
    }
    if program == "bench" && settings.framework.is_installed() {
        return match words.get(1).map(String::as_str) {
            Some("serve") => Kind::Web(port_flag(&words)),
            Some("worker") => Kind::Worker(worker_stop(settings, &words)),
            Some("socketio") => Kind::Socketio(settings.socketio_port),
            _ => Kind::Other,
        };
    }
    if program.starts_with("node") && words.iter().any(|word| word.ends_with("/socketio.js")) {
        return Kind::Socketio(settings.socketio_port);
    }
    Kind::Other
}

/// The words of a command from its program on. Lines of a Procfile set variables before it, and hand it
/// over by `exec`, by `env` or by a shell.
pub fn program_words(command: &str) -> Vec<String> {
    let mut words = shlex::split(command).unwrap_or_default();
    loop {
        let assigned = words.iter().take_while(|word| is_assignment(word)).count();
        words.drain(..assigned);
        let Some(first) = words.first() else { return words };
        let flags = words[1..].iter().take_while(|word| word.starts_with('-')).count();
        match file_name(first) {
            "sh" | "bash" | "dash" if flags > 0 && words[flags].ends_with('c') => {
                words = words.get(flags + 1).and_then(|line| shlex::split(line)).unwrap_or_default();
            }
            // Its flag and the number after it.
            "nice" | "ionice" if flags == 1 && takes_a_number(&words[1]) && words.len() > 3 => {
                words.drain(..3);
            }
            "exec" | "command" | "env" | "nice" | "ionice" | "nohup" | "setsid" | "stdbuf" => {
                words.drain(..=flags);
            }
            _ => return words,
        }
    }
}

/// The redis-server or Valkey that a command runs, as it is written there.
pub fn server_program(command: &str) -> Option<String> {
    program_words(command).into_iter().next().filter(|word| is_server(file_name(word)))
}

fn is_server(program: &str) -> bool {
    matches!(program, "redis-server" | "valkey-server")
}

/// `-n` or `-c`, whose number is the next word; not `-5`.
fn takes_a_number(flag: &str) -> bool {
    flag.len() == 2 && flag.ends_with(|c: char| c.is_ascii_alphabetic())
}

fn is_assignment(word: &str) -> bool {
    let is_name =
        |name: &str| !name.is_empty() && name.bytes().all(|c| c == b'_' || c.is_ascii_alphanumeric());
    word.split_once('=').is_some_and(|(name, _)| is_name(name))
}

fn file_name(program: &str) -> &str {
    Path::new(program).file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// The server of the settings that a program of this name runs.
pub fn own_server<'a>(settings: &'a Settings, name: &str) -> Option<&'a RedisServer> {
    match (name, &settings.redis_socketio) {
        ("redis_cache", _) => Some(&settings.redis_cache.server),
        ("redis_queue", _) => Some(&settings.redis_queue),
        ("redis_socketio", SocketioRedis::Own(server)) => Some(server),
        _ => None,
    }
}

/// Where a server with this configuration file answers: its port, else its socket.
fn url_of_file(file: &Path) -> Option<RedisUrl> {
    let text = std::fs::read_to_string(file).ok()?;
    let value = |directive: &str| {
        text.lines()
            .rev()
            .find_map(|line| line.trim().strip_prefix(directive)?.strip_prefix(' ').map(str::trim))
    };
    let port = value("port").map_or(Some(6379), |port| port.parse().ok())?;
    let url = match (port, value("unixsocket")) {
        (0, socket) => RedisUrl::unix(socket?.trim_matches('"')),
        (port, _) => RedisUrl::tcp("127.0.0.1", port),
    };
    Some(match value("requirepass") {
        Some(password) => url.with_login(None, password.trim_matches('"')),
        None => url,
    })
}

fn port_flag(words: &[String]) -> Option<Port> {
    let at = words.iter().position(|word| word == "--port")?;
    words.get(at + 1)?.parse().ok().and_then(|port| Port::new(port).ok())
}

/// As in the supervisor entries: a worker waits for its job, and how long a job may take depends on
/// the queue.
fn worker_stop(settings: &Settings, words: &[String]) -> Duration {
    let queues = words.iter().position(|word| word == "--queue").and_then(|at| words.get(at + 1));
    let Some(queues) = queues else { return WORKER_STOP };
    let one = |queue: &str| match queue {
        "short" => SHORT_WORKER_STOP,
        queue => QueueName::new(queue)
            .ok()
            .and_then(|queue| settings.workers.queues.get(&queue))
            .map_or(WORKER_STOP, |queue| queue.timeout),
    };
    queues.split(',').map(one).max().unwrap_or(WORKER_STOP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_behind_what_hands_over_to_it() {
        for line in [
            "redis-server a.conf",
            "exec redis-server a.conf",
            "OBJC_DISABLE_INITIALIZE_FORK_SAFETY=YES NO_PROXY=* redis-server a.conf",
            "env -i A=1 redis-server a.conf",
            "nice -n 5 redis-server a.conf",
            "nice -5 redis-server a.conf",
            "sh -c 'exec redis-server a.conf'",
            "/bin/bash -lc \"A=1 redis-server a.conf\"",
        ] {
            assert_eq!(program_words(line), ["redis-server", "a.conf"], "{line}");
        }
    }

    #[test]
    fn what_is_only_mentioned_is_not_the_program() {
        for line in ["echo redis-server a.conf", "redis-cli", "", "sh -c", "A=1", "nice", "sh script.sh", "'"]
        {
            assert_eq!(server_program(line), None, "{line}");
        }
        assert_eq!(
            server_program("/opt/bin/valkey-server a.conf").as_deref(),
            Some("/opt/bin/valkey-server")
        );
    }
}
