//! The loop on the supervisor's one thread: waits for signals, output, answers and wishes, hands
//! them to the machine, and carries out what it decides.

mod actions;
mod children;
mod intake;

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use intake::{LOSSES_EVERY, MEMORY_EVERY};

use super::asker::Asker;
use super::family;
use super::guard::Guarded;
use super::machine::{Event, Id, Machine};
use super::output::Output;
use super::plan::Plan;
use super::remote::{Remote, View};
use super::spawn;
use crate::error::{Error, Problem, Result, plain_io};
use crate::exit_code::ExitCode;

/// The most that is read of one program before the others have their turn.
const BLOCK: usize = 64 * 1024;
/// Sleeping so much longer than planned means that the machine, or we, were stopped.
const GAP: Duration = Duration::from_secs(2);
/// When nothing has happened for so long, the start is over.
const QUIET: Duration = Duration::from_secs(1);

/// Runs a plan to its end. Returns how `bench start` ends.
pub fn supervise(
    plan: &Plan,
    output: Output,
    remote: &mut dyn Remote,
    guarded: &Guarded,
    seed: u64,
) -> Result<ExitCode> {
    let asker = Asker::new()
        .map_err(|source| Error::failed(Problem::new(format!("cannot supervise: {}", plain_io(&source)))))?;
    let count = plan.instances.len();
    let mut this = Loop {
        plan,
        machine: Machine::new(plan.instances.clone(), plan.exit_on_failure, seed),
        events: VecDeque::from([Event::Tick]),
        processes: (0..count).map(|_| Process::default()).collect(),
        pipes: Vec::new(),
        output,
        asker,
        ended_by: None,
        asked_to_end: [false; 2],
        guard_is_gone: false,
        is_settled: false,
        memory_at: Instant::now() + MEMORY_EVERY,
        losses_at: Instant::now() + LOSSES_EVERY,
        block: vec![0; BLOCK],
    };
    let outcome = this.run(remote, guarded);
    // Whatever happened: nothing outlives us.
    let strays = family::end_all(Duration::from_secs(3));
    if strays.asked > 0 {
        this.output.remark(&format!("what the programs had left behind: {strays}"));
    }
    this.output.finish();
    remote.end();
    // One that was put aside with Ctrl-Z could not see our end.
    guarded.wake_guard();
    outcome
}

/// The process of an instance, and what only its process has.
#[derive(Default)]
struct Process {
    leader: Option<Pid>,
    /// It ended; it is not waited for while processes of its group may be there, so that the
    /// group's id stays its own.
    ended: bool,
    /// It was asked to stop, and with it its group.
    stop_asked: bool,
    /// What it left behind was asked long enough.
    kill_leftovers: bool,
    /// What it left behind and was asked to end.
    asked: Vec<Pid>,
    /// Where it says that it is ready.
    notify: Option<UnixDatagram>,
}

/// The output of a process, or of what it left behind.
struct Pipe {
    id: Id,
    reader: OwnedFd,
    at_end: bool,
}

struct Loop<'a> {
    plan: &'a Plan,
    machine: Machine,
    events: VecDeque<Event>,
    processes: Vec<Process>,
    pipes: Vec<Pipe>,
    output: Output,
    asker: Asker,
    ended_by: Option<Signal>,
    /// Whether a signal asked for the end: directly, and by the guard.
    asked_to_end: [bool; 2],
    guard_is_gone: bool,
    /// The bench has been quiet for once: what starts it has been done.
    is_settled: bool,
    memory_at: Instant,
    losses_at: Instant,
    block: Vec<u8>,
}

/// Whose descriptor is ready.
#[derive(Clone, Copy)]
enum Source {
    Signals,
    Guard,
    Answers,
    Terminal,
    Remote(usize),
    Notify(Id),
    Pipe(usize),
}

impl Loop<'_> {
    fn run(&mut self, remote: &mut dyn Remote, guarded: &Guarded) -> Result<ExitCode> {
        loop {
            self.take_steps();
            let view = View { machine: &self.machine, output: &self.output, now: Instant::now() };
            let wishes = remote.serve(&[], &view);
            self.grant(wishes);
            if !self.events.is_empty() {
                continue;
            }
            if self.machine.is_done() && self.all_reaped() {
                return Ok(self.exit_code());
            }
            let began = Instant::now();
            let due = self.next_deadline().map(|at| at.saturating_duration_since(began));
            let planned = [due, (!self.is_settled).then_some(QUIET)].into_iter().flatten().min();
            let ready = self.wait(planned, remote, guarded)?;
            if !self.is_settled && began.elapsed() >= QUIET {
                self.is_settled = true;
                spawn::let_go_of_code();
            }
            // Longer than planned: the machine slept, or we were stopped.
            let gap = planned.map_or(Duration::ZERO, |planned| began.elapsed().saturating_sub(planned));
            if gap > GAP {
                self.events.push_back(Event::Gap(gap));
            }
            self.take_in(&ready, remote, guarded);
            self.events.push_back(Event::Tick);
        }
    }

    fn all_reaped(&self) -> bool {
        self.processes.iter().all(|process| process.leader.is_none())
    }

    fn exit_code(&self) -> ExitCode {
        match self.ended_by {
            _ if self.machine.has_failed() => ExitCode::Failed,
            Some(signal) => ExitCode::Signal(u8::try_from(signal as i32).unwrap_or(0)),
            None => ExitCode::Done,
        }
    }

    /// Waits until something happens or is due; says whose descriptors are ready.
    fn wait(&self, planned: Option<Duration>, remote: &dyn Remote, guarded: &Guarded) -> Result<Vec<Source>> {
        let mut fds: Vec<PollFd<'_>> = Vec::with_capacity(8 + self.pipes.len());
        let mut sources = Vec::with_capacity(8 + self.pipes.len());
        let mut add = |fd, flags, source| {
            fds.push(PollFd::new(fd, flags));
            sources.push(source);
        };
        add(guarded.signals.as_fd(), PollFlags::POLLIN, Source::Signals);
        if !self.guard_is_gone {
            add(guarded.guard.as_fd(), PollFlags::POLLIN, Source::Guard);
        }
        add(self.asker.bell(), PollFlags::POLLIN, Source::Answers);
        let full = self.output.is_full();
        add(self.output.terminal().caught_up(), PollFlags::POLLIN, Source::Terminal);
        for (index, (fd, flags)) in remote.descriptors().into_iter().enumerate() {
            add(fd, flags, Source::Remote(index));
        }
        for (id, process) in self.processes.iter().enumerate() {
            if let Some(notify) = &process.notify {
                add(notify.as_fd(), PollFlags::POLLIN, Source::Notify(id));
            }
        }
        if !full {
            for (index, pipe) in self.pipes.iter().enumerate() {
                add(pipe.reader.as_fd(), PollFlags::POLLIN, Source::Pipe(index));
            }
        }
        // Rounded up: waking a little early would only mean waking twice.
        let timeout = planned.map_or(PollTimeout::NONE, |wait| {
            PollTimeout::try_from(wait + Duration::from_micros(999)).unwrap_or(PollTimeout::MAX)
        });
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => {
                return Err(Problem::new(format!(
                    "cannot wait for programs: {}",
                    errno.desc().to_lowercase()
                ))
                .into());
            }
        }
        let is_ready = |fd: &PollFd<'_>| fd.revents().is_some_and(|events| !events.is_empty());
        Ok(fds.iter().zip(sources).filter(|(fd, _)| is_ready(fd)).map(|(_, source)| source).collect())
    }

    fn next_deadline(&self) -> Option<Instant> {
        let memory =
            self.plan.instances.iter().any(|spec| spec.memory_limit.is_some()).then_some(self.memory_at);
        [self.machine.next_deadline(), self.output.next_deadline(), memory].into_iter().flatten().min()
    }
}
