//! A TLS session on a plain socket: the same transfers within the same limits.

use std::io::{self, BufRead, Write};

use rustls::ClientConnection;
use rustls::pki_types::ServerName;

use super::TlsError;
use super::config::Config;
use super::refusal::refusal;
use crate::connection::{Fault, Limit, Socket};

/// A record and its head fit; of more than that, as much as one read brings.
const INCOMING: usize = 32 * 1024;
/// How much is encrypted before it is sent.
const OUTGOING: usize = 64 * 1024;

pub(crate) struct Session {
    socket: Socket,
    tls: ClientConnection,
    host: Box<str>,
    has_certificate: bool,
    /// Records as they came. Those before `taken` have been decrypted.
    incoming: Vec<u8>,
    taken: usize,
    /// Records on their way out.
    outgoing: Vec<u8>,
    /// How the session has ended, if it has and that is not yet told.
    end: Option<Fault>,
}

impl Session {
    /// Shakes hands by `limit`. `is_plain` looks whether the server answers in the clear; it is asked when
    /// the server has said nothing and the time is nearly over, as a plain redis-server waits for the end of
    /// what it takes for a very long command.
    pub(crate) fn open(
        socket: Socket,
        host: &str,
        config: Config,
        limit: Limit,
        is_plain: impl Fn() -> bool,
    ) -> Result<Self, Fault> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| TlsError::WrongHost { host: host.to_owned(), names: Vec::new() })?;
        let tls = ClientConnection::new(config.rustls, name)
            .map_err(|error| TlsError::Handshake { reason: error.to_string() })?;
        let mut session = Self {
            socket,
            tls,
            host: host.into(),
            has_certificate: config.has_certificate,
            incoming: Vec::with_capacity(INCOMING),
            taken: 0,
            outgoing: Vec::new(),
            end: None,
        };
        session.flush(limit)?;
        let mut heard = false;
        loop {
            if session.taken == session.incoming.len() {
                if heard {
                    session.pull(false, limit)?;
                } else {
                    session.pull_first(limit, &is_plain)?;
                }
            }
            if let (false, Some(first)) = (heard, session.incoming.first()) {
                heard = true;
                // A handshake or an alert is how TLS begins.
                if !matches!(first, 0x15 | 0x16) {
                    return Err(TlsError::NotSpoken.into());
                }
            }
            session.decrypt(limit)?;
            if !session.tls.is_handshaking() {
                return Ok(session);
            }
        }
    }

    /// Sends all of it.
    pub(crate) fn send(&mut self, bytes: &[u8], limit: Limit) -> Result<(), Fault> {
        let mut sent = 0;
        while sent < bytes.len() {
            let end = bytes.len().min(sent + OUTGOING);
            sent += self.tls.writer().write(&bytes[sent..end]).map_err(|error| unusable(&error))?;
            self.flush(limit)?;
        }
        Ok(())
    }

    /// Waits for more bytes, and appends as many as have come.
    pub(crate) fn receive(&mut self, into: &mut Vec<u8>, first: bool, limit: Limit) -> Result<(), Fault> {
        let before = into.len();
        let mut first = first;
        loop {
            if let Some(fault) = self.end.take() {
                return Err(fault);
            }
            match self.decrypt(limit).and_then(|()| self.take(into)) {
                Ok(()) => {}
                // What has come before the end is a reply all the same.
                Err(fault) if into.len() > before => {
                    self.end = Some(fault);
                    return Ok(());
                }
                Err(fault) => return Err(fault),
            }
            if self.taken < self.incoming.len() {
                continue;
            }
            if into.len() > before {
                return Ok(());
            }
            self.pull(first, limit)?;
            // The rest of a record has to come within the same time.
            first = false;
        }
    }

    /// What has arrived unasked, without waiting.
    pub(crate) fn receive_waiting(&mut self, into: &mut Vec<u8>, limit: Limit) -> Result<(), Fault> {
        let mut waiting = [0; 2048];
        let count = self.socket.receive_waiting(&mut waiting).len();
        self.incoming.extend_from_slice(&waiting[..count]);
        while self.taken < self.incoming.len() {
            self.decrypt(limit)?;
            self.take(into)?;
        }
        Ok(())
    }

    /// Waits for more records.
    fn pull(&mut self, first: bool, limit: Limit) -> Result<(), Fault> {
        if self.taken == self.incoming.len() {
            self.incoming.clear();
            self.taken = 0;
        }
        self.incoming.reserve(1);
        self.socket.receive(&mut self.incoming, first, limit)
    }

    /// As `pull`, of the first that the server says.
    fn pull_first(&mut self, limit: Limit, is_plain: impl Fn() -> bool) -> Result<(), Fault> {
        match self.pull(false, limit.but_its_end()) {
            Err(Fault::TimedOut) if is_plain() => Err(TlsError::NotSpoken.into()),
            Err(Fault::TimedOut) => {
                // The look elsewhere may have used up the time in which something came.
                self.incoming.extend_from_slice(self.socket.receive_waiting(&mut [0; 4096]));
                if self.incoming.is_empty() { self.pull(false, limit) } else { Ok(()) }
            }
            pulled => pulled,
        }
    }

    /// Decrypts what has been read, or as much of it as rustls takes at once, and answers what TLS itself asks.
    fn decrypt(&mut self, limit: Limit) -> Result<(), Fault> {
        if self.taken < self.incoming.len() {
            let mut rest = &self.incoming[self.taken..];
            self.taken += self.tls.read_tls(&mut rest).map_err(|error| unusable(&error))?;
            if let Err(error) = self.tls.process_new_packets() {
                // The server's log says why, if it still listens.
                let _ = self.flush(limit);
                return Err(refusal(&error, &self.host, self.has_certificate).into());
            }
        }
        if self.tls.wants_write() { self.flush(limit) } else { Ok(()) }
    }

    /// Hands over what has been decrypted.
    fn take(&mut self, into: &mut Vec<u8>) -> Result<(), Fault> {
        let mut reader = self.tls.reader();
        loop {
            let count = match reader.fill_buf() {
                Ok([]) => return Err(Fault::Closed),
                Ok(bytes) => {
                    into.extend_from_slice(bytes);
                    bytes.len()
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(unusable(&error)),
            };
            reader.consume(count);
        }
    }

    /// Sends what is encrypted.
    fn flush(&mut self, limit: Limit) -> Result<(), Fault> {
        while self.tls.wants_write() {
            self.outgoing.clear();
            self.tls.write_tls(&mut self.outgoing).map_err(|error| unusable(&error))?;
            self.socket.send(&self.outgoing, limit)?;
        }
        Ok(())
    }
}

/// What rustls' buffers say when they are asked for what can't be.
fn unusable(error: &io::Error) -> Fault {
    TlsError::Handshake { reason: error.to_string() }.into()
}
