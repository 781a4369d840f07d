//! Signing out: the grant is cleared here first, then revoked at the server (RFC 7009).
//!
//! The local end does not wait for the server, nor depend on it. The slot's lock is held for the save
//! alone, so a revocation endpoint that hangs keeps nobody else out.

use std::{error::Error, fmt, sync::Arc};

use bytes::Bytes;
use hallpass_core::{
    Grant, HttpError, Record, Remedy, State,
    http::ExchangePolicy,
    record::{RegistrationOrigin, SignInCause},
};
use hallpass_oauth::{ClientAuthentication, RevocationRequest, unregister};
use http::{Request, StatusCode};
use tracing::Instrument;

use crate::{error::SessionError, shared::Shared, standing};

/// What signing out takes away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignOut {
    /// The grant. The registration stays for the next sign-in.
    #[default]
    Grant,
    /// The whole record, with the client's registration.
    ForgetClient,
}

/// What signing out did.
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
    /// [`Absent`](Revocation::Absent) when it was kept, or was none that the client made itself.
    pub registration: Revocation,
}

/// What became of a token, or of a registration, at the server.
#[derive(Debug)]
#[non_exhaustive]
pub enum Revocation {
    /// There was no such thing.
    Absent,
    /// The server has no way to take it back: it lives to its end.
    Unsupported,
    /// The server took it back.
    Revoked,
    /// The server could not be asked, or refused: it may live on.
    Failed(RevocationError),
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
    /// The status the server answered with, if it did.
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
            Failure::Status(status) => write!(f, "the server answered a revocation with {status}"),
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
        let (answer, answered) = tokio::sync::oneshot::channel();
        let shared = Arc::clone(self);
        let span = tracing::info_span!("sign_out", slot = %self.slot);
        let work = async move {
            // Nobody listens when the caller went away; what was to be done is done all the same.
            let _ = answer.send(shared.clear_and_revoke(how).await);
        };
        self.spawn(work.instrument(span))?;
        answered
            .await
            .unwrap_or_else(|_| Err(SessionError::closed(&self.slot)))
    }

    async fn clear_and_revoke(&self, how: SignOut) -> Result<SignedOut, SessionError> {
        let mut signed_out = SignedOut {
            had_grant: false,
            forgot_client: false,
            refresh_token: Revocation::Absent,
            access_token: Revocation::Absent,
            registration: Revocation::Absent,
        };
        let Some(record) = self.clear(how).await? else {
            return Ok(signed_out);
        };
        signed_out.forgot_client = how == SignOut::ForgetClient && record.registration.is_some();
        if let Some(grant) = &record.grant {
            signed_out.had_grant = true;
            // RFC 7009 §2.1: revoking a refresh token may end the access tokens of its grant as well.
            (signed_out.refresh_token, signed_out.access_token) = self.revoke(&record, grant).await;
        }
        if let Some(registration) = record.registration.as_ref().filter(|registration| {
            signed_out.forgot_client && registration.origin == RegistrationOrigin::Dynamic
        }) {
            signed_out.registration = match &registration.management {
                Some(management) => self.post_revocation(unregister(management)).await,
                None => Revocation::Unsupported,
            };
        }
        Ok(signed_out)
    }

    /// Clears the grant, and gives the record as it was.
    async fn clear(&self, how: SignOut) -> Result<Option<Record>, SessionError> {
        let mut guard = self.lock().await?;
        let loaded = self.load_locked(&guard).await?;
        // A refreshed grant that could not be saved is the one to revoke.
        let unsaved = self.memory().forget_troubles();
        let Some(record) = loaded else {
            self.unpublish();
            return Ok(unsaved);
        };
        if how == SignOut::ForgetClient {
            let removed = self
                .store
                .remove(&self.slot, &record.issuer, &mut guard)
                .await;
            removed.map_err(SessionError::store)?;
        } else if record.grant.is_some() || record.is_signed_in() {
            let mut cleared = record.clone();
            cleared.grant = None;
            cleared.fence = None;
            cleared.state = State::SignInNeeded(SignInCause::SignedOut);
            if !self
                .save(&mut cleared, Some(record.generation), &mut guard)
                .await?
            {
                return Err(self.keeps_changing());
            }
        }
        self.unpublish();
        let unsaved = unsaved.filter(|unsaved| unsaved.issuer == record.issuer);
        Ok(Some(unsaved.unwrap_or(record)))
    }

    /// Revokes the refresh token, then the access token.
    async fn revoke(&self, record: &Record, grant: &Grant) -> (Revocation, Revocation) {
        let (Some(endpoint), Some(registration)) = (
            record.metadata.revocation_endpoint.as_ref(),
            standing::registration(record, &self.settings),
        ) else {
            let refresh = match grant.refresh_token {
                Some(_) => Revocation::Unsupported,
                None => Revocation::Absent,
            };
            return (refresh, Revocation::Unsupported);
        };
        let client = ClientAuthentication::from_registration(&registration);
        let refresh = match &grant.refresh_token {
            Some(token) => {
                let request = RevocationRequest::of_refresh_token(token);
                self.post_revocation(request.into_http(endpoint, &client))
                    .await
            }
            None => Revocation::Absent,
        };
        let request = RevocationRequest::of_access_token(&grant.access_token);
        let access = self
            .post_revocation(request.into_http(endpoint, &client))
            .await;
        (refresh, access)
    }

    async fn post_revocation(&self, request: Request<Bytes>) -> Revocation {
        let answer = self
            .http
            .fetch(request, ExchangePolicy::authorization_server())
            .await;
        match answer {
            // RFC 7009 §2.2: 200, also for a token that the server does not know.
            Ok(response) if response.status().is_success() => Revocation::Revoked,
            Ok(response) => Revocation::Failed(RevocationError(Failure::Status(response.status()))),
            Err(error) => Revocation::Failed(RevocationError(Failure::Http(error))),
        }
    }
}
