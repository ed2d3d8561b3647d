//! The supervisor's decisions, without processes, clocks or sockets: events and the time go in,
//! actions come out. The event loop does nothing but carry these out.
//!
//! ```text
//! waiting ─> starting ─> ready ─> (unhealthy) ─> stopping ─> stopped
//!               │          └────────────┴─> backoff ─> starting …       failed after the restart limit
//! ```

mod health;
mod instance;
mod life;
mod report;
mod stopping;
#[cfg(test)]
mod tests;

pub use instance::{Instance, State};
pub use report::Note;

use std::time::{Duration, Instant};

use instance::Next;

use super::backoff::{self, Jitter};
use super::exit::Exit;
use super::plan::InstanceSpec;

/// Which instance, as an index into the plan's list.
pub type Id = usize;

/// After how long a program that does not get ready is mentioned, and then given up.
const SLOW_START: Duration = Duration::from_secs(3);
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// Time passed, and perhaps something else that only the actions tell.
    Tick,
    /// The process runs.
    Spawned(Id, i32),
    /// It could not be started at all. `permanent`: trying again is no use.
    NotSpawned(Id, String, bool),
    /// The process ended. `leftovers`: processes that it started are still there.
    Ended(Id, Exit, bool),
    /// Nothing that the process started is left.
    Swept(Id),
    /// A probe was answered well.
    Answered(Id),
    /// The program itself said that it is ready, asked by nobody.
    SaidReady(Id),
    /// A probe was not answered well: why, and whether the program is alive and at work (loading, busy).
    Unanswered(Id, String, bool),
    /// It holds more memory than it may.
    OverMemory(Id, String),
    /// The user wants these stopped.
    Stop(Vec<Id>),
    /// The user wants these started again, or started.
    Restart(Vec<Id>),
    /// Everything is to stop, in order. In a hurry: nobody waits for long.
    Shutdown(Pace),
    /// The machine, or we, slept for so long. Nobody can be blamed for it.
    Gap(Duration),
}

/// How patiently everything is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pace {
    /// Each program has its own stop timeout.
    Orderly,
    /// In order, but with little time: the guard is gone.
    Hurried,
    /// Killed at once.
    Now,
}

/// What is to be done. Signals go to the process group and to what the program left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start the process; answer with `Spawned` or `NotSpawned`.
    Spawn(Id),
    /// Ask it to stop, with its stop signal; wake it if it is stopped.
    AskToStop(Id),
    /// Kill it.
    Kill(Id),
    /// Its own process is gone: ask what it left behind to end.
    Sweep(Id),
    /// Kill what it left behind.
    KillLeftovers(Id),
    /// Ask its readiness question, or its health question.
    Ask(Id),
    /// Tell the user.
    Tell(Id, Note),
}

/// All instances and their states.
#[derive(Debug)]
pub struct Machine {
    instances: Vec<Instance>,
    pace: Option<Pace>,
    exit_on_failure: bool,
    jitter: Jitter,
}

impl Machine {
    /// Nothing is started yet: that happens at the first step.
    pub fn new(specs: Vec<InstanceSpec>, exit_on_failure: bool, seed: u64) -> Self {
        let instances = specs.into_iter().map(Instance::new).collect();
        Self { instances, pace: None, exit_on_failure, jitter: Jitter::new(seed) }
    }

    /// The instances, in the plan's order.
    pub fn instances(&self) -> &[Instance] {
        &self.instances
    }

    /// Whether nothing runs and nothing will. What the user stopped by name may be started again.
    pub fn is_done(&self) -> bool {
        let may_return = |i: &Instance| i.parked && self.pace.is_none();
        let idle = |i: &Instance| match i.state {
            State::Stopped | State::Failed => !may_return(i),
            State::Waiting => self.waits_for(i).is_some_and(|other| !may_return(other)),
            _ => false,
        };
        self.instances.iter().all(idle)
    }

    /// The program that an instance waits for in vain, because it is down and stays so.
    pub fn waits_in_vain_for(&self, id: Id) -> Option<&Instance> {
        let instance = &self.instances[id];
        matches!(instance.state, State::Waiting).then(|| self.waits_for(instance)).flatten()
    }

    /// Whether everything is being stopped.
    pub const fn is_shutting_down(&self) -> bool {
        self.pace.is_some()
    }

    /// Whether some program failed for good.
    pub fn has_failed(&self) -> bool {
        self.instances.iter().any(|i| matches!(i.state, State::Failed))
    }

    /// When something is due even if nothing happens.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.instances.iter().filter_map(Instance::next_deadline).min()
    }

    /// Takes in one event and says what is to be done.
    pub fn step(&mut self, event: Event, now: Instant) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Tick => {}
            Event::Spawned(id, pid) => self.spawned(id, pid, now, &mut actions),
            Event::NotSpawned(id, why, permanent) => self.not_spawned(id, why, permanent, now, &mut actions),
            Event::Ended(id, exit, leftovers) => self.ended(id, exit, leftovers, now, &mut actions),
            Event::Swept(id) => self.swept(id, now, &mut actions),
            Event::Answered(id) => self.answered(id, now, &mut actions),
            Event::SaidReady(id) => {
                // Of its health it says nothing: that is asked.
                if matches!(self.instances[id].state, State::Starting { .. }) {
                    self.answered(id, now, &mut actions);
                }
            }
            Event::Unanswered(id, why, at_work) => self.unanswered(id, why, at_work, now, &mut actions),
            Event::OverMemory(id, how_much) => self.over_memory(id, how_much, now, &mut actions),
            Event::Stop(ids) => ids.into_iter().for_each(|id| {
                self.instances[id].parked = true;
                self.stop(id, Next::Stop, now, &mut actions);
            }),
            Event::Restart(ids) => ids.into_iter().for_each(|id| self.restart(id, now, &mut actions)),
            Event::Shutdown(pace) => self.pace = self.pace.max(Some(pace)),
            Event::Gap(gap) => self.instances.iter_mut().for_each(|instance| instance.excuse(gap)),
        }
        self.timers(now, &mut actions);
        if self.pace.is_some() {
            self.shut_down(now, &mut actions);
        } else {
            self.start_what_can_start(&mut actions);
        }
        actions
    }

    fn timers(&mut self, now: Instant, actions: &mut Vec<Action>) {
        for id in 0..self.instances.len() {
            let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
            let instance = &mut self.instances[id];
            match &mut instance.state {
                State::Starting { unready, .. } => {
                    if due(unready.ask) && !instance.question_open {
                        unready.ask = None;
                        instance.question_open = true;
                        actions.push(Action::Ask(id));
                    }
                    if unready.mention <= now {
                        unready.mention = now + SLOW_START;
                        let why = instance.last_complaint.clone().unwrap_or_default();
                        actions.push(Action::Tell(id, Note::SlowStart(why)));
                    }
                    if unready.give_up <= now {
                        let why = instance.last_complaint.take().unwrap_or_default();
                        actions.push(Action::Tell(id, Note::NeverReady(why)));
                        self.stop(id, Next::Recover, now, actions);
                    }
                }
                State::Ready { since, ask_at, .. } => {
                    if due(*ask_at) && !instance.question_open {
                        *ask_at = None;
                        instance.question_open = true;
                        actions.push(Action::Ask(id));
                    }
                    if now.saturating_duration_since(*since) >= backoff::STABLE {
                        instance.attempts = 0;
                    }
                }
                State::Stopping { kill_at, since, .. } => {
                    if due(*kill_at) {
                        let waited = now.saturating_duration_since(*since);
                        *kill_at = None;
                        actions.push(Action::Tell(id, Note::Killed(waited)));
                        actions.push(Action::Kill(id));
                    }
                }
                State::Sweeping { kill_at, .. } => {
                    if due(*kill_at) {
                        *kill_at = None;
                        actions.push(Action::Tell(id, Note::LeftoversKilled));
                        actions.push(Action::KillLeftovers(id));
                    }
                }
                State::Backoff { until } => {
                    if *until <= now {
                        instance.state = State::Waiting;
                    }
                }
                State::Waiting | State::Launching | State::Stopped | State::Failed => {}
            }
        }
    }

    fn start_what_can_start(&mut self, actions: &mut Vec<Action>) {
        for id in 0..self.instances.len() {
            if matches!(self.instances[id].state, State::Waiting) && self.dependencies_are_ready(id) {
                let instance = &mut self.instances[id];
                instance.state = State::Launching;
                instance.question_open = false;
                instance.health_failures = 0;
                instance.last_complaint = None;
                actions.push(Action::Spawn(id));
            }
        }
    }

    fn dependencies_are_ready(&self, id: Id) -> bool {
        self.instances[id].spec.depends_on.iter().all(|program| {
            self.instances
                .iter()
                .filter(|other| other.spec.program == *program)
                .all(|other| matches!(other.state, State::Ready { .. }))
        })
    }

    /// What keeps an instance, directly or through others, from ever being started. (No program depends
    /// on itself: the plan was checked.)
    fn waits_for(&self, instance: &Instance) -> Option<&Instance> {
        let needed =
            self.instances.iter().filter(|other| instance.spec.depends_on.contains(&other.spec.program));
        needed.into_iter().find_map(|other| match other.state {
            State::Failed | State::Stopped => Some(other),
            State::Waiting => self.waits_for(other),
            _ => None,
        })
    }

    fn dependents(&self, id: Id) -> impl Iterator<Item = &Instance> {
        let program = &self.instances[id].spec.program;
        self.instances.iter().filter(move |other| other.spec.depends_on.contains(program))
    }

    fn has_dependents(&self, id: Id) -> bool {
        self.dependents(id).next().is_some()
    }
}
