//! A redis URL as it is written in a settings file, password and all: workers of several languages read
//! this text, so it is handed on as the user spelt it.

use std::fmt;

use dontmanage_cache::{RedisUrl, UrlError};

use super::convert::{self, Converted};
use super::reader::{Layer, Refusal};
use super::value::{Node, Value};
use crate::names::Port;

/// The text of a URL. `Debug` hides it, because it may hold a password.
#[derive(Clone, PartialEq, Eq)]
pub struct UrlText(String);

impl UrlText {
    /// A server on a TCP port.
    pub fn tcp(host: &str, port: Port) -> Self {
        if host.contains(':') {
            Self(format!("redis://[{host}]:{port}"))
        } else {
            Self(format!("redis://{host}:{port}"))
        }
    }

    /// The text, password and all: for files and environments of mode 0600, never for the screen.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The same URL with another port.
    #[must_use]
    pub fn with_port(&self, port: Port) -> Self {
        let (scheme, rest) = self.0.split_once("://").unwrap_or(("redis", &self.0));
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        let login = authority.rfind('@').map_or(0, |at| at + 1);
        let (login, place) = authority.split_at(login);
        let host = match place.rsplit_once(':') {
            // In `[::1]` the last colon is the address's own.
            Some((host, after)) if !after.contains(']') => host,
            _ => place,
        };
        Self(format!("{scheme}://{login}{host}:{port}{tail}"))
    }
}

impl fmt::Debug for UrlText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UrlText(…)")
    }
}

/// A URL, as text and as what it means.
#[derive(Clone, Debug)]
pub struct Url {
    /// As it is written, with the scheme that it may lack.
    pub text: UrlText,
    /// What it means.
    pub url: RedisUrl,
}

/// Reads a URL, `host:port`, the path of a unix socket, or a bare port.
pub fn url(node: &Node, layer: Layer) -> Converted<Url> {
    let written = match &node.value {
        Value::Whole(_) => return local(node, layer),
        Value::Text(text) if !text.is_empty() && text.trim().bytes().all(|b| b.is_ascii_digit()) => {
            return local(&Node::text(text.trim()), Layer::Environment);
        }
        // Not described: it may hold a password.
        Value::Text(_) | Value::Null => convert::text(node, layer)?,
        _ => return Err(Refusal::kind(node, "the address of a redis server", FIX)),
    };
    let Some(written) = written else { return Ok(None) };
    let written = written.trim();
    let url = written
        .parse::<RedisUrl>()
        .map_err(|error| Refusal::new(format!("is no address of a redis server: {error}"), fix(&error)))?;
    let text = if written.contains("://") {
        written.to_owned()
    } else if written.starts_with('/') {
        format!("unix://{written}")
    } else {
        format!("redis://{written}")
    };
    Ok(Some(Url { text: UrlText(text), url }))
}

const FIX: &str = "write `redis://127.0.0.1:13000`, `unix:///path/to.sock`, or the port alone";

fn fix(error: &UrlError) -> &'static str {
    match error {
        UrlError::TlsOptionWithoutTls { .. } => "write `rediss://`, or leave the option out",
        UrlError::TlsValue { .. } | UrlError::TlsOption { .. } | UrlError::KeyWithoutCertificate => {
            "correct the option, or leave it out: a server's certificate is verified without any"
        }
        _ => FIX,
    }
}

fn local(node: &Node, layer: Layer) -> Converted<Url> {
    Ok(convert::port(node, layer)?.map(|port| at("127.0.0.1", port)))
}

/// The server on a port of a host that is known to be a host.
pub fn at(host: &str, port: Port) -> Url {
    Url { text: UrlText::tcp(host, port), url: RedisUrl::tcp(host, port.number()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Url {
        url(&Node::text(text), Layer::BenchToml).unwrap().unwrap()
    }

    #[test]
    fn a_port_is_replaced_and_all_else_kept() {
        let port = Port::new(9).unwrap();
        for (text, with) in [
            ("redis://localhost:13000", "redis://localhost:9"),
            ("redis://localhost", "redis://localhost:9"),
            ("rediss://u:p%40:@h:1/2?x=1", "rediss://u:p%40:@h:9/2?x=1"),
            ("redis://[::1]:7/0", "redis://[::1]:9/0"),
            ("redis://[::1]", "redis://[::1]:9"),
        ] {
            assert_eq!(read(text).text.with_port(port).reveal(), with);
        }
    }

    #[test]
    fn short_forms_get_their_scheme() {
        for (text, with) in [
            ("13000", "redis://127.0.0.1:13000"),
            ("localhost:6379/1", "redis://localhost:6379/1"),
            ("/run/x.sock", "unix:///run/x.sock"),
            ("rediss://h", "rediss://h"),
        ] {
            assert_eq!(read(text).text.reveal(), with);
        }
    }

    #[test]
    fn a_password_is_in_no_message() {
        for text in ["redis://:s3cret@h:99999", "redis://:s3cret\n@h", "s3cret@h"] {
            let refusal = url(&Node::text(text), Layer::BenchToml).unwrap_err();
            assert!(!format!("{refusal:?}").contains("s3cret"), "{refusal:?}");
        }
        assert!(!format!("{:?}", read("redis://:s3cret@h")).contains("s3cret"));
    }
}
