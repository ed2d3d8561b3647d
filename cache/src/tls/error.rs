//! Why there is no TLS connection, in words, with what to do about it.

use std::path::PathBuf;
use std::time::Duration;

/// What is wrong between us and a server that is asked by TLS, or should be.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The server's certificate was good once.
    #[error("the server's certificate has expired {} ago", about(*ago))]
    Expired {
        /// Since when it is not any more.
        ago: Duration,
    },
    /// The server's certificate will be good, by this machine's clock.
    #[error("the server's certificate is not valid yet; it will be in {}", about(*begins_in))]
    NotYetValid {
        /// When it will be.
        begins_in: Duration,
    },
    /// The server's certificate is another host's.
    #[error("the server's certificate is not for `{host}`, but {}", listed(names))]
    WrongHost {
        /// The host of the URL.
        host: String,
        /// Whom the certificate names.
        names: Vec<String>,
    },
    /// The server's certificate is its own work, or that of somebody who is not trusted here.
    #[error("nobody who is trusted here has issued the server's certificate")]
    UnknownIssuer,
    /// Something else is wrong with the server's certificate.
    #[error("the server's certificate is not accepted: {reason}")]
    Certificate {
        /// What.
        reason: String,
    },
    /// The server answers in the clear.
    #[error("the server speaks no TLS at this port")]
    NotSpoken,
    /// The URL does not ask for TLS, and the server speaks nothing else.
    #[error("the server speaks TLS, and the URL does not ask for it")]
    Needed,
    /// The server wants to see a certificate, and the URL names none.
    #[error("the server asks for a client certificate, and the URL names none")]
    CertificateWanted,
    /// The server does not accept the URL's client certificate.
    #[error("the server does not accept the client certificate ({alert})")]
    CertificateRefused {
        /// The alert that it sent.
        alert: String,
    },
    /// The two do not come to terms.
    #[error("the TLS handshake failed: {reason}")]
    Handshake {
        /// Why.
        reason: String,
    },
    /// A file that the URL names is of no use.
    #[error("`{option}` names `{}`, {reason}", path.display())]
    File {
        /// The URL's option.
        option: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// This machine has no list of those who may issue certificates.
    #[error("this machine trusts nobody to issue certificates: {reason}")]
    NobodyTrusted {
        /// What came of looking.
        reason: String,
    },
    /// This program was built without the feature `tls`.
    #[error("this program was built without TLS")]
    NotBuilt,
}

impl TlsError {
    /// What to do about it.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Expired { .. } => "give the server a new certificate",
            Self::NotYetValid { .. } => "is this machine's clock right?",
            Self::WrongHost { .. } => {
                "use a name that the certificate has, or have it issued for this one (as a subjectAltName)"
            }
            Self::UnknownIssuer => "name the file of its issuer in the URL: `?ssl_ca_certs=/path/to/ca.pem`",
            Self::Certificate { .. } => {
                "give the server a certificate that a trusted issuer made for a server"
            }
            Self::NotSpoken => "use the server's TLS port, or write `redis://`",
            Self::Needed => "write `rediss://`",
            Self::CertificateWanted => {
                "name one in the URL: `?ssl_certfile=/path/to/cert.pem&ssl_keyfile=/path/to/key.pem`"
            }
            Self::CertificateRefused { .. } => {
                "have it issued by somebody whom the server trusts; see its log"
            }
            Self::Handshake { .. } => "see the server's log; it must speak TLS 1.2 or 1.3",
            Self::File { .. } => "correct the path, or the file",
            Self::NobodyTrusted { .. } => {
                "install them (`apt-get install ca-certificates`), or name a file in the URL: \
                 `?ssl_ca_certs=/path/to/ca.pem`"
            }
            Self::NotBuilt => "build it with the feature `tls` of dontmanage-cache, or write `redis://`",
        }
    }
}

/// A length of time to a person.
fn about(time: Duration) -> String {
    const UNITS: [(u64, &str); 3] = [(24 * 60 * 60, "days"), (60 * 60, "hours"), (60, "minutes")];
    let seconds = time.as_secs();
    let (length, unit) =
        UNITS.into_iter().find(|(length, _)| seconds >= 2 * length).unwrap_or((1, "seconds"));
    format!("{} {unit}", seconds / length)
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "names nobody".to_owned() } else { format!("for {}", names.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_certificate_is_described_with_what_it_is() {
        let hour = Duration::from_secs(60 * 60);
        let error = TlsError::Expired { ago: 49 * hour };
        assert_eq!(error.to_string(), "the server's certificate has expired 2 days ago");
        let error = TlsError::NotYetValid { begins_in: hour };
        assert_eq!(error.to_string(), "the server's certificate is not valid yet; it will be in 60 minutes");
        let error = TlsError::WrongHost { host: "a".into(), names: vec!["b".into(), "c".into()] };
        assert_eq!(error.to_string(), "the server's certificate is not for `a`, but for b, c");
        let error = TlsError::WrongHost { host: "a".into(), names: vec![] };
        assert_eq!(error.to_string(), "the server's certificate is not for `a`, but names nobody");
    }
}
