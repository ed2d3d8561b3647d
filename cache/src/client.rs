//! The client that a process shares: pooled connections behind a circuit breaker.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::breaker::{Admission, Backoff, Breaker};
use crate::connection::{Connection, Deadlines};
use crate::documents::Owed;
use crate::error::RedisError;
use crate::event::{Event, Listener};
use crate::pool::Pool;
use crate::prefixes::PrefixStats;
use crate::process;
use crate::resp::Reply;
use crate::stats::{Counters, ServerState, Stats};
use crate::url::{RedisUrl, Verification};

/// How a client behaves.
///
/// ```
/// use std::time::Duration;
/// use dontmanage_cache::{ClientOptions, Deadlines};
///
/// let options = ClientOptions::new()
///     .deadlines(Deadlines::default().reply(Duration::from_millis(100)))
///     .on_event(|event| eprintln!("{event}"));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientOptions {
    deadlines: Deadlines,
    backoff: Backoff,
    max_idle: usize,
    look_aside: bool,
    pack_above: Option<usize>,
    listener: Listener,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            deadlines: Deadlines::default(),
            backoff: Backoff::default(),
            max_idle: 16,
            look_aside: false,
            pack_above: None,
            listener: Listener::default(),
        }
    }
}

impl ClientOptions {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How long the server may take.
    #[must_use]
    pub fn deadlines(mut self, deadlines: Deadlines) -> Self {
        self.deadlines = deadlines;
        self
    }

    /// How long to leave a server alone that was found away.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// How many connections are kept for later; as many threads can use the client at once without
    /// connecting anew.
    #[must_use]
    pub fn max_idle(mut self, connections: usize) -> Self {
        self.max_idle = connections;
        self
    }

    /// Whether a thread of its own looks if a server is back that was away. Then no call ever waits for
    /// the look; the first ones after the server's return are still answered without it. The thread ends
    /// with its look.
    #[must_use]
    pub fn look_aside(mut self, aside: bool) -> Self {
        self.look_aside = aside;
        self
    }

    /// Above how many bytes a signed value is compressed, if it gets smaller by that; never without this. Every
    /// reader of this version reads both, whatever its own setting.
    #[must_use]
    pub fn compress_above(mut self, bytes: usize) -> Self {
        self.pack_above = Some(bytes);
        self
    }

    /// Where the begin and the end of an outage are told. Without this they are lines on standard error.
    #[must_use]
    pub fn on_event(mut self, listener: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        self.listener = Listener::new(listener);
        self
    }
}

/// What a call means, which decides what may be done when it fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Call {
    /// Changes nothing. Repeated once if an idle connection turns out to be closed.
    Read,
    /// Changes something, and doing it twice is doing it once. Repeated likewise.
    Write,
    /// Must not be done twice. Never repeated.
    Once,
}

/// A client of one Redis server: cheap to clone, shared by all threads, safe to use after a fork.
///
/// Making one does not connect. Every call ends within the deadlines; while the server is away, a call
/// costs microseconds ([`RedisError::Paused`]).
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/example.rs")); }
/// # let (_server, cache) = example::cache();
/// # let url = cache.client().url().clone();
/// use dontmanage_cache::{Call, Client};
///
/// let client = Client::new(url); // as in "redis://127.0.0.1:13000".parse()?
/// let reply = client.command(Call::Read, &[b"DBSIZE"])?;
/// assert_eq!(reply.as_int(), Some(0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    url: RedisUrl,
    address: String,
    deadlines: Deadlines,
    pool: Pool<Box<Connection>>,
    breaker: Breaker,
    look_aside: bool,
    pack_above: Option<usize>,
    listener: Listener,
    counters: Counters,
    owed: Owed,
    /// What the breaker's times count from.
    made: Instant,
    /// `counters.skipped` when the outage began.
    skipped_before: AtomicU64,
    writes_refused: AtomicBool,
    /// The URL asks less of the server than is safe, and that has not been told yet.
    unverified: AtomicBool,
}

impl Client {
    /// A client with the default options.
    #[must_use]
    pub fn new(url: RedisUrl) -> Self {
        Self::with_options(url, ClientOptions::default())
    }

    /// A client with options of its own.
    #[must_use]
    pub fn with_options(url: RedisUrl, options: ClientOptions) -> Self {
        let ClientOptions { deadlines, backoff, max_idle, look_aside, pack_above, listener } = options;
        let longest_call = deadlines.connect.saturating_add(deadlines.reply);
        let unverified = url.tls().is_some_and(|tls| tls.verification() != Verification::Full);
        Self {
            inner: Arc::new(Inner {
                address: url.address().to_string(),
                url,
                deadlines,
                pool: Pool::new(max_idle),
                breaker: Breaker::new(backoff, longest_call),
                look_aside,
                pack_above,
                listener,
                counters: Counters::new(),
                owed: Owed::default(),
                made: Instant::now(),
                skipped_before: AtomicU64::new(0),
                writes_refused: AtomicBool::new(false),
                unverified: AtomicBool::new(unverified),
            }),
        }
    }

    /// The server.
    #[must_use]
    pub fn url(&self) -> &RedisUrl {
        &self.inner.url
    }

    /// How long connecting and an answer may take.
    #[must_use]
    pub fn deadlines(&self) -> Deadlines {
        self.inner.deadlines
    }

    /// Counts since the client was made, or [began anew](Self::reset_stats); in a forked child, since the fork.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/example.rs")); }
    /// # let (_server, cache) = example::cache();
    /// cache.set_value("price|apple", &1.5.into(), dontmanage_cache::Lifetime::NONE)?;
    /// let request = cache.request();
    /// for _ in 0..3 {
    ///     request.get_value("price|apple");
    /// }
    /// let stats = cache.client().stats();
    /// assert_eq!((stats.hits, stats.local_hits, stats.misses), (3, 2, 0));
    /// println!("half of the reads took {:?} at most", stats.read_times.quantile(0.5));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn stats(&self) -> Stats {
        process::seen(std::process::id());
        self.inner.counters.snapshot()
    }

    /// The same by prefix of the keys. What is counted in [`stats`](Self::stats) and concerns no key in
    /// particular is in none of them.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/example.rs")); }
    /// # let (_server, cache) = example::cache();
    /// cache.get_value("price|apple");
    /// cache.get_value("stock|apple");
    /// let stats = cache.client().prefix_stats();
    /// assert_eq!(stats.prefixes.keys().collect::<Vec<_>>(), ["price", "stock"]);
    /// assert_eq!(stats.prefixes["price"].misses, 1);
    /// ```
    #[must_use]
    pub fn prefix_stats(&self) -> PrefixStats {
        process::seen(std::process::id());
        self.inner.counters.prefixes.snapshot()
    }

    /// Lets all counts of this process begin anew.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/example.rs")); }
    /// # let (_server, cache) = example::cache();
    /// cache.get_value("price|apple");
    /// cache.client().reset_stats();
    /// assert_eq!(cache.client().stats().misses, 0);
    /// ```
    pub fn reset_stats(&self) {
        process::seen(std::process::id());
        self.inner.counters.clear();
        self.inner.skipped_before.store(0, Ordering::Relaxed);
    }

    /// What is known of the server, without asking it.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/example.rs")); }
    /// # let (_server, cache) = example::cache();
    /// assert_eq!(cache.client().state(), dontmanage_cache::ServerState::Up);
    /// ```
    #[must_use]
    pub fn state(&self) -> ServerState {
        let inner = &*self.inner;
        inner
            .breaker
            .outage(inner.made.elapsed())
            .map_or(ServerState::Up, |(since, retry_in)| ServerState::Away { since, retry_in })
    }

    /// Whether the server was away at the last look, so that calls are not tried for now.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.inner.breaker.is_open()
    }

    /// Sends one command. For many small ones, or to read a reply without copying it, see [`run`](Self::run).
    pub fn command(&self, call: Call, args: &[&[u8]]) -> Result<Reply, RedisError> {
        self.run(call, |connection| connection.command(args))
    }

    /// The time that a PING takes.
    pub fn ping(&self) -> Result<Duration, RedisError> {
        self.run(Call::Read, Connection::ping)
    }

    /// The time that a PING takes, asked for also while calls are held back because the server was away.
    /// An answer lets them go again.
    pub fn look(&self) -> Result<Duration, RedisError> {
        let admission = if self.is_paused() { Admission::Probe } else { Admission::Pass };
        self.inner.attempt_noted(Call::Read, admission, &mut Connection::ping)
    }

    /// Lends a connection to `exchange`. Unless the call is [`Call::Once`], `exchange` is run a second
    /// time, on a new connection, if the first turns out to have been closed while it was idle.
    pub fn run<T>(
        &self,
        call: Call,
        mut exchange: impl FnMut(&mut Connection) -> Result<T, RedisError>,
    ) -> Result<T, RedisError> {
        let admission = self.admitted()?;
        self.inner.attempt_noted(call, admission, &mut exchange)
    }

    /// Whether a call would be tried now, or else why not ([`RedisError::Paused`], which is counted as such a
    /// call). Never waits: for callers that must not, and have the call made elsewhere.
    pub fn ready(&self) -> Result<(), RedisError> {
        if self.is_paused() && self.inner.look_aside { self.admitted().map(drop) } else { Ok(()) }
    }

    fn admitted(&self) -> Result<Admission, RedisError> {
        let inner = &*self.inner;
        let mut admission = inner.breaker.admit(|| inner.made.elapsed());
        if admission == Admission::Probe && inner.look_aside {
            let client = self.clone();
            let look =
                move || drop(client.inner.attempt_noted(Call::Read, Admission::Probe, &mut Connection::ping));
            // Without a thread the right to look runs out, and a later call gets it.
            drop(std::thread::Builder::new().name("redis-look".to_owned()).spawn(look));
            admission = Admission::Wait(Duration::ZERO);
        }
        if let Admission::Wait(retry_in) = admission {
            inner.counters.skipped.add();
            return Err(RedisError::Paused { address: inner.address.clone(), retry_in });
        }
        Ok(admission)
    }

    /// How long a call takes at most.
    #[must_use]
    pub fn longest_call(&self) -> Duration {
        self.inner.deadlines.connect.saturating_add(self.inner.deadlines.reply)
    }

    /// The error for a refusal that came amid other replies.
    pub(crate) fn refused(&self, source: crate::ServerError) -> RedisError {
        RedisError::Server { address: self.inner.address.clone(), source }
    }

    /// Notes a refusal that came amid other replies.
    pub(crate) fn note_refused(&self, call: Call, error: &RedisError) {
        self.inner.note_failure(error, Admission::Pass, call);
    }

    /// Notes that the server took a write amid other calls.
    pub(crate) fn note_written(&self) {
        self.inner.note_success(Call::Write);
    }

    /// Counts the calls of an exchange that failed for all of them; one of them is counted.
    pub(crate) fn note_more_failures(&self, outcome: &Result<(), RedisError>, calls: usize) {
        let more = calls.saturating_sub(1) as u64;
        match outcome {
            Ok(()) => {}
            Err(RedisError::Paused { .. }) => self.inner.counters.skipped.add_many(more),
            Err(_) => self.inner.counters.errors.add_many(more),
        }
    }

    /// As [`run`](Self::run), also while calls are held back because the server was away.
    pub(crate) fn insist<T>(
        &self,
        call: Call,
        mut exchange: impl FnMut(&mut Connection) -> Result<T, RedisError>,
    ) -> Result<T, RedisError> {
        let admission = if self.is_paused() { Admission::Probe } else { Admission::Pass };
        self.inner.attempt_noted(call, admission, &mut exchange)
    }

    /// The invalidations of documents that did not reach the server.
    pub(crate) fn owed(&self) -> &Owed {
        &self.inner.owed
    }

    /// Above how many bytes signed values are compressed; none if they are not.
    #[must_use]
    pub fn compresses_above(&self) -> Option<usize> {
        self.inner.pack_above
    }

    pub(crate) fn pack_above(&self) -> Option<usize> {
        self.inner.pack_above
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.inner.counters
    }
}

impl Inner {
    fn attempt_noted<T>(
        &self,
        call: Call,
        admission: Admission,
        exchange: &mut impl FnMut(&mut Connection) -> Result<T, RedisError>,
    ) -> Result<T, RedisError> {
        let result = self.attempt(call, exchange);
        match &result {
            Err(error) => self.note_failure(error, admission, call),
            Ok(_) => self.note_success(call),
        }
        result
    }

    fn attempt<T>(
        &self,
        call: Call,
        exchange: &mut impl FnMut(&mut Connection) -> Result<T, RedisError>,
    ) -> Result<T, RedisError> {
        let pid = std::process::id();
        process::seen(pid);
        self.counters.renew();
        if let Some(mut connection) = self.pool.take(pid) {
            let result = exchange(&mut connection);
            match result {
                Err(RedisError::Closed { .. }) if call != Call::Once => {
                    // The server has closed what was idle: most likely all of it.
                    self.pool.clear();
                }
                result => {
                    self.keep(pid, connection);
                    return result;
                }
            }
        }
        let mut connection = Box::new(Connection::open(&self.url, &self.deadlines)?);
        self.counters.connects.add();
        self.note_connected();
        let result = exchange(&mut connection);
        self.keep(pid, connection);
        result
    }

    fn keep(&self, pid: u32, connection: Box<Connection>) {
        if connection.is_open() {
            self.pool.put(pid, connection);
        }
    }

    fn note_connected(&self) {
        if self.unverified.load(Ordering::Relaxed)
            && self.unverified.swap(false, Ordering::Relaxed)
            && let Some(tls) = self.url.tls()
        {
            let verification = tls.verification();
            self.listener.tell(&Event::Unverified { address: &self.address, verification });
        }
    }

    fn note_success(&self, call: Call) {
        if let Some(lasted) = self.breaker.succeed(|| self.made.elapsed()) {
            let skipped =
                self.counters.skipped.get().saturating_sub(self.skipped_before.load(Ordering::Relaxed));
            self.listener.tell(&Event::OutageEnded { address: &self.address, lasted, skipped });
        }
        if call == Call::Write
            && self.writes_refused.load(Ordering::Relaxed)
            && self.writes_refused.swap(false, Ordering::Relaxed)
        {
            self.listener.tell(&Event::WritesTaken { address: &self.address });
        }
    }

    fn note_failure(&self, error: &RedisError, admission: Admission, call: Call) {
        self.counters.errors.add();
        if error.is_outage() {
            // Before the breaker opens, so that no skipped call is left out of the count.
            let skipped = self.counters.skipped.get();
            if self.breaker.fail(self.made.elapsed(), admission) {
                self.skipped_before.store(skipped, Ordering::Relaxed);
                self.counters.outages.add();
                self.listener.tell(&Event::OutageBegan { error });
            }
            return;
        }
        if let RedisError::Interrupted { .. } = error {
            // Nothing is known of the server.
            return;
        }
        // The server refused this command, but it is there.
        self.note_success(Call::Read);
        if call != Call::Read
            && error.server_error().is_some_and(crate::ServerError::refuses_writes)
            && !self.writes_refused.swap(true, Ordering::Relaxed)
        {
            self.listener.tell(&Event::WritesRefused { error });
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("url", &self.inner.url).finish_non_exhaustive()
    }
}
