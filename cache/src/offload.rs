//! Work that may wait, out of the way of tasks that must not.
//!
//! The client blocks, within its deadlines. A task of an async runtime hands each exchange with the
//! server to a thread that may block, and waits for its outcome as for anything else.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use crate::memo::{self, Ticket};

type Job = Box<dyn FnOnce() + Send>;
type Offload = Arc<dyn Fn(Job) + Send + Sync>;

static OFFLOAD: RwLock<Option<Offload>> = RwLock::new(None);

/// Says where blocking work of asynchronous functions is done. Without this, each piece gets a thread of
/// its own, which costs some tens of microseconds; a runtime's pool is cheaper:
///
/// ```text
/// dontmanage_cache::set_offload(|job| drop(tokio::task::spawn_blocking(job)));
/// ```
///
/// A job that is dropped without being run is a server that is away.
pub fn set_offload(offload: impl Fn(Box<dyn FnOnce() + Send>) + Send + Sync + 'static) {
    *OFFLOAD.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(offload));
}

fn offload(job: Job) {
    let offload = OFFLOAD.read().unwrap_or_else(PoisonError::into_inner).clone();
    match offload {
        Some(offload) => offload(job),
        // Without a thread, the job is dropped.
        None => drop(std::thread::Builder::new().name("cache-offload".to_owned()).spawn(job)),
    }
}

/// What `work` answers, done elsewhere; none if it was not done.
pub(crate) async fn offloaded<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let outcome = Arc::new(Mutex::new(Outcome::Awaited(None)));
    let promise = Promise(outcome.clone());
    offload(Box::new(move || promise.keep(work())));
    std::future::poll_fn(move |context| {
        let mut outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *outcome, Outcome::Awaited(Some(context.waker().clone()))) {
            Outcome::There(answer) => Poll::Ready(Some(answer)),
            Outcome::Never => Poll::Ready(None),
            Outcome::Awaited(_) => Poll::Pending,
        }
    })
    .await
}

enum Outcome<T> {
    Awaited(Option<Waker>),
    There(T),
    Never,
}

/// The side that owes an outcome; dropping it settles that there will be none.
struct Promise<T>(Arc<Mutex<Outcome<T>>>);

impl<T> Promise<T> {
    fn keep(self, answer: T) {
        self.settle(Outcome::There(answer));
    }

    fn settle(&self, settled: Outcome<T>) {
        let mut outcome = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Outcome::Awaited(waker) = &mut *outcome else { return };
        let waker = waker.take();
        *outcome = settled;
        drop(outcome);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        self.settle(Outcome::Never);
    }
}

/// Waits without a thread of its own.
pub(crate) async fn sleep(time: Duration) {
    let due = Instant::now() + time;
    std::future::poll_fn(|context| {
        if Instant::now() >= due {
            return Poll::Ready(());
        }
        memo::wake(due, context.waker().clone());
        Poll::Pending
    })
    .await;
}

/// A task's ticket: what it does at the server is done elsewhere, also when the task is dropped.
pub(crate) struct TaskTicket(Option<Ticket>);

impl TaskTicket {
    pub(crate) fn new(ticket: Ticket) -> Self {
        Self(Some(ticket))
    }

    /// Holds the ticket whenever `work` has its turn.
    pub(crate) async fn held<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        std::future::poll_fn(|context| {
            let _entered = self.0.as_ref().map(Ticket::enter);
            work.as_mut().poll(context)
        })
        .await
    }

    pub(crate) async fn store(mut self, pickled: Vec<u8>) {
        if let Some(ticket) = self.0.take() {
            offloaded(move || ticket.store_pickle(&pickled)).await;
        }
    }
}

impl Drop for TaskTicket {
    fn drop(&mut self) {
        if let Some(ticket) = self.0.take() {
            offload(Box::new(move || drop(ticket)));
        }
    }
}
