//! The supervisor's decisions, without processes, clocks or sockets: events and the time go in,
//! actions come out. The event loop does nothing but carry these out.
//!
//! ```text
//! waiting ─> starting ─> ready ─> (unhealthy) ─> stopping ─> stopped
//!               │          └────────────┴─> backoff ─> starting …       failed after the restart limit
//! ```

mod instance;
mod report;
#[cfg(test)]
mod tests;

pub use instance::{Instance, State};
pub use report::Note;

use std::time::{Duration, Instant};

use instance::{Next, Unreadiness};

use super::backoff::{self, Jitter};
use super::exit::Exit;
use super::plan::InstanceSpec;

/// Which instance, as an index into the plan's list.
pub type Id = usize;

/// How long what a program left behind has to end after the program itself did.
const SWEEP_GRACE: Duration = Duration::from_secs(5);
/// How long each program has once the guard or the patience is gone.
const HURRIED_GRACE: Duration = Duration::from_secs(3);
/// How often a program that is not ready yet is asked at first, and later.
const ASK_SOON: Duration = Duration::from_millis(10);
const ASK_LATER: Duration = Duration::from_millis(500);
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

    fn spawned(&mut self, id: Id, pid: i32, now: Instant, actions: &mut Vec<Action>) {
        let instance = &mut self.instances[id];
        instance.starts += 1;
        if instance.spec.ready.is_some() {
            let unready =
                Unreadiness { ask: Some(now), mention: now + SLOW_START, give_up: now + START_TIMEOUT };
            instance.state = State::Starting { pid, since: now, unready };
        } else {
            instance.state = State::Starting { pid, since: now, unready: Unreadiness::none(now) };
            self.answered(id, now, actions);
        }
    }

    fn not_spawned(&mut self, id: Id, why: String, permanent: bool, now: Instant, actions: &mut Vec<Action>) {
        actions.push(Action::Tell(id, Note::NotSpawned(why)));
        if permanent {
            self.fail(id, actions);
        } else {
            self.recover(id, now, actions);
        }
    }

    fn ended(&mut self, id: Id, exit: Exit, leftovers: bool, now: Instant, actions: &mut Vec<Action>) {
        let instance = &mut self.instances[id];
        instance.last_exit = Some(exit);
        // Asked to stop, what the program started has the same time as the program itself.
        let (next, kill_at, expected) = match instance.state {
            State::Stopping { next, kill_at, .. } => (next, kill_at, true),
            State::Starting { .. } | State::Ready { .. } => {
                (instance.after_own_end(exit, now), Some(now + SWEEP_GRACE), false)
            }
            State::Waiting
            | State::Launching
            | State::Sweeping { .. }
            | State::Backoff { .. }
            | State::Stopped
            | State::Failed => return,
        };
        actions.push(Action::Tell(id, Note::Ended { exit, expected }));
        if leftovers {
            instance.state = State::Sweeping { kill_at, next };
            actions.push(if kill_at.is_some() { Action::Sweep(id) } else { Action::KillLeftovers(id) });
        } else {
            self.go_on(id, next, now, actions);
        }
    }

    fn swept(&mut self, id: Id, now: Instant, actions: &mut Vec<Action>) {
        if let State::Sweeping { next, .. } = self.instances[id].state {
            actions.push(Action::Tell(id, Note::Swept));
            self.go_on(id, next, now, actions);
        }
    }

    /// The process and all it started are gone.
    fn go_on(&mut self, id: Id, next: Next, now: Instant, actions: &mut Vec<Action>) {
        match next {
            Next::Stop => self.instances[id].state = State::Stopped,
            Next::Fail => self.fail(id, actions),
            Next::Restart => self.instances[id].state = State::Waiting,
            Next::Recover => self.recover(id, now, actions),
        }
    }

    fn fail(&mut self, id: Id, actions: &mut Vec<Action>) {
        self.instances[id].state = State::Failed;
        actions.push(Action::Tell(id, Note::Failed(self.instances[id].last_exit)));
        let holds_up_others = !self.instances[id].was_ready && self.has_dependents(id);
        if (holds_up_others || self.exit_on_failure) && self.pace.is_none() {
            actions.push(Action::Tell(id, Note::EndsTheBench));
            self.pace = Some(Pace::Orderly);
        }
    }

    fn recover(&mut self, id: Id, now: Instant, actions: &mut Vec<Action>) {
        let instance = &mut self.instances[id];
        instance.attempts += 1;
        instance.restarts += 1;
        if instance.attempts > instance.restart_limit() {
            instance.restarts -= 1;
            self.fail(id, actions);
            return;
        }
        let wait = backoff::delay(instance.attempts, &mut self.jitter);
        instance.state = State::Backoff { until: now + wait };
        let attempt = instance.attempts;
        let limit = instance.restart_limit();
        actions.push(Action::Tell(id, Note::Backoff { wait, attempt, limit }));
    }

    fn answered(&mut self, id: Id, now: Instant, actions: &mut Vec<Action>) {
        let instance = &mut self.instances[id];
        instance.question_open = false;
        match instance.state {
            State::Starting { pid, since, .. } => {
                instance.was_ready = true;
                instance.health_failures = 0;
                let ask_at = instance.spec.health.as_ref().map(|health| now + health.every);
                instance.state = State::Ready { pid, since, ask_at };
                actions.push(Action::Tell(id, Note::Ready(now.saturating_duration_since(since))));
            }
            State::Ready { ref mut ask_at, .. } => {
                *ask_at = instance.spec.health.as_ref().map(|health| now + health.every);
                if instance.health_failures > 0 {
                    instance.health_failures = 0;
                    actions.push(Action::Tell(id, Note::HealthyAgain));
                }
            }
            _ => {}
        }
    }

    fn unanswered(&mut self, id: Id, why: String, at_work: bool, now: Instant, actions: &mut Vec<Action>) {
        let instance = &mut self.instances[id];
        instance.question_open = false;
        match &mut instance.state {
            State::Starting { since, unready, .. } => {
                let age = now.saturating_duration_since(*since);
                // Soon at first, because servers start in milliseconds; then ever more rarely.
                unready.ask = Some(now + (age / 4).clamp(ASK_SOON, ASK_LATER));
                if at_work {
                    unready.give_up = now + START_TIMEOUT;
                }
                instance.last_complaint = Some(why);
            }
            State::Ready { ask_at, .. } => {
                let Some(health) = &instance.spec.health else { return };
                *ask_at = Some(now + health.every);
                if at_work {
                    // Loading or busy: alive, and a restart would only cost what it is doing.
                    instance.health_failures = 0;
                    return;
                }
                instance.health_failures += 1;
                let (failures, limit) = (instance.health_failures, health.failures);
                actions.push(Action::Tell(id, Note::Unanswered { why, failures, limit }));
                if failures >= limit {
                    self.stop(id, Next::Recover, now, actions);
                }
            }
            _ => {}
        }
    }

    fn over_memory(&mut self, id: Id, how_much: String, now: Instant, actions: &mut Vec<Action>) {
        if self.instances[id].pid().is_some() && !self.instances[id].is_stopping() {
            actions.push(Action::Tell(id, Note::OverMemory(how_much)));
            self.instances[id].restarts += 1;
            self.stop(id, Next::Restart, now, actions);
        }
    }

    /// Asks a process to stop; what has none is at its end at once.
    fn stop(&mut self, id: Id, next: Next, now: Instant, actions: &mut Vec<Action>) {
        let grace = match self.pace {
            None | Some(Pace::Orderly) => self.instances[id].spec.stop_timeout,
            Some(Pace::Hurried) => HURRIED_GRACE.min(self.instances[id].spec.stop_timeout),
            Some(Pace::Now) => Duration::ZERO,
        };
        let instance = &mut self.instances[id];
        match &mut instance.state {
            State::Starting { pid, .. } | State::Ready { pid, .. } => {
                let kill_at = (!grace.is_zero()).then(|| now + grace);
                instance.state = State::Stopping { pid: *pid, since: now, kill_at, next };
                actions.push(if kill_at.is_none() { Action::Kill(id) } else { Action::AskToStop(id) });
            }
            State::Stopping { kill_at, next: planned, .. } => {
                *planned = next;
                *kill_at = kill_at.map(|at| at.min(now + grace));
            }
            State::Sweeping { kill_at, next: planned } => {
                *planned = next;
                *kill_at = kill_at.map(|at| at.min(now + grace));
            }
            State::Waiting | State::Backoff { .. } | State::Stopped | State::Failed => {
                let failed = matches!(instance.state, State::Failed);
                match next {
                    // A failure stays visible until somebody asks for a new start.
                    Next::Stop if failed => {}
                    Next::Stop | Next::Fail => instance.state = State::Stopped,
                    Next::Restart | Next::Recover => instance.state = State::Waiting,
                }
            }
            // Its answer comes before any other event.
            State::Launching => {}
        }
    }

    fn restart(&mut self, id: Id, now: Instant, actions: &mut Vec<Action>) {
        if self.pace.is_none() {
            let instance = &mut self.instances[id];
            instance.attempts = 0;
            instance.parked = false;
            if instance.pid().is_some() {
                instance.restarts += 1;
            }
            self.stop(id, Next::Restart, now, actions);
        }
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

    /// In reverse order: a program is stopped when nothing that depends on it is left. What has no
    /// process is gone at once, which may be what others waited for.
    fn shut_down(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let gone = |this: &Self| this.instances.iter().filter(|instance| instance.is_gone()).count();
        loop {
            let before = gone(self);
            self.stop_what_can_stop(now, actions);
            if gone(self) == before {
                return;
            }
        }
    }

    fn stop_what_can_stop(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let in_order = self.pace < Some(Pace::Now);
        for id in 0..self.instances.len() {
            if in_order && self.dependents(id).any(|other| !other.is_gone()) {
                continue;
            }
            match self.instances[id].state {
                State::Stopping { kill_at: Some(_), .. } | State::Sweeping { kill_at: Some(_), .. }
                    if in_order =>
                {
                    if self.pace == Some(Pace::Hurried) {
                        self.stop(id, Next::Stop, now, actions);
                    } else {
                        self.instances[id].forget_restart();
                    }
                }
                State::Stopping { kill_at: Some(_), .. } => {
                    self.instances[id].forget_restart();
                    if let State::Stopping { kill_at, .. } = &mut self.instances[id].state {
                        *kill_at = None;
                    }
                    actions.push(Action::Kill(id));
                }
                State::Sweeping { kill_at: Some(_), .. } => {
                    self.instances[id].forget_restart();
                    if let State::Sweeping { kill_at, .. } = &mut self.instances[id].state {
                        *kill_at = None;
                    }
                    actions.push(Action::KillLeftovers(id));
                }
                State::Stopping { .. } | State::Sweeping { .. } => self.instances[id].forget_restart(),
                State::Waiting | State::Backoff { .. } | State::Starting { .. } | State::Ready { .. } => {
                    self.stop(id, Next::Stop, now, actions);
                }
                State::Launching | State::Stopped | State::Failed => {}
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
