//! One client of the control socket, as the server sees it. Nothing here ever waits.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use super::protocol::{LONGEST_LINE, Reply, Request};

/// So much may wait for a client that reads slowly; lines beyond it are dropped and counted.
const BACKLOG: usize = 1024 * 1024;

/// A connected client.
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
    lost: u64,
    /// It said something that is no request, or went away: closed when all is sent.
    pub closing: bool,
}

impl Connection {
    /// Takes a client in.
    pub fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { stream, inbox: Vec::new(), outbox: Vec::new(), lost: 0, closing: false })
    }

    /// Its descriptor.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// Whether something waits to be sent.
    pub const fn wants_to_write(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Reads what came; the whole requests in it.
    pub fn requests(&mut self) -> Vec<Request> {
        let mut block = [0; 4096];
        loop {
            match self.stream.read(&mut block) {
                Ok(0) => {
                    self.closing = true;
                    break;
                }
                Ok(length) => self.inbox.extend_from_slice(&block[..length]),
                Err(source) if source.kind() == io::ErrorKind::WouldBlock => break,
                Err(source) if source.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    self.closing = true;
                    break;
                }
            }
            if self.inbox.len() > LONGEST_LINE {
                self.refuse("a request is at most 1 MiB long");
                break;
            }
        }
        let mut requests = Vec::new();
        while let Some(end) = self.inbox.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.inbox.drain(..=end).collect();
            match serde_json::from_slice(&line) {
                Ok(request) => requests.push(request),
                Err(error) => self.refuse(&format!("not a request: {error}")),
            }
        }
        requests
    }

    fn refuse(&mut self, what: &str) {
        self.inbox.clear();
        self.send(&Reply::Failed { what: what.to_owned(), fix: None });
        self.closing = true;
    }

    /// Queues a line for it.
    pub fn send(&mut self, line: &impl serde::Serialize) {
        // Our own types always turn into JSON.
        if serde_json::to_writer(&mut self.outbox, line).is_ok() {
            self.outbox.push(b'\n');
        }
        self.flush();
    }

    /// Queues a line of a log, unless too much waits already.
    pub fn send_log_line(&mut self, program: &str, text: &[u8]) {
        if self.outbox.len() > BACKLOG {
            self.lost += 1;
            return;
        }
        if self.lost > 0 {
            let lines = std::mem::take(&mut self.lost);
            self.send(&Reply::Lost { lines });
        }
        self.send(&Reply::Line {
            program: program.to_owned(),
            text: String::from_utf8_lossy(text).into_owned(),
        });
    }

    /// Sends what it takes without waiting.
    pub fn flush(&mut self) {
        while !self.outbox.is_empty() {
            match self.stream.write(&self.outbox) {
                Ok(0) => self.give_up(),
                Ok(taken) => drop(self.outbox.drain(..taken)),
                Err(source) if source.kind() == io::ErrorKind::WouldBlock => return,
                Err(source) if source.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.give_up(),
            }
        }
    }

    fn give_up(&mut self) {
        self.outbox.clear();
        self.closing = true;
    }
}
