//! rmcp's `CredentialStore` over a Hallpass store.

use std::{error::Error, fmt, sync::Arc};

use async_trait::async_trait;
use hallpass_core::{Record, State, StoreError, record::SignInCause};
use rmcp::transport::{
    AuthError,
    auth::{CredentialRefreshGuard, CredentialStore, StoredCredentials},
};

use crate::{credentials, refresh_session::RefreshSessions};

/// Where rmcp keeps the credentials of one credential. [`Bridge`](crate::Bridge) makes it.
pub struct BridgeStore {
    sessions: Arc<RefreshSessions>,
}

impl BridgeStore {
    pub(crate) fn new(sessions: Arc<RefreshSessions>) -> Self {
        Self { sessions }
    }
}

#[async_trait]
impl CredentialStore for BridgeStore {
    async fn load(&self) -> Result<Option<StoredCredentials>, AuthError> {
        let record = self.sessions.read().await.map_err(store_error)?;
        Ok(record.as_ref().and_then(credentials::from_record))
    }

    async fn save(&self, new: StoredCredentials) -> Result<(), AuthError> {
        let sessions = &self.sessions;
        let issuer = credentials::issuer(&new, sessions.key()).map_err(conversion_error)?;
        let session = sessions.for_write().await.map_err(store_error)?;
        let mut session = session.lock().await;
        let base = sessions.record_for(&issuer).await.map_err(store_error)?;
        let record =
            credentials::to_record(&new, sessions.key(), issuer, base.as_ref(), sessions.now());
        let record = record.map_err(conversion_error)?;
        let saved = sessions.save(&mut session, record, base.as_ref()).await;
        saved.map_err(store_error)
    }

    async fn clear(&self) -> Result<(), AuthError> {
        let sessions = &self.sessions;
        let session = sessions.for_write().await.map_err(store_error)?;
        let cleared = sessions.clear(&mut *session.lock().await).await;
        cleared.map_err(store_error)
    }

    async fn on_refresh_token_rejected(&self, sent: &StoredCredentials) -> Result<(), AuthError> {
        let sessions = &self.sessions;
        let session = sessions.for_write().await.map_err(store_error)?;
        let mut session = session.lock().await;
        let Some(base) = session.record().cloned() else {
            return Ok(());
        };
        let Some(ended) = ended(&base, sent) else {
            // The user has signed in meanwhile.
            return Ok(());
        };
        let saved = sessions.save(&mut session, ended, Some(&base)).await;
        saved.map_err(store_error)
    }

    async fn acquire_refresh_guard(&self) -> Result<Option<CredentialRefreshGuard>, AuthError> {
        let session = self.sessions.begin_refresh().await.map_err(store_error)?;
        Ok(Some(CredentialRefreshGuard::new(session)))
    }
}

/// The record without the refresh token that was refused; `None` when it holds another one.
fn ended(record: &Record, sent: &StoredCredentials) -> Option<Record> {
    let mut record = record.clone();
    let grant = record.grant.as_mut()?;
    let refused = serde_json::to_value(sent.token_response.as_ref()?).ok()?;
    let refused = refused.get("refresh_token")?.as_str()?;
    if grant.refresh_token.as_ref()?.expose() != refused {
        return None;
    }
    grant.refresh_token = None;
    record.pending_refresh = None;
    record.state = State::SignInRequired(SignInCause::RefreshRefused);
    Some(record)
}

/// A store's error as rmcp has it: one text, with what caused it and what helps.
#[expect(clippy::needless_pass_by_value, reason = "it is handed to `map_err`")]
pub(crate) fn store_error(error: StoreError) -> AuthError {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    for hint in error.hints() {
        text = format!("{text} ({hint})");
    }
    AuthError::CredentialStoreError(text)
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to `map_err`")]
fn conversion_error(why: String) -> AuthError {
    AuthError::CredentialStoreError(format!("can't save what rmcp hands over: {why}"))
}

impl fmt::Debug for BridgeStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BridgeStore")
            .field(self.sessions.key())
            .finish()
    }
}
