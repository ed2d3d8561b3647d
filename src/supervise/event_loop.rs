//! The loop on the supervisor's one thread: waits for signals, output, answers and wishes, hands
//! them to the machine, and carries out what it decides.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::asker::{Ask, Asker, Verdict};
use super::exit::Exit;
use super::guard::{ENDING, Guarded};
use super::machine::{Action, Event, Id, Machine, Note, Pace, State};
use super::output::Output;
use super::plan::{CommandLine, InstanceSpec, Plan, Question};
use super::remote::{Remote, View, Wish};
use super::{family, leftovers, spawn};
use crate::error::{Error, Problem, Result, plain_io};
use crate::exit_code::ExitCode;
use crate::settings::{Bytes, Probe, StopSignal};

/// The most that is read of one program before the others have their turn.
const BLOCK: usize = 64 * 1024;
/// Sleeping so much longer than planned means that the machine, or we, were stopped.
const GAP: Duration = Duration::from_secs(2);
/// How often memory limits are looked at.
const MEMORY_EVERY: Duration = Duration::from_secs(5);
/// How often losses of logs are told.
const LOSSES_EVERY: Duration = Duration::from_secs(10);
/// The size asked for a program's pipe, in bytes.
const PIPE_SIZE: i32 = 256 * 1024;
/// The most blocks that are read of a program that ended: what it left behind may go on writing.
const LAST_BLOCKS: usize = 64;
/// The most messages that are taken of a program before the others have their turn.
const MESSAGES: usize = 64;
/// The lines shown of a program that failed.
const LAST_LINES: usize = 10;

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
            let planned = self.next_deadline().map(|at| at.saturating_duration_since(began));
            let ready = self.wait(planned, remote, guarded)?;
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

    /// Takes in what is ready.
    fn take_in(&mut self, ready: &[Source], remote: &mut dyn Remote, guarded: &Guarded) {
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

    fn signals(&mut self, guarded: &Guarded, remote: &mut dyn Remote, now: Instant) {
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
    fn asked_to_end(&mut self, signal: Signal, by_guard: bool) {
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

    fn guard_is_lost(&mut self) {
        self.guard_is_gone = true;
        self.ended_by.get_or_insert(Signal::SIGKILL);
        self.output.remark("the guard is gone, stopping");
        self.events.push_back(Event::Shutdown(Pace::Hurried));
    }

    fn answers(&mut self) {
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

    fn notified(&mut self, id: Id) {
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

    fn read(&mut self, index: usize, remote: &mut dyn Remote, now: Instant) {
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
    fn hand_on(&self, id: Id, remote: &mut dyn Remote) {
        if remote.follows() {
            remote.lines(id, &mut self.output.forwarded(id));
        }
    }

    fn show_partial(&mut self, id: Id, remote: &mut dyn Remote, now: Instant, at_end: bool) {
        if self.output.flush_partial(id, now, at_end) {
            self.hand_on(id, remote);
        }
    }

    /// What comes by the clock.
    fn regular_work(&mut self, remote: &mut dyn Remote, now: Instant) {
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

    fn look_at_memory(&mut self) {
        let limited =
            |instance: &super::machine::Instance| Some((instance.spec.memory_limit?, instance.pid()?));
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

    fn grant(&mut self, wishes: Vec<Wish>) {
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

    /// Hands all events to the machine and carries out what it decides, until it has no more to say.
    fn take_steps(&mut self) {
        while let Some(event) = self.events.pop_front() {
            for action in self.machine.step(event, Instant::now()) {
                self.carry_out(action);
            }
        }
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Spawn(id) => self.spawn(id),
            Action::AskToStop(id) => {
                if let Some(leader) = self.processes[id].leader {
                    self.processes[id].stop_asked = true;
                    family::signal_group(leader, signal_of(self.plan.instances[id].stop_signal));
                    // A stopped process can't act on any other signal.
                    family::signal_group(leader, Signal::SIGCONT);
                }
            }
            Action::Kill(id) => {
                if let Some(leader) = self.processes[id].leader {
                    self.processes[id].stop_asked = true;
                    family::signal_group(leader, Signal::SIGKILL);
                }
            }
            Action::Sweep(id) => self.sweep(id),
            Action::KillLeftovers(id) => {
                self.processes[id].kill_leftovers = true;
                self.sweep(id);
            }
            Action::Ask(id) => self.ask(id),
            Action::Tell(id, note) => self.tell(id, &note),
        }
    }

    fn spawn(&mut self, id: Id) {
        let spec = &self.plan.instances[id];
        let event = match self.start_process(id) {
            Ok(leader) => Event::Spawned(id, leader.as_raw()),
            Err(source) => {
                // Trying again mends a lack of memory or descriptors, but not a missing program.
                let lasting = matches!(
                    source.kind(),
                    io::ErrorKind::NotFound
                        | io::ErrorKind::PermissionDenied
                        | io::ErrorKind::NotADirectory
                        | io::ErrorKind::InvalidInput
                ) || source.raw_os_error() == Some(Errno::ENOEXEC as i32);
                Event::NotSpawned(id, spawn_problem(spec, &source), lasting)
            }
        };
        // Before anything else that happened: the machine waits for this answer.
        self.events.push_front(event);
    }

    fn start_process(&mut self, id: Id) -> io::Result<Pid> {
        let spec = &self.plan.instances[id];
        let mut process = Process::default();
        if let Some(path) = &spec.notify_socket {
            // Left over from the process before.
            let _ = std::fs::remove_file(path);
            let socket = UnixDatagram::bind(path)?;
            socket.set_nonblocking(true)?;
            process.notify = Some(socket);
        }
        if let Some(Question::Plain(Probe::Log(text))) = spec.ready.as_ref().map(|ready| &ready.question) {
            self.output.await_text(id, text);
        }
        let (reader, writer) = io::pipe()?;
        let reader = OwnedFd::from(reader);
        fcntl(&reader, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        // Fewer switches between a chatty program and us; where it is refused, the usual size does.
        let _ = fcntl(&reader, FcntlArg::F_SETPIPE_SZ(PIPE_SIZE));
        let leader = spawn::instance(spec, writer.into())?;
        process.leader = Some(leader);
        self.processes[id] = process;
        self.pipes.push(Pipe { id, reader, at_end: false });
        Ok(leader)
    }

    fn ask(&mut self, id: Id) {
        let spec = &self.plan.instances[id];
        let instance = &self.machine.instances()[id];
        let (question, timeout) = match &instance.state {
            State::Starting { .. } => match &spec.ready {
                Some(ready) => (&ready.question, ready.timeout),
                None => return,
            },
            _ => match &spec.health {
                Some(health) => (&health.question, health.timeout),
                None => return,
            },
        };
        let Some(pid) = instance.pid() else { return };
        let (cwd, env) = match question {
            Question::Plain(Probe::Exec(_)) => (spec.cwd.clone(), spec.env.clone()),
            _ => Default::default(),
        };
        if let Err(source) = self.asker.ask(Ask { id, pid, question: question.clone(), timeout, cwd, env }) {
            self.events.push_back(Event::Unanswered(id, format!("cannot ask: {}", plain_io(&source)), true));
        }
    }

    fn tell(&mut self, id: Id, note: &Note) {
        let name = &self.plan.instances[id].name;
        self.output.remark(&format!("{name} {note}"));
        if let Note::Failed(_) = note {
            let lines = self.output.last_lines(id, LAST_LINES);
            if !lines.is_empty() {
                self.output.remark(&format!("the last lines of {name}:\n  {}", lines.join("\n  ")));
            }
        }
    }

    /// Some child ended: a program, or what a program left behind.
    fn children_ended(&mut self, remote: &mut dyn Remote, now: Instant) {
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

    fn leader_ended(&mut self, id: Id, leader: Pid, exit: Exit, remote: &mut dyn Remote, now: Instant) {
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
    fn sweep(&mut self, id: Id) {
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
    fn strays(&self) -> Vec<Pid> {
        let is_leader = |pid: &Pid| self.processes.iter().any(|process| process.leader == Some(*pid));
        family::children().unwrap_or_default().into_iter().filter(|pid| !is_leader(pid)).collect()
    }

    fn reap_strays(&self) {
        for pid in self.strays() {
            family::reap(pid);
        }
    }

    /// What a program that ended left behind.
    fn leftovers(&self, id: Id, leader: Pid) -> Vec<Pid> {
        let name = &self.plan.instances[id].name;
        let alive = |pid: &Pid| family::peek(*pid).is_none();
        self.strays()
            .into_iter()
            .filter(|pid| alive(pid) && family::belongs_to(*pid, leader, &self.plan.run_id, name))
            .collect()
    }

    /// The last words of a program, before it is said that it ended.
    fn drain(&mut self, id: Id, remote: &mut dyn Remote, now: Instant) {
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

fn spawn_problem(spec: &InstanceSpec, source: &io::Error) -> String {
    let program = match &spec.command {
        CommandLine::Words(words) => words.first().map_or("", String::as_str),
        CommandLine::Shell(_) => "/bin/sh",
    };
    if !spec.cwd.is_dir() {
        return format!("its directory `{}` does not exist", spec.cwd.display());
    }
    match source.kind() {
        io::ErrorKind::NotFound => format!("`{program}` is not found in its PATH"),
        _ => format!("`{program}`: {}", plain_io(source)),
    }
}

const fn signal_of(signal: StopSignal) -> Signal {
    match signal {
        StopSignal::Term => Signal::SIGTERM,
        StopSignal::Int => Signal::SIGINT,
        StopSignal::Quit => Signal::SIGQUIT,
        StopSignal::Hup => Signal::SIGHUP,
        StopSignal::Usr1 => Signal::SIGUSR1,
        StopSignal::Usr2 => Signal::SIGUSR2,
        StopSignal::Kill => Signal::SIGKILL,
    }
}
