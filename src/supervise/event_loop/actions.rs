//! Carrying out what the machine decides.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::time::Instant;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::super::asker::Ask;
use super::super::machine::{Action, Event, Id, Note, State};
use super::super::plan::{CommandLine, InstanceSpec, Question};
use super::super::{family, spawn};
use super::{Loop, Pipe, Process};
use crate::error::plain_io;
use crate::settings::{Probe, StopSignal};

/// The size asked for a program's pipe, in bytes.
const PIPE_SIZE: i32 = 256 * 1024;
/// The lines shown of a program that failed.
const LAST_LINES: usize = 10;

impl Loop<'_> {
    /// Hands all events to the machine and carries out what it decides, until it has no more to say.
    pub(super) fn take_steps(&mut self) {
        while let Some(event) = self.events.pop_front() {
            for action in self.machine.step(event, Instant::now()) {
                self.carry_out(action);
            }
        }
    }

    pub(super) fn carry_out(&mut self, action: Action) {
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

    pub(super) fn spawn(&mut self, id: Id) {
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

    pub(super) fn start_process(&mut self, id: Id) -> io::Result<Pid> {
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

    pub(super) fn ask(&mut self, id: Id) {
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

    pub(super) fn tell(&mut self, id: Id, note: &Note) {
        let name = &self.plan.instances[id].name;
        self.output.remark(&format!("{name} {note}"));
        if let Note::Failed(_) = note {
            let lines = self.output.last_lines(id, LAST_LINES);
            if !lines.is_empty() {
                self.output.remark(&format!("the last lines of {name}:\n  {}", lines.join("\n  ")));
            }
        }
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
