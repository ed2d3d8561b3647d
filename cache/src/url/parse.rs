//! Texts to URLs.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::str::FromStr;

use super::percent::{decode, decoded_bytes};
use super::{Address, DEFAULT_PORT, MAX_SOCKET_PATH, RedisUrl, TlsOptions, UrlError};

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
            return socket(text.into());
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
    let tls = tls.then(Box::<TlsOptions>::default);
    let mut url = RedisUrl { username: login.0, password: login.1, tls, ..RedisUrl::of(address) };
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
    let mut url = socket(decoded_bytes(path, "path")?)?;
    (url.username, url.password) = login;
    options(&mut url, query)?;
    Ok(url)
}

fn socket(path: Vec<u8>) -> Result<RedisUrl, UrlError> {
    if path.contains(&0) {
        return Err(UrlError::ControlCharacter);
    }
    let length = path.len();
    let path = PathBuf::from(OsString::from_vec(path));
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
            _ if name.starts_with("ssl_") => match &mut url.tls {
                Some(tls) => tls.take(name, value)?,
                None => return Err(UrlError::TlsOptionWithoutTls { option: name.to_owned() }),
            },
            _ => {}
        }
    }
    url.tls.as_ref().map_or(Ok(()), |tls| tls.check())
}
