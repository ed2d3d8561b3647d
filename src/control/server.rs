//! The supervisor's end of the control socket.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::{Pid, geteuid};

use super::connection::Connection;
use super::protocol::{Greeting, LastExit, ProgramStatus, Reply, Request, StatusReport, VERSION};
use super::socket;
use crate::error::{Error, Result};
use crate::supervise::{Exit, Id, Instance, Remote, View, Wish, group_memory};

/// More clients than this wait until one goes.
const MOST_CLIENTS: usize = 64;

/// The listening socket and its clients.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    bench: PathBuf,
    /// The instances' names.
    names: Vec<String>,
    clients: Vec<Client>,
    /// Given up for a moment when there is no other descriptor left.
    spare: Option<File>,
}

#[derive(Debug)]
struct Client {
    connection: Connection,
    waiting: Option<Waiting>,
    follows: Option<Vec<Id>>,
}

/// What a client waits for.
#[derive(Debug)]
enum Waiting {
    Stopped(Vec<Id>),
    Restarted(Vec<Id>, Instant),
}

impl Server {
    /// Listens on the bench's socket. The caller holds the bench's lock.
    pub fn listen(bench: &Path, names: Vec<String>) -> Result<Self> {
        let listener =
            socket::listen(bench).map_err(|source| Error::io("listen on", &socket::path(bench), &source))?;
        Ok(Self {
            listener,
            bench: bench.to_owned(),
            names,
            clients: Vec::new(),
            spare: File::open("/dev/null").ok(),
        })
    }

    fn accept(&mut self) {
        while self.clients.len() < MOST_CLIENTS {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(source) => return self.turn_away(&source),
            };
            if is_ours(&stream)
                && let Ok(mut connection) = Connection::new(stream)
            {
                let bench = env!("CARGO_PKG_VERSION").to_owned();
                connection.send(&Greeting { protocol: VERSION, bench, pid: std::process::id() });
                self.clients.push(Client { connection, waiting: None, follows: None });
            }
        }
    }

    /// A caller that there is no descriptor for would knock for ever: it is let in by the one that was
    /// kept for this, and shown out.
    fn turn_away(&mut self, why: &io::Error) {
        let full = [Errno::EMFILE as i32, Errno::ENFILE as i32];
        if why.raw_os_error().is_some_and(|errno| full.contains(&errno)) && self.spare.take().is_some() {
            drop(self.listener.accept());
            self.spare = File::open("/dev/null").ok();
        }
    }

    fn answer(&mut self, index: usize, request: Request, view: &View<'_>) -> Option<Wish> {
        let client = &mut self.clients[index];
        match request {
            Request::Status => {
                client.connection.send(&Reply::Status(report(&self.bench, view)));
                None
            }
            Request::Stop { programs } if programs.is_empty() => Some(Wish::Shutdown),
            Request::Stop { programs } => {
                let ids = client.find(&programs, view)?;
                client.waiting = Some(Waiting::Stopped(ids.clone()));
                Some(Wish::Stop(ids))
            }
            Request::Restart { programs } => {
                let ids = client.find(&programs, view)?;
                client.waiting = Some(Waiting::Restarted(ids.clone(), view.now));
                Some(Wish::Restart(ids))
            }
            Request::Logs { programs, lines, follow } => {
                let ids = client.find(&programs, view)?;
                for (id, line) in view.output.recent().last(lines, |id| ids.contains(&id)) {
                    client.connection.send_log_line(&self.names[id], line);
                }
                if follow {
                    client.follows = Some(ids);
                } else {
                    client.connection.send(&Reply::Done);
                }
                None
            }
        }
    }

    /// Answers those whose wish has come true.
    fn answer_the_waiting(&mut self, view: &View<'_>) {
        for client in &mut self.clients {
            let reply = match &client.waiting {
                Some(Waiting::Stopped(ids)) if ids.iter().all(|&id| is_down(&view.instances()[id])) => {
                    Reply::Done
                }
                Some(Waiting::Restarted(..)) if view.is_shutting_down() => {
                    Reply::Failed { what: "the bench is being stopped".to_owned(), fix: None }
                }
                Some(Waiting::Restarted(ids, since))
                    if ids.iter().all(|&id| is_settled(id, *since, view)) =>
                {
                    failure_among(ids, view)
                }
                _ => continue,
            };
            client.waiting = None;
            client.connection.send(&reply);
        }
    }
}

impl Client {
    /// The instances that these names mean; the client is told of a name that means none.
    fn find(&mut self, programs: &[String], view: &View<'_>) -> Option<Vec<Id>> {
        if programs.is_empty() {
            return Some((0..view.instances().len()).collect());
        }
        let mut ids = Vec::new();
        for program in programs {
            let before = ids.len();
            let means =
                |instance: &Instance| instance.spec.program == *program || instance.spec.name == *program;
            ids.extend((0..view.instances().len()).filter(|&id| means(&view.instances()[id])));
            if ids.len() == before {
                let known: Vec<&str> =
                    view.instances().iter().map(|instance| instance.spec.name.as_str()).collect();
                let what = format!("no program `{program}` runs in this bench");
                let fix = Some(format!("the programs are {}", known.join(", ")));
                self.connection.send(&Reply::Failed { what, fix });
                return None;
            }
        }
        Some(ids)
    }
}

impl Remote for Server {
    fn descriptors(&self) -> Vec<(BorrowedFd<'_>, PollFlags)> {
        let interest = |connection: &Connection| {
            let mut flags = PollFlags::empty();
            // One that hung up has nothing more to say, and would say so without end.
            flags.set(PollFlags::POLLIN, !connection.closing);
            flags.set(PollFlags::POLLOUT, connection.wants_to_write());
            flags
        };
        let clients =
            self.clients.iter().map(|client| (client.connection.descriptor(), interest(&client.connection)));
        // Clients first, so that their indices are those of the list.
        let listener =
            (self.clients.len() < MOST_CLIENTS).then(|| (self.listener.as_fd(), PollFlags::POLLIN));
        clients.chain(listener).collect()
    }

    fn serve(&mut self, ready: &[usize], view: &View<'_>) -> Vec<Wish> {
        let mut wishes = Vec::new();
        let clients = self.clients.len();
        for &index in ready {
            if index == clients {
                self.accept();
                continue;
            }
            self.clients[index].connection.flush();
            if self.clients[index].connection.closing {
                continue;
            }
            for request in self.clients[index].connection.requests() {
                wishes.extend(self.answer(index, request, view));
            }
        }
        // Before the wishes are granted nothing has come true.
        if wishes.is_empty() {
            self.answer_the_waiting(view);
        }
        self.clients.retain(|client| !client.connection.closing || client.connection.wants_to_write());
        wishes
    }

    fn follows(&self) -> bool {
        self.clients.iter().any(|client| client.follows.is_some())
    }

    fn lines(&mut self, id: Id, lines: &mut dyn Iterator<Item = &[u8]>) {
        for line in lines {
            for client in &mut self.clients {
                let follows = client.follows.as_ref().is_some_and(|ids| ids.contains(&id));
                // Who hung up gets what was on its way, and no more.
                if follows && !client.connection.closing {
                    client.connection.send_log_line(&self.names[id], line);
                }
            }
        }
    }

    fn end(&mut self) {
        // The path must not outlive us; a missing one is what we want.
        let _ = std::fs::remove_file(socket::path(&self.bench));
        self.clients.clear();
    }
}

/// A client of this user, or of root.
fn is_ours(stream: &UnixStream) -> bool {
    getsockopt(stream, PeerCredentials).is_ok_and(|peer| peer.uid() == geteuid().as_raw() || peer.uid() == 0)
}

fn is_down(instance: &Instance) -> bool {
    matches!(instance.state_name(), "stopped" | "failed")
}

/// Whether an instance that was to be started again was, or won't be.
fn is_settled(id: Id, since: Instant, view: &View<'_>) -> bool {
    let instance = &view.instances()[id];
    match instance.state_name() {
        "ready" => instance
            .uptime(view.now)
            .is_some_and(|uptime| view.now.checked_sub(uptime).is_some_and(|start| start >= since)),
        // Somebody else may have stopped it meanwhile.
        "failed" | "stopped" => true,
        _ => view.waits_in_vain_for(id).is_some(),
    }
}

fn failure_among(ids: &[Id], view: &View<'_>) -> Reply {
    let why = |&id: &Id| {
        let instance = &view.instances()[id];
        let name = instance.spec.name.as_str();
        let why = match (instance.state_name(), view.waits_in_vain_for(id)) {
            ("failed", _) => "did not come up again".to_owned(),
            // It ran, and its work is done.
            ("stopped", _) if !instance.is_parked() => return None,
            ("stopped", _) => "was stopped".to_owned(),
            (_, Some(other)) => format!("waits for {}, which is {}", other.spec.name, other.state_name()),
            _ => return None,
        };
        Some((name, format!("{name} {why}")))
    };
    let (names, whys): (Vec<&str>, Vec<String>) = ids.iter().filter_map(why).unzip();
    if names.is_empty() {
        return Reply::Done;
    }
    Reply::Failed {
        what: whys.join(", "),
        fix: Some(format!("look at `bench status` and `bench logs {}`", names.join(" "))),
    }
}

fn report(bench: &Path, view: &View<'_>) -> StatusReport {
    let leaders: Vec<Option<i32>> = view.instances().iter().map(Instance::pid).collect();
    let groups: Vec<Pid> = leaders.iter().map(|pid| Pid::from_raw(pid.unwrap_or(-1))).collect();
    let memory = group_memory(&groups);
    let programs =
        view.instances().iter().zip(leaders).zip(memory).map(|((instance, pid), memory)| ProgramStatus {
            name: instance.spec.name.clone(),
            program: instance.spec.program.clone(),
            state: instance.state_name().to_owned(),
            pid,
            restarts: instance.restarts,
            uptime_s: instance.uptime(view.now).map(|uptime| uptime.as_secs()),
            rss_bytes: pid.map(|_| memory),
            last_exit: instance.last_exit.map(|exit| match exit {
                Exit::Status(status) => LastExit::Status(status),
                Exit::Signal(signal) => LastExit::Signal(signal),
            }),
        });
    StatusReport { bench: bench.display().to_string(), pid: std::process::id(), programs: programs.collect() }
}
