//! Certificates of a test's own, good and bad.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use tempfile::TempDir;

/// Somebody who issues certificates, with a folder for them.
pub struct Authority {
    folder: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
    made: std::cell::Cell<u32>,
}

/// A certificate, its key, and who has issued it: files.
#[derive(Clone)]
pub struct Paper {
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub issuer: PathBuf,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "an authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        let folder = tempfile::Builder::new().prefix("certificates").tempdir().expect("a folder");
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).expect("written");
        Self { folder, issuer, made: std::cell::Cell::new(0) }
    }

    pub fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The option of a URL that trusts it.
    pub fn trusted(&self) -> String {
        format!("ssl_ca_certs={}", self.file().display())
    }

    /// A certificate for this machine.
    pub fn issue(&self) -> Paper {
        self.issue_for(&["127.0.0.1", "::1", "localhost"])
    }

    pub fn issue_for(&self, names: &[&str]) -> Paper {
        self.sign(&params(names))
    }

    /// One that has expired.
    pub fn issue_expired(&self) -> Paper {
        let mut params = params(&["127.0.0.1"]);
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
        self.sign(&params)
    }

    /// One that is not valid yet.
    pub fn issue_early(&self) -> Paper {
        let mut params = params(&["127.0.0.1"]);
        params.not_before = date_time_ymd(2999, 1, 1);
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Paper {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        self.write(&certificate.pem(), &key)
    }

    /// One that nobody but itself vouches for.
    pub fn self_signed(&self) -> Paper {
        let key = KeyPair::generate().expect("a key");
        let certificate = params(&["127.0.0.1"]).self_signed(&key).expect("a certificate");
        self.write(&certificate.pem(), &key)
    }

    /// As [`self_signed`](Self::self_signed), marked as an authority's: as `openssl req -x509` makes it.
    pub fn self_signed_authority(&self, year: i32) -> Paper {
        let key = KeyPair::generate().expect("a key");
        let mut params = params(&["127.0.0.1"]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_after = date_time_ymd(year, 1, 1);
        let certificate = params.self_signed(&key).expect("a certificate");
        self.write(&certificate.pem(), &key)
    }

    fn write(&self, certificate: &str, key: &KeyPair) -> Paper {
        let number = self.made.get();
        self.made.set(number + 1);
        let path = |kind: &str| self.folder.path().join(format!("{number}.{kind}"));
        let paper = Paper { certificate: path("crt"), key: path("key"), issuer: self.file() };
        std::fs::write(&paper.certificate, certificate).expect("written");
        std::fs::write(&paper.key, key.serialize_pem()).expect("written");
        paper
    }
}

fn params(names: &[&str]) -> CertificateParams {
    CertificateParams::new(names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>()).expect("names")
}
