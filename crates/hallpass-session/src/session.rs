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
    proof::ProofError,
    shared::Shared,
    sign_in::{OwnedSignInRequest, SignInRequest},
    sign_out::{SignOut, SignedOut},
    token::Token,
};

pub use self::builder::SessionBuilder;

/// One credential's token, kept fresh. Cloning it gives another handle to the same session.
///
/// Work is done by tasks on the tokio runtime that the calling task runs on.
#[derive(Debug, Clone)]
pub struct Session(Arc<Shared>);

impl Session {
    /// Begins a session for `key` under `settings`, whose credentials are kept in `store` and whose
    /// requests are sent by `http`.
    pub fn builder(
        key: CredentialKey,
        settings: ServerSettings,
        store: Arc<dyn CredentialStore>,
        http: Arc<dyn HttpClient>,
    ) -> SessionBuilder {
        SessionBuilder::new(key, settings, store, http)
    }

    /// Whose session this is.
    pub fn key(&self) -> &CredentialKey {
        &self.0.key
    }

    /// The server's settings.
    pub fn settings(&self) -> &ServerSettings {
        &self.0.settings
    }

    /// What it tells the time by.
    pub fn clock(&self) -> &dyn Clock {
        self.0.clock.as_ref()
    }

    /// Where its tokens come from, if somebody else obtains them.
    pub fn token_source(&self) -> Option<&dyn TokenSource> {
        self.0.token_source.as_deref()
    }

    /// A fresh token. Refreshes the one there is when it nears its end; never asks a person. With an
    /// [non-interactive](hallpass_core::Authorizer::is_interactive) authorizer a grant that ends is asked
    /// for anew.
    ///
    /// With a fresh token at hand this takes no lock, reads no store and allocates nothing.
    ///
    /// # Errors
    ///
    /// [`SessionError::SignInRequired`] when there is nothing to refresh with; the other variants say
    /// what went wrong and keep the credentials.
    pub async fn token(&self) -> Result<Token, SessionError> {
        if let Some(token) = self.0.fresh() {
            self.0.mark_used(&token);
            return Ok(token);
        }
        Box::pin(self.0.token()).await
    }

    /// Another token than `refused`, which the server shared_token_error with a 401. Never signs in.
    ///
    /// A newer token is adopted, else one refresh is made; where that does not help the metadata is
    /// read again, once for all sessions that share a
    /// [cache](SessionBuilder::metadata_cache) and are refused at the same moment.
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
        Box::pin(self.0.token_after_rejection(refused, challenges)).await
    }

    /// What a transport calls after a 401, or after a 403 that says `insufficient_scope`: all that
    /// [`token_after_rejection`](Self::token_after_rejection) does, and then a sign-in or a step-up
    /// through the authorizer where one is needed. `refused` is the token that was sent, if one was.
    ///
    /// # Errors
    ///
    /// As the above, and [`SessionError::SignIn`] when a sign-in came to nothing.
    pub async fn handle_challenge(
        &self,
        refused: Option<&Token>,
        challenges: &[Challenge],
    ) -> Result<Token, SessionError> {
        Box::pin(self.0.handle_challenge(refused, challenges)).await
    }

    /// Sets what authorises sending `method` to `url` with `token`: `Authorization`, and for a token
    /// that is bound to a key a fresh `DPoP` proof (RFC 9449 §7.1), with the server's last nonce. To
    /// be called anew for each hop and each repeat; the token belongs to this session.
    ///
    /// With a bearer token this takes no lock.
    ///
    /// # Errors
    ///
    /// When the key is lost or can't sign. The request must not be sent then.
    pub fn authorize(
        &self,
        token: &Token,
        method: &Method,
        url: &Url,
        headers: &mut HeaderMap,
    ) -> Result<(), ProofError> {
        self.0.authorize(token, method, url, headers)
    }

    /// Sees the headers of the answer to such a request, of whatever status: the server's nonce for
    /// the next proof stands there (RFC 9449 §8.2, §9).
    pub fn record_response(&self, token: &Token, headers: &HeaderMap) {
        self.0.record_response(token, headers);
    }

    /// Signs in through the authorizer, saves the grant and publishes its token. Calls that come while
    /// a sign-in runs wait for it. When all of them are dropped, it is broken off.
    ///
    /// # Errors
    ///
    /// [`SessionError::SignIn`] when it came to nothing, or when the tokens come from a
    /// [`TokenSource`]; [`SessionError::Store`] when its grant could not be saved.
    pub async fn sign_in(&self, request: SignInRequest<'_>) -> Result<Token, SessionError> {
        if let Some(source) = &self.0.token_source {
            return Err(self.0.sign_in_unavailable(&**source));
        }
        Box::pin(self.0.sign_in(OwnedSignInRequest::from(request), || None)).await
    }

    /// Signs out: clears the credential's grants and revokes their tokens (RFC 7009), the refresh token
    /// first, each at the authorization server that issued it.
    ///
    /// # Errors
    ///
    /// When the grant could not be cleared here. What the server said to the revocation is no error:
    /// it stands in the answer.
    pub async fn sign_out(&self, how: SignOut) -> Result<SignedOut, SessionError> {
        Box::pin(self.0.sign_out(how)).await
    }

    /// The credential's active record, read from the store.
    ///
    /// # Errors
    ///
    /// [`SessionError::Store`].
    pub async fn record(&self) -> Result<Option<Record>, SessionError> {
        self.0.load().await
    }

    /// The token that is kept, whether it still lives or not. Nothing is refreshed and nothing saved:
    /// for a diagnosis. A session on a token source asks that.
    ///
    /// # Errors
    ///
    /// [`SessionError::SignInRequired`] when there is none that these settings may use, and
    /// [`SessionError::Store`].
    pub async fn stored_token(&self) -> Result<Token, SessionError> {
        if self.0.token_source.is_some() {
            return self.token().await;
        }
        let record = self.0.load().await?;
        let (record, grant) = self.0.usable(record.as_ref())?;
        Token::new(record, grant, None).map_err(SessionError::Terminated)
    }

    /// Who holds the locks that this session would wait for, at the moment: for a diagnosis.
    ///
    /// # Errors
    ///
    /// [`SessionError::Store`].
    pub async fn lock_holders(&self) -> Result<LockHolders, SessionError> {
        let Some(diagnostics) = self.0.store.diagnostics() else {
            return Ok(LockHolders::default());
        };
        let holder = async |kind| {
            let holder = diagnostics.lock_holder(&self.0.key, kind).await;
            holder.map_err(SessionError::store)
        };
        Ok(LockHolders {
            key: holder(LockKind::Credential).await?,
            sign_in: holder(LockKind::SignIn).await?,
        })
    }

    /// How often this session refreshed, and how often it need not.
    pub fn counters(&self) -> Counters {
        self.0.counters.snapshot()
    }

    /// Lets the next call post a refresh that the server refused before, although the refusal is
    /// remembered: for a user who says that its reason is gone.
    pub fn retry_refused_refresh(&self) {
        let mut memory = self.0.memory();
        memory.reset_backoff();
        memory.past_refusal = true;
    }

    /// Takes no more work, breaks a sign-in off, and waits for the refreshes that run, at most for
    /// `limit`. A program does this before it ends, so that no rotated token is lost.
    ///
    /// # Errors
    ///
    /// When a refresh still runs after `limit`: [`SessionError::Store`] when its new grant could not be
    /// saved so far.
    pub async fn close(&self, limit: Duration) -> Result<(), SessionError> {
        self.0.close(limit).await
    }
}

/// Who holds locks of a session's credential, in the words of its store. `None` is nobody, or nobody known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LockHolders {
    /// Who refreshes, saves or signs out.
    pub key: Option<String>,
    /// Who asks a person to sign in.
    pub sign_in: Option<String>,
}
