//! Where a Redis server is: the URL that settings and workers pass round, parsed once.
//!
//! The forms are those that redis-py reads, so that one text serves Python and Rust. A password never
//! appears in `Display`, `Debug` or an error.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The port of a URL that names none.
pub const DEFAULT_PORT: u16 = 6379;

/// The longest path that fits a unix socket's address on Linux.
pub const MAX_SOCKET_PATH: usize = 107;

const FORMS: &str = "write `redis://[user:password@]host[:port][/db]` or `unix:///path/to.sock[?db=N]`";

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
    /// As `Tcp`, by TLS. It is kept and shown; connecting to it is refused with a clear error.
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
        Self { address, username: None, password: None, db: 0 }
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
        Self { address: Address::Unix(path.into()), ..self.clone() }
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

    /// Whether the server is on this machine: a unix socket, `localhost`, or a loopback address. A name
    /// that merely resolves to this machine is not looked up.
    #[must_use]
    pub fn is_local(&self) -> bool {
        let Some(host) = self.host() else { return true };
        host.eq_ignore_ascii_case("localhost")
            || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback() || ip.is_unspecified())
    }

    fn login(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.username, &self.password) {
            (None, None) => Ok(()),
            (user, None) => write!(f, "{}@", encode(user.as_deref().unwrap_or_default())),
            (user, Some(_)) => write!(f, "{}:***@", encode(user.as_deref().unwrap_or_default())),
        }
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.address {
            Address::Tcp { .. } => "redis://",
            Address::Tls { .. } => "rediss://",
            Address::Unix(_) => "unix://",
        })?;
        self.login(f)?;
        self.address.fmt(f)?;
        match (&self.address, self.db) {
            (_, 0) => Ok(()),
            (Address::Unix(_), db) => write!(f, "?db={db}"),
            (_, db) => write!(f, "/{db}"),
        }
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisUrl({self})")
    }
}

/// Why a text is no Redis URL. No variant holds a password.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// Nothing there.
    #[error("the redis URL is empty; {FORMS}")]
    Empty,
    /// A space, newline or other control character.
    #[error("the redis URL holds a space or control character; write it as `%20` or the like")]
    ControlCharacter,
    /// `http://…`
    #[error("`{scheme}://` is not a redis URL; {FORMS}")]
    Scheme {
        /// What stands before `://`.
        scheme: String,
    },
    /// Neither a scheme nor `host:port`.
    #[error("`{text}` names neither a scheme nor a port; {FORMS}")]
    NoScheme {
        /// What was given.
        text: String,
    },
    /// Not a number from 1 to 65535.
    #[error("`{port}` is not a port (1 to 65535)")]
    Port {
        /// What stands after the host.
        port: String,
    },
    /// A host that can't be one.
    #[error("`{host}` is not a host name or address; an IPv6 address goes in brackets, `[::1]:6379`")]
    Host {
        /// What was given.
        host: String,
    },
    /// Not a number.
    #[error("`{db}` is not a database number")]
    Database {
        /// What was given.
        db: String,
    },
    /// `%` that is not followed by two hexadecimal digits, or decodes to something that is not UTF-8.
    #[error("the {part} of the redis URL has a broken percent-encoding; write `%` itself as `%25`")]
    Encoding {
        /// Which part; its text may be secret.
        part: &'static str,
    },
    /// `unix://run/redis.sock`
    #[error("a unix socket's path is absolute: write `unix:///path/to.sock`, with three slashes")]
    RelativeSocket,
    /// Longer than the kernel's address.
    #[error("the socket path `{}` has {length} bytes; the limit is {MAX_SOCKET_PATH}", path.display())]
    SocketPathLength {
        /// The path.
        path: PathBuf,
        /// Its length in bytes.
        length: usize,
    },
}

impl FromStr for RedisUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(UrlError::Empty);
        }
        if text.chars().any(|c| c.is_control() || c == ' ') {
            return Err(UrlError::ControlCharacter);
        }
        if text.starts_with('/') {
            return socket(text.to_owned());
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return bare(text);
        };
        match scheme.to_ascii_lowercase().as_str() {
            "redis" => network(rest, false),
            "rediss" => network(rest, true),
            "unix" => unix(rest),
            other => Err(UrlError::Scheme { scheme: other.to_owned() }),
        }
    }
}

impl TryFrom<&str> for RedisUrl {
    type Error = UrlError;

    fn try_from(text: &str) -> Result<Self, UrlError> {
        text.parse()
    }
}

/// `host:port`, as people write it in settings.
fn bare(text: &str) -> Result<RedisUrl, UrlError> {
    if text.contains('@') {
        // What stands before the `@` may be a password, so it is not shown.
        return Err(UrlError::NoScheme { text: "…@…".to_owned() });
    }
    if !text.contains(':') {
        return Err(UrlError::NoScheme { text: text.to_owned() });
    }
    network(text, false)
}

fn network(whole: &str, tls: bool) -> Result<RedisUrl, UrlError> {
    let rest = whole.split_once('#').map_or(whole, |(before, _)| before);
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (login, place) = split_login(authority)?;
    let (host, port) = host_and_port(place).map_err(|error| {
        // A `/`, `?` or `#` in the password cuts it in two: what looks like a host is a part of it.
        if !authority.contains('@') && whole.contains('@') {
            UrlError::Encoding { part: "password" }
        } else {
            error
        }
    })?;
    let address = if tls { Address::Tls { host, port } } else { Address::Tcp { host, port } };
    let mut url = RedisUrl { username: login.0, password: login.1, ..RedisUrl::of(address) };
    let path = path.trim_end_matches('/');
    if !path.is_empty() {
        url.db = database(path)?;
    }
    options(&mut url, query)?;
    Ok(url)
}

fn unix(rest: &str) -> Result<RedisUrl, UrlError> {
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let slash = rest.find('/').ok_or(UrlError::RelativeSocket)?;
    let (authority, path) = rest.split_at(slash);
    if !(authority.is_empty() || authority.ends_with('@')) {
        return Err(UrlError::RelativeSocket);
    }
    let (login, _) = split_login(authority)?;
    let mut url = socket(decode(path, "path")?)?;
    (url.username, url.password) = login;
    options(&mut url, query)?;
    Ok(url)
}

fn socket(path: String) -> Result<RedisUrl, UrlError> {
    if path.contains('\0') {
        return Err(UrlError::ControlCharacter);
    }
    let length = path.len();
    let path = PathBuf::from(path);
    if length > MAX_SOCKET_PATH {
        return Err(UrlError::SocketPathLength { path, length });
    }
    Ok(RedisUrl::unix(path))
}

type Login = (Option<String>, Option<String>);

/// Splits `user:password@place`. The last `@` counts, as a password may hold one by mistake.
fn split_login(authority: &str) -> Result<(Login, &str), UrlError> {
    let Some((login, place)) = authority.rsplit_once('@') else {
        return Ok(((None, None), authority));
    };
    let (user, password) = match login.split_once(':') {
        Some((user, password)) => (user, Some(decode(password, "password")?)),
        None => (login, None),
    };
    let user = Some(decode(user, "user")?).filter(|user| !user.is_empty());
    Ok(((user, password.filter(|password| !password.is_empty())), place))
}

fn host_and_port(place: &str) -> Result<(String, u16), UrlError> {
    let bad_host = || UrlError::Host { host: place.to_owned() };
    let (host, port) = if let Some(rest) = place.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or_else(bad_host)?;
        host.parse::<std::net::Ipv6Addr>().map_err(|_| bad_host())?;
        let port = match after {
            "" => None,
            _ => Some(after.strip_prefix(':').ok_or_else(bad_host)?),
        };
        (host, port)
    } else {
        match place.split_once(':') {
            Some((_, port)) if port.contains(':') => return Err(bad_host()),
            Some((host, port)) => (host, Some(port)),
            None => (place, None),
        }
    };
    if host.contains(['[', ']', '%', '\\', ',', '|']) {
        return Err(bad_host());
    }
    let host = if host.is_empty() { "localhost" } else { host };
    let port = match port {
        None | Some("") => DEFAULT_PORT,
        Some(port) => match port.parse() {
            Ok(number) if number > 0 && port.bytes().all(|b| b.is_ascii_digit()) => number,
            _ => return Err(UrlError::Port { port: port.to_owned() }),
        },
    };
    Ok((host.to_owned(), port))
}

fn database(text: &str) -> Result<u32, UrlError> {
    text.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
        .ok_or_else(|| UrlError::Database { db: text.to_owned() })
}

/// `db`, `username` and `password` are taken, as redis-py does; the other options of its URLs
/// (`protocol`, `socket_timeout`, …) speak of its own client and are passed over.
fn options(url: &mut RedisUrl, query: &str) -> Result<(), UrlError> {
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        match name {
            "db" => url.db = database(value)?,
            "username" => url.username = Some(decode(value, "user")?),
            "password" => url.password = Some(decode(value, "password")?),
            _ => {}
        }
    }
    Ok(())
}

fn decode(text: &str, part: &'static str) -> Result<String, UrlError> {
    let broken = || UrlError::Encoding { part };
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || rest.next().and_then(|b| char::from(b).to_digit(16)).ok_or_else(broken);
            let (high, low) = (digit()?, digit()?);
            bytes.push(u8::try_from(high * 16 + low).map_err(|_| broken())?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).map_err(|_| broken())
}

fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => {
                out.push('%');
                for nibble in [byte >> 4, byte & 15] {
                    out.extend(char::from_digit(u32::from(nibble), 16).map(|c| c.to_ascii_uppercase()));
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn url(text: &str) -> RedisUrl {
        text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    #[test]
    fn a_url_without_parts_means_the_defaults() {
        let got = url("redis://");
        assert_eq!((got.host(), got.port(), got.db()), (Some("localhost"), Some(6379), 0));
        assert_eq!(url("redis://:7000"), RedisUrl::tcp("localhost", 7000));
        assert_eq!(url("redis://cache.example/"), RedisUrl::tcp("cache.example", 6379));
        assert_eq!(url("10.0.0.1:13000"), RedisUrl::tcp("10.0.0.1", 13000));
        assert_eq!(url(" redis://localhost:1#x "), RedisUrl::tcp("localhost", 1));
    }

    #[test]
    fn every_part_of_a_url_is_read_and_decoded() {
        let got = url("redis://us%65r:p%40ss%3A@[::1]:7000/12?protocol=2");
        assert_eq!(got.username(), Some("user"));
        assert_eq!(got.password(), Some("p@ss:"));
        assert_eq!((got.host(), got.port(), got.db()), (Some("::1"), Some(7000), 12));

        let got = url("unix://bob@/run/a%20b.sock?db=3&password=x%26y");
        assert_eq!(got.path(), Some(Path::new("/run/a b.sock")));
        assert_eq!((got.username(), got.password(), got.db()), (Some("bob"), Some("x&y"), 3));

        assert_eq!(url("/run/redis.sock"), RedisUrl::unix("/run/redis.sock"));
        assert!(url("rediss://host:6380").is_tls());
        assert_eq!(url("redis://:pw@h").username(), None);
        assert_eq!(url("redis://h?db=4").db(), 4);
    }

    #[test]
    fn a_server_reached_by_its_socket_is_asked_with_the_same_login() {
        let got = url("redis://bob:pw@localhost:1/3").by_socket("/run/x.sock");
        assert_eq!(got, url("unix://bob:pw@/run/x.sock?db=3"));
    }

    #[test]
    fn only_addresses_of_this_machine_are_local() {
        for text in ["redis://LOCALHOST", "127.0.0.9:1", "redis://[::1]", "unix:///x", "redis://0.0.0.0:1"] {
            assert!(url(text).is_local(), "{text}");
        }
        for text in ["redis://cache.example", "10.0.0.1:1", "redis://[2001:db8::1]", "rediss://h"] {
            assert!(!url(text).is_local(), "{text}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        let cases = [
            ("", UrlError::Empty),
            ("http://x", UrlError::Scheme { scheme: "http".into() }),
            ("localhost", UrlError::NoScheme { text: "localhost".into() }),
            ("redis://h:0", UrlError::Port { port: "0".into() }),
            ("redis://h:65536", UrlError::Port { port: "65536".into() }),
            ("redis://h:+1", UrlError::Port { port: "+1".into() }),
            ("redis://h/x", UrlError::Database { db: "x".into() }),
            ("redis://h/1/2", UrlError::Database { db: "1/2".into() }),
            ("redis://::1:6379", UrlError::Host { host: "::1:6379".into() }),
            ("redis://[x]:6379", UrlError::Host { host: "[x]:6379".into() }),
            ("unix://run/x.sock", UrlError::RelativeSocket),
            ("unix://", UrlError::RelativeSocket),
            ("redis://:%zz@h", UrlError::Encoding { part: "password" }),
            ("redis://:%ff@h", UrlError::Encoding { part: "password" }),
            ("redis://h\n:1", UrlError::ControlCharacter),
            ("unix:///a%00b", UrlError::ControlCharacter),
        ];
        for (text, want) in cases {
            assert_eq!(text.parse::<RedisUrl>(), Err(want), "{text}");
        }
        let long = format!("/{}", "x".repeat(107));
        assert!(matches!(long.parse::<RedisUrl>(), Err(UrlError::SocketPathLength { length: 108, .. })));
    }

    #[test]
    fn what_is_shown_never_holds_the_password() {
        for text in ["redis://bob:hunter2@h:1/2", "unix:///x?password=hunter2&db=2", "rediss://:hunter2@h"] {
            let got = url(text);
            assert!(!format!("{got} {got:?}").contains("hunter2"), "{got}");
            assert!(got.to_string().contains("***"), "{got}");
        }
        for text in ["redis://:hunter2@h:x", "bob:hunter2@h", "redis://u:hunter2%@h", "redis://:hunter2/@h"] {
            let error = text.parse::<RedisUrl>().expect_err(text);
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_parses_or_errs(text in "\\PC{0,60}") {
            let _ = text.parse::<RedisUrl>();
        }

        #[test]
        fn a_url_shown_without_password_reads_back(
            user in "[a-z:@%/ ]{0,6}", host in "[a-z]{1,8}", port in 1u16.., db in 0u32..16,
        ) {
            let mut want = RedisUrl::tcp(host, port);
            want.username = Some(user).filter(|user| !user.is_empty());
            want.db = db;
            prop_assert_eq!(want.to_string().parse::<RedisUrl>(), Ok(want));
        }
    }
}
