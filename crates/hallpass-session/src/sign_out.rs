//! Signing out: the grants are cleared here first, then revoked at their servers (RFC 7009).
//!
//! A credential can have records of several authorization servers, of which one protects the MCP server
//! now. Signing out ends all of them, each at its own server and at no other.
//!
//! The local sign-out does not wait for the server and does not depend on it. The credential's lock is
//! held for the save alone, so a revocation endpoint that hangs blocks no other process.

use std::{error::Error, fmt, sync::Arc};

use hallpass_core::{
    Diagnostic as _, Grant, Record, Registration, Remedy, State,
    record::{RegistrationOrigin, SignInCause},
    store::Guard,
};
use hallpass_oauth::RevocationRequest;
use http::StatusCode;
use tracing::Instrument;

use crate::{
    context::Context,
    error::SessionError,
    grant_status,
    refresh_engine::RefreshEngine,
    sign_in::SignInCoordinator,
    token_client::{OAuthClient, RegistrationDeletionError, TokenRequestError},
};

/// What signing out removes. By default the grants are cleared and revoked, and the client's
/// registrations are kept for the next sign-in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SignOut {
    /// Remove the records, with the client's registrations.
    pub forget_client: bool,
    /// Send no request: the tokens stay valid at the server until they expire.
    pub local_only: bool,
}

/// The result of signing out. Of several authorization servers, the worst result is given.
#[derive(Debug)]
#[non_exhaustive]
pub struct SignedOut {
    /// Whether there was a grant.
    pub had_grant: bool,
    /// Whether a registration was forgotten.
    pub forgot_client: bool,
    /// What the server did with the refresh token.
    pub refresh_token: Revocation,
    /// What the server did with the access token.
    pub access_token: Revocation,
    /// What the server did with a removed registration (RFC 7592 §2.3);
    /// [`NothingToRevoke`](Revocation::NothingToRevoke) when it was kept, or was not a dynamic one.
    pub registration: Revocation,
}

/// What a server did with a token or a registration.
#[derive(Debug)]
#[non_exhaustive]
pub enum Revocation {
    /// There was none.
    NothingToRevoke,
    /// The server revoked it.
    Revoked,
    /// The server was not asked, because signing out was to be [local](SignOut::local_only).
    Skipped,
    /// The server has no endpoint for that: it stays valid until it expires.
    Unsupported,
    /// The request failed or was refused: it may still be valid.
    Failed(RevocationError),
}

impl Revocation {
    /// The worse of two.
    fn max_severity(self, other: Self) -> Self {
        let rank = |revocation: &Self| match revocation {
            Self::NothingToRevoke => 0,
            Self::Revoked => 1,
            Self::Skipped => 2,
            Self::Unsupported => 3,
            Self::Failed(_) => 4,
        };
        if rank(&other) > rank(&self) {
            other
        } else {
            self
        }
    }
}

/// Why a token or a registration was not revoked.
#[derive(Debug)]
pub struct RevocationError(Failure);

#[derive(Debug)]
enum Failure {
    Token(TokenRequestError),
    Registration(RegistrationDeletionError),
}

impl RevocationError {
    /// The status the server answered with, if it did.
    pub fn status(&self) -> Option<StatusCode> {
        match &self.0 {
            Failure::Token(TokenRequestError::Answer(error)) => Some(error.status()),
            Failure::Registration(RegistrationDeletionError::Refused(error)) => {
                Some(error.response().status)
            }
            Failure::Token(_) | Failure::Registration(_) => None,
        }
    }

    /// What to do about it.
    pub fn remedy(&self) -> Remedy {
        match &self.0 {
            Failure::Token(error) => error.remedy(),
            Failure::Registration(error) => error.remedy(),
        }
    }
}

// Transparent: the text is that of the error within, with the server's own words.
impl fmt::Display for RevocationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Failure::Token(error) => error.fmt(f),
            Failure::Registration(error) => error.fmt(f),
        }
    }
}

impl Error for RevocationError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Failure::Token(error) => error.source(),
            Failure::Registration(error) => error.source(),
        }
    }
}

impl From<Result<(), TokenRequestError>> for Revocation {
    fn from(answer: Result<(), TokenRequestError>) -> Self {
        match answer {
            Ok(()) => Self::Revoked,
            Err(error) => Self::Failed(RevocationError(Failure::Token(error))),
        }
    }
}

impl From<Result<(), RegistrationDeletionError>> for Revocation {
    fn from(answer: Result<(), RegistrationDeletionError>) -> Self {
        match answer {
            Ok(()) => Self::Revoked,
            Err(error) => Self::Failed(RevocationError(Failure::Registration(error))),
        }
    }
}

/// Signs out in a task of the session, which goes on when the caller is dropped.
pub(crate) async fn sign_out(
    engine: &Arc<RefreshEngine>,
    sign_in: &Arc<SignInCoordinator>,
    how: SignOut,
) -> Result<SignedOut, SessionError> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let task = Task {
        engine: Arc::clone(engine),
        sign_in: Arc::clone(sign_in),
        how,
    };
    let context = &engine.context;
    let span = tracing::info_span!("sign_out", key = %context.key.id());
    let work = async move {
        // The receiver is gone when the caller was dropped.
        let _ = sender.send(task.run().await);
    };
    context.spawn(work.instrument(span))?;
    receiver
        .await
        .unwrap_or_else(|_| Err(context.closed_error()))
}

struct Task {
    engine: Arc<RefreshEngine>,
    sign_in: Arc<SignInCoordinator>,
    how: SignOut,
}

impl Task {
    async fn run(&self) -> Result<SignedOut, SessionError> {
        let mut signed_out = SignedOut {
            had_grant: false,
            forgot_client: false,
            refresh_token: Revocation::NothingToRevoke,
            access_token: Revocation::NothingToRevoke,
            registration: Revocation::NothingToRevoke,
        };
        let context = &self.engine.context;
        let (records, cleared) = self.clear().await?;
        for (record, is_active) in &records {
            let registration = record.registration.as_ref();
            signed_out.forgot_client |= self.how.forget_client && registration.is_some();
            if let Some(grant) = &record.grant {
                signed_out.had_grant = true;
                let (refresh, access) = if self.how.local_only {
                    (
                        not_requested(grant.refresh_token.is_some()),
                        not_requested(true),
                    )
                } else {
                    context.revoke(record, *is_active, grant).await
                };
                signed_out.refresh_token = signed_out.refresh_token.max_severity(refresh);
                signed_out.access_token = signed_out.access_token.max_severity(access);
            }
            let own = |registration: &&Registration| {
                self.how.forget_client && registration.origin == RegistrationOrigin::Dynamic
            };
            if let Some(registration) = registration.filter(own) {
                let unregistered = match &registration.management {
                    _ if self.how.local_only => Revocation::Skipped,
                    Some(management) => {
                        let client = context.token_client();
                        client.delete_registration(management).await.into()
                    }
                    None => Revocation::Unsupported,
                };
                signed_out.registration = signed_out.registration.max_severity(unregistered);
            }
        }
        cleared.map(|()| signed_out)
    }

    /// Clears the grants. Returns the records as they were before, the active one first, each with
    /// whether it is the active one.
    async fn clear(&self) -> Result<(Vec<(Record, bool)>, Result<(), SessionError>), SessionError> {
        let context = &self.engine.context;
        // The refresh of an unsaved grant holds the lock. It is revoked here instead.
        let mut unsaved_grant = self.engine.unsaved_grant.take_over().await;
        let lock = tokio::select! {
            lock = context.lock() => lock,
            _ = self.engine.unsaved_grant.wait_for_error() => {
                unsaved_grant = self.engine.unsaved_grant.take_over().await.or(unsaved_grant);
                context.lock().await
            }
        };
        let cleared = match lock {
            Ok(mut guard) => {
                let cleared = self.clear_locked(&mut guard).await;
                context.release(guard).await;
                cleared
            }
            Err(error) => Err(error),
        };
        let Some(unsaved_grant) = unsaved_grant else {
            return cleared;
        };
        match cleared {
            Ok((mut records, cleared)) => {
                let is_active = records.first().is_some_and(|(record, is_active)| {
                    *is_active && record.issuer == unsaved_grant.issuer
                });
                records.push((unsaved_grant, is_active));
                Ok((records, cleared))
            }
            Err(error) => {
                if !self.how.local_only {
                    revoke_orphan(context, &unsaved_grant).await;
                }
                Err(error)
            }
        }
    }

    async fn clear_locked(
        &self,
        guard: &mut Guard,
    ) -> Result<(Vec<(Record, bool)>, Result<(), SessionError>), SessionError> {
        let context = &self.engine.context;
        let active = context
            .load_locked(guard)
            .await?
            .map(|record| record.issuer);
        let mut found = context.records().await?;
        self.sign_in.reset();
        context.backoff.reset();
        let mut records = Vec::new();
        let mut cleared = Ok(());
        // Saving makes a record the active one, so the active one is saved last.
        found.sort_by_key(|record| active.as_ref() == Some(&record.issuer));
        let touches = |record: &Record| self.how.forget_client || record.grant.is_some();
        let any = found.iter().any(touches);
        for record in found {
            let is_active = active.as_ref() == Some(&record.issuer);
            if touches(&record) || is_active && any {
                cleared = self.clear_one(&record, guard).await;
                if cleared.is_err() {
                    break;
                }
            }
            records.insert(0, (record, is_active));
        }
        context.cache.clear();
        Ok((records, cleared))
    }

    async fn clear_one(&self, record: &Record, guard: &mut Guard) -> Result<(), SessionError> {
        let context = &self.engine.context;
        if self.how.forget_client {
            let removed = context
                .store
                .remove(&context.key, &record.issuer, guard)
                .await;
            removed.map_err(SessionError::store)?;
            // A call that has read the record already must not publish it.
            context.cache.observe_generation(record.generation.next());
            return Ok(());
        }
        let mut cleared = record.clone();
        if cleared.grant.take().is_some() {
            cleared.pending_refresh = None;
            cleared.state = State::SignInRequired(SignInCause::SignedOut);
        }
        let saved = context.save(&mut cleared, Some(record.generation), guard);
        if saved.await? {
            Ok(())
        } else {
            Err(context.conflict_error())
        }
    }
}

/// Revokes a grant that could not be saved.
pub(crate) async fn revoke_orphan(context: &Context, record: &Record) {
    let Some(grant) = &record.grant else { return };
    let (refresh, access) = context.revoke(record, true, grant).await;
    for revocation in [refresh, access] {
        if let Revocation::Failed(error) = revocation {
            tracing::warn!(%error, key = %context.key.id(), "could not revoke a grant that could not be saved");
        }
    }
}

impl Context {
    /// Revokes the refresh token, then the access token.
    async fn revoke(
        &self,
        record: &Record,
        is_active: bool,
        grant: &Grant,
    ) -> (Revocation, Revocation) {
        let registration = if is_active {
            grant_status::registration(record, &self.settings)
        } else {
            // The secret in the settings may be for another authorization server.
            record.registration.clone()
        };
        let (Some(endpoint), Some(registration)) =
            (record.metadata.revocation_endpoint.as_ref(), registration)
        else {
            let refresh = match grant.refresh_token {
                Some(_) => Revocation::Unsupported,
                None => Revocation::NothingToRevoke,
            };
            return (refresh, Revocation::Unsupported);
        };
        // A key from the settings is for the server that issues the tokens now.
        let key = self.client_key.as_deref().filter(|_| is_active);
        let client = OAuthClient::new(&registration).with_key(key, &record.issuer);
        let sender = self.token_client();
        let revoke = |token| sender.revoke(&record.metadata, endpoint, &client, token);
        let refresh = match &grant.refresh_token {
            Some(token) => revoke(RevocationRequest::for_refresh_token(token))
                .await
                .into(),
            None => Revocation::NothingToRevoke,
        };
        // RFC 7009 §2.1: revoking a refresh token may end the access tokens of its grant as well.
        let access = revoke(RevocationRequest::for_access_token(&grant.access_token)).await;
        (refresh, access.into())
    }
}

fn not_requested(is_there: bool) -> Revocation {
    if is_there {
        Revocation::Skipped
    } else {
        Revocation::NothingToRevoke
    }
}
