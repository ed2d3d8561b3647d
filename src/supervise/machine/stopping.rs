//! Stopping, one program or all of them.

use std::time::{Duration, Instant};

use super::instance::{Next, State};
use super::{Action, Id, Machine, Pace};

/// How long each program has once the guard or the patience is gone.
const HURRIED_GRACE: Duration = Duration::from_secs(3);

impl Machine {
    /// Asks a process to stop; what has none is at its end at once.
    pub(super) fn stop(&mut self, id: Id, next: Next, now: Instant, actions: &mut Vec<Action>) {
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

    pub(super) fn restart(&mut self, id: Id, now: Instant, actions: &mut Vec<Action>) {
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

    /// In reverse order: a program is stopped when nothing that depends on it is left. What has no
    /// process is gone at once, which may be what others waited for.
    pub(super) fn shut_down(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let gone = |this: &Self| this.instances.iter().filter(|instance| instance.is_gone()).count();
        loop {
            let before = gone(self);
            self.stop_what_can_stop(now, actions);
            if gone(self) == before {
                return;
            }
        }
    }

    pub(super) fn stop_what_can_stop(&mut self, now: Instant, actions: &mut Vec<Action>) {
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
}
