//! The look at a server's certificate, as close as the URL says.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// Verifies that somebody trusted has issued the certificate, that it is valid now, and that it is the
/// host's. That the server has the certificate's key is verified whatever the URL says.
#[derive(Debug)]
pub(super) struct Verifier {
    /// Who is trusted. Without them nothing is looked at.
    pub(super) roots: Option<Arc<RootCertStore>>,
    /// Those of them that the URL names.
    pub(super) named: Vec<CertificateDer<'static>>,
    /// Whether the certificate may be any host's.
    pub(super) any_host: bool,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
}

/// What webpki says of a certificate where rustls has no word of its own.
pub(super) fn reason(error: &CertificateError) -> Option<&webpki::Error> {
    let CertificateError::Other(other) = error else { return None };
    other.0.downcast_ref()
}

/// Whether a certificate is refused because it is an authority's own, as `openssl req -x509` makes them.
pub(super) fn is_an_authoritys(error: &CertificateError) -> bool {
    matches!(reason(error), Some(webpki::Error::CaUsedAsEndEntity))
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(roots) = &self.roots else { return Ok(ServerCertVerified::assertion()) };
        let certificate = ParsedCertificate::try_from(end_entity)?;
        let all = self.algorithms.all;
        match verify_server_cert_signed_by_trust_anchor(&certificate, roots, intermediates, now, all) {
            // That very certificate is trusted, as with OpenSSL. Its time has been looked at before.
            Err(Error::InvalidCertificate(error))
                if is_an_authoritys(&error) && self.named.contains(end_entity) => {}
            verified => verified?,
        }
        if !self.any_host {
            verify_server_name(&certificate, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
