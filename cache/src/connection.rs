//! One connection to a Redis server, blocking, with a deadline for everything.
//!
//! A reply has to be *whole* within its deadline: a server that sends a byte a second does not extend it.
//! After a missed deadline, a broken reply or a closed socket the connection is closed and stays so; a
//! late reply can therefore never be taken for the answer to a later command.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{RecvFlags, SendFlags, recv, send};

use crate::connect::{self, remaining};
use crate::error::{Phase, RedisError};
use crate::info::Info;
use crate::resp::{self, Measure, ProtocolError, Reply, ReplyRef};
use crate::server_error::ServerError;
use crate::url::RedisUrl;

/// Memory for replies and commands that an idle connection keeps.
const KEPT_BUFFER: usize = 1 << 20;
const FIRST_BUFFER: usize = 16 * 1024;

/// How long a server may take, and how much it may send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Deadlines {
    /// For a connection that is ready for commands: connected, logged in, database selected.
    pub connect: Duration,
    /// For a command and its whole reply.
    pub reply: Duration,
    /// The largest reply that is taken. The default, 512 MiB, is the largest value Redis itself takes.
    pub max_reply: usize,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            connect: Duration::from_millis(250),
            reply: Duration::from_millis(500),
            max_reply: 512 * 1024 * 1024,
        }
    }
}

impl Deadlines {
    /// With another deadline for connecting.
    #[must_use]
    pub fn connect(mut self, deadline: Duration) -> Self {
        self.connect = deadline;
        self
    }

    /// With another deadline for a command and its reply.
    #[must_use]
    pub fn reply(mut self, deadline: Duration) -> Self {
        self.reply = deadline;
        self
    }

    /// With another limit to the size of a reply, in bytes.
    #[must_use]
    pub fn max_reply(mut self, bytes: usize) -> Self {
        self.max_reply = bytes;
        self
    }
}

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
    socket: Option<OwnedFd>,
    address: String,
    deadlines: Deadlines,
    /// Commands on their way out.
    out: Vec<u8>,
    /// Bytes from the server. The replies before `read` have been handed out.
    input: Vec<u8>,
    read: usize,
    measure: Measure,
    /// Replies that are still owed to us. Not zero between calls only after a panic in between.
    owed: usize,
    /// The socket's own time limits, so that they are set only when they must change.
    armed_receive: Duration,
    armed_send: Duration,
}

impl Connection {
    /// Connects, logs in and selects the database, all within `deadlines.connect`.
    pub fn open(url: &RedisUrl, deadlines: &Deadlines) -> Result<Self, RedisError> {
        let limit = Limit::starting_now(deadlines.connect);
        let socket = connect::open(url, limit.end, limit.whole)?;
        let mut connection = Self {
            socket: Some(socket),
            address: url.address().to_string(),
            deadlines: *deadlines,
            out: Vec::with_capacity(256),
            input: Vec::with_capacity(FIRST_BUFFER),
            read: 0,
            measure: Measure::default(),
            owed: 0,
            armed_receive: Duration::ZERO,
            armed_send: Duration::ZERO,
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
        self.socket.is_some() && self.owed == 0
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
            self.socket = None;
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
        let mut sent = 0;
        while sent < self.out.len() {
            self.arm(Timeout::Send, limit, sent == 0)?;
            let Some(socket) = &self.socket else { return Err(self.closed()) };
            // A closed peer must not raise SIGPIPE: the host program may not ignore it.
            match send(socket, &self.out[sent..], SendFlags::NOSIGNAL) {
                Ok(count) => sent += count,
                Err(Errno::INTR) => {}
                Err(Errno::PIPE | Errno::CONNRESET) => return Err(self.last_words()),
                Err(error) => return Err(self.failed(error, limit)),
            }
        }
        Ok(())
    }

    /// A server that refuses a connection says why and closes it, perhaps before we have written.
    fn last_words(&mut self) -> RedisError {
        if let Some(socket) = &self.socket {
            let mut line = [0; 512];
            if let Ok((_, count)) = recv(socket, &mut line, RecvFlags::DONTWAIT)
                && let [b'-', words @ ..] = &line[..count]
            {
                let error = ServerError::from_line(words.trim_ascii_end());
                self.socket = None;
                return self.refused(error);
            }
        }
        self.closed()
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
        self.arm(Timeout::Recv, limit, first)?;
        if self.input.capacity() == self.input.len() {
            self.input.reserve(self.input.len().max(FIRST_BUFFER));
        }
        let Some(socket) = &self.socket else { return Err(self.closed()) };
        match recv(socket, rustix::buffer::spare_capacity(&mut self.input), RecvFlags::empty()) {
            Ok((0, _)) | Err(Errno::CONNRESET | Errno::PIPE) => Err(self.closed()),
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(self.failed(error, limit)),
        }
    }

    /// Gives the socket its time limit for the next wait.
    ///
    /// The usual reply comes in one piece, and the socket still has the whole deadline from the command
    /// before: then there is nothing to do, not even to look at the clock. Later pieces get the time that
    /// is left, rounded up to sixteenths, so that a large reply does not set it at every piece.
    fn arm(&mut self, which: Timeout, limit: Limit, first: bool) -> Result<(), RedisError> {
        let armed = match which {
            Timeout::Send => self.armed_send,
            Timeout::Recv => self.armed_receive,
        };
        if first && armed == limit.whole {
            return Ok(());
        }
        let Some(left) = remaining(limit.end) else { return Err(self.timed_out(limit)) };
        let time = limit.round_up(left);
        if armed == time {
            return Ok(());
        }
        let Some(socket) = &self.socket else { return Err(self.closed()) };
        if let Err(error) = set_socket_timeout(socket, which, Some(time)) {
            return Err(self.failed(error, limit));
        }
        match which {
            Timeout::Send => self.armed_send = time,
            Timeout::Recv => self.armed_receive = time,
        }
        Ok(())
    }

    pub(crate) fn refused(&self, source: ServerError) -> RedisError {
        RedisError::Server { address: self.address.clone(), source }
    }

    fn not_redis(&mut self, source: ProtocolError) -> RedisError {
        self.socket = None;
        RedisError::NotRedis { address: self.address.clone(), source }
    }

    fn closed(&mut self) -> RedisError {
        self.socket = None;
        let mid_reply = self.read > 0 || !self.input.is_empty();
        RedisError::Closed { address: self.address.clone(), mid_reply }
    }

    fn timed_out(&mut self, limit: Limit) -> RedisError {
        self.socket = None;
        RedisError::TimedOut { address: self.address.clone(), phase: Phase::Reply, deadline: limit.whole }
    }

    fn failed(&mut self, error: Errno, limit: Limit) -> RedisError {
        if error == Errno::AGAIN || error == Errno::TIMEDOUT {
            return self.timed_out(limit);
        }
        self.socket = None;
        RedisError::Io { address: self.address.clone(), source: io::Error::from(error) }
    }
}

/// When the current exchange has to be over.
#[derive(Clone, Copy)]
struct Limit {
    end: Instant,
    whole: Duration,
}

impl Limit {
    fn starting_now(whole: Duration) -> Self {
        // The kernel takes zero for "no limit", and counts in microseconds.
        let whole = whole.max(Duration::from_micros(1));
        Self { end: Instant::now() + whole, whole }
    }

    fn round_up(self, left: Duration) -> Duration {
        let step = (self.whole / 16).max(Duration::from_micros(1));
        let steps = left.as_nanos().div_ceil(step.as_nanos());
        u32::try_from(steps).map_or(self.whole, |steps| (step * steps).min(self.whole))
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

/// Commands that travel together.
#[derive(Clone, Default)]
pub struct Pipeline {
    bytes: Vec<u8>,
    commands: usize,
}

impl Pipeline {
    /// No commands yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a command.
    pub fn add(&mut self, args: &[&[u8]]) -> &mut Self {
        resp::write_command(&mut self.bytes, args);
        self.commands += 1;
        self
    }

    /// Adds a command made of fixed words and a list of keys.
    pub fn add_with<K: AsRef<[u8]>>(&mut self, words: &[&[u8]], keys: &[K]) -> &mut Self {
        resp::write_head(&mut self.bytes, words.len() + keys.len());
        for word in words {
            resp::write_arg(&mut self.bytes, word);
        }
        for key in keys {
            resp::write_arg(&mut self.bytes, key.as_ref());
        }
        self.commands += 1;
        self
    }

    /// How many commands it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.commands
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.commands == 0
    }

    /// Forgets its commands, keeping the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.commands = 0;
    }
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline").field("commands", &self.commands).finish_non_exhaustive()
    }
}
