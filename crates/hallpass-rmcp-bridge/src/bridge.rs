//! The two ends of a bridge, and what they share.

use std::{fmt, sync::Arc};

use hallpass_core::{Clock, CredentialKey, CredentialStore, HttpClient};
use hallpass_session::SystemClock;
use rmcp::transport::{
    AuthError,
    auth::{AuthorizationManager, OAuthHttpClient},
};

use crate::{BridgeHttpClient, BridgeStore, refresh_session::RefreshSessions};

/// rmcp's `CredentialStore` and `OAuthHttpClient` for one credential. Cloning it copies pointers.
///
/// The two belong together: a refresh that another process has made meanwhile is seen by the store,
/// and answered by the client. Managers for the same credential share one bridge, or have one each.
#[derive(Clone)]
pub struct Bridge {
    sessions: Arc<RefreshSessions>,
    http: Arc<dyn HttpClient>,
}

impl Bridge {
    /// A bridge from rmcp to a credential of `store`, and to the network by `http`.
    pub fn new(
        key: CredentialKey,
        store: Arc<dyn CredentialStore>,
        http: Arc<dyn HttpClient>,
    ) -> Self {
        Self::with_clock(key, store, http, Arc::new(SystemClock))
    }

    /// The same by another clock.
    pub fn with_clock(
        key: CredentialKey,
        store: Arc<dyn CredentialStore>,
        http: Arc<dyn HttpClient>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let sessions = Arc::new(RefreshSessions::new(key, store, clock));
        Self { sessions, http }
    }

    /// An rmcp manager for the credential's server, with both ends in place. What it has stored it
    /// takes up by `initialize_from_store`.
    ///
    /// # Errors
    ///
    /// When rmcp can't make one.
    pub async fn manager(&self) -> Result<AuthorizationManager, AuthError> {
        let server = self.sessions.key().server.as_str();
        let http = self.oauth_http_client();
        let mut manager = AuthorizationManager::new_with_oauth_http_client(server, http).await?;
        manager.set_credential_store(self.credential_store());
        Ok(manager)
    }

    /// Where rmcp sends its OAuth requests.
    pub fn oauth_http_client(&self) -> Arc<dyn OAuthHttpClient> {
        Arc::new(BridgeHttpClient::new(
            Arc::clone(&self.sessions),
            Arc::clone(&self.http),
        ))
    }

    /// Where rmcp keeps its credentials.
    pub fn credential_store(&self) -> BridgeStore {
        BridgeStore::new(Arc::clone(&self.sessions))
    }

    /// Waits until no refresh is under way, so that the process may end without losing one.
    ///
    /// # Errors
    ///
    /// [`AuthError::CredentialStoreError`] when the credential stays locked, or the store fails.
    pub async fn close(&self) -> Result<(), AuthError> {
        let session = self.sessions.begin().await;
        session.map(drop).map_err(crate::store::store_error)
    }
}

impl fmt::Debug for Bridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bridge")
            .field("key", self.sessions.key())
            .finish_non_exhaustive()
    }
}
