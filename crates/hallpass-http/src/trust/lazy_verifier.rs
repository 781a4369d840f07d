//! The platform's authorities, read when the first server shows a certificate.
//!
//! There are some hundred of them in a file or in as many files, and a program that sends nothing, as
//! one that prints a token, need not wait for that.

use std::sync::{Arc, OnceLock};

use rustls::{
    DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::CryptoProvider,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::{HandshakeLog, Trust, verifier::DiagnosticVerifier};

/// A verifier that is made once it is needed.
#[derive(Debug)]
pub(super) struct LazyVerifier {
    trust: Trust,
    provider: Arc<CryptoProvider>,
    handshakes: Option<HandshakeLog>,
    made: OnceLock<DiagnosticVerifier>,
}

impl LazyVerifier {
    pub(super) fn new(
        trust: Trust,
        provider: Arc<CryptoProvider>,
        handshakes: Option<HandshakeLog>,
    ) -> Self {
        Self {
            trust,
            provider,
            handshakes,
            made: OnceLock::new(),
        }
    }

    fn verifier(&self) -> &DiagnosticVerifier {
        self.made.get_or_init(|| {
            let made = self
                .trust
                .explaining(&self.provider, self.handshakes.as_ref());
            made.unwrap_or_else(|error| {
                tracing::error!(%error, "the platform's certificate authorities can't be used");
                DiagnosticVerifier::new(None, "none of this machine".to_owned())
            })
        })
    }
}

impl ServerCertVerifier for LazyVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verifier = self.verifier();
        verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let verifier = self.verifier();
        verifier.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let verifier = self.verifier();
        verifier.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier().supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_read_before_it_is_needed() {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let late = LazyVerifier::new(Trust::Platform, provider, None);
        assert!(late.made.get().is_none());
        assert!(!late.supported_verify_schemes().is_empty());
        assert!(late.made.get().is_some());
    }
}
