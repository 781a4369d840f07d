//! Whether a server asked for a client certificate where none is configured (RFC 8446 §4.3.2).

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use rustls::{SignatureScheme, client::ResolvesClientCert, sign::CertifiedKey};

tokio::task_local! {
    /// Set when the handshake of a connection that is opened here has a request for a certificate.
    static IS_ASKED: Arc<AtomicBool>;
}

/// Runs `work`, and says whether a connection that it opened was asked for a client certificate.
pub(crate) async fn observe<T>(work: impl Future<Output = T>) -> (T, bool) {
    let is_asked = Arc::new(AtomicBool::new(false));
    let result = IS_ASKED.scope(Arc::clone(&is_asked), work).await;
    (result, is_asked.load(Ordering::Relaxed))
}

/// The answer of a client without a certificate. It notes that it was asked.
#[derive(Debug)]
pub(crate) struct NoCertificate;

impl ResolvesClientCert for NoCertificate {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        // A connection that is opened ahead of a request has no request to tell.
        let _ = IS_ASKED.try_with(|it| it.store(true, Ordering::Relaxed));
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}
