//! A session: one credential's token, kept fresh.

mod builder;

use std::{sync::Arc, time::Duration};

use hallpass_core::{
    Challenge, Clock, CredentialKey, CredentialStore, HttpClient, Record, ServerSettings,
    TokenSource, store::LockKind,
};

use http::{HeaderMap, Method};
use url::Url;

use crate::{
    counters::Counters,
    error::SessionError,
    external_token,
    proof::{self, ProofError},
    session_inner::SessionInner,
    sign_in::{OwnedSignInRequest, SignInRequest},
    sign_out::{self, SignOut, SignedOut},
    token::Token,
    token_origin::RefreshIntent,
};

pub use self::builder::SessionBuilder;

/// One credential's token, kept fresh. Cloning it gives another handle to the same session.
///
/// Work is done by tasks on the tokio runtime that the calling task runs on.
#[derive(Debug, Clone)]
pub struct Session(Arc<SessionInner>);

impl Session {
    /// Starts to build a session for `key` with `settings`. `store` keeps its credentials and `http` sends
    /// its requests.
    pub fn builder(
        key: CredentialKey,
        settings: ServerSettings,
        store: Arc<dyn CredentialStore>,
        http: Arc<dyn HttpClient>,
    ) -> SessionBuilder {
        SessionBuilder::new(key, settings, store, http)
    }

    /// The credential of this session.
    pub fn key(&self) -> &CredentialKey {
        &self.0.context.key
    }

    /// The server's settings.
    pub fn settings(&self) -> &ServerSettings {
        &self.0.context.settings
    }

    /// Its clock.
    pub fn clock(&self) -> &dyn Clock {
        self.0.context.ports.clock.as_ref()
    }

    /// The host's source of its tokens, if it has one.
    pub fn token_source(&self) -> Option<&dyn TokenSource> {
        self.0.origin.external()
    }

    /// A fresh token. Refreshes the present one when it is about to expire, and never asks a user. With
    /// a [non-interactive](hallpass_core::Authorizer::is_interactive) authorizer it signs in again when
    /// the grant ends.
    ///
    /// While there is a fresh token this takes no lock, reads no store and allocates nothing.
    ///
    /// # Errors
    ///
    /// [`SessionError::SignInRequired`] when there is no usable grant. After the other errors the
    /// credentials are kept.
    pub async fn token(&self) -> Result<Token, SessionError> {
        if let Some(token) = self.0.context.fresh() {
            self.0.context.proactive_refresh.mark_used(&token);
            return Ok(token);
        }
        match self.0.origin.token().await {
            Err(error) => Err(Box::pin(self.0.sign_in.with_open_sign_in(error)).await),
            token => token,
        }
    }

    /// Another token than `refused`, which the server answered with a 401. Never signs in.
    ///
    /// A newer token is adopted, else one refresh is made. Where that does not help, the metadata is read
    /// again, once for all sessions that share a [cache](SessionBuilder::metadata_cache) and are refused
    /// at the same time.
    ///
    /// # Errors
    ///
    /// [`SessionError::SignInRequired`] also when another authorization server protects the server now;
    /// [`SessionError::Terminated`] when a token that was issued just now is refused.
    pub async fn token_after_rejection(
        &self,
        refused: &Token,
        challenges: &[Challenge],
    ) -> Result<Token, SessionError> {
        let intent = RefreshIntent::Replace(refused.clone());
        self.0.origin.renew(intent, challenges).await
    }

    /// The token to send after a 401, or after a 403 that says `insufficient_scope`. Does what
    /// [`token_after_rejection`](Self::token_after_rejection) does, then signs in or steps up through the
    /// authorizer where that is needed. `refused` is the token that was sent, if any.
    ///
    /// # Errors
    ///
    /// As above, and [`SessionError::SignIn`] when a sign-in failed.
    pub async fn handle_challenge(
        &self,
        refused: Option<&Token>,
        challenges: &[Challenge],
    ) -> Result<Token, SessionError> {
        Box::pin(self.0.handle_challenge(refused, challenges)).await
    }

    /// Sets the headers that authorize `method` at `url` with `token`: `Authorization`, and for a token
    /// that is bound to a key a new `DPoP` proof (RFC 9449 §7.1) with the server's last nonce. Call it
    /// again for each redirect and each retry. The token must be one of this session.
    ///
    /// With a bearer token this takes no lock.
    ///
    /// # Errors
    ///
    /// When the token's key is lost or can't sign. The request must not be sent then.
    pub fn authorize(
        &self,
        token: &Token,
        method: &Method,
        url: &Url,
        headers: &mut HeaderMap,
    ) -> Result<(), ProofError> {
        let inner = &self.0;
        proof::authorize(
            &inner.context,
            &inner.resource_nonce,
            token,
            method,
            url,
            headers,
        )
    }

    /// Records the headers of the response to such a request, whatever its status: they may have the
    /// nonce of the next proof (RFC 9449 §8.2, §9).
    pub fn record_response(&self, token: &Token, headers: &HeaderMap) {
        self.0.resource_nonce.update(token, headers);
    }

    /// Signs in through the authorizer, saves the grant and publishes its token. Concurrent calls share
    /// one sign-in. It is cancelled when all of them are dropped.
    ///
    /// # Errors
    ///
    /// [`SessionError::SignIn`] when it failed, or when the tokens come from a [`TokenSource`];
    /// [`SessionError::Store`] when its grant could not be saved.
    pub async fn sign_in(&self, request: SignInRequest<'_>) -> Result<Token, SessionError> {
        if let Some(source) = self.0.origin.external() {
            return Err(external_token::sign_in_error(self.key(), source));
        }
        let request = OwnedSignInRequest::from(request);
        Box::pin(self.0.sign_in.sign_in(request, || None)).await
    }

    /// Signs out: clears the credential's grants and revokes their tokens (RFC 7009), the refresh token
    /// first, each at the authorization server that issued it.
    ///
    /// # Errors
    ///
    /// When the grant could not be cleared in the store. A failed revocation is no error: it is in the
    /// result.
    pub async fn sign_out(&self, how: SignOut) -> Result<SignedOut, SessionError> {
        Box::pin(sign_out::sign_out(&self.0.refresh, &self.0.sign_in, how)).await
    }

    /// The credential's active record, read from the store.
    ///
    /// # Errors
    ///
    /// [`SessionError::Store`].
    pub async fn record(&self) -> Result<Option<Record>, SessionError> {
        self.0.context.load().await
    }

    /// The token in the store, also when it has expired. Nothing is refreshed or saved: for a diagnosis.
    /// With a token source, the token of the source.
    ///
    /// # Errors
    ///
    /// [`SessionError::SignInRequired`] when no grant is usable with these settings, and
    /// [`SessionError::Store`].
    pub async fn stored_token(&self) -> Result<Token, SessionError> {
        if self.0.origin.external().is_some() {
            return self.token().await;
        }
        let record = self.0.context.load().await?;
        let (record, grant) = self.0.context.usable(record.as_ref())?;
        self.0.context.token(record, grant, None)
    }

    /// The holders of the locks that this session would wait for now: for a diagnosis.
    ///
    /// # Errors
    ///
    /// [`SessionError::Store`].
    pub async fn lock_holders(&self) -> Result<LockHolders, SessionError> {
        let Some(diagnostics) = self.0.context.store.diagnostics() else {
            return Ok(LockHolders::default());
        };
        let holder = async |kind| {
            let holder = diagnostics.lock_holder(self.key(), kind).await;
            holder.map_err(SessionError::store)
        };
        Ok(LockHolders {
            key: holder(LockKind::Credential).await?,
            sign_in: holder(LockKind::SignIn).await?,
        })
    }

    /// How often this session refreshed, and how often it did not need to.
    pub fn counters(&self) -> Counters {
        self.0.context.counters.snapshot()
    }

    /// Lets the next call post a refresh although the server refused the last one: for a user who has
    /// fixed the cause. Where the server may have replaced the refresh token, as after a web page with a
    /// status of success, the post is not before six seconds after the last one.
    pub fn retry_refused_refresh(&self) {
        self.0.context.backoff.retry_refused();
    }

    /// Accepts no more calls and cancels what is running. It waits, at most for `limit`, only while a
    /// refresh token is at the token endpoint or its answer is not saved yet. A program calls it before it
    /// ends, so that no rotated token is lost.
    ///
    /// # Errors
    ///
    /// When a refresh is still running after `limit`: [`SessionError::Store`] when its new grant could
    /// not be saved.
    pub async fn close(&self, limit: Duration) -> Result<(), SessionError> {
        let context = &self.0.context;
        tokio::select! {
            () = context.tasks.close() => Ok(()),
            () = context.ports.clock.sleep(limit) => Err(self
                .0
                .refresh
                .unsaved_grant
                .error()
                .unwrap_or_else(|| context.closed_error())),
        }
    }
}

/// The holders of a credential's locks, as its store describes them. `None`: no holder, or none known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LockHolders {
    /// The process that refreshes, saves or signs out.
    pub key: Option<String>,
    /// The process that asks a user to sign in.
    pub sign_in: Option<String>,
}
