//! Checks a server's certificate, says what was wrong with it, with the chain that was presented, and
//! notes who accepted it, for a diagnosis.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use hallpass_core::{Diagnostic, Hint, Remedy};
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{self, CryptoProvider, WebPkiSupportedAlgorithms},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::{
    CaBundle, Certificate, Handshake, HandshakeLog, Trust, TrustAnchor, certificate::Fields,
    verify_with,
};

/// A verifier whose refusals tell what was presented and what was missing.
#[derive(Debug)]
pub(super) struct DiagnosticVerifier {
    pub(super) trust: Trust,
    pub(super) provider: Arc<CryptoProvider>,
    /// Where to note what is presented.
    pub(super) handshakes: Option<HandshakeLog>,
    /// Empty until the first server shows a certificate, where they are the platform's files: there
    /// are some hundred of them, and a program that sends nothing, as one that prints a token, need
    /// not wait for that.
    pub(super) anchors: OnceLock<Anchors>,
}

/// What checks certificates, and in whose name.
#[derive(Debug)]
pub(super) struct Anchors {
    /// `None` when no authority is trusted.
    pub(super) verifier: Option<Arc<dyn ServerCertVerifier>>,
    /// Who is trusted, in words.
    pub(super) description: Arc<str>,
    /// The platform's authorities, where they were read here and the platform does not decide.
    pub(super) platform: Option<CaBundle>,
}

impl DiagnosticVerifier {
    fn anchors(&self) -> &Anchors {
        self.anchors.get_or_init(|| {
            let anchors = self.trust.anchors(&self.provider, self.handshakes.as_ref());
            anchors.unwrap_or_else(|error| {
                tracing::error!(%error, "the platform's certificate authorities can't be used");
                Anchors {
                    verifier: None,
                    description: "none of this machine".into(),
                    platform: None,
                }
            })
        })
    }

    fn algorithms(&self) -> &WebPkiSupportedAlgorithms {
        &self.provider.signature_verification_algorithms
    }

    /// The authority that accepts the chain by itself. The verifier does not tell which it was, so
    /// those whose name the chain ends with are tried one by one.
    fn anchor(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        accepts: impl Fn(&dyn ServerCertVerifier) -> bool,
    ) -> Option<TrustAnchor> {
        let chain = std::iter::once(end_entity).chain(intermediates);
        let issuers: Vec<&[u8]> = chain
            .filter_map(|der| Some(Fields::read(der)?.issuer))
            .collect();
        let platform = self.anchors().platform.iter().map(|bundle| (bundle, false));
        let added = self.trust.bundle().into_iter().map(|bundle| (bundle, true));
        for (bundle, is_added) in platform.chain(added) {
            for der in bundle.certificates() {
                let is_named =
                    Fields::read(der).is_some_and(|fields| issuers.contains(&fields.subject));
                if !is_named {
                    continue;
                }
                let mut root = RootCertStore::empty();
                root.add_parsable_certificates([der.clone()]);
                if let Ok(Some(verifier)) = verify_with(root, &self.provider)
                    && accepts(&*verifier)
                {
                    return Some(TrustAnchor {
                        certificate: Certificate::read(der)?,
                        origin: bundle.origin(),
                        is_added,
                    });
                }
            }
        }
        None
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
        let ask = |verifier: &dyn ServerCertVerifier| {
            verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
        };
        let anchors = self.anchors();
        let verdict = match &anchors.verifier {
            Some(verifier) => ask(&**verifier),
            None => Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)),
        };
        let presented = || {
            let chain = std::iter::once(end_entity).chain(intermediates);
            chain.filter_map(|der| Certificate::read(der)).collect()
        };
        if let Some(handshakes) = &self.handshakes {
            let is_accepted = verdict.is_ok();
            let anchor =
                || self.anchor(end_entity, intermediates, |verifier| ask(verifier).is_ok());
            handshakes.note(Handshake {
                host: server_name.to_str().into_owned(),
                presented: presented(),
                is_accepted,
                anchor: is_accepted.then(anchor).flatten(),
            });
        }
        match verdict {
            Err(Error::InvalidCertificate(reason)) => {
                let refused = CertificateRefused {
                    host: server_name.to_str().into_owned(),
                    reason,
                    presented: presented(),
                    anchors: Arc::clone(&anchors.description),
                };
                Err(Error::InvalidCertificate(CertificateError::Other(
                    OtherError(Arc::new(refused)),
                )))
            }
            other => other,
        }
    }

    // What follows asks for no authority: a signature is judged by the certificate's own key.

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        crypto::verify_tls12_signature(message, certificate, signature, self.algorithms())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        crypto::verify_tls13_signature(message, certificate, signature, self.algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms().supported_schemes()
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

impl Diagnostic for CertificateRefused {
    fn remedy(&self) -> Remedy {
        Remedy::Configure
    }

    fn hints(&self) -> Vec<Hint> {
        let hint = match self.fault() {
            CertificateFault::UnknownAuthority => Hint::text(format!(
                "trusted were {}; if this network inspects TLS or has an authority of its own, \
                 add that authority's certificate",
                self.anchors
            )),
            CertificateFault::Expired | CertificateFault::NotYetValid => Hint::text(
                "check this machine's clock; if it is right, the server's operator has to renew the \
                 certificate",
            ),
            CertificateFault::AnotherHost => {
                Hint::text("check the host in the URL, or ask the server's operator")
            }
            CertificateFault::Other => return Vec::new(),
        };
        vec![hint]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platform_anchors_are_read_at_the_first_certificate() {
        let verifier = DiagnosticVerifier {
            trust: Trust::Platform,
            provider: Arc::new(crypto::ring::default_provider()),
            handshakes: None,
            anchors: OnceLock::new(),
        };
        assert!(!verifier.supported_verify_schemes().is_empty());
        assert!(verifier.anchors.get().is_none());
        let host = ServerName::try_from("mcp.test").unwrap();
        let refused = verifier.verify_server_cert(
            &CertificateDer::from_slice(b"no certificate"),
            &[],
            &host,
            &[],
            UnixTime::now(),
        );
        assert!(refused.is_err());
        assert!(verifier.anchors.get().is_some());
    }
}
