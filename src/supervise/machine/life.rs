//! The life of a process: started, ended, and what follows its end.

use std::time::{Duration, Instant};

use super::super::backoff;
use super::super::exit::Exit;
use super::instance::{Next, State, Unreadiness};
use super::{Action, Id, Machine, Note, Pace, SLOW_START, START_TIMEOUT};

/// How long what a program left behind has to end after the program itself did.
const SWEEP_GRACE: Duration = Duration::from_secs(5);

impl Machine {
    pub(super) fn spawned(&mut self, id: Id, pid: i32, now: Instant, actions: &mut Vec<Action>) {
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

    pub(super) fn not_spawned(
        &mut self,
        id: Id,
        why: String,
        permanent: bool,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        actions.push(Action::Tell(id, Note::NotSpawned(why)));
        if permanent {
            self.fail(id, actions);
        } else {
            self.recover(id, now, actions);
        }
    }

    pub(super) fn ended(
        &mut self,
        id: Id,
        exit: Exit,
        leftovers: bool,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
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

    pub(super) fn swept(&mut self, id: Id, now: Instant, actions: &mut Vec<Action>) {
        if let State::Sweeping { next, .. } = self.instances[id].state {
            actions.push(Action::Tell(id, Note::Swept));
            self.go_on(id, next, now, actions);
        }
    }

    /// The process and all it started are gone.
    pub(super) fn go_on(&mut self, id: Id, next: Next, now: Instant, actions: &mut Vec<Action>) {
        match next {
            Next::Stop => self.instances[id].state = State::Stopped,
            Next::Fail => self.fail(id, actions),
            Next::Restart => self.instances[id].state = State::Waiting,
            Next::Recover => self.recover(id, now, actions),
        }
    }

    pub(super) fn fail(&mut self, id: Id, actions: &mut Vec<Action>) {
        self.instances[id].state = State::Failed;
        actions.push(Action::Tell(id, Note::Failed(self.instances[id].last_exit)));
        let holds_up_others = !self.instances[id].was_ready && self.has_dependents(id);
        if (holds_up_others || self.exit_on_failure) && self.pace.is_none() {
            actions.push(Action::Tell(id, Note::EndsTheBench));
            self.pace = Some(Pace::Orderly);
        }
    }

    pub(super) fn recover(&mut self, id: Id, now: Instant, actions: &mut Vec<Action>) {
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
}
