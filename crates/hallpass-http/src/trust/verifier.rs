//! Says what was wrong with a server's certificate, with the chain that was presented, and notes who
//! accepted it, for a diagnosis.

use std::{fmt, sync::Arc};

use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::{
    CaBundle, Certificate, Handshake, HandshakeLog, TrustAnchor, certificate::Fields, verify_with,
};

/// A verifier whose refusals tell what was presented and what was missing.
#[derive(Debug)]
pub(super) struct DiagnosticVerifier {
    /// `None` when there is no anchor to verify against.
    inner: Option<Arc<dyn ServerCertVerifier>>,
    anchors: Arc<str>,
    watching: Option<RecordingVerifier>,
}

/// Notes what is presented.
#[derive(Debug)]
struct RecordingVerifier {
    handshakes: HandshakeLog,
    trusted: Vec<Trusted>,
}

/// Authorities of one origin.
#[derive(Debug)]
pub(super) struct Trusted {
    pub(super) bundle: CaBundle,
    /// Whether a person named them.
    pub(super) is_added: bool,
}

impl DiagnosticVerifier {
    pub(super) fn new(inner: Option<Arc<dyn ServerCertVerifier>>, anchors: String) -> Self {
        Self {
            inner,
            anchors: anchors.into(),
            watching: None,
        }
    }

    /// Notes each handshake, with the one of `trusted` that accepted it.
    pub(super) fn noting(mut self, handshakes: HandshakeLog, trusted: Vec<Trusted>) -> Self {
        self.watching = Some(RecordingVerifier {
            handshakes,
            trusted,
        });
        self
    }

    fn inner(&self) -> Result<&Arc<dyn ServerCertVerifier>, Error> {
        let unknown = Error::InvalidCertificate(CertificateError::UnknownIssuer);
        self.inner.as_ref().ok_or(unknown)
    }
}

impl ServerCertVerifier for DiagnosticVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = self.inner().and_then(|inner| {
            inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
        });
        let presented = || {
            let chain = std::iter::once(end_entity).chain(intermediates);
            chain.filter_map(|der| Certificate::read(der)).collect()
        };
        if let Some(watching) = &self.watching {
            let is_accepted = verdict.is_ok();
            let accepts = |verifier: &dyn ServerCertVerifier| {
                verifier
                    .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
                    .is_ok()
            };
            watching.handshakes.note(Handshake {
                host: server_name.to_str().into_owned(),
                presented: presented(),
                is_accepted,
                anchor: is_accepted
                    .then(|| watching.anchor(end_entity, intermediates, accepts))
                    .flatten(),
            });
        }
        match verdict {
            Err(Error::InvalidCertificate(reason)) => {
                let refused = CertificateRefused {
                    host: server_name.to_str().into_owned(),
                    reason,
                    presented: presented(),
                    anchors: Arc::clone(&self.anchors),
                };
                Err(Error::InvalidCertificate(CertificateError::Other(
                    OtherError(Arc::new(refused)),
                )))
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner()?
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner()?
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        match &self.inner {
            Some(inner) => inner.supported_verify_schemes(),
            None => rustls::crypto::ring::default_provider()
                .signature_verification_algorithms
                .supported_schemes(),
        }
    }
}

impl RecordingVerifier {
    /// The authority that accepts the chain by itself. The verifier does not tell which it was, so
    /// those whose name the chain ends with are tried one by one.
    fn anchor(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        accepts: impl Fn(&dyn ServerCertVerifier) -> bool,
    ) -> Option<TrustAnchor> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let chain = std::iter::once(end_entity).chain(intermediates);
        let issuers: Vec<&[u8]> = chain
            .filter_map(|der| Some(Fields::read(der)?.issuer))
            .collect();
        for trusted in &self.trusted {
            for der in trusted.bundle.certificates() {
                let is_named =
                    Fields::read(der).is_some_and(|fields| issuers.contains(&fields.subject));
                if !is_named {
                    continue;
                }
                let mut root = RootCertStore::empty();
                root.add_parsable_certificates([der.clone()]);
                if let Ok(Some(verifier)) = verify_with(root, &provider)
                    && accepts(&*verifier)
                {
                    return Some(TrustAnchor {
                        certificate: Certificate::read(der)?,
                        origin: trusted.bundle.origin(),
                        is_added: trusted.is_added,
                    });
                }
            }
        }
        None
    }
}

/// Why a certificate is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CertificateFault {
    /// It leads to an authority that is not trusted.
    UnknownAuthority,
    /// It has ended.
    Expired,
    /// It is not valid yet.
    NotYetValid,
    /// It is for other hosts.
    AnotherHost,
    /// Anything else.
    Other,
}

/// A server's certificate that was refused, and why.
///
/// It is the [source](std::error::Error::source) of an [`HttpError`](hallpass_core::HttpError) of
/// kind `Tls`.
#[derive(Debug, Clone)]
pub struct CertificateRefused {
    host: String,
    reason: CertificateError,
    presented: Vec<Certificate>,
    anchors: Arc<str>,
}

impl CertificateRefused {
    /// The host that the certificate should have been for.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The chain that the server presented, its own certificate first.
    pub fn presented(&self) -> &[Certificate] {
        &self.presented
    }

    /// The name of the certificate authority that is not trusted; `None` when that is not what was
    /// wrong.
    pub fn missing_anchor(&self) -> Option<&str> {
        if self.reason != CertificateError::UnknownIssuer {
            return None;
        }
        let mut last = self.presented.first()?;
        // As long as the chain goes up; a loop in it is no longer than the chain.
        for _ in &self.presented {
            let above = self.presented.iter().find(|certificate| {
                certificate.subject() == last.issuer() && certificate.subject() != last.subject()
            });
            match above {
                Some(certificate) => last = certificate,
                None => break,
            }
        }
        Some(last.issuer())
    }

    /// What was wrong with it.
    pub fn fault(&self) -> CertificateFault {
        match &self.reason {
            CertificateError::UnknownIssuer => CertificateFault::UnknownAuthority,
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                CertificateFault::Expired
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                CertificateFault::NotYetValid
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                CertificateFault::AnotherHost
            }
            _ => CertificateFault::Other,
        }
    }

    /// What was trusted, in words.
    pub fn anchors(&self) -> &str {
        &self.anchors
    }

    /// What the person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self.fault() {
            CertificateFault::UnknownAuthority => Some(format!(
                "trusted were {}; if this network inspects TLS or has an authority of its own, \
                 add that authority's certificate",
                self.anchors
            )),
            CertificateFault::Expired | CertificateFault::NotYetValid => {
                Some("check this machine's clock; if it is right, the server's operator has to renew the certificate".to_owned())
            }
            CertificateFault::AnotherHost => {
                Some("check the host in the URL, or ask the server's operator".to_owned())
            }
            CertificateFault::Other => None,
        }
    }
}

impl fmt::Display for CertificateRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the certificate of `{}` ", self.host)?;
        match (&self.reason, self.missing_anchor()) {
            (_, Some(anchor)) => write!(f, "leads to `{anchor}`, which is not trusted")?,
            (CertificateError::UnknownIssuer, None) => {
                f.write_str("leads to no trusted authority")?;
            }
            (CertificateError::Expired | CertificateError::ExpiredContext { .. }, _) => {
                f.write_str("has expired")?;
            }
            (CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }, _) => {
                f.write_str("is not valid yet")?;
            }
            (CertificateError::NotValidForNameContext { .. }, _) => {
                let names = self.presented.first().map_or(&[][..], Certificate::names);
                f.write_str("is for another host")?;
                for (index, name) in names.iter().take(5).enumerate() {
                    let before = if index == 0 { " (" } else { ", " };
                    write!(f, "{before}{name}")?;
                }
                if !names.is_empty() {
                    f.write_str(")")?;
                }
            }
            (reason, None) => write!(f, "is refused: {reason}")?,
        }
        f.write_str("; presented: ")?;
        for (index, certificate) in self.presented.iter().take(8).enumerate() {
            let before = if index == 0 { "" } else { ", " };
            write!(f, "{before}{certificate}")?;
        }
        if self.presented.is_empty() {
            f.write_str("nothing readable")?;
        }
        Ok(())
    }
}

impl std::error::Error for CertificateRefused {}

impl hallpass_core::Diagnostic for CertificateRefused {
    fn remedy(&self) -> hallpass_core::Remedy {
        hallpass_core::Remedy::Configure
    }

    fn hints(&self) -> Vec<hallpass_core::Hint> {
        self.hint()
            .into_iter()
            .map(hallpass_core::Hint::text)
            .collect()
    }
}
