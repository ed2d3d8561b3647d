//! One connection to a Redis server, blocking, with a deadline for everything.
//!
//! A reply has to be *whole* within its deadline: a server that sends a byte a second does not extend it.
//! After a missed deadline, a broken reply or a closed socket the connection is closed and stays so; a
//! late reply can therefore never be taken for the answer to a later command.

mod deadlines;
mod limit;
mod listener;
mod pipeline;
mod socket;
mod stream;

use std::fmt;
use std::time::{Duration, Instant};

pub use deadlines::Deadlines;
pub use pipeline::Pipeline;

pub(crate) use limit::Limit;
pub(crate) use socket::Fault;
#[cfg(feature = "tls")]
pub(crate) use socket::Socket;
use stream::Stream;

use crate::error::{Phase, RedisError};
use crate::info::Info;
use crate::resp::{self, Measure, ProtocolError, Reply, ReplyRef};
use crate::server_error::ServerError;
use crate::tls::TlsError;
use crate::url::{Address, RedisUrl};

/// Memory for replies and commands that an idle connection keeps.
const KEPT_BUFFER: usize = 1 << 20;
const FIRST_BUFFER: usize = 16 * 1024;

/// A connection that is ready for commands.
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/example.rs")); }
/// # let (_server, cache) = example::cache();
/// # let url = cache.client().url().clone();
/// use dontmanage_cache::{Connection, Deadlines};
///
/// let mut redis = Connection::open(&url, &Deadlines::default())?; // "redis://127.0.0.1:13000".parse()?
/// let latency = redis.ping()?;
/// let pid = redis.info("server")?.process_id();
/// println!("process {pid:?} answered in {latency:?}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Connection {
    /// None once the connection is of no more use.
    stream: Option<Stream>,
    address: String,
    /// Where it listens in the clear, as long as it has said nothing at all.
    unheard: Option<Box<Address>>,
    deadlines: Deadlines,
    /// Commands on their way out.
    out: Vec<u8>,
    /// Bytes from the server. The replies before `read` have been handed out.
    input: Vec<u8>,
    read: usize,
    measure: Measure,
    /// Replies that are still owed to us. Not zero between calls only after a panic in between.
    owed: usize,
}

impl Connection {
    /// Connects, logs in and selects the database, all within `deadlines.connect`.
    pub fn open(url: &RedisUrl, deadlines: &Deadlines) -> Result<Self, RedisError> {
        let limit = Limit::starting_now(deadlines.connect);
        let mut connection = Self {
            stream: Some(Stream::open(url, limit)?),
            address: url.address().to_string(),
            unheard: matches!(url.address(), Address::Tcp { .. }).then(|| Box::new(url.address().clone())),
            deadlines: *deadlines,
            out: Vec::with_capacity(256),
            input: Vec::with_capacity(FIRST_BUFFER),
            read: 0,
            measure: Measure::default(),
            owed: 0,
        };
        connection.greet(url, limit)?;
        Ok(connection)
    }

    fn greet(&mut self, url: &RedisUrl, limit: Limit) -> Result<(), RedisError> {
        self.begin()?;
        let user = url.username();
        match (user, url.password()) {
            (None, None) => {}
            (None, Some(password)) => self.add(&[b"AUTH", password.as_bytes()]),
            (Some(user), password) => {
                self.add(&[b"AUTH", user.as_bytes(), password.unwrap_or_default().as_bytes()]);
            }
        }
        if url.db() != 0 {
            self.add(&[b"SELECT", url.db().to_string().as_bytes()]);
        }
        if self.owed == 0 {
            return Ok(());
        }
        let greeted = (|| {
            self.send(limit)?;
            // The first refusal counts: without AUTH, SELECT only fails in turn.
            let mut refusal = Ok(());
            while self.owed > 0 {
                if let ReplyRef::Error(error) = self.receive(limit)? {
                    refusal = refusal.and(Err(error));
                }
            }
            refusal.map_err(|error| self.refused(error))
        })();
        greeted.map_err(|error| match error {
            RedisError::TimedOut { address, deadline, .. } => {
                RedisError::TimedOut { address, phase: Phase::Connect, deadline }
            }
            error => error,
        })
    }

    /// Where the server listens, as text for messages.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Whether the connection can take another command. Once false it stays false.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.stream.is_some() && self.owed == 0
    }

    /// Gives the commands from now on another deadline, as the last part of a larger one.
    pub fn set_reply_deadline(&mut self, deadline: Duration) {
        self.deadlines.reply = deadline;
    }

    /// Sends one command and waits for its reply, which is copied. A refusal by the server is an error
    /// ([`RedisError::Server`]) that leaves the connection open.
    pub fn command(&mut self, args: &[&[u8]]) -> Result<Reply, RedisError> {
        self.query(args).map(|reply| reply.to_owned())
    }

    /// As [`command`](Self::command), without copying: the reply lies in the connection's buffer.
    pub fn query(&mut self, args: &[&[u8]]) -> Result<ReplyRef<'_>, RedisError> {
        self.begin()?;
        self.add(args);
        let limit = Limit::starting_now(self.deadlines.reply);
        self.send(limit)?;
        let error = match self.receive_range(limit)? {
            range if self.input[range.start] != b'-' => {
                let mut bytes = &self.input[range];
                // Measured, so it reads; a borrow that is returned can't also close the connection.
                return resp::read(&mut bytes)
                    .map_err(|source| RedisError::NotRedis { address: self.address.clone(), source });
            }
            range => ServerError::from_line(self.input[range.start + 1..range.end].trim_ascii_end()),
        };
        Err(self.refused(error))
    }

    /// Sends several commands in one write and waits for all replies. Each reply has its own deadline,
    /// counted from the one before. A refusal stands in its place among the replies.
    pub fn pipeline(&mut self, pipeline: &Pipeline) -> Result<Vec<Reply>, RedisError> {
        self.begin()?;
        self.out.extend_from_slice(&pipeline.bytes);
        self.owed = pipeline.commands;
        let mut replies = Vec::with_capacity(pipeline.commands);
        if self.owed > 0 {
            self.send(Limit::starting_now(self.deadlines.reply))?;
        }
        while self.owed > 0 {
            let limit = Limit::starting_now(self.deadlines.reply);
            replies.push(self.receive(limit)?.to_owned());
        }
        Ok(replies)
    }

    /// As [`pipeline`](Self::pipeline), without copying: each reply is lent to `take`, with its number,
    /// while it lies in the connection's buffer.
    pub fn queries(
        &mut self,
        pipeline: &Pipeline,
        mut take: impl FnMut(usize, ReplyRef<'_>),
    ) -> Result<(), RedisError> {
        self.begin()?;
        self.out.extend_from_slice(&pipeline.bytes);
        self.owed = pipeline.commands;
        if self.owed > 0 {
            self.send(Limit::starting_now(self.deadlines.reply))?;
        }
        for number in 0..pipeline.commands {
            let limit = Limit::starting_now(self.deadlines.reply);
            take(number, self.receive(limit)?);
        }
        Ok(())
    }

    /// As [`queries`](Self::queries), with one deadline for all replies together.
    pub fn queries_together(
        &mut self,
        pipeline: &Pipeline,
        mut take: impl FnMut(ReplyRef<'_>),
    ) -> Result<(), RedisError> {
        self.begin()?;
        self.out.extend_from_slice(&pipeline.bytes);
        self.owed = pipeline.commands;
        let limit = Limit::starting_now(self.deadlines.reply);
        if self.owed > 0 {
            self.send(limit)?;
        }
        while self.owed > 0 {
            take(self.receive(limit)?);
        }
        Ok(())
    }

    /// The time that a PING takes.
    pub fn ping(&mut self) -> Result<Duration, RedisError> {
        let start = Instant::now();
        match self.query(&[b"PING"])? {
            ReplyRef::Status(b"PONG") => Ok(start.elapsed()),
            _ => Err(self.unexpected("PING")),
        }
    }

    /// A section of INFO.
    pub fn info(&mut self, section: &str) -> Result<Info, RedisError> {
        match self.query(&[b"INFO", section.as_bytes()])? {
            ReplyRef::Bulk(text) => Ok(Info::parse(text)),
            _ => Err(self.unexpected("INFO")),
        }
    }

    /// The error for a reply whose shape no Redis server gives to `command`; closes the connection.
    pub(crate) fn unexpected(&mut self, command: &'static str) -> RedisError {
        self.not_redis(ProtocolError::UnexpectedReply { command })
    }

    fn begin(&mut self) -> Result<(), RedisError> {
        if !self.is_open() {
            self.stream = None;
            return Err(RedisError::Closed { address: self.address.clone(), mid_reply: false });
        }
        self.out.clear();
        self.input.clear();
        self.read = 0;
        if self.out.capacity() > KEPT_BUFFER {
            self.out.shrink_to(FIRST_BUFFER);
        }
        if self.input.capacity() > KEPT_BUFFER {
            self.input.shrink_to(FIRST_BUFFER);
        }
        Ok(())
    }

    fn add(&mut self, args: &[&[u8]]) {
        resp::write_command(&mut self.out, args);
        self.owed += 1;
    }

    fn send(&mut self, limit: Limit) -> Result<(), RedisError> {
        let Some(stream) = &mut self.stream else { return Err(self.closed()) };
        match stream.send(&self.out, limit) {
            Ok(()) => Ok(()),
            Err(Fault::Closed) => Err(self.last_words(limit)),
            Err(fault) => Err(self.failed(fault, limit)),
        }
    }

    /// A server that refuses a connection says why and closes it, perhaps before we have written.
    fn last_words(&mut self, limit: Limit) -> RedisError {
        let mut line = Vec::new();
        let heard = self.stream.take().map_or(Ok(()), |mut stream| stream.receive_waiting(&mut line, limit));
        match (line.as_slice(), heard) {
            ([b'-', words @ ..], _) => self.refused(ServerError::from_line(words.trim_ascii_end())),
            (_, Err(fault)) => self.failed(fault, limit),
            (_, Ok(())) => self.failed(Fault::Closed, limit),
        }
    }

    /// The next reply. An error reply is `Ok(ReplyRef::Error)` here.
    fn receive(&mut self, limit: Limit) -> Result<ReplyRef<'_>, RedisError> {
        let range = self.receive_range(limit)?;
        let mut bytes = &self.input[range];
        resp::read(&mut bytes)
            .map_err(|source| RedisError::NotRedis { address: self.address.clone(), source })
    }

    /// Where in `input` the next reply lies, once it is there as a whole.
    fn receive_range(&mut self, limit: Limit) -> Result<std::ops::Range<usize>, RedisError> {
        self.measure.reset();
        loop {
            match self.measure.advance(&self.input[self.read..], self.deadlines.max_reply) {
                Ok(Some(length)) => {
                    let range = self.read..self.read + length;
                    self.read = range.end;
                    self.owed -= 1;
                    if self.owed == 0 && self.input.len() > self.read {
                        return Err(self.not_redis(ProtocolError::Unasked));
                    }
                    return Ok(range);
                }
                Ok(None) => self.fill(limit)?,
                Err(source) => return Err(self.not_redis(source)),
            }
        }
    }

    /// Waits for more bytes.
    fn fill(&mut self, limit: Limit) -> Result<(), RedisError> {
        let first = self.input.len() == self.read;
        if self.input.capacity() == self.input.len() {
            self.input.reserve(self.input.len().max(FIRST_BUFFER));
        }
        let Some(stream) = &mut self.stream else { return Err(self.closed()) };
        stream.receive(&mut self.input, first, limit).map_err(|fault| self.failed(fault, limit))?;
        self.unheard = None;
        Ok(())
    }

    pub(crate) fn refused(&self, source: ServerError) -> RedisError {
        RedisError::Server { address: self.address.clone(), source }
    }

    fn not_redis(&mut self, source: ProtocolError) -> RedisError {
        self.stream = None;
        RedisError::NotRedis { address: self.address.clone(), source }
    }

    fn closed(&mut self) -> RedisError {
        self.stream = None;
        let mid_reply = self.read > 0 || !self.input.is_empty();
        RedisError::Closed { address: self.address.clone(), mid_reply }
    }

    fn failed(&mut self, fault: Fault, limit: Limit) -> RedisError {
        self.stream = None;
        // A TLS port hangs up on what is no TLS, without a word.
        let fault = match (fault, self.unheard.take()) {
            (Fault::Closed, Some(address)) if listener::speaks_tls(&address, limit.end) => {
                TlsError::Needed.into()
            }
            (fault, _) => fault,
        };
        let mid_reply = self.read > 0 || !self.input.is_empty();
        fault.into_error(self.address.clone(), Phase::Reply, limit, mid_reply)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The buffers hold users' values and, at connecting, the password.
        f.debug_struct("Connection")
            .field("address", &self.address)
            .field("open", &self.is_open())
            .finish_non_exhaustive()
    }
}
