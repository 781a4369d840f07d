//! Whom to believe that a server is who it says it is.

use std::{
    error::Error,
    ffi::OsString,
    sync::{Arc, OnceLock},
};

use rustls::{
    RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    crypto::CryptoProvider,
};

mod bundle;
mod certificate;
mod der;
mod handshake;
mod pem;
mod platform;
mod verifier;

pub use bundle::{CaBundle, CaBundleError, CaProblem};
pub use certificate::Certificate;
pub use handshake::{Handshake, HandshakeLog, TrustAnchor};
pub use verifier::{CertificateFault, CertificateRefused};

pub(crate) use pem::blocks;

use crate::{HttpConfigError, config};
use verifier::{Anchors, DiagnosticVerifier};

/// Which certificate authorities are trusted. The default is the platform's.
#[derive(Debug, Clone, Default)]
pub enum Trust {
    /// Those that the operating system trusts.
    #[default]
    Platform,
    /// Those, and the bundle's: what a network that inspects TLS needs.
    PlatformPlus(CaBundle),
    /// The bundle's and no other.
    Only(CaBundle),
}

impl Trust {
    /// Reads the variables that name certificates from `value_of`, which a program points at its
    /// environment and a test at a table: `HALLPASS_CA_CERTIFICATE` adds a file to the platform's
    /// authorities; without it `SSL_CERT_FILE` and the directories of `SSL_CERT_DIR` take their
    /// place; without those it is the platform. An empty value is an absent one.
    ///
    /// # Errors
    ///
    /// When a file that is named can't be used. Of the directories, one has to be usable, unless
    /// there is a file as well.
    pub fn from_environment_values(
        value_of: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, CaBundleError> {
        let read = |name: &str| value_of(name).filter(|value| !value.is_empty());
        if let Some(path) = read("HALLPASS_CA_CERTIFICATE") {
            return CaBundle::from_file(path).map(Self::PlatformPlus);
        }
        let mut found = read("SSL_CERT_FILE").map(CaBundle::from_file).transpose()?;
        let mut unusable = None;
        let directories = read("SSL_CERT_DIR").unwrap_or_default();
        for path in std::env::split_paths(&directories).filter(|path| !path.as_os_str().is_empty())
        {
            match (CaBundle::from_directory(path), &mut found) {
                (Ok(bundle), Some(found)) => found.add(bundle),
                (Ok(bundle), None) => found = Some(bundle),
                (Err(error), _) => unusable = Some(error),
            }
        }
        match (found, unusable) {
            (Some(bundle), _) => Ok(Self::Only(bundle)),
            (None, Some(error)) => Err(error),
            (None, None) => Ok(Self::Platform),
        }
    }

    /// What checks a server's certificate.
    pub(crate) fn verifier(
        &self,
        provider: &Arc<CryptoProvider>,
        handshakes: Option<&HandshakeLog>,
    ) -> Result<Arc<dyn ServerCertVerifier>, HttpConfigError> {
        let is_read_here = !cfg!(any(windows, target_vendor = "apple", target_os = "android"));
        let anchors = if is_read_here && !matches!(self, Self::Only(_)) {
            OnceLock::new()
        } else {
            self.anchors(provider, handshakes)?.into()
        };
        Ok(Arc::new(DiagnosticVerifier {
            trust: self.clone(),
            provider: Arc::clone(provider),
            handshakes: handshakes.cloned(),
            anchors,
        }))
    }

    fn anchors(
        &self,
        provider: &Arc<CryptoProvider>,
        handshakes: Option<&HandshakeLog>,
    ) -> Result<Anchors, HttpConfigError> {
        if let Self::Only(bundle) = self {
            let roots = bundle.roots();
            return Ok(Anchors {
                description: format!("the {} of {}", count(roots.len()), bundle.origin()).into(),
                verifier: verify_with(roots, provider)?,
                platform: None,
            });
        }
        let mut anchors = platform::anchors(self.bundle(), provider)?;
        if handshakes.is_none() {
            // Only a note of who accepted a server needs them once more.
            anchors.platform = None;
        }
        Ok(anchors)
    }

    /// The authorities that the user named.
    fn bundle(&self) -> Option<&CaBundle> {
        match self {
            Self::Platform => None,
            Self::PlatformPlus(bundle) | Self::Only(bundle) => Some(bundle),
        }
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
            .map_err(unusable)?;
    Ok(Some(verifier))
}

pub(crate) fn unusable(source: impl Into<Box<dyn Error + Send + Sync>>) -> HttpConfigError {
    config::unusable("the trusted certificate authorities").with_source(source)
}

fn count(anchors: usize) -> String {
    match anchors {
        1 => "1 certificate authority".to_owned(),
        more => format!("{more} certificate authorities"),
    }
}

#[cfg(test)]
mod tests;
