//! What a `rediss://` URL says of TLS, in the words of redis-py.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use super::UrlError;
use super::percent::{decoded_bytes, encode};

/// What is asked of the server's certificate.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum Verification {
    /// Somebody trusted has issued it, it is valid now, and it is the host's.
    #[default]
    Full,
    /// As `Full`, for whatever host it was issued (`ssl_check_hostname=false`).
    AnyHost,
    /// Nothing (`ssl_cert_reqs=none`): whoever sits in between can read and change what passes.
    None,
}

/// The TLS options of a [`RedisUrl`](super::RedisUrl).
///
/// ```
/// use dontmanage_cache::{RedisUrl, Verification};
///
/// let url: RedisUrl = "rediss://cache.example:6380?ssl_ca_certs=/etc/ssl/cache-ca.pem".parse()?;
/// let tls = url.tls().expect("a `rediss://` URL has them");
/// assert_eq!(tls.ca_certs(), Some("/etc/ssl/cache-ca.pem".as_ref()));
/// assert_eq!(tls.verification(), Verification::Full);
/// # Ok::<(), dontmanage_cache::UrlError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct TlsOptions {
    pub(super) ca_certs: Option<PathBuf>,
    pub(super) ca_path: Option<PathBuf>,
    pub(super) certfile: Option<PathBuf>,
    pub(super) keyfile: Option<PathBuf>,
    pub(super) unverified: bool,
    pub(super) any_host: bool,
}

/// What to write where a value is not understood.
const CERT_REQS: &str = "`required` or `none`";
const CHECK_HOSTNAME: &str = "`true` or `false`";

impl TlsOptions {
    /// `ssl_ca_certs`: the file (PEM) of those who are trusted to issue certificates. Without it and
    /// `ssl_ca_path` these are the system's.
    #[must_use]
    pub fn ca_certs(&self) -> Option<&std::path::Path> {
        self.ca_certs.as_deref()
    }

    /// `ssl_ca_path`: a folder of such files.
    #[must_use]
    pub fn ca_path(&self) -> Option<&std::path::Path> {
        self.ca_path.as_deref()
    }

    /// `ssl_certfile`: the certificate (PEM) that is shown to the server, with those between it and its root.
    #[must_use]
    pub fn certfile(&self) -> Option<&std::path::Path> {
        self.certfile.as_deref()
    }

    /// `ssl_keyfile`: its private key (PEM); without it, the key is in `ssl_certfile` too.
    #[must_use]
    pub fn keyfile(&self) -> Option<&std::path::Path> {
        self.keyfile.as_deref()
    }

    /// What is asked of the server's certificate.
    #[must_use]
    pub fn verification(&self) -> Verification {
        match (self.unverified, self.any_host) {
            (true, _) => Verification::None,
            (false, true) => Verification::AnyHost,
            (false, false) => Verification::Full,
        }
    }

    /// Takes an option of a URL, which begins with `ssl_`. Nothing that is said of TLS is passed over: it
    /// might be what the safety of a bench hangs on.
    pub(super) fn take(&mut self, option: &str, value: &str) -> Result<(), UrlError> {
        let wrong =
            |wanted| Err(UrlError::TlsValue { option: option.to_owned(), value: value.to_owned(), wanted });
        let place = match option {
            "ssl_ca_certs" => &mut self.ca_certs,
            "ssl_ca_path" => &mut self.ca_path,
            "ssl_certfile" => &mut self.certfile,
            "ssl_keyfile" => &mut self.keyfile,
            "ssl_cert_reqs" => {
                match value {
                    // Of a client, both ask the same.
                    "required" | "optional" | "" => {}
                    "none" => self.unverified = true,
                    _ => return wrong(CERT_REQS),
                }
                return Ok(());
            }
            "ssl_check_hostname" => {
                match value.to_ascii_lowercase().as_str() {
                    "true" | "1" | "t" | "yes" | "y" | "" => {}
                    "false" | "0" | "f" | "no" | "n" => self.any_host = true,
                    _ => return wrong(CHECK_HOSTNAME),
                }
                return Ok(());
            }
            _ => return Err(UrlError::TlsOption { option: option.to_owned() }),
        };
        if !value.is_empty() {
            let path = PathBuf::from(OsString::from_vec(decoded_bytes(value, "path")?));
            // Whose folder would it be: the worker's, or that of `bench`?
            if !path.is_absolute() {
                return wrong("the absolute path of a file");
            }
            *place = Some(path);
        }
        Ok(())
    }

    pub(super) fn check(&self) -> Result<(), UrlError> {
        if self.keyfile.is_some() && self.certfile.is_none() {
            return Err(UrlError::KeyWithoutCertificate);
        }
        Ok(())
    }

    /// As they stand in a URL, each behind the other's `&`.
    pub(super) fn written(&self) -> String {
        let mut text = String::new();
        let mut add = |name: &str, value: &str| {
            let mark = if text.is_empty() { '?' } else { '&' };
            let _ = write!(text, "{mark}{name}={value}");
        };
        let paths = [
            ("ssl_ca_certs", &self.ca_certs),
            ("ssl_ca_path", &self.ca_path),
            ("ssl_certfile", &self.certfile),
            ("ssl_keyfile", &self.keyfile),
        ];
        for (name, path) in paths {
            if let Some(path) = path {
                add(name, &encode(path.as_os_str().as_bytes(), true));
            }
        }
        if self.unverified {
            add("ssl_cert_reqs", "none");
        }
        if self.any_host {
            add("ssl_check_hostname", "false");
        }
        text
    }
}
