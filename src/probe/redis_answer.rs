//! What a redis-server's answer, or its silence, means; in words for a person, with what to do about it.

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use dontmanage_cache::{
    Address, Event, Info, RedisError, RedisUrl, ServerError, ServerErrorKind, TlsError, TlsOptions,
    Verification,
};

use crate::error::{Problem, plain_io};

/// What a server that is ready says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedisFacts {
    /// Its process id, by which a stranger is told from our own child. None if this user may not ask.
    pub process_id: Option<u32>,
    /// `redis 7.0.15`, `valkey 8.1.0`
    pub version: Option<String>,
    /// How long the PING took.
    pub latency: Duration,
    /// The file it was started with, if it was one.
    pub config_file: Option<PathBuf>,
}

/// What came of asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisAnswer {
    /// It answers.
    Ready(RedisFacts),
    /// It is reading its data from disk: alive, not ready.
    Loading {
        /// Its process id.
        process_id: Option<u32>,
        /// How much of the data it has.
        percent: Option<u32>,
    },
    /// A script or function runs for too long; nothing else is answered: alive, not ready.
    Busy,
    /// It could not save its data, and so takes no writes.
    MisConf {
        /// Its process id.
        process_id: Option<u32>,
    },
    /// It asks for a password, and the URL has none.
    NoAuth,
    /// It does not take the URL's user and password.
    WrongPass,
    /// The URL has a password, but the server has none.
    NoPasswordSet,
    /// The URL's user may not ask: the server's words.
    NoPerm(String),
    /// It has as many clients as it takes.
    MaxClients,
    /// It takes no connections from other machines, as it has no password (protected mode).
    Protected,
    /// Another refusal: the server's words.
    OtherError(String),
    /// Nobody listens.
    Refused,
    /// There is no such socket file.
    NoSocket,
    /// No whole answer in time.
    TimedOut,
    /// It accepts, and hangs up.
    HungUp,
    /// Something answers that is no redis-server: its words, escaped and shortened.
    NotRedis(String),
    /// It can't be asked by TLS, or would have to be.
    Tls(TlsError),
    /// It can't be reached: no route, no such host, no permission.
    Unreachable(String),
}

impl RedisFacts {
    pub(super) fn new(info: &Info, latency: Duration) -> Self {
        Self {
            process_id: info.process_id(),
            version: info.version(),
            latency,
            config_file: info.get("config_file").filter(|file| !file.is_empty()).map(PathBuf::from),
        }
    }
}

impl RedisAnswer {
    /// What an error of the cache library means for the server as a whole. For callers that talk to it
    /// themselves and want to say what is wrong with it in these words.
    pub fn from_error(error: RedisError) -> Self {
        match error {
            RedisError::Refused { source, .. } if source.kind() == io::ErrorKind::NotFound => Self::NoSocket,
            RedisError::Refused { .. } => Self::Refused,
            RedisError::TimedOut { .. } => Self::TimedOut,
            RedisError::Closed { .. } => Self::HungUp,
            RedisError::NotRedis { source, .. } => Self::NotRedis(source.to_string()),
            RedisError::Tls { source, .. } => Self::Tls(source),
            RedisError::Server { source, .. } => Self::from_refusal(&source),
            RedisError::Unreachable { source, .. } | RedisError::Io { source, .. } => {
                Self::Unreachable(plain_io(&source))
            }
            other => Self::Unreachable(other.to_string()),
        }
    }

    fn from_refusal(refusal: &ServerError) -> Self {
        match refusal.kind() {
            ServerErrorKind::Loading => Self::Loading { process_id: None, percent: None },
            ServerErrorKind::Busy => Self::Busy,
            ServerErrorKind::MisConf => Self::MisConf { process_id: None },
            ServerErrorKind::NoAuth => Self::NoAuth,
            ServerErrorKind::WrongPass => Self::WrongPass,
            ServerErrorKind::NoPasswordSet => Self::NoPasswordSet,
            ServerErrorKind::NoPerm => Self::NoPerm(refusal.message().to_owned()),
            ServerErrorKind::MaxClients => Self::MaxClients,
            ServerErrorKind::Protected => Self::Protected,
            _ => Self::OtherError(refusal.message().to_owned()),
        }
    }

    /// Whether it is ready for work.
    pub const fn is_ready(&self) -> bool {
        matches!(self, Self::Ready(_))
    }

    /// Whether a redis-server answered at all, be it with a refusal. One that does is not mended by
    /// starting it again.
    pub const fn is_alive(&self) -> bool {
        !matches!(
            self,
            Self::Refused
                | Self::NoSocket
                | Self::TimedOut
                | Self::HungUp
                | Self::NotRedis(_)
                | Self::Unreachable(_)
        )
    }

    /// The process that answered, as far as it said so.
    pub const fn process_id(&self) -> Option<u32> {
        match self {
            Self::Ready(facts) => facts.process_id,
            Self::Loading { process_id, .. } | Self::MisConf { process_id } => *process_id,
            _ => None,
        }
    }

    /// What it is, about "redis-server".
    pub fn describe(&self) -> String {
        match self {
            Self::Ready(_) => "redis-server answers".to_owned(),
            Self::Loading { percent: Some(percent), .. } => {
                format!("redis-server is still loading its data (LOADING, {percent} %)")
            }
            Self::Loading { .. } => "redis-server is still loading its data (LOADING)".to_owned(),
            Self::Busy => "redis-server is busy with a script that runs for too long (BUSY)".to_owned(),
            Self::MisConf { .. } => {
                "redis-server takes no writes, as it could not save its data (MISCONF)".to_owned()
            }
            Self::NoAuth => {
                "redis-server asks for a password, and the settings have none (NOAUTH)".to_owned()
            }
            Self::WrongPass => {
                "redis-server does not take the user and password of the settings (WRONGPASS)".to_owned()
            }
            Self::NoPasswordSet => "the settings have a password, but redis-server has none".to_owned(),
            Self::NoPerm(words) => format!("redis-server does not allow it (NOPERM): {}", after_code(words)),
            Self::MaxClients => "redis-server has as many clients as it takes (maxclients)".to_owned(),
            Self::Protected => {
                "redis-server takes no connections from other machines (protected mode)".to_owned()
            }
            Self::OtherError(words) => format!("redis-server answers with an error: {words}"),
            Self::Refused => "no redis-server listens".to_owned(),
            Self::NoSocket => "no redis-server listens: there is no such socket".to_owned(),
            Self::TimedOut => "redis-server does not answer in time".to_owned(),
            Self::HungUp => "redis-server hangs up without an answer".to_owned(),
            Self::NotRedis(said) => format!("what listens there is no redis-server: it says `{said}`"),
            Self::Tls(error) => error.to_string(),
            Self::Unreachable(why) => format!("redis-server can't be reached: {why}"),
        }
    }

    /// How to mend it, for the server at this address. Nothing for one that is ready.
    pub fn advice(&self, url: &RedisUrl) -> Option<String> {
        let here = url.is_local();
        let cli = redis_cli(url);
        Some(match self {
            Self::Ready(_) => return None,
            Self::Loading { .. } => {
                "wait; a cache has nothing to load: `bench setup redis` renders it so that it saves nothing".to_owned()
            }
            Self::Busy => format!("end the script with `{cli} SCRIPT KILL` (a function with `{cli} FUNCTION KILL`)"),
            Self::MisConf { .. } => format!(
                "make room on its disk or its folder writable (`{cli} CONFIG GET dir`); a cache saves nothing: run \
                 `bench setup redis` and start it again"
            ),
            Self::NoAuth | Self::WrongPass => {
                "the settings differ from the running server: put its password into the URL \
                 (`redis://USER:PASSWORD@HOST:PORT`), or start it again with this bench's config"
                    .to_owned()
            }
            Self::NoPasswordSet => {
                "the settings differ from the running server: take the password out of the URL, or start it again \
                 with this bench's config"
                    .to_owned()
            }
            Self::NoPerm(_) => "allow the URL's user at least `+ping +info` in the server's ACL".to_owned(),
            Self::MaxClients => format!("see who they are with `{cli} CLIENT LIST`, or raise its `maxclients`"),
            Self::Protected => "give the server a password and put it into the URL".to_owned(),
            Self::OtherError(_) => format!("see what it says to `{cli} PING`"),
            Self::Refused | Self::NoSocket if here => "is the bench running? start it with `bench start`".to_owned(),
            Self::Refused | Self::NoSocket => "start the server there, or correct the URL".to_owned(),
            Self::TimedOut if here => {
                "it may be stopped, stuck or overloaded: see `bench status`, or start it again with `bench restart \
                 redis_cache`"
                    .to_owned()
            }
            Self::TimedOut | Self::HungUp | Self::Unreachable(_) => {
                "is the address right, and the server up? see its log".to_owned()
            }
            Self::NotRedis(_) => "another program has the address: stop it, or choose another port".to_owned(),
            Self::Tls(error) => error.advice().to_owned(),
        })
    }

    /// Both, with the address. The URL's password is not shown.
    pub fn problem(&self, url: &RedisUrl) -> Problem {
        let problem = Problem::new(self.describe()).at(url);
        match self.advice(url) {
            Some(advice) => problem.fix(advice),
            None => problem,
        }
    }
}

/// What is worth a warning about a cache whose URL asks less of the server's certificate than is safe.
pub fn unverified(url: &RedisUrl) -> Option<Problem> {
    let verification = url.tls()?.verification();
    let event = Event::Unverified { address: &url.address().to_string(), verification };
    (verification != Verification::Full).then(|| {
        Problem::new(event.to_string())
            .fix("name the file of its issuer in the URL instead: `?ssl_ca_certs=/path/to/ca.pem`")
    })
}

/// The server's words without the code in front, which the sentence has already.
fn after_code(words: &str) -> &str {
    words.split_once(' ').map_or(words, |(_, rest)| rest)
}

/// How a person asks the same server.
fn redis_cli(url: &RedisUrl) -> String {
    match url.address() {
        Address::Unix(path) => format!("redis-cli -s {}", path.display()),
        Address::Tcp { host, port } if url.is_local() && host != "::1" => format!("redis-cli -p {port}"),
        Address::Tcp { host, port } => format!("redis-cli -h {host} -p {port}"),
        Address::Tls { host, port } => {
            format!("redis-cli -h {host} -p {port} --tls{}", url.tls().map(tls_flags).unwrap_or_default())
        }
        _ => "redis-cli".to_owned(),
    }
}

/// The same trust and the same certificate.
fn tls_flags(tls: &TlsOptions) -> String {
    let mut flags = String::new();
    let key = tls.keyfile().or(tls.certfile());
    let files =
        [("cacert", tls.ca_certs()), ("cacertdir", tls.ca_path()), ("cert", tls.certfile()), ("key", key)];
    for (flag, path) in files {
        let Some(path) = path.map(|path| path.to_string_lossy()) else { continue };
        let quoted = shlex::try_quote(&path).unwrap_or_else(|_| path.as_ref().into());
        let _ = write!(flags, " --{flag} {quoted}");
    }
    if tls.verification() == Verification::None {
        flags += " --insecure";
    }
    flags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_says_what_where_and_how_to_fix_it_without_the_password() {
        let url: RedisUrl = "redis://bob:hunter2@127.0.0.1:13000".parse().expect("a URL");
        assert_eq!(
            RedisAnswer::Refused.problem(&url).to_string(),
            "no redis-server listens\n  where: redis://bob:***@127.0.0.1:13000\n  fix: is the bench running? start \
             it with `bench start`"
        );
        let busy = RedisAnswer::Busy.problem(&url).to_string();
        assert!(busy.contains("`redis-cli -p 13000 SCRIPT KILL`"), "{busy}");
    }

    #[test]
    fn the_line_for_redis_cli_has_what_tls_needs() {
        let url = "rediss://h:1?ssl_ca_certs=/a%20b/ca.pem&ssl_certfile=/c.pem&ssl_cert_reqs=none";
        let advice = RedisAnswer::Busy.advice(&url.parse().expect("a URL")).expect("advice");
        let line = "`redis-cli -h h -p 1 --tls --cacert '/a b/ca.pem' --cert /c.pem --key /c.pem --insecure SCRIPT KILL`";
        assert!(advice.contains(line), "{advice}");
    }

    #[test]
    fn advice_for_a_server_elsewhere_does_not_speak_of_this_bench() {
        let url: RedisUrl = "redis://cache.example:13000".parse().expect("a URL");
        for answer in [RedisAnswer::Refused, RedisAnswer::TimedOut, RedisAnswer::HungUp] {
            let advice = answer.advice(&url).expect("advice");
            assert!(!advice.contains("bench"), "{answer:?}: {advice}");
        }
    }
}
