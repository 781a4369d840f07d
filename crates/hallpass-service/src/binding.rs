//! The key that tokens are bound to (RFC 9449).

use hallpass_core::{DpopKey, Remedy, ServerMetadata};
use hallpass_oauth::ProofKey;

use crate::{ServiceError, ServiceErrorKind};

/// A key as it is kept and as it signs.
#[derive(Debug)]
pub(crate) struct Binding {
    pub(crate) kept: DpopKey,
    pub(crate) key: ProofKey,
}

impl Binding {
    /// The key of the grant before, so that a server that knows it sees the same machine; else a
    /// fresh one.
    pub(crate) fn new(
        metadata: &ServerMetadata,
        before: Option<&DpopKey>,
    ) -> Result<Self, ServiceError> {
        if !ProofKey::is_accepted_by(metadata) {
            let what = format!(
                "{} takes no DPoP proofs that are signed with ES256",
                metadata.issuer
            );
            return Err(ServiceError::new(
                ServiceErrorKind::Request,
                Remedy::Report,
                what,
            ));
        }
        let opened = before.and_then(|kept| Some((kept.clone(), ProofKey::open(kept).ok()?)));
        if let Some((kept, key)) = opened {
            return Ok(Self { kept, key });
        }
        let failed = || {
            let what = "no key for DPoP proofs could be made";
            ServiceError::new(ServiceErrorKind::Request, Remedy::Retry, what)
        };
        let kept = ProofKey::generate().map_err(|error| failed().with_source(error))?;
        let key = ProofKey::open(&kept).map_err(|error| failed().with_source(error))?;
        Ok(Self { kept, key })
    }
}
