//! Mistakes in a Redis URL, told without showing a password.

use std::path::PathBuf;

use super::MAX_SOCKET_PATH;

const FORMS: &str = "write `redis://[user:password@]host[:port][/db]` or `unix:///path/to.sock[?db=N]`";

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
    /// `rediss://host?ssl_cert_reqs=maybe`
    #[error("`{option}={value}` says nothing: `{option}` is {wanted}")]
    TlsValue {
        /// Its name.
        option: String,
        /// What was given.
        value: String,
        /// What is understood.
        wanted: &'static str,
    },
    /// `rediss://host?ssl_ciphers=…`
    #[error(
        "`{option}` is no TLS option that is understood; there are ssl_ca_certs, ssl_ca_path, ssl_certfile, \
         ssl_keyfile, ssl_cert_reqs and ssl_check_hostname"
    )]
    TlsOption {
        /// Its name.
        option: String,
    },
    /// `redis://host?ssl_ca_certs=…`
    #[error("`{option}` is of TLS, which this URL does not ask for; write `rediss://`")]
    TlsOptionWithoutTls {
        /// Its name.
        option: String,
    },
    /// `rediss://host?ssl_keyfile=…`
    #[error("`ssl_keyfile` is the key of a certificate; name that too, by `ssl_certfile`")]
    KeyWithoutCertificate,
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
