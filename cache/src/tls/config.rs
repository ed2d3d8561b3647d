//! What a URL's options mean to rustls. It is made once for a process and kept, as reading the system's
//! list of trusted issuers takes milliseconds, and anew when a file that the URL names has changed:
//! certificates are replaced while workers run.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::TlsError;
use super::verifier::Verifier;
use crate::url::{TlsOptions, Verification};

/// Several times the largest list of issuers.
const MAX_FILE: u64 = 16 << 20;

/// A process has one cache, perhaps a queue. A slot is only ever *tried*, as a fork may have copied it
/// locked: then the next one serves, and at worst what is wanted is made anew.
static KEPT: [Mutex<Option<Kept>>; 4] = [const { Mutex::new(None) }; 4];

struct Kept {
    options: TlsOptions,
    stamps: Stamps,
    config: Arc<ClientConfig>,
}

/// By what a changed file is known: when it was written, its size, which file it is.
type Stamps = [Option<(i64, i64, u64, u64)>; 4];

/// What rustls is to do for a server.
pub(crate) struct Config {
    pub(super) rustls: Arc<ClientConfig>,
    /// Whether there is a certificate to show.
    pub(super) has_certificate: bool,
}

impl Config {
    /// For a server with these options.
    pub(crate) fn of(options: &TlsOptions) -> Result<Self, TlsError> {
        Ok(Self { rustls: kept(options)?, has_certificate: options.certfile().is_some() })
    }
}

fn kept(options: &TlsOptions) -> Result<Arc<ClientConfig>, TlsError> {
    // Before reading: what changes meanwhile is read again next time.
    let stamps = stamps(options);
    let mut free = None;
    for slot in &KEPT {
        let Ok(kept) = slot.try_lock() else { continue };
        match &*kept {
            Some(kept) if kept.options == *options && kept.stamps == stamps => {
                return Ok(kept.config.clone());
            }
            // Out of date.
            Some(kept) if kept.options == *options => free = Some(slot),
            Some(_) => {}
            None => free = free.or(Some(slot)),
        }
    }
    let config = Arc::new(make(options)?);
    if let Some(mut slot) = free.and_then(|slot| slot.try_lock().ok()) {
        *slot = Some(Kept { options: options.clone(), stamps, config: config.clone() });
    }
    Ok(config)
}

fn stamps(options: &TlsOptions) -> Stamps {
    let paths = [options.ca_certs(), options.ca_path(), options.certfile(), options.keyfile()];
    paths.map(|path| {
        let stamp = |data: Metadata| (data.mtime(), data.mtime_nsec(), data.size(), data.ino());
        path.and_then(|path| fs::metadata(path).ok()).map(stamp)
    })
}

fn make(options: &TlsOptions) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let algorithms = provider.signature_verification_algorithms;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Handshake { reason: error.to_string() })?;
    let verification = options.verification();
    let Trusted { roots, named } = match verification {
        Verification::None => Trusted::default(),
        _ => trusted(options)?,
    };
    let verifier = Verifier { roots, named, any_host: verification == Verification::AnyHost, algorithms };
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match options.certfile() {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let certificates = certificates("ssl_certfile", path)?;
            let (option, path) =
                options.keyfile().map_or(("ssl_certfile", path), |path| ("ssl_keyfile", path));
            let wrong = |reason: &str| file_error(option, path, format!("which {reason}"));
            let key = PrivateKeyDer::from_pem_slice(&read(option, path)?)
                .map_err(|_| wrong("holds no private key (PEM) that can be read without a password"))?;
            builder
                .with_client_auth_cert(certificates, key)
                .map_err(|_| wrong("does not hold the key of the certificate in `ssl_certfile`"))?
        }
    };
    // Connections are kept, so little is gained by it; and it has a lock that a fork may copy locked.
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Those who are trusted to issue certificates.
#[derive(Default)]
struct Trusted {
    roots: Option<Arc<RootCertStore>>,
    named: Vec<CertificateDer<'static>>,
}

/// Whom the URL names, else whom the system trusts.
fn trusted(options: &TlsOptions) -> Result<Trusted, TlsError> {
    let mut roots = RootCertStore::empty();
    let mut named = Vec::new();
    if let Some(path) = options.ca_certs() {
        named.extend(add(&mut roots, "ssl_ca_certs", path, certificates("ssl_ca_certs", path)?)?);
    }
    if let Some(folder) = options.ca_path() {
        named.extend(add(&mut roots, "ssl_ca_path", folder, certificates_below(folder)?)?);
    }
    if options.ca_certs().is_none() && options.ca_path().is_none() {
        let found = rustls_native_certs::load_native_certs();
        let (added, _) = roots.add_parsable_certificates(found.certs);
        if added == 0 {
            let none = || "there is no list of them".to_owned();
            let reason = found.errors.first().map_or_else(none, ToString::to_string);
            return Err(TlsError::NobodyTrusted { reason });
        }
    }
    Ok(Trusted { roots: Some(Arc::new(roots)), named })
}

fn add(
    roots: &mut RootCertStore,
    option: &'static str,
    path: &Path,
    certificates: Vec<CertificateDer<'static>>,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    match roots.add_parsable_certificates(certificates.iter().cloned()) {
        (0, _) => Err(file_error(option, path, "which holds no certificate of an issuer".to_owned())),
        _ => Ok(certificates),
    }
}

fn certificates(option: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(option, path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(file_error(option, path, "which holds no certificate (PEM)".to_owned())),
        Err(error) => Err(file_error(option, path, format!("which can't be read as PEM: {error}"))),
    }
}

/// Those in the files of a folder; what else lies there is passed over, as OpenSSL does.
fn certificates_below(folder: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unreadable =
        |error: io::Error| file_error("ssl_ca_path", folder, format!("which can't be read: {error}"));
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_file() {
            found.extend(certificates("ssl_ca_path", &path).unwrap_or_default());
        }
    }
    Ok(found)
}

fn read(option: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    let text = (|| {
        // Opening a pipe would wait for somebody who writes into it.
        if !fs::metadata(path)?.is_file() {
            return Err(io::Error::other("it is no file"));
        }
        let mut text = Vec::new();
        File::open(path)?.take(MAX_FILE).read_to_end(&mut text)?;
        Ok(text)
    })();
    text.map_err(|error| file_error(option, path, format!("which can't be read: {error}")))
}

fn file_error(option: &'static str, path: &Path, reason: String) -> TlsError {
    TlsError::File { option, path: path.to_owned(), reason }
}
