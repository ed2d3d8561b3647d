//! Where a Redis server is: the URL that settings and workers pass round, parsed once.
//!
//! The forms are those that redis-py reads, so that one text serves Python and Rust. A password never
//! appears in `Display`, `Debug` or an error.

use std::fmt;
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

mod error;
mod parse;
mod percent;
mod tls;

#[cfg(test)]
mod tests;

pub use error::UrlError;
pub use tls::{TlsOptions, Verification};

use percent::encode;

/// The port of a URL that names none.
pub const DEFAULT_PORT: u16 = 6379;

/// The longest path that fits a unix socket's address on Linux.
pub const MAX_SOCKET_PATH: usize = 107;

/// Where a server listens.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Address {
    /// A host name or IP address (IPv6 without brackets) and a port.
    Tcp {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
    },
    /// The path of a unix socket.
    Unix(PathBuf),
    /// As `Tcp`, by TLS.
    Tls {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
    },
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } | Self::Tls { host, port } if host.contains(':') => {
                write!(f, "[{host}]:{port}")
            }
            Self::Tcp { host, port } | Self::Tls { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

/// A server's address with the user, password and database to use there.
///
/// ```
/// use dontmanage_cache::RedisUrl;
///
/// let url: RedisUrl = "redis://:s3cret@127.0.0.1:13000/1".parse()?;
/// assert_eq!(url.port(), Some(13000));
/// assert_eq!(url.db(), 1);
/// assert!(url.is_local());
/// assert_eq!(url.to_string(), "redis://:***@127.0.0.1:13000/1");
/// # Ok::<(), dontmanage_cache::UrlError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RedisUrl {
    address: Address,
    username: Option<String>,
    password: Option<String>,
    db: u32,
    /// Of a `rediss://` URL.
    tls: Option<Box<TlsOptions>>,
}

impl RedisUrl {
    /// The server on TCP `port` of `host`.
    #[must_use]
    pub fn tcp(host: impl Into<String>, port: u16) -> Self {
        Self::of(Address::Tcp { host: host.into(), port })
    }

    /// The server on the unix socket `path`.
    #[must_use]
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        Self::of(Address::Unix(path.into()))
    }

    fn of(address: Address) -> Self {
        Self { address, username: None, password: None, db: 0, tls: None }
    }

    /// The same server, asked with this password (and user; none is the server's default user).
    #[must_use]
    pub fn with_login(mut self, username: Option<String>, password: impl Into<String>) -> Self {
        self.username = username;
        self.password = Some(password.into());
        self
    }

    /// The same server with the same login and database, reached by its unix socket.
    #[must_use]
    pub fn by_socket(&self, path: impl Into<PathBuf>) -> Self {
        Self { address: Address::Unix(path.into()), tls: None, ..self.clone() }
    }

    /// Where the server listens.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Host name or IP address; none for a unix socket.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        match &self.address {
            Address::Tcp { host, .. } | Address::Tls { host, .. } => Some(host),
            Address::Unix(_) => None,
        }
    }

    /// TCP port; none for a unix socket.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match &self.address {
            Address::Tcp { port, .. } | Address::Tls { port, .. } => Some(*port),
            Address::Unix(_) => None,
        }
    }

    /// The unix socket's path.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match &self.address {
            Address::Unix(path) => Some(path),
            _ => None,
        }
    }

    /// The number of the database that is selected at connecting.
    #[must_use]
    pub fn db(&self) -> u32 {
        self.db
    }

    /// The ACL user, if one is named.
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        self.username.as_deref()
    }

    /// The password in the clear. Never print it: print the URL, which hides it.
    #[must_use]
    pub fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// Whether the URL asks for TLS (`rediss://`).
    #[must_use]
    pub fn is_tls(&self) -> bool {
        matches!(self.address, Address::Tls { .. })
    }

    /// What the URL says of TLS; none unless it asks for TLS.
    #[must_use]
    pub fn tls(&self) -> Option<&TlsOptions> {
        self.tls.as_deref()
    }

    /// Whether the server is on this machine: a unix socket, `localhost`, or a loopback address. A name
    /// that merely resolves to this machine is not looked up.
    #[must_use]
    pub fn is_local(&self) -> bool {
        let Some(host) = self.host() else { return true };
        host.eq_ignore_ascii_case("localhost")
            || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback() || ip.is_unspecified())
    }

    /// The whole URL, password and all, for handing on to a program that has to connect. To show it to
    /// people use `Display`, which hides the password.
    #[must_use]
    pub fn to_full_string(&self) -> String {
        self.written(self.password.as_deref().map(|password| encode(password.as_bytes(), false)).as_deref())
    }

    fn written(&self, password: Option<&str>) -> String {
        let mut text = String::from(match self.address {
            Address::Tcp { .. } => "redis://",
            Address::Tls { .. } => "rediss://",
            Address::Unix(_) => "unix://",
        });
        if self.username.is_some() || password.is_some() {
            text += &encode(self.username.as_deref().unwrap_or_default().as_bytes(), false);
            if let Some(password) = password {
                text += ":";
                text += password;
            }
            text += "@";
        }
        match &self.address {
            Address::Unix(path) => text += &encode(path.as_os_str().as_bytes(), true),
            address => text += &address.to_string(),
        }
        if self.db != 0 {
            text += if self.path().is_some() { "?db=" } else { "/" };
            text += &self.db.to_string();
        }
        if let Some(tls) = &self.tls {
            text += &tls.written();
        }
        text
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written(self.password.as_deref().map(|_| "***")))
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisUrl({self})")
    }
}
