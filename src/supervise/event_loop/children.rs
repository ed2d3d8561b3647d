//! Processes that ended, and what they left behind.

use std::time::Instant;

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::super::exit::Exit;
use super::super::family;
use super::super::machine::{Event, Id};
use super::super::remote::Remote;
use super::{Loop, Process};

/// The most blocks that are read of a program that ended: what it left behind may go on writing.
const LAST_BLOCKS: usize = 64;

impl Loop<'_> {
    /// Some child ended: a program, or what a program left behind.
    pub(super) fn children_ended(&mut self, remote: &mut dyn Remote, now: Instant) {
        self.reap_strays();
        for id in 0..self.processes.len() {
            let Some(leader) = self.processes[id].leader else { continue };
            if self.processes[id].ended {
                self.sweep(id);
            } else if let Some(exit) = family::peek(leader) {
                self.leader_ended(id, leader, exit, remote, now);
            }
        }
    }

    pub(super) fn leader_ended(
        &mut self,
        id: Id,
        leader: Pid,
        exit: Exit,
        remote: &mut dyn Remote,
        now: Instant,
    ) {
        self.drain(id, remote, now);
        let leftovers = !self.leftovers(id, leader).is_empty();
        if leftovers {
            self.processes[id].ended = true;
        } else {
            family::reap(leader);
            self.processes[id] = Process::default();
        }
        self.events.push_back(Event::Ended(id, exit, leftovers));
    }

    /// Asks, or kills, what an ended program left behind; when nothing is left, lets go of it.
    pub(super) fn sweep(&mut self, id: Id) {
        let Some(leader) = self.processes[id].leader else { return };
        let leftovers = self.leftovers(id, leader);
        if leftovers.is_empty() {
            family::reap(leader);
            self.processes[id] = Process::default();
            self.events.push_back(Event::Swept(id));
            return;
        }
        let process = &mut self.processes[id];
        for pid in leftovers {
            if process.kill_leftovers {
                family::signal(pid, Signal::SIGKILL);
            } else if !process.asked.contains(&pid) {
                process.asked.push(pid);
                // Its group was asked already when its program was; a second time would mean haste.
                if !(process.stop_asked && family::is_in_group(pid, leader)) {
                    family::signal(pid, Signal::SIGTERM);
                    family::signal(pid, Signal::SIGCONT);
                }
            }
        }
    }

    /// The living children that are no program's own process.
    pub(super) fn strays(&self) -> Vec<Pid> {
        let is_leader = |pid: &Pid| self.processes.iter().any(|process| process.leader == Some(*pid));
        family::children().unwrap_or_default().into_iter().filter(|pid| !is_leader(pid)).collect()
    }

    pub(super) fn reap_strays(&self) {
        for pid in self.strays() {
            family::reap(pid);
        }
    }

    /// What a program that ended left behind.
    pub(super) fn leftovers(&self, id: Id, leader: Pid) -> Vec<Pid> {
        let name = &self.plan.instances[id].name;
        let alive = |pid: &Pid| family::peek(*pid).is_none();
        self.strays()
            .into_iter()
            .filter(|pid| alive(pid) && family::belongs_to(*pid, leader, &self.plan.run_id, name))
            .collect()
    }

    /// The last words of a program, before it is said that it ended.
    pub(super) fn drain(&mut self, id: Id, remote: &mut dyn Remote, now: Instant) {
        for pipe in self.pipes.iter_mut().filter(|pipe| pipe.id == id) {
            for _ in 0..LAST_BLOCKS {
                match nix::unistd::read(&pipe.reader, &mut self.block) {
                    Ok(0) => pipe.at_end = true,
                    Ok(length) => {
                        self.output.forward(id, &self.block[..length], now);
                        if remote.follows() {
                            remote.lines(id, &mut self.output.forwarded(id));
                        }
                        continue;
                    }
                    Err(_) => {}
                }
                break;
            }
        }
        self.show_partial(id, remote, now, true);
    }
}
