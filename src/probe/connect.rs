//! Does something accept connections: on a TCP port, on a unix socket. For a redis-server this says
//! nothing (the kernel accepts for a stopped process too): ask it with `redis` instead.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use super::deadline::{Deadline, timed_out};
use crate::error::plain_io;

/// What came of an attempt to connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectAnswer {
    /// It was accepted.
    Open,
    /// Nobody listens.
    Refused,
    /// There is no such socket file.
    Missing,
    /// Nothing came back in time.
    TimedOut,
    /// It can't be reached: no route, no such host, no permission.
    Unreachable(String),
}

impl ConnectAnswer {
    /// Whether somebody accepted.
    pub const fn is_open(&self) -> bool {
        matches!(self, Self::Open)
    }

    /// What it is, to stand behind an address and a colon.
    pub fn describe(&self) -> String {
        match self {
            Self::Open => "accepts connections".to_owned(),
            Self::Refused => "nobody listens there".to_owned(),
            Self::Missing => "there is no such socket".to_owned(),
            Self::TimedOut => "no connection was accepted in time".to_owned(),
            Self::Unreachable(why) => why.clone(),
        }
    }

    pub(super) fn from_error(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::NotFound => Self::Missing,
            _ if timed_out(error) => Self::TimedOut,
            _ => Self::Unreachable(plain_io(error)),
        }
    }
}

/// Connects to a TCP port, and hangs up.
pub fn tcp(host: &str, port: u16, timeout: Duration) -> ConnectAnswer {
    match open(host, port, Deadline::after(timeout)) {
        Ok(_) => ConnectAnswer::Open,
        Err(error) => ConnectAnswer::from_error(&error),
    }
}

/// Connects to each address of the host in turn until one accepts. An address by number costs no time;
/// a name is looked up by the system, whose own limit holds for that.
pub(super) fn open(host: &str, port: u16, deadline: Deadline) -> io::Result<TcpStream> {
    let host = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    let mut last = io::Error::other(format!("`{host}` has no address"));
    let addresses: Vec<SocketAddr> = (host, port).to_socket_addrs()?.collect();
    for address in addresses {
        match TcpStream::connect_timeout(&address, deadline.left()?) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Connects to a unix socket, and hangs up. Never waits: a listener that is too busy to take one more
/// connection counts as `TimedOut`.
pub fn unix(path: &Path) -> ConnectAnswer {
    match open_unix(path) {
        Ok(_) => ConnectAnswer::Open,
        Err(error) => ConnectAnswer::from_error(&error),
    }
}

/// A stream that does not block.
pub(super) fn open_unix(path: &Path) -> io::Result<UnixStream> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(UnixStream::from(socket))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::unix::net::UnixListener;

    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    #[test]
    fn a_listener_is_open_and_a_closed_port_is_refused() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        assert_eq!(tcp("127.0.0.1", port, SOON), ConnectAnswer::Open);
        drop(listener);
        assert_eq!(tcp("127.0.0.1", port, SOON), ConnectAnswer::Refused);
        assert_eq!(tcp("127.0.0.1", port, Duration::ZERO), ConnectAnswer::TimedOut);
    }

    #[test]
    fn an_ipv6_address_may_stand_in_brackets() {
        // On a machine without IPv6 the address cannot be bound, and there is nothing to test.
        let Ok(listener) = TcpListener::bind("[::1]:0") else { return };
        let port = listener.local_addr().expect("its address").port();
        assert!(tcp("[::1]", port, SOON).is_open());
    }

    #[test]
    fn a_socket_file_without_a_listener_is_told_from_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        assert_eq!(unix(&path), ConnectAnswer::Missing);
        let listener = UnixListener::bind(&path).expect("a socket");
        assert_eq!(unix(&path), ConnectAnswer::Open);
        drop(listener);
        assert_eq!(unix(&path), ConnectAnswer::Refused);
        let long = folder.path().join("x".repeat(120));
        assert!(matches!(unix(&long), ConnectAnswer::Unreachable(_)));
    }
}
