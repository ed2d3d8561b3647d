//! Questions about readiness and health, and their answers.

use std::time::{Duration, Instant};

use super::instance::{Next, State};
use super::{Action, Id, Machine, Note, START_TIMEOUT};

/// How often a program that is not ready yet is asked at first, and later.
const ASK_SOON: Duration = Duration::from_millis(10);
const ASK_LATER: Duration = Duration::from_millis(500);

impl Machine {
    pub(super) fn answered(&mut self, id: Id, now: Instant, actions: &mut Vec<Action>) {
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

    pub(super) fn unanswered(
        &mut self,
        id: Id,
        why: String,
        at_work: bool,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
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

    pub(super) fn over_memory(&mut self, id: Id, how_much: String, now: Instant, actions: &mut Vec<Action>) {
        if self.instances[id].pid().is_some() && !self.instances[id].is_stopping() {
            actions.push(Action::Tell(id, Note::OverMemory(how_much)));
            self.instances[id].restarts += 1;
            self.stop(id, Next::Restart, now, actions);
        }
    }
}
