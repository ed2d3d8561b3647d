//! What comes in: signals, answers, output, wishes, and what is due by the clock.

use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::super::asker::Verdict;
use super::super::guard::{ENDING, Guarded};
use super::super::machine::{Event, Id, Instance, Pace, State};
use super::super::remote::{Remote, View, Wish};
use super::super::{family, leftovers};
use super::{Loop, Source};
use crate::settings::Bytes;

/// How often memory limits are looked at.
pub(super) const MEMORY_EVERY: Duration = Duration::from_secs(5);
/// How often losses of logs are told.
pub(super) const LOSSES_EVERY: Duration = Duration::from_secs(10);
/// The most messages that are taken of a program before the others have their turn.
const MESSAGES: usize = 64;

impl Loop<'_> {
    /// Takes in what is ready.
    pub(super) fn take_in(&mut self, ready: &[Source], remote: &mut dyn Remote, guarded: &Guarded) {
        let now = Instant::now();
        let mut remote_ready = Vec::new();
        for &source in ready {
            match source {
                Source::Signals => self.signals(guarded, remote, now),
                Source::Guard => self.guard_is_lost(),
                Source::Answers => self.answers(),
                Source::Terminal => self.output.terminal().clear_caught_up(),
                Source::Remote(index) => remote_ready.push(index),
                Source::Notify(id) => self.notified(id),
                Source::Pipe(index) => self.read(index, remote, now),
            }
        }
        self.pipes.retain(|pipe| !pipe.at_end);
        self.regular_work(remote, now);
        if !remote_ready.is_empty() {
            let view = View { machine: &self.machine, output: &self.output, now };
            let wishes = remote.serve(&remote_ready, &view);
            self.grant(wishes);
        }
    }

    pub(super) fn signals(&mut self, guarded: &Guarded, remote: &mut dyn Remote, now: Instant) {
        let Ok(Some(info)) = guarded.signals.read_signal() else { return };
        match Signal::try_from(info.ssi_signo.cast_signed()) {
            Ok(Signal::SIGCHLD) => self.children_ended(remote, now),
            Ok(signal) if ENDING.contains(&signal) => {
                let by_guard = info.ssi_pid == guarded.guard_pid.as_raw().cast_unsigned();
                self.asked_to_end(signal, by_guard);
            }
            _ => {}
        }
    }

    /// The first signal stops, the second kills. One wish may come as two signals: whoever signals
    /// every `bench` there is reaches us by the guard and directly, and a terminal that closes is told
    /// by the shell and by the kernel, with nobody there to be impatient.
    pub(super) fn asked_to_end(&mut self, signal: Signal, by_guard: bool) {
        self.ended_by.get_or_insert(signal);
        let asked_before = std::mem::replace(&mut self.asked_to_end[usize::from(by_guard)], true);
        if asked_before && signal != Signal::SIGHUP {
            self.output.remark("killing everything");
            self.events.push_back(Event::Shutdown(Pace::Now));
        } else if !asked_before {
            let how = if signal == Signal::SIGINT { "Ctrl-C" } else { signal.as_str() };
            self.output.remark(&format!("stopping ({how}); once more to kill"));
            self.events.push_back(Event::Shutdown(Pace::Orderly));
        }
    }

    pub(super) fn guard_is_lost(&mut self) {
        self.guard_is_gone = true;
        self.ended_by.get_or_insert(Signal::SIGKILL);
        self.output.remark("the guard is gone, stopping");
        self.events.push_back(Event::Shutdown(Pace::Hurried));
    }

    pub(super) fn answers(&mut self) {
        for answer in self.asker.take() {
            // An answer about a process that is gone says nothing about its successor.
            if self.machine.instances()[answer.id].pid() != Some(answer.pid) {
                continue;
            }
            self.events.push_back(match answer.verdict {
                Verdict::Well { server } => {
                    let instance = &self.machine.instances()[answer.id];
                    if let (Some(server), State::Starting { .. }) = (server, &instance.state) {
                        let plan = self.plan;
                        leftovers::note(&plan.bench, &instance.spec.name, &plan.run_id, server);
                    }
                    Event::Answered(answer.id)
                }
                Verdict::NotWell { why, at_work } => Event::Unanswered(answer.id, why, at_work),
            });
        }
    }

    pub(super) fn notified(&mut self, id: Id) {
        let Some(socket) = &self.processes[id].notify else { return };
        let mut message = [0; 4096];
        // A program may say more than we can read: the rest has its turn after the others'.
        for _ in 0..MESSAGES {
            let Ok(length) = socket.recv(&mut message) else { return };
            if message[..length].split(|&byte| byte == b'\n').any(|line| line == b"READY=1") {
                self.events.push_back(Event::SaidReady(id));
            }
        }
    }

    pub(super) fn read(&mut self, index: usize, remote: &mut dyn Remote, now: Instant) {
        let pipe = &mut self.pipes[index];
        let id = pipe.id;
        match nix::unistd::read(&pipe.reader, &mut self.block) {
            Ok(0) => {
                pipe.at_end = true;
                self.show_partial(id, remote, now, true);
            }
            Ok(length) => {
                self.output.forward(id, &self.block[..length], now);
                self.hand_on(id, remote);
                if self.output.has_appeared(id) {
                    self.events.push_back(Event::SaidReady(id));
                }
            }
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(_) => pipe.at_end = true,
        }
    }

    /// Shows those who follow what was shown just now.
    pub(super) fn hand_on(&self, id: Id, remote: &mut dyn Remote) {
        if remote.follows() {
            remote.lines(id, &mut self.output.forwarded(id));
        }
    }

    pub(super) fn show_partial(&mut self, id: Id, remote: &mut dyn Remote, now: Instant, at_end: bool) {
        if self.output.flush_partial(id, now, at_end) {
            self.hand_on(id, remote);
        }
    }

    /// What comes by the clock.
    pub(super) fn regular_work(&mut self, remote: &mut dyn Remote, now: Instant) {
        let waiting: Vec<Id> = self.pipes.iter().map(|pipe| pipe.id).collect();
        for id in waiting {
            self.show_partial(id, remote, now, false);
        }
        if now >= self.losses_at {
            self.losses_at = now + LOSSES_EVERY;
            for loss in self.output.log_losses() {
                self.output.remark(&loss);
            }
        }
        if now >= self.memory_at {
            self.memory_at = now + MEMORY_EVERY;
            self.look_at_memory();
        }
    }

    pub(super) fn look_at_memory(&mut self) {
        let limited = |instance: &Instance| Some((instance.spec.memory_limit?, instance.pid()?));
        let ids: Vec<(Id, Bytes, Pid)> = self
            .machine
            .instances()
            .iter()
            .enumerate()
            .filter_map(|(id, instance)| {
                limited(instance).map(|(limit, pid)| (id, limit, Pid::from_raw(pid)))
            })
            .collect();
        if ids.is_empty() {
            return;
        }
        let leaders: Vec<Pid> = ids.iter().map(|&(_, _, leader)| leader).collect();
        for ((id, limit, _), bytes) in ids.into_iter().zip(family::group_memory(&leaders)) {
            if bytes > limit.0 {
                let how_much = format!("{} MiB of memory, its limit is {limit}", Bytes(bytes).mib());
                self.events.push_back(Event::OverMemory(id, how_much));
            }
        }
    }

    pub(super) fn grant(&mut self, wishes: Vec<Wish>) {
        for wish in wishes {
            self.events.push_back(match wish {
                Wish::Stop(ids) => Event::Stop(ids),
                Wish::Restart(ids) => Event::Restart(ids),
                Wish::Shutdown => {
                    self.output.remark("stopping (asked by `bench stop`)");
                    Event::Shutdown(Pace::Orderly)
                }
            });
        }
    }
}
