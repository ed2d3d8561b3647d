//! Threads that ask the server on behalf of one event loop. They never touch the interpreter: not a fork,
//! nor the process's end, nor a thread that holds the interpreter for long can stop them in the middle.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use dontmanage_cache::{Answer, Cache, Question};
use pyo3::prelude::*;
use rustix::event::{EventfdFlags, eventfd};

use super::pending::Pending;

/// How many threads work in a lane at most.
const THREADS: usize = 4;

/// How many questions travel together at most. With more of them, two threads take turns: the loop reads one
/// half of the answers while the server works on the other.
const TOGETHER: usize = 64;

/// How long a thread without work stays.
const IDLE: Duration = Duration::from_secs(10);

/// Makes the result of what was answered; on the loop's thread, with the interpreter.
pub type Then = Box<dyn for<'py> FnOnce(Python<'py>, Question, Answer) -> PyResult<Bound<'py, PyAny>> + Send>;
/// The same, of what has been done.
pub type Finish = Box<dyn for<'py> FnOnce(Python<'py>) -> PyResult<Bound<'py, PyAny>> + Send>;

/// Does several steps.
pub type Several = Box<dyn FnOnce(&Cache, bool) -> Finish + Send>;

/// What is to be done at the server.
pub enum Work {
    /// One step, that others may travel with.
    Question(Box<Question>, Then),
    /// Several, with a thread for itself; with `false` the server must not be asked.
    Call(Several),
}

/// What became of it.
pub enum Outcome {
    Answered(Then, Box<Question>, Answer),
    Finished(Finish),
    /// The thread broke down.
    Lost,
}

impl Work {
    /// What becomes of it without the server.
    pub fn leave_undone(self, cache: &Cache) -> Outcome {
        match self {
            Self::Question(question, then) => {
                let answer = cache.store().leave_unasked(&question);
                Outcome::Answered(then, question, answer)
            }
            Self::Call(call) => Outcome::Finished(call(cache, false)),
        }
    }
}

/// Work that somebody waits for; nobody, if there is no `pending`.
pub struct Job {
    pub pending: Option<Py<Pending>>,
    pub cache: Arc<Cache>,
    pub work: Work,
}

/// Which way work goes: what takes its time must not hold up what is quick.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    Quick,
    Slow,
}

pub struct Crew {
    quick: Lane,
    slow: Lane,
    done: Mutex<Vec<(Py<Pending>, Outcome)>>,
    /// Readable while there is something done.
    bell: OwnedFd,
    rung: AtomicBool,
}

#[derive(Default)]
struct Lane {
    state: Mutex<State>,
    news: Condvar,
    closed: AtomicBool,
}

#[derive(Default)]
struct State {
    queue: VecDeque<(Instant, Job)>,
    threads: usize,
    idle: usize,
}

impl Lane {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Crew {
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            quick: Lane::default(),
            slow: Lane::default(),
            done: Mutex::default(),
            bell: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            rung: AtomicBool::new(false),
        })
    }

    /// What an event loop has to watch: readable when there is something to [`collect`](Self::collect).
    pub fn bell(&self) -> RawFd {
        self.bell.as_raw_fd()
    }

    /// Has the jobs done.
    pub fn hand_over(self: &Arc<Self>, pace: Pace, jobs: impl ExactSizeIterator<Item = Job>) {
        if jobs.len() == 0 {
            return;
        }
        let now = Instant::now();
        let lane = self.lane(pace);
        let mut state = lane.lock();
        state.queue.extend(jobs.map(|job| (now, job)));
        self.call_one(pace, &mut state);
        if state.threads == 0 {
            // Without any thread there is no server to be asked.
            let jobs = std::mem::take(&mut state.queue);
            drop(state);
            self.tell(jobs.into_iter().map(|(_, job)| (job.pending, job.work.leave_undone(&job.cache))));
        }
    }

    /// Calls a thread to work. It calls the next one if it leaves something.
    fn call_one(self: &Arc<Self>, pace: Pace, state: &mut State) {
        if state.idle > 0 {
            self.lane(pace).news.notify_one();
        } else if state.threads < THREADS {
            let crew = self.clone();
            let thread = std::thread::Builder::new().name("cache-awaits".to_owned());
            if thread.spawn(move || crew.work(pace)).is_ok() {
                state.threads += 1;
            }
        }
    }

    /// Takes what is done.
    pub fn collect(&self) -> Vec<(Py<Pending>, Outcome)> {
        let mut count = [0; 8];
        // It may have been read before: then there is nothing new, or soon will be.
        let _ = rustix::io::read(&self.bell, &mut count);
        self.rung.store(false, Ordering::SeqCst);
        std::mem::take(&mut *self.done.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Lets the threads end. Takes no lock: a fork may have copied it locked for ever.
    pub fn close(&self) {
        for lane in [&self.quick, &self.slow] {
            lane.closed.store(true, Ordering::SeqCst);
            lane.news.notify_all();
        }
    }

    fn lane(&self, pace: Pace) -> &Lane {
        match pace {
            Pace::Quick => &self.quick,
            Pace::Slow => &self.slow,
        }
    }

    fn tell(&self, outcomes: impl Iterator<Item = (Option<Py<Pending>>, Outcome)>) {
        let awaited = outcomes.filter_map(|(pending, outcome)| Some((pending?, outcome)));
        self.done.lock().unwrap_or_else(PoisonError::into_inner).extend(awaited);
        if !self.rung.swap(true, Ordering::SeqCst) {
            // A full counter is readable too.
            let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
        }
    }

    /// What a thread does until there is nothing more to do.
    fn work(self: &Arc<Self>, pace: Pace) {
        while let Some((since, jobs)) = self.next(pace) {
            let mut pending = Vec::with_capacity(jobs.len());
            let mut works = Vec::with_capacity(jobs.len());
            let mut cache = None;
            for job in jobs {
                pending.push(job.pending);
                works.push(job.work);
                cache = Some(job.cache);
            }
            let Some(cache) = cache else { continue };
            // Whoever has waited for a thread as long as for a server has waited long enough.
            let in_time = pace == Pace::Slow || since.elapsed() <= cache.client().longest_call();
            let done = catch_unwind(AssertUnwindSafe(|| carry_out(&cache, works, in_time)));
            let outcomes =
                done.unwrap_or_default().into_iter().map(Some).chain(std::iter::repeat_with(|| None));
            self.tell(pending.into_iter().zip(outcomes.map(|outcome| outcome.unwrap_or(Outcome::Lost))));
        }
    }

    /// The next jobs, which can be done together, and since when they wait. None if the thread should end.
    fn next(self: &Arc<Self>, pace: Pace) -> Option<(Instant, Vec<Job>)> {
        let lane = self.lane(pace);
        let mut state = lane.lock();
        loop {
            if lane.closed.load(Ordering::SeqCst) {
                state.threads -= 1;
                return None;
            }
            if let Some((since, first)) = state.queue.pop_front() {
                let mut jobs = vec![first];
                while jobs.len() < TOGETHER
                    && state.queue.front().is_some_and(|(_, job)| can_travel(&jobs[0], job))
                    && let Some((_, job)) = state.queue.pop_front()
                {
                    jobs.push(job);
                }
                if !state.queue.is_empty() {
                    self.call_one(pace, &mut state);
                }
                return Some((since, jobs));
            }
            state.idle += 1;
            let (again, waited) = lane.news.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
            state = again;
            state.idle -= 1;
            if waited.timed_out() && state.queue.is_empty() {
                state.threads -= 1;
                return None;
            }
        }
    }
}

/// Whether two jobs can be done in one exchange.
fn can_travel(one: &Job, other: &Job) -> bool {
    match (&one.work, &other.work) {
        (Work::Question(question, _), Work::Question(next, _)) => {
            question.is_repeatable() == next.is_repeatable() && Arc::ptr_eq(&one.cache, &other.cache)
        }
        _ => false,
    }
}

/// Does works that can be done together.
fn carry_out(cache: &Cache, works: Vec<Work>, in_time: bool) -> Vec<Outcome> {
    if !in_time {
        return works.into_iter().map(|work| work.leave_undone(cache)).collect();
    }
    let (mut questions, mut thens, mut outcomes) = (Vec::new(), Vec::new(), Vec::new());
    for work in works {
        match work {
            Work::Question(question, then) => {
                questions.push(*question);
                thens.push(then);
            }
            Work::Call(call) => outcomes.push(Outcome::Finished(call(cache, true))),
        }
    }
    if !questions.is_empty() {
        let answers = cache.store().ask_all(&mut questions);
        let answered = thens.into_iter().zip(questions).zip(answers);
        outcomes.extend(
            answered.map(|((then, question), answer)| Outcome::Answered(then, Box::new(question), answer)),
        );
    }
    outcomes
}
