//! The bench's cache server, asked for a person: a server that is away is an error, told within a
//! deadline, and never a miss.

use std::time::Duration;

use dontmanage_cache::{Call, Client, ClientOptions, Connection, Deadlines, RedisError, RedisUrl};

use crate::cli::Context;
use crate::error::{Error, Problem, Result};
use crate::exit_code::ExitCode;
use crate::probe::{self, RedisAnswer};
use crate::settings::{BenchDir, Bytes, Settings};

/// How long a server may take to accept us. A person waits longer than a worker.
const CONNECT: Duration = Duration::from_secs(1);
/// How long it may take for one step of the work.
const REPLY: Duration = Duration::from_secs(3);

/// The bench of the command, and where its cache is.
pub struct Server {
    /// The bench.
    pub bench: BenchDir,
    /// Its settings.
    pub settings: Settings,
    /// Where workers look for the cache: by its unix socket if there is one, then by its URL.
    addresses: Vec<RedisUrl>,
}

impl Server {
    /// Reads the bench's settings.
    pub fn of(context: &Context) -> Result<Self> {
        let (bench, settings) = context.bench_and_settings()?;
        let server = &settings.redis_cache.server;
        let mut addresses = Vec::new();
        if let Some(socket) = server.socket.as_ref().filter(|socket| server.local && socket.exists()) {
            addresses.push(server.url.by_socket(socket));
        }
        if !addresses.contains(&server.url) {
            addresses.push(server.url.clone());
        }
        if let Some(warning) = probe::unverified(&server.url) {
            context.warn(&warning);
        }
        Ok(Self { bench, settings, addresses })
    }

    /// Connects, and makes sure that the server is ready for work.
    pub fn connect(&self) -> Result<Connected> {
        Ok(self.try_connect()?)
    }

    /// The same, with what keeps the server from it in detail. A socket on which nobody listens was left
    /// behind by a server that was killed: the URL is asked then.
    pub fn try_connect(&self) -> Result<Connected, Box<Away>> {
        let mut away = None;
        for url in &self.addresses {
            match Connected::open(url, self.settings.redis_cache.compress_above) {
                Ok(connected) => return Ok(connected),
                Err(answer) => {
                    let nobody = matches!(answer, RedisAnswer::Refused | RedisAnswer::NoSocket);
                    away = Some(Away { url: url.clone(), answer });
                    if !nobody {
                        break;
                    }
                }
            }
        }
        let nowhere =
            || Away { url: self.settings.redis_cache.server.url.clone(), answer: RedisAnswer::Refused };
        Err(Box::new(away.unwrap_or_else(nowhere)))
    }
}

/// A server that can't be used.
#[derive(Debug)]
pub struct Away {
    /// Where it should be.
    pub url: RedisUrl,
    /// What keeps it from its work.
    pub answer: RedisAnswer,
}

impl From<Box<Away>> for Error {
    fn from(away: Box<Away>) -> Self {
        unhealthy(&away.answer, &away.url)
    }
}

/// A server that was ready a moment ago.
pub struct Connected {
    /// Where it is.
    pub url: RedisUrl,
    /// What talks to it.
    pub client: Client,
}

impl Connected {
    fn open(url: &RedisUrl, compress_above: Option<Bytes>) -> Result<Self, RedisAnswer> {
        let deadlines = Deadlines::default().connect(CONNECT).reply(REPLY);
        // An outage is this command's own error, not a line in a log.
        let mut options = ClientOptions::new().deadlines(deadlines).on_event(|_| {});
        if let Some(bytes) = compress_above.and_then(|bytes| usize::try_from(bytes.0).ok()) {
            options = options.compress_above(bytes);
        }
        let client = Client::with_options(url.clone(), options);
        match client.ping() {
            Ok(_) => Ok(Self { url: url.clone(), client }),
            // Asked anew by the probe, which hears what it has to say for itself.
            Err(RedisError::NotRedis { .. }) => Err(probe::ask_redis(url, REPLY)),
            Err(error) => Err(RedisAnswer::from_error(error)),
        }
    }

    /// Asks something; a failure becomes an error for the user.
    pub fn ask<T>(&self, exchange: impl FnMut(&mut Connection) -> Result<T, RedisError>) -> Result<T> {
        self.client.run(Call::Read, exchange).map_err(|error| failed(error, &self.url))
    }
}

/// An error of the cache library as one for the user: a server that can't work is exit status 5.
pub fn failed(error: RedisError, url: &RedisUrl) -> Error {
    let refuses_writes = error.server_error().is_some_and(dontmanage_cache::ServerError::refuses_writes);
    let outage = error.is_outage();
    let answer = RedisAnswer::from_error(error);
    if outage || refuses_writes {
        unhealthy(&answer, url)
    } else {
        // The server is well; it is this command that it refuses.
        Error::failed(Problem::new(answer.describe()).at(url))
    }
}

fn unhealthy(answer: &RedisAnswer, url: &RedisUrl) -> Error {
    Error::with_code(ExitCode::Unhealthy, vec![answer.problem(url)])
}

/// A wrong command line: exit status 2.
pub fn usage(what: impl Into<String>, fix: impl Into<String>) -> Error {
    Error::usage(Problem::new(what).fix(fix))
}
