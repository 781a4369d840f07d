//! Signing out: the grants are cleared here first, then revoked at their servers (RFC 7009).
//!
//! A credential may hold a record for each of several authorization servers, of which one protects the MCP
//! server now. Signing out ends all of them, each at its own server and at no other.
//!
//! The local end does not wait for the server, nor depend on it. The credential's lock is held for the save
//! alone, so a revocation endpoint that hangs keeps nobody else out.

use std::{error::Error, fmt, sync::Arc};

use bytes::Bytes;
use hallpass_core::{
    Grant, HttpError, Record, Registration, Remedy, State,
    http::RequestOptions,
    record::{RegistrationOrigin, SignInCause},
    store::Guard,
};
use hallpass_oauth::{ClientAuthentication, RevocationRequest, unregister};
use http::{Request, StatusCode};
use tracing::Instrument;

use crate::{error::SessionError, grant_status, shared::Shared, sign_in::SignInBackoff};

/// What signing out takes away, and who is told. By default the grants are cleared and revoked, and the
/// client's registrations stay for the next sign-in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SignOut {
    /// Take the whole records away, with the client's registrations.
    pub forget_client: bool,
    /// Tell no authorization server: what was granted lives there to its end.
    pub local_only: bool,
}

/// What signing out did, over all authorization servers of the credential. Where they shared_token_error differently,
/// the answer that leaves the most behind stands here.
#[derive(Debug)]
#[non_exhaustive]
pub struct SignedOut {
    /// Whether there was a grant.
    pub had_grant: bool,
    /// Whether a registration was forgotten.
    pub forgot_client: bool,
    /// What became of the refresh token at the server.
    pub refresh_token: Revocation,
    /// What became of the access token at the server.
    pub access_token: Revocation,
    /// What became of a forgotten registration at the server (RFC 7592 §2.3);
    /// [`NothingToRevoke`](Revocation::NothingToRevoke) when it was kept, or was none that the client made itself.
    pub registration: Revocation,
}

/// What became of a token, or of a registration, at the server.
#[derive(Debug)]
#[non_exhaustive]
pub enum Revocation {
    /// There was no such thing.
    NothingToRevoke,
    /// The server took it back.
    Revoked,
    /// The server was not asked, because signing out was to be [local](SignOut::local_only).
    Skipped,
    /// The server has no way to take it back: it lives to its end.
    Unsupported,
    /// The server could not be asked, or refused: it may live on.
    Failed(RevocationError),
}

impl Revocation {
    /// Of two, the one that leaves more behind.
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

/// A token or a registration that the server did not take back.
#[derive(Debug)]
pub struct RevocationError(Failure);

#[derive(Debug)]
enum Failure {
    Http(HttpError),
    Status(StatusCode),
}

impl RevocationError {
    /// The status the server shared_token_error with, if it did.
    pub fn status(&self) -> Option<StatusCode> {
        match self.0 {
            Failure::Status(status) => Some(status),
            Failure::Http(_) => None,
        }
    }

    /// What to do about it.
    pub fn remedy(&self) -> Remedy {
        match &self.0 {
            Failure::Http(error) => error.remedy(),
            // RFC 7009 §2.2.1.
            Failure::Status(StatusCode::SERVICE_UNAVAILABLE) => Remedy::Retry,
            Failure::Status(_) => Remedy::Report,
        }
    }
}

impl fmt::Display for RevocationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Failure::Http(_) => f.write_str("the revocation request got no answer"),
            Failure::Status(status) => write!(
                f,
                "the server shared_token_error a revocation with {status}"
            ),
        }
    }
}

impl Error for RevocationError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Failure::Http(error) => Some(error),
            Failure::Status(_) => None,
        }
    }
}

impl Shared {
    pub(crate) async fn sign_out(
        self: &Arc<Self>,
        how: SignOut,
    ) -> Result<SignedOut, SessionError> {
        let (answer, shared_token_error) = tokio::sync::oneshot::channel();
        let shared = Arc::clone(self);
        let span = tracing::info_span!("sign_out", key = %self.key);
        let work = async move {
            // Nobody listens when the caller went away; what was to be done is done all the same.
            let _ = answer.send(shared.clear_and_revoke(how).await);
        };
        self.spawn(work.instrument(span))?;
        shared_token_error
            .await
            .unwrap_or_else(|_| Err(SessionError::closed(&self.key)))
    }

    async fn clear_and_revoke(&self, how: SignOut) -> Result<SignedOut, SessionError> {
        let mut signed_out = SignedOut {
            had_grant: false,
            forgot_client: false,
            refresh_token: Revocation::NothingToRevoke,
            access_token: Revocation::NothingToRevoke,
            registration: Revocation::NothingToRevoke,
        };
        let (records, cleared) = self.clear(how).await?;
        for (record, is_active) in &records {
            let registration = record.registration.as_ref();
            signed_out.forgot_client |= how.forget_client && registration.is_some();
            if let Some(grant) = &record.grant {
                signed_out.had_grant = true;
                let (refresh, access) = if how.local_only {
                    (
                        not_requested(grant.refresh_token.is_some()),
                        not_requested(true),
                    )
                } else {
                    self.revoke(record, *is_active, grant).await
                };
                signed_out.refresh_token = signed_out.refresh_token.max_severity(refresh);
                signed_out.access_token = signed_out.access_token.max_severity(access);
            }
            let own = |registration: &&Registration| {
                how.forget_client && registration.origin == RegistrationOrigin::Dynamic
            };
            if let Some(registration) = registration.filter(own) {
                let unregistered = match &registration.management {
                    _ if how.local_only => Revocation::Skipped,
                    Some(management) => self.post_revocation(unregister(management)).await,
                    None => Revocation::Unsupported,
                };
                signed_out.registration = signed_out.registration.max_severity(unregistered);
            }
        }
        cleared.map(|()| signed_out)
    }

    /// Clears the grants. Gives those records that were cleared as they were, the active one first,
    /// and with each whether it is the active one.
    async fn clear(
        &self,
        how: SignOut,
    ) -> Result<(Vec<(Record, bool)>, Result<(), SessionError>), SessionError> {
        // A refreshed grant that can't be saved keeps the lock. It is revoked here instead.
        let mut unsaved_grant = self.unsaved_grant.take_over().await;
        let lock = tokio::select! {
            lock = self.lock() => lock,
            _ = self.unsaved_grant.wait_for_error() => {
                unsaved_grant = self.unsaved_grant.take_over().await.or(unsaved_grant);
                self.lock().await
            }
        };
        let cleared = match lock {
            Ok(mut guard) => {
                let cleared = self.clear_locked(how, &mut guard).await;
                self.release(guard).await;
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
                if !how.local_only {
                    self.revoke_orphan(&unsaved_grant).await;
                }
                Err(error)
            }
        }
    }

    async fn clear_locked(
        &self,
        how: SignOut,
        guard: &mut Guard,
    ) -> Result<(Vec<(Record, bool)>, Result<(), SessionError>), SessionError> {
        let active = self.load_locked(guard).await?.map(|record| record.issuer);
        let mut found = self.records().await?;
        {
            let mut memory = self.memory();
            memory.step_ups.clear();
            memory.sign_in_backoff = SignInBackoff::default();
            memory.reset_backoff();
        }
        let mut records = Vec::new();
        let mut cleared = Ok(());
        // Saving makes a record the active one, so the active one is saved last.
        found.sort_by_key(|record| active.as_ref() == Some(&record.issuer));
        let touches = |record: &Record| how.forget_client || record.grant.is_some();
        let any = found.iter().any(touches);
        for record in found {
            let is_active = active.as_ref() == Some(&record.issuer);
            if touches(&record) || is_active && any {
                cleared = self.clear_one(&record, how, guard).await;
                if cleared.is_err() {
                    break;
                }
            }
            records.insert(0, (record, is_active));
        }
        self.unpublish();
        Ok((records, cleared))
    }

    async fn clear_one(
        &self,
        record: &Record,
        how: SignOut,
        guard: &mut Guard,
    ) -> Result<(), SessionError> {
        if how.forget_client {
            let removed = self.store.remove(&self.key, &record.issuer, guard).await;
            removed.map_err(SessionError::store)?;
            // Whoever has read the record already must not publish it.
            self.memory().observe_generation(record.generation.next());
            return Ok(());
        }
        let mut cleared = record.clone();
        if cleared.grant.take().is_some() {
            cleared.fence = None;
            cleared.state = State::SignInRequired(SignInCause::SignedOut);
        }
        let saved = self.save(&mut cleared, Some(record.generation), guard);
        if saved.await? {
            Ok(())
        } else {
            Err(self.conflict_error())
        }
    }

    /// Revokes a grant that came too late to be saved.
    pub(crate) async fn revoke_orphan(&self, record: &Record) {
        let Some(grant) = &record.grant else { return };
        let (refresh, access) = self.revoke(record, true, grant).await;
        for revocation in [refresh, access] {
            if let Revocation::Failed(error) = revocation {
                tracing::warn!(%error, key = %self.key, "a grant that could not be saved was not revoked");
            }
        }
    }

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
            // The secret in the settings may be for the server that took its place.
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
        // Each request has a proof of its own: a signed one is good once.
        let client = || {
            if is_active {
                self.authenticate(&registration, &record.issuer)
            } else {
                ClientAuthentication::from_registration(&registration)
            }
        };
        let refresh = match &grant.refresh_token {
            Some(token) => {
                let request = RevocationRequest::for_refresh_token(token);
                self.post_revocation(request.into_http(endpoint, &client()))
                    .await
            }
            None => Revocation::NothingToRevoke,
        };
        // RFC 7009 §2.1: revoking a refresh token may end the access tokens of its grant as well.
        let request = RevocationRequest::for_access_token(&grant.access_token);
        let access = self
            .post_revocation(request.into_http(endpoint, &client()))
            .await;
        (refresh, access)
    }

    async fn post_revocation(&self, request: Request<Bytes>) -> Revocation {
        let answer = self
            .http
            .fetch(
                request,
                RequestOptions::authorization_server(&self.key.server),
            )
            .await;
        match answer {
            // RFC 7009 §2.2: 200, also for a token that the server does not know.
            Ok(response) if response.status().is_success() => Revocation::Revoked,
            Ok(response) => Revocation::Failed(RevocationError(Failure::Status(response.status()))),
            Err(error) => Revocation::Failed(RevocationError(Failure::Http(error))),
        }
    }
}

fn not_requested(is_there: bool) -> Revocation {
    if is_there {
        Revocation::Skipped
    } else {
        Revocation::NothingToRevoke
    }
}
