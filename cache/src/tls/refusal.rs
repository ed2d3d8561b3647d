//! What rustls says went wrong, as one of our errors.

use std::time::Duration;

use rustls::{AlertDescription, CertificateError, Error};

use super::TlsError;
use super::verifier::{is_an_authoritys, reason};

/// Why there is no connection to `host`. `has_certificate` says whether we had one to show.
pub(super) fn refusal(error: &Error, host: &str, has_certificate: bool) -> TlsError {
    match error {
        Error::InvalidCertificate(error) => certificate(error, host),
        Error::AlertReceived(alert) => alerted(*alert, has_certificate),
        error => TlsError::Handshake { reason: plain(&error.to_string()) },
    }
}

fn certificate(error: &CertificateError, host: &str) -> TlsError {
    use CertificateError as E;
    let between = |a: rustls::pki_types::UnixTime, b: rustls::pki_types::UnixTime| {
        Duration::from_secs(a.as_secs().saturating_sub(b.as_secs()))
    };
    match error {
        E::Expired => TlsError::Expired { ago: Duration::ZERO },
        E::ExpiredContext { time, not_after } => TlsError::Expired { ago: between(*time, *not_after) },
        E::NotValidYet => TlsError::NotYetValid { begins_in: Duration::ZERO },
        E::NotValidYetContext { time, not_before } => {
            TlsError::NotYetValid { begins_in: between(*not_before, *time) }
        }
        E::NotValidForName => TlsError::WrongHost { host: host.to_owned(), names: Vec::new() },
        E::NotValidForNameContext { presented, .. } => TlsError::WrongHost {
            host: host.to_owned(),
            names: presented.iter().map(|name| plain(name)).collect(),
        },
        E::UnknownIssuer | E::BadSignature => TlsError::UnknownIssuer,
        error if is_an_authoritys(error) => TlsError::UnknownIssuer,
        error if matches!(reason(error), Some(webpki::Error::UnsupportedCertVersion)) => {
            TlsError::Certificate {
                reason: "it is of X.509 version 1, without the names of hosts".to_owned(),
            }
        }
        error => TlsError::Certificate { reason: plain(&error.to_string()) },
    }
}

fn alerted(alert: AlertDescription, has_certificate: bool) -> TlsError {
    use AlertDescription as A;
    match alert {
        A::CertificateRequired if !has_certificate => TlsError::CertificateWanted,
        // That is what TLS 1.2 says to a missing certificate, among other things.
        A::HandshakeFailure if !has_certificate => TlsError::Handshake {
            reason: "the server refuses it; it may ask for a client certificate, or for other ciphers"
                .to_owned(),
        },
        A::CertificateRequired
        | A::BadCertificate
        | A::UnsupportedCertificate
        | A::CertificateRevoked
        | A::CertificateExpired
        | A::CertificateUnknown
        | A::UnknownCA
        | A::AccessDenied
        | A::DecryptError
            if has_certificate =>
        {
            TlsError::CertificateRefused { alert: format!("{alert:?}") }
        }
        alert => TlsError::Handshake { reason: format!("the server refuses it ({alert:?})") },
    }
}

/// What others wrote, without what would upset a terminal.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).take(300).collect()
}
