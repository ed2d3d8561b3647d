//! Renews the leases of locks whose answers are still being computed, and wakes tasks that wait for one.
//!
//! One thread of the process does it, started at the first need. A fork leaves it behind, so that it is
//! looked up by process id; its lock is only ever tried, because a fork may copy it locked for ever. A lease
//! that finds no heart is simply not renewed, and then others compute too: nothing waits on this.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Mutex, Weak};
use std::time::{Duration, Instant};

use crate::client::{Call, Client};
use crate::resp::ReplyRef;

static HEART: Mutex<Option<Heart>> = Mutex::new(None);

struct Heart {
    pid: u32,
    sender: Sender<Duty>,
}

/// What the thread is there for.
enum Duty {
    Lease(Lease),
    /// A task that waits until then.
    #[cfg(feature = "async")]
    Wake(Instant, std::task::Waker),
}

impl Duty {
    fn due(&self) -> Instant {
        match self {
            Self::Lease(lease) => lease.due,
            #[cfg(feature = "async")]
            Self::Wake(due, _) => *due,
        }
    }

    /// Does what is due. Whether there is more to come.
    fn go_on(&mut self, now: Instant) -> bool {
        match self {
            Self::Lease(lease) => lease.ticket.strong_count() > 0 && (lease.due > now || lease.renew()),
            #[cfg(feature = "async")]
            Self::Wake(due, waker) => {
                if *due > now {
                    return true;
                }
                waker.wake_by_ref();
                false
            }
        }
    }
}

/// A lock to be renewed for as long as its ticket lives.
pub(super) struct Lease {
    pub(super) client: Client,
    pub(super) lock: Vec<u8>,
    pub(super) token: Vec<u8>,
    pub(super) length: Duration,
    pub(super) ticket: Weak<()>,
    due: Instant,
}

impl Lease {
    pub(super) fn new(
        client: Client,
        lock: Vec<u8>,
        token: Vec<u8>,
        length: Duration,
        ticket: Weak<()>,
    ) -> Self {
        Self { client, lock, token, length, ticket, due: Instant::now() + length / 3 }
    }

    /// Whether there is still something to renew.
    fn renew(&mut self) -> bool {
        const SCRIPT: &[u8] = b"if redis.call('GET',KEYS[1])==ARGV[1] then \
            return redis.call('PEXPIRE',KEYS[1],ARGV[2]) end return 0";
        let length = self.length.as_millis().to_string();
        let args: [&[u8]; 6] = [b"EVAL", SCRIPT, b"1", &self.lock, &self.token, length.as_bytes()];
        let lost = self.client.run(Call::Write, |redis| Ok(redis.query(&args)? == ReplyRef::Int(0)));
        self.due = Instant::now() + self.length / 3;
        // A server that is away now may be back in time.
        !matches!(lost, Ok(true))
    }
}

/// Has the lease renewed from now on, if it can be.
pub(super) fn keep(lease: Lease) {
    // Without a heart it is not renewed.
    let _ = hand_over(Duty::Lease(lease));
}

/// Wakes a task at that time.
#[cfg(feature = "async")]
pub(crate) fn wake(due: Instant, waker: std::task::Waker) {
    if let Err(Duty::Wake(_, waker)) = hand_over(Duty::Wake(due, waker)) {
        // Too early is better than never: the task looks again.
        waker.wake();
    }
}

fn hand_over(mut duty: Duty) -> Result<(), Duty> {
    let pid = std::process::id();
    for _ in 0..1000 {
        let Ok(mut heart) = HEART.try_lock() else {
            std::thread::yield_now();
            continue;
        };
        if let Some(heart) = heart.as_ref().filter(|heart| heart.pid == pid) {
            match heart.sender.send(duty) {
                Ok(()) => return Ok(()),
                Err(unsent) => duty = unsent.0,
            }
        }
        let (sender, receiver) = mpsc::channel();
        let thread =
            std::thread::Builder::new().name("cache-leases".to_owned()).spawn(move || beat(&receiver));
        if thread.is_err() {
            return Err(duty);
        }
        let handed_over = sender.send(duty).map_err(|unsent| unsent.0);
        // What a fork copied in mid-use can't even be dropped safely.
        std::mem::forget(heart.replace(Heart { pid, sender }));
        return handed_over;
    }
    Err(duty)
}

fn beat(receiver: &Receiver<Duty>) {
    let mut duties: Vec<Duty> = Vec::new();
    loop {
        let next = duties.iter().map(Duty::due).min();
        let news = match next {
            None => receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(due) => receiver.recv_timeout(due.saturating_duration_since(Instant::now())),
        };
        match news {
            Ok(duty) => duties.push(duty),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let now = Instant::now();
        duties.retain_mut(|duty| duty.go_on(now));
    }
}
