//! One process that is kept running: its state, and what is remembered across restarts.

use std::time::{Duration, Instant};

use super::super::backoff::STABLE;
use super::super::exit::Exit;
use super::super::plan::InstanceSpec;
use crate::settings::RestartPolicy;

/// An instance and its history.
#[derive(Debug)]
pub struct Instance {
    /// What it is to be.
    pub spec: InstanceSpec,
    /// What it is.
    pub state: State,
    /// How often it was started again.
    pub restarts: u32,
    /// How its process last ended.
    pub last_exit: Option<Exit>,
    /// How often it was started.
    pub(super) starts: u32,
    /// Restarts since it was last stable.
    pub(super) attempts: u32,
    pub(super) was_ready: bool,
    pub(super) question_open: bool,
    pub(super) health_failures: u32,
    /// Why it is not ready yet.
    pub(super) last_complaint: Option<String>,
    /// The user stopped it by name, and may start it again.
    pub(super) parked: bool,
}

/// Each state carries exactly what is true in it.
#[derive(Debug)]
pub enum State {
    /// For what it depends on.
    Waiting,
    /// The process is being started right now.
    Launching,
    /// The process runs, but is not ready.
    Starting {
        /// The process.
        pid: i32,
        /// When it was started.
        since: Instant,
        /// When it is asked next, mentioned, given up.
        unready: Unreadiness,
    },
    /// The process does its work.
    Ready {
        /// The process.
        pid: i32,
        /// When it was started.
        since: Instant,
        /// When its health is asked for next; none while an answer is awaited.
        ask_at: Option<Instant>,
    },
    /// The process was asked to stop.
    Stopping {
        /// The process.
        pid: i32,
        /// When it was asked.
        since: Instant,
        /// When it is killed; none once it was.
        kill_at: Option<Instant>,
        /// What comes after.
        next: Next,
    },
    /// The process is gone; processes that it started are asked to end.
    Sweeping {
        /// When they are killed; none once they were.
        kill_at: Option<Instant>,
        /// What comes after.
        next: Next,
    },
    /// It ended, and is started again after a while.
    Backoff {
        /// When.
        until: Instant,
    },
    /// It ended and stays so.
    Stopped,
    /// It ended too often, or can't be started at all.
    Failed,
}

/// What follows when a process is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing.
    Stop,
    /// It failed in a way that no restart mends.
    Fail,
    /// A new start, because somebody asked for it.
    Restart,
    /// A new start after a while, if it has one left.
    Recover,
}

/// When a process that is not ready is asked, mentioned, given up.
#[derive(Debug)]
pub struct Unreadiness {
    /// None while an answer is awaited.
    pub ask: Option<Instant>,
    /// When the user is told that it takes long.
    pub mention: Instant,
    /// When it is started again.
    pub give_up: Instant,
}

impl Unreadiness {
    /// For what is ready as soon as it runs.
    pub const fn none(now: Instant) -> Self {
        Self { ask: None, mention: now, give_up: now }
    }
}

impl State {
    /// The state's name, in `bench status` and in messages.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Launching | Self::Starting { .. } => "starting",
            Self::Ready { .. } => "ready",
            Self::Stopping { .. } | Self::Sweeping { .. } => "stopping",
            Self::Backoff { .. } => "backoff",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }
}

impl Instance {
    pub(super) const fn new(spec: InstanceSpec) -> Self {
        Self {
            spec,
            state: State::Waiting,
            restarts: 0,
            last_exit: None,
            starts: 0,
            attempts: 0,
            was_ready: false,
            question_open: false,
            health_failures: 0,
            last_complaint: None,
            parked: false,
        }
    }

    /// Its process, while it has one that was not waited for.
    pub const fn pid(&self) -> Option<i32> {
        match self.state {
            State::Starting { pid, .. } | State::Ready { pid, .. } | State::Stopping { pid, .. } => Some(pid),
            _ => None,
        }
    }

    /// Whether the user stopped it by name.
    pub const fn is_parked(&self) -> bool {
        self.parked
    }

    /// `ready`, or `unhealthy` while its health is in doubt, or another state.
    pub const fn state_name(&self) -> &'static str {
        match self.state {
            State::Ready { .. } if self.health_failures > 0 => "unhealthy",
            _ => self.state.name(),
        }
    }

    /// How long its process has run.
    pub fn uptime(&self, now: Instant) -> Option<Duration> {
        match self.state {
            State::Starting { since, .. } | State::Ready { since, .. } => {
                Some(now.saturating_duration_since(since))
            }
            _ => None,
        }
    }

    pub(super) const fn is_stopping(&self) -> bool {
        matches!(self.state, State::Stopping { .. } | State::Sweeping { .. })
    }

    /// Nothing of it runs, and nothing is about to.
    pub(super) const fn is_gone(&self) -> bool {
        matches!(self.state, State::Stopped | State::Failed)
    }

    pub(super) const fn restart_limit(&self) -> u32 {
        let limit = self.spec.restart_limit;
        if self.was_ready { limit.after_ready } else { limit.before_ready }
    }

    /// What follows an end that nobody asked for.
    pub(super) fn after_own_end(&mut self, exit: Exit, now: Instant) -> Next {
        if let State::Ready { since, .. } = self.state
            && now.saturating_duration_since(since) >= STABLE
        {
            self.attempts = 0;
        }
        match (self.spec.restart, exit.is_success()) {
            (RestartPolicy::Always, _) | (RestartPolicy::OnFailure, false) => Next::Recover,
            (RestartPolicy::OnFailure | RestartPolicy::Never, true) => Next::Stop,
            (RestartPolicy::Never, false) => Next::Fail,
        }
    }

    pub(super) const fn forget_restart(&mut self) {
        if let State::Stopping { next, .. } | State::Sweeping { next, .. } = &mut self.state {
            *next = Next::Stop;
        }
    }

    /// Moves all deadlines on by a time in which nothing could happen.
    pub(super) fn excuse(&mut self, gap: Duration) {
        self.health_failures = 0;
        match &mut self.state {
            State::Starting { unready, .. } => {
                unready.mention += gap;
                unready.give_up += gap;
            }
            State::Stopping { kill_at: Some(at), .. } | State::Sweeping { kill_at: Some(at), .. } => {
                *at += gap;
            }
            _ => {}
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Starting { unready, .. } => {
                let patience = unready.mention.min(unready.give_up);
                Some(unready.ask.map_or(patience, |ask| ask.min(patience)))
            }
            State::Ready { ask_at, .. } => *ask_at,
            State::Stopping { kill_at, .. } | State::Sweeping { kill_at, .. } => *kill_at,
            State::Backoff { until } => Some(*until),
            State::Waiting | State::Launching | State::Stopped | State::Failed => None,
        }
    }
}
