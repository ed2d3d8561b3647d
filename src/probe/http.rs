//! Is a web program alive: one plain HTTP/1.1 GET, of whose answer only the status counts.

use std::fmt;
use std::io::{self, Read, Write};
use std::time::Duration;

use super::connect::{self, ConnectAnswer};
use super::deadline::{Deadline, timed_out};
use crate::error::{plain_io, printable};

/// A status line is short; more than this without its end is no HTTP.
const MAX_STATUS_LINE: usize = 4 * 1024;

/// How much of what is no HTTP is shown.
const SHOWN: usize = 60;

/// An address that can be asked: `http://HOST[:PORT][/PATH]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpUrl {
    host: String,
    port: u16,
    target: String,
}

/// Why a text is no such address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpUrlError {
    /// `https://…`, `127.0.0.1:8000`
    #[error("an http probe's address begins with `http://`")]
    Scheme,
    /// `http:///path`
    #[error("an http probe's address names a host")]
    Host,
    /// `http://user:password@host`
    #[error("an http probe's address holds no user and password")]
    Login,
    /// `http://host:x`
    #[error("the port of an http probe's address is a number from 1 to 65535")]
    Port,
    /// A space, a new line, a byte outside ASCII: it would become another request.
    #[error(
        "an http probe's address holds only printable ASCII without spaces; write others as `%20` or the like"
    )]
    Character,
}

impl HttpUrl {
    /// Reads the address.
    pub fn parse(text: &str) -> Result<Self, HttpUrlError> {
        let rest = text.strip_prefix("http://").ok_or(HttpUrlError::Scheme)?;
        if !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(HttpUrlError::Character);
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, target) = match rest.find(['/', '?']) {
            Some(at) if rest[at..].starts_with('?') => (&rest[..at], format!("/{}", &rest[at..])),
            Some(at) => (&rest[..at], rest[at..].to_owned()),
            None => (rest, "/".to_owned()),
        };
        if authority.contains('@') {
            return Err(HttpUrlError::Login);
        }
        let (host, port) = match authority.rsplit_once(':') {
            // The colons of `[::1]` are not the port's.
            Some((host, port)) if !port.contains(']') => {
                let port = port.parse().ok().filter(|&port| port != 0).ok_or(HttpUrlError::Port)?;
                (host, port)
            }
            _ => (authority, 80),
        };
        if host.is_empty() {
            return Err(HttpUrlError::Host);
        }
        Ok(Self { host: host.to_owned(), port, target })
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}:{}{}", self.host, self.port, self.target)
    }
}

/// What a web program answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpAnswer {
    /// This status.
    Status(u16),
    /// No connection.
    NoConnection(ConnectAnswer),
    /// A connection, but no whole status line in time.
    TimedOut,
    /// A connection that ended before the status line did.
    HungUp,
    /// Something that is no HTTP, of which this is the beginning.
    NotHttp(String),
    /// The connection broke.
    Broken(String),
}

impl HttpAnswer {
    /// Whether the status is from 200 to 399.
    pub const fn is_ok(&self) -> bool {
        matches!(self, Self::Status(200..=399))
    }

    /// What it is, to stand behind an address and a colon.
    pub fn describe(&self) -> String {
        match self {
            Self::Status(status) => format!("answers with status {status}"),
            Self::NoConnection(answer) => answer.describe(),
            Self::TimedOut => "accepts connections, but does not answer in time".to_owned(),
            Self::HungUp => "accepts connections, but hangs up without an answer".to_owned(),
            Self::NotHttp(said) => format!("does not speak HTTP: it says `{said}`"),
            Self::Broken(why) => format!("the connection broke: {why}"),
        }
    }
}

/// Asks for the page, with this Host header where a site is chosen by it. Reads no further than the
/// status line.
pub fn get(url: &HttpUrl, host: Option<&str>, timeout: Duration) -> HttpAnswer {
    let deadline = Deadline::after(timeout);
    let mut stream = match connect::open(&url.host, url.port, deadline) {
        Ok(stream) => stream,
        Err(error) => return HttpAnswer::NoConnection(ConnectAnswer::from_error(&error)),
    };
    // Only header characters may stand in a header: a name with a new line would add one.
    let host: String = match host {
        Some(host) => host.chars().filter(char::is_ascii_graphic).collect(),
        None => format!("{}:{}", url.host, url.port),
    };
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: bench-probe\r\nAccept: */*\r\nConnection: close\r\n\r\n",
        url.target
    );
    let mut said = Vec::new();
    let line = (|| {
        stream.set_write_timeout(Some(deadline.left()?))?;
        stream.write_all(request.as_bytes())?;
        loop {
            stream.set_read_timeout(Some(deadline.left()?))?;
            let mut chunk = [0; 512];
            let count = match stream.read(&mut chunk) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            said.extend_from_slice(&chunk[..count]);
            if count == 0 || said.contains(&b'\n') || said.len() > MAX_STATUS_LINE {
                return Ok(());
            }
        }
    })();
    match line {
        Ok(()) if said.is_empty() => HttpAnswer::HungUp,
        Ok(()) => status(&said).map_or_else(|| HttpAnswer::NotHttp(shown(&said)), HttpAnswer::Status),
        Err(error) if timed_out(&error) => HttpAnswer::TimedOut,
        Err(error) => HttpAnswer::Broken(plain_io(&error)),
    }
}

/// `HTTP/1.1 200 OK`
fn status(said: &[u8]) -> Option<u16> {
    let line = said.split(|&byte| byte == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?.trim_end();
    let mut words = line.strip_prefix("HTTP/1.")?.split(' ');
    let _minor = words.next()?;
    let digits = words.next()?;
    let status: u16 = digits.parse().ok()?;
    (digits.len() == 3 && status >= 100).then_some(status)
}

/// The beginning of some bytes, for a person.
pub(super) fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim();
    let mut short: String = first.chars().take(SHOWN).collect();
    if short.len() < first.len() {
        short.push('…');
    }
    printable(&short)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;
    use std::time::Instant;

    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    /// A server for one connection, which says this, in pieces with pauses between them, after it has
    /// read the request.
    fn serve(pieces: Vec<&'static [u8]>, pause: Duration) -> (HttpUrl, thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let url = HttpUrl::parse(&format!("http://127.0.0.1:{port}/ping?x=1")).expect("an address");
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).expect("a request");
                request.push(byte[0]);
            }
            for piece in pieces {
                if stream.write_all(piece).is_err() {
                    break;
                }
                thread::sleep(pause);
            }
            String::from_utf8(request).expect("text")
        });
        (url, server)
    }

    fn answer(pieces: Vec<&'static [u8]>) -> HttpAnswer {
        let (url, server) = serve(pieces, Duration::ZERO);
        let answer = get(&url, None, SOON);
        server.join().expect("a server");
        answer
    }

    #[test]
    fn only_the_status_counts() {
        for (line, status, ok) in [
            (&b"HTTP/1.1 200 OK\r\n\r\nbody"[..], 200, true),
            (b"HTTP/1.0 302 Found\r\n", 302, true),
            (b"HTTP/1.1 404 Not Found\r\n", 404, false),
            (b"HTTP/1.1 503\r\n", 503, false),
        ] {
            let answer = answer(vec![line]);
            assert_eq!(answer, HttpAnswer::Status(status));
            assert_eq!(answer.is_ok(), ok, "{status}");
        }
    }

    #[test]
    fn a_status_line_in_pieces_is_put_together() {
        assert_eq!(answer(vec![b"HT", b"TP/1.1 2", b"04 No Content\r", b"\n"]), HttpAnswer::Status(204));
    }

    #[test]
    fn the_request_names_the_site_and_the_path() {
        let (url, server) = serve(vec![b"HTTP/1.1 200 OK\r\n"], Duration::ZERO);
        get(&url, Some("site1.localhost\r\nX: y"), SOON);
        let request = server.join().expect("a server");
        assert!(request.starts_with("GET /ping?x=1 HTTP/1.1\r\nHost: site1.localhostX:y\r\n"), "{request}");
    }

    #[test]
    fn what_is_no_http_is_shown_escaped_and_short() {
        let answer = answer(vec![
            b"-ERR \x1b[2Jwrong number of arguments and very much more beside it, on and on\r\n",
        ]);
        let HttpAnswer::NotHttp(said) = answer else { panic!("{answer:?}") };
        assert!(said.starts_with("-ERR \\u{1b}[2Jwrong") && said.ends_with('…'), "{said}");
        assert_eq!(self::answer(vec![]), HttpAnswer::HungUp);
    }

    #[test]
    fn a_line_without_end_is_given_up() {
        static FLOOD: [u8; 64 * 1024] = [b'x'; 64 * 1024];
        assert!(matches!(answer(vec![&FLOOD]), HttpAnswer::NotHttp(_)));
    }

    #[test]
    fn a_byte_now_and_then_gains_no_time() {
        let (url, server) = serve(vec![b"H"; 40], Duration::from_millis(50));
        let started = Instant::now();
        assert_eq!(get(&url, None, Duration::from_millis(300)), HttpAnswer::TimedOut);
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
        server.join().expect("a server");
    }

    #[test]
    fn addresses_are_read_or_refused() {
        let url = |text| HttpUrl::parse(text).map(|url| (url.host, url.port, url.target));
        let parts = |host: &str, port, target: &str| Ok((host.to_owned(), port, target.to_owned()));
        assert_eq!(url("http://127.0.0.1:8000/api/ping?a=b#c"), parts("127.0.0.1", 8000, "/api/ping?a=b"));
        assert_eq!(url("http://localhost"), parts("localhost", 80, "/"));
        assert_eq!(url("http://[::1]:8000?x"), parts("[::1]", 8000, "/?x"));
        assert_eq!(url("http://[::1]/"), parts("[::1]", 80, "/"));
        assert_eq!(url("https://x"), Err(HttpUrlError::Scheme));
        assert_eq!(url("http://:80"), Err(HttpUrlError::Host));
        assert_eq!(url("http://u:p@h/"), Err(HttpUrlError::Login));
        assert_eq!(url("http://x:0/"), Err(HttpUrlError::Port));
        assert_eq!(url("http://x:port/"), Err(HttpUrlError::Port));
        assert_eq!(url("http://x/a\r\nX: y"), Err(HttpUrlError::Character));
    }
}
