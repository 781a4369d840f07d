//! The certificate with which this machine shows itself to servers (mutual TLS).

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use hallpass_core::{Diagnostic, Hint, Remedy, quote};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use crate::trust;

/// A client certificate with its chain and its private key.
///
/// It is presented to every server, and every TLS proxy, that asks for a certificate.
#[derive(Clone)]
pub struct ClientIdentity {
    chain: Vec<CertificateDer<'static>>,
    key: Arc<Zeroizing<PrivateKeyDer<'static>>>,
}

impl ClientIdentity {
    /// Reads the chain, own certificate first, and the key in PKCS#8 (RFC 5958), PKCS#1 (RFC 8017)
    /// or SEC1 (RFC 5915) form. Both may be the same text.
    ///
    /// # Errors
    ///
    /// When either is missing or damaged, or the key is encrypted.
    pub fn from_pem(
        chain: impl AsRef<[u8]>,
        key: impl AsRef<[u8]>,
    ) -> Result<Self, ClientIdentityError> {
        let certificates = trust::blocks(chain.as_ref())
            .into_iter()
            .filter(|block| block.label == "CERTIFICATE")
            .map(|block| {
                let damaged = IdentityReason::DamagedCertificate { line: block.line };
                block.content.map(CertificateDer::from).map_err(|_| damaged)
            })
            .collect::<Result<Vec<_>, _>>()?;
        if certificates.is_empty() {
            return Err(IdentityReason::NoCertificate.into());
        }
        Ok(Self {
            chain: certificates,
            key: Arc::new(Zeroizing::new(read_key(key.as_ref())?)),
        })
    }

    /// Reads both from files, which may be the same one.
    ///
    /// # Errors
    ///
    /// As [`from_pem`](Self::from_pem), and when a file can't be read.
    pub fn from_files(
        chain: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self, ClientIdentityError> {
        let read = |path: &Path| {
            fs::read(path)
                .map(Zeroizing::new)
                .map_err(|error| ClientIdentityError {
                    path: Some(path.to_owned()),
                    reason: IdentityReason::Unreadable,
                    source: Some(error),
                })
        };
        let (chain_path, key_path) = (chain.as_ref(), key.as_ref());
        Self::from_pem(read(chain_path)?, read(key_path)?).map_err(|mut error| {
            let path = match error.reason {
                IdentityReason::NoCertificate | IdentityReason::DamagedCertificate { .. } => {
                    chain_path
                }
                _ => key_path,
            };
            error.path = Some(path.to_owned());
            error
        })
    }

    pub(crate) fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.chain.clone()
    }

    pub(crate) fn key(&self) -> PrivateKeyDer<'static> {
        self.key.clone_key()
    }
}

fn read_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, IdentityReason> {
    for block in trust::blocks(pem) {
        let is_key = block.label.ends_with("PRIVATE KEY");
        if !is_key {
            continue;
        }
        let Ok(der) = block.content else {
            return Err(match block.label.as_str() {
                "ENCRYPTED PRIVATE KEY" => IdentityReason::EncryptedKey,
                _ => IdentityReason::DamagedKey { line: block.line },
            });
        };
        return match block.label.as_str() {
            "PRIVATE KEY" => Ok(PrivateKeyDer::Pkcs8(der.into())),
            // RFC 1421 encryption leaves something else than the SEQUENCE of a key.
            "RSA PRIVATE KEY" | "EC PRIVATE KEY" if der.first() != Some(&0x30) => {
                Err(IdentityReason::EncryptedKey)
            }
            "RSA PRIVATE KEY" => Ok(PrivateKeyDer::Pkcs1(der.into())),
            "EC PRIVATE KEY" => Ok(PrivateKeyDer::Sec1(der.into())),
            "ENCRYPTED PRIVATE KEY" => Err(IdentityReason::EncryptedKey),
            _ => Err(IdentityReason::KindOfKey(block.label)),
        };
    }
    Err(IdentityReason::NoKey)
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientIdentity({} certificates)", self.chain.len())
    }
}

/// A client certificate or key that can't be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "client certificate: {}{reason}",
    .path.as_ref().map(|path| format!("`{}`: ", path.display())).unwrap_or_default(),
)]
pub struct ClientIdentityError {
    path: Option<PathBuf>,
    reason: IdentityReason,
    source: Option<io::Error>,
}

#[derive(Debug, thiserror::Error)]
enum IdentityReason {
    #[error("it can't be read")]
    Unreadable,
    #[error("there is no certificate in it")]
    NoCertificate,
    #[error("the certificate on line {line} is damaged")]
    DamagedCertificate { line: usize },
    #[error("there is no private key in it")]
    NoKey,
    #[error("the key on line {line} is damaged")]
    DamagedKey { line: usize },
    #[error("the private key is encrypted")]
    EncryptedKey,
    #[error("a key of the kind `{}` is not supported", quote(.0))]
    KindOfKey(String),
}

impl From<IdentityReason> for ClientIdentityError {
    fn from(reason: IdentityReason) -> Self {
        Self {
            path: None,
            reason,
            source: None,
        }
    }
}

impl ClientIdentityError {
    /// The file that is at fault.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }
}

impl Diagnostic for ClientIdentityError {
    fn remedy(&self) -> Remedy {
        Remedy::Configure
    }

    fn hints(&self) -> Vec<Hint> {
        let hint = match self.reason {
            IdentityReason::Unreadable => "check the path and its permissions",
            IdentityReason::EncryptedKey => {
                "decrypt it with `openssl pkey`, into a file that only you can read"
            }
            IdentityReason::KindOfKey(_) => "convert it with `openssl pkey`",
            _ => return Vec::new(),
        };
        vec![Hint::text(hint)]
    }
}

#[cfg(test)]
mod tests;
