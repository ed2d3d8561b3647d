//! Whether a server that is deaf to what it is told speaks the other language: TLS or plain. Only for the
//! words of an error; what is found out here is never talked to.

use std::time::Instant;

use super::limit::Limit;
use super::socket::Socket;
use crate::connect;
use crate::url::Address;

/// The least that TLS begins with: a `ClientHello` of TLS 1.2 with one cipher. Its "random" bytes need not be
/// random, as nothing comes of it.
const CLIENT_HELLO: [u8; 50] = {
    let mut hello = [0x20; 50];
    // A handshake record of 45 bytes; in it a `ClientHello` of 41, of version 1.2.
    let head = [0x16, 3, 1, 0, 45, 1, 0, 0, 41, 3, 3];
    // No session, one cipher (ECDHE with RSA and AES 128), no compression.
    let tail = [0, 0, 2, 0xc0, 0x2f, 1, 0];
    let mut at = 0;
    while at < head.len() {
        hello[at] = head[at];
        at += 1;
    }
    at = 0;
    while at < tail.len() {
        hello[hello.len() - tail.len() + at] = tail[at];
        at += 1;
    }
    hello
};

/// Whether what listens there answers TLS in TLS, be it with a refusal, before `end`.
pub(super) fn speaks_tls(address: &Address, end: Instant) -> bool {
    matches!(first_words(address, &CLIENT_HELLO, end).as_deref(), Some([0x15 | 0x16, 3, ..]))
}

/// Whether what listens there answers a PING as a redis-server does, be it with a refusal, before `end`.
#[cfg(feature = "tls")]
pub(super) fn speaks_plainly(address: &Address, end: Instant) -> bool {
    matches!(first_words(address, b"PING\r\n", end).as_deref(), Some([b'+' | b'-', ..]))
}

fn first_words(address: &Address, ours: &[u8], end: Instant) -> Option<Vec<u8>> {
    let (Address::Tcp { host, port } | Address::Tls { host, port }) = address else { return None };
    let mut socket = Socket::new(connect::tcp(host, *port, end).ok()?);
    let limit = Limit::until(end)?;
    socket.send(ours, limit).ok()?;
    let mut words = Vec::with_capacity(512);
    socket.receive(&mut words, false, limit).ok()?;
    Some(words)
}
