//! Opening a socket to a server within a deadline, names and full queues included.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use crate::error::{Phase, RedisError};
use crate::url::{Address, RedisUrl};

/// Connects to the server of `url` by `end`, which lies `deadline` after the start.
pub(crate) fn open(url: &RedisUrl, end: Instant, deadline: Duration) -> Result<OwnedFd, RedisError> {
    let opened = match url.address() {
        Address::Tcp { host, port } | Address::Tls { host, port } => tcp(host, *port, end),
        Address::Unix(path) => unix(path, end),
    };
    opened.map_err(|source| {
        let address = url.address().to_string();
        match source.kind() {
            io::ErrorKind::ConnectionRefused => RedisError::Refused { address, source },
            // The socket file is missing: the same to a caller as a refused port.
            io::ErrorKind::NotFound if url.path().is_some() => RedisError::Refused { address, source },
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
                RedisError::TimedOut { address, phase: Phase::Connect, deadline }
            }
            _ => RedisError::Unreachable { address, source },
        }
    })
}

/// Connects to a port by `end`.
pub(crate) fn tcp(host: &str, port: u16, end: Instant) -> io::Result<OwnedFd> {
    let addresses = resolve(host, port, end)?;
    let mut result = Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
    for (done, address) in addresses.iter().enumerate() {
        // One address that swallows packets must not use up the time of the others.
        let left = u32::try_from(addresses.len() - done).unwrap_or(u32::MAX);
        let Some(share) = remaining(end).map(|time| time / left).filter(|time| !time.is_zero()) else {
            return Err(io::ErrorKind::TimedOut.into());
        };
        match TcpStream::connect_timeout(address, share) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream.into());
            }
            // The first refusal says more than a later "no route" of an IPv6 address.
            Err(error) => result = if done == 0 { Err(error) } else { result },
        }
    }
    result
}

/// The addresses of a host. Looking a name up has no deadline of its own, so it is waited for on the
/// side; addresses and `localhost` need no lookup.
fn resolve(host: &str, port: u16, end: Instant) -> io::Result<Vec<SocketAddr>> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![(ip, port).into()]);
    }
    if host.eq_ignore_ascii_case("localhost") {
        return Ok(vec![(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()]);
    }
    let (sender, receiver) = mpsc::channel();
    let name = host.to_owned();
    std::thread::Builder::new().name("resolve".to_owned()).spawn(move || {
        let found = (name.as_str(), port).to_socket_addrs().map(Iterator::collect);
        // Nobody waits any more if the deadline has passed.
        let _ = sender.send(found);
    })?;
    let wait = remaining(end).unwrap_or_default();
    receiver.recv_timeout(wait).map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

/// A unix socket whose queue is full makes `connect` wait without end, unless the socket has a time
/// limit for sending; std offers none before the connection stands.
fn unix(path: &Path, end: Instant) -> io::Result<OwnedFd> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    let address = SocketAddrUnix::new(path)?;
    loop {
        let time = remaining(end).ok_or(io::ErrorKind::TimedOut)?;
        set_socket_timeout(&socket, Timeout::Send, Some(time))?;
        match connect(&socket, &address) {
            Ok(()) => return Ok(socket),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The time left, none if it is over.
pub(crate) fn remaining(end: Instant) -> Option<Duration> {
    end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
}
