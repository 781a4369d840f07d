//! What servers presented and who accepted it, for a diagnosis.

use std::sync::{Arc, Mutex, PoisonError};

use super::Certificate;

/// Where a client notes the certificates that servers present to it. Clones are one list.
///
/// A client has none unless its [`HttpConfig`](crate::HttpConfig) gives it one: what is noted costs
/// a second look at each certificate, and the memory of the trusted authorities.
#[derive(Debug, Clone, Default)]
pub struct HandshakeLog(Arc<Mutex<Vec<Handshake>>>);

impl HandshakeLog {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// What was noted so far, in order. A chain that a host presents again is noted once.
    pub fn all(&self) -> Vec<Handshake> {
        let noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noted.clone()
    }

    pub(super) fn note(&self, handshake: Handshake) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.len() < MAX_HANDSHAKES && !noted.contains(&handshake) {
            noted.push(handshake);
        }
    }
}

/// More than the servers of one diagnosis.
const MAX_HANDSHAKES: usize = 64;

/// A chain that a server presented, and what was made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Handshake {
    /// The host that was asked for.
    pub host: String,
    /// The chain, the server's own certificate first.
    pub presented: Vec<Certificate>,
    /// Whether it was accepted.
    pub is_accepted: bool,
    /// The trusted authority that it leads to; `None` where it was refused, and where the operating
    /// system decides and does not say.
    pub anchor: Option<TrustAnchor>,
}

/// A trusted authority.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrustAnchor {
    /// Its certificate.
    pub certificate: Certificate,
    /// The file or directory that it came from.
    pub origin: String,
    /// Whether the user named that place, and not the operating system.
    pub is_added: bool,
}
