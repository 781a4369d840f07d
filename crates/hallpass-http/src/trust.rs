//! Whom to believe that a server is who it says it is.

use std::sync::Arc;

use rustls::{
    RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    crypto::CryptoProvider,
};

mod bundle;
mod certificate;
mod pem;
mod platform;
mod verifier;

pub use bundle::{CaBundle, CaBundleError, CaProblem};
pub use certificate::CertificateNames;
pub use verifier::CertificateRefused;

pub(crate) use pem::blocks;

use crate::HttpConfigError;

/// Which certificate authorities are trusted. The default is the platform's.
#[derive(Debug, Clone, Default)]
pub enum Trust {
    /// Those that the operating system trusts.
    #[default]
    Platform,
    /// Those, and the bundle's: what a network that inspects TLS needs.
    PlatformPlus(CaBundle),
    /// The bundle's and nobody else.
    Only(CaBundle),
}

impl Trust {
    /// What checks a server's certificate.
    pub(crate) fn verifier(
        &self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ServerCertVerifier>, HttpConfigError> {
        let (inner, anchors) = match self {
            Self::Only(bundle) => {
                let roots = bundle.roots();
                let anchors = format!("the {} of {}", count(roots.len()), bundle.origin());
                (verify_with(roots, provider)?, anchors)
            }
            Self::Platform => platform::verifier(None, provider)?,
            Self::PlatformPlus(bundle) => platform::verifier(Some(bundle), provider)?,
        };
        Ok(Arc::new(verifier::Explaining::new(inner, anchors)))
    }
}

/// A verifier with these anchors; `None` when there are none.
fn verify_with(
    roots: RootCertStore,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ServerCertVerifier>>, HttpConfigError> {
    if roots.is_empty() {
        return Ok(None);
    }
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
            .build()
            .map_err(HttpConfigError::trust)?;
    Ok(Some(verifier))
}

fn count(anchors: usize) -> String {
    match anchors {
        1 => "1 certificate authority".to_owned(),
        more => format!("{more} certificate authorities"),
    }
}
