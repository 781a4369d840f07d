//! The port through which a user or a service signs in.

use std::{error::Error, fmt};

use http::StatusCode;

use crate::{
    BoxError, BoxFuture, Challenge, CredentialKey, Diagnostic, Hint, Issuer, Record, Remedy,
    Scopes, ServerMetadata, ServerSettings, StoreFuture,
};

/// Signs in when a server asks for it: a user in a browser, or a service with a grant of its own.
///
/// Nothing but an authorizer ever opens a browser or talks to a user. A session calls it at most
/// once at a time for a credential.
pub trait Authorizer: Send + Sync + fmt::Debug {
    /// Obtains a grant and returns the record that holds it. The session saves what is returned.
    fn authorize<'a>(
        &'a self,
        request: SignIn<'a>,
    ) -> BoxFuture<'a, Result<Record, AuthorizeError>>;

    /// Whether it asks a user. `false` for a service: the session then calls it whenever a grant ends, as
    /// it would refresh a user's.
    fn is_interactive(&self) -> bool {
        true
    }

    /// Whether it can sign in at all. Where it can't, a session reports at once that a sign-in is needed:
    /// it does not wait for a user who signs in elsewhere.
    fn can_sign_in(&self) -> bool {
        true
    }

    /// A session waits for the sign-in of another process, for a user who may be looking for a window.
    /// `holder` is that process, as the store describes it. What this returns runs beside the wait, which
    /// ends with its error, and is dropped when the wait ends otherwise. The default does nothing, and sets
    /// no limit.
    fn waits_for_process<'a>(&'a self, holder: Option<&'a str>) -> BoxFuture<'a, AuthorizeError> {
        let _ = holder;
        Box::pin(std::future::pending())
    }
}

/// A request for a sign-in.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct SignIn<'a> {
    /// Who signs in where.
    pub key: &'a CredentialKey,
    /// The server's settings.
    pub settings: &'a ServerSettings,
    /// Why a sign-in is needed.
    pub reason: SignInReason,
    /// What the server said when it refused a request. Empty when nothing was asked yet.
    pub challenges: &'a [Challenge],
    /// What the server answered to a request without a token, where that is neither an answer of MCP nor a
    /// request to sign in.
    pub unexpected_status: Option<StatusCode>,
    /// Scopes that the new grant must ask for besides those it would ask for anyway: for a step-up
    /// the union of what was requested before and what is challenged now.
    pub scopes: &'a Scopes,
    /// The credential's record, with a registration that can be used again.
    pub previous: Option<&'a Record>,
    /// Keeps what must outlive a sign-in that is broken off: the registration.
    pub keep: &'a dyn RegistrationSink,
}

impl<'a> SignIn<'a> {
    /// A request with neither a challenge nor an earlier record.
    pub fn new(
        key: &'a CredentialKey,
        settings: &'a ServerSettings,
        reason: SignInReason,
        scopes: &'a Scopes,
        keep: &'a dyn RegistrationSink,
    ) -> Self {
        Self {
            key,
            settings,
            reason,
            challenges: &[],
            unexpected_status: None,
            scopes,
            previous: None,
            keep,
        }
    }

    /// The credential's record, if it is of the authorization server `issuer`.
    pub fn previous_record(&self, issuer: &Issuer) -> Option<&'a Record> {
        self.previous.filter(|record| record.issuer == *issuer)
    }

    /// The record to save: the previous one of this authorization server, or a new one, with this
    /// sign-in's metadata and settings.
    pub fn record(&self, metadata: ServerMetadata) -> Record {
        let settings = self.settings.fingerprint();
        match self.previous_record(&metadata.issuer) {
            Some(previous) => Record {
                metadata,
                settings,
                ..previous.clone()
            },
            None => Record::new(self.key.clone(), metadata, settings),
        }
    }
}

/// Why a sign-in is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignInReason {
    /// The host asked for it.
    Requested,
    /// There is no grant yet.
    First,
    /// The grant has ended: refused, expired without a refresh token, or of other settings.
    Ended,
    /// The server wants scopes that the grant lacks.
    StepUp,
    /// The server is protected by another authorization server now.
    Migration,
}

/// Saves a record in the middle of a sign-in.
pub trait RegistrationSink: Send + Sync + fmt::Debug {
    /// Saves `record` durably: a registration without a grant.
    fn save<'a>(&'a self, record: &'a Record) -> StoreFuture<'a, ()>;

    /// Saves durably when the client of `record` was last proven
    /// ([`proven_at`](crate::Registration::proven_at)), where the stored record has that client; a grant
    /// stays as it is. The default saves nothing.
    fn save_proof<'a>(&'a self, record: &'a Record) -> StoreFuture<'a, ()> {
        let _ = record;
        Box::pin(async { Ok(()) })
    }
}

/// A sign-in that failed.
#[derive(Debug)]
pub struct AuthorizeError {
    pub(crate) remedy: Remedy,
    pub(crate) hints: Vec<Hint>,
    pub(crate) source: BoxError,
}

impl AuthorizeError {
    /// An error whose cause is `source`, which is also its text. One with advice is made from a
    /// [`KindError`](crate::KindError).
    pub fn new(remedy: Remedy, source: impl Into<BoxError>) -> Self {
        Self {
            remedy,
            hints: Vec::new(),
            source: source.into(),
        }
    }

    /// Adds advice for the user.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<Hint>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// What to do about it.
    pub fn remedy(&self) -> Remedy {
        self.remedy
    }

    /// Whether there is no authorizer: a sign-in is needed, and was not tried.
    pub fn is_non_interactive(&self) -> bool {
        self.source.is::<NonInteractive>()
    }

    /// The cause, to look for a known type in.
    pub fn get_ref(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.source
    }
}

impl fmt::Display for AuthorizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.source, f)
    }
}

impl Error for AuthorizeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // Transparent: the text is the cause's own, so its source comes next.
        self.source.source()
    }
}

impl Diagnostic for AuthorizeError {
    fn remedy(&self) -> Remedy {
        self.remedy
    }

    fn hints(&self) -> Vec<Hint> {
        self.hints.clone()
    }
}

/// The authorizer of a host that has none: every sign-in is refused with [`Remedy::SignIn`].
#[derive(Debug, Clone, Copy, Default)]
pub struct NoAuthorizer;

impl Authorizer for NoAuthorizer {
    fn authorize<'a>(
        &'a self,
        request: SignIn<'a>,
    ) -> BoxFuture<'a, Result<Record, AuthorizeError>> {
        let refused = AuthorizeError::new(Remedy::SignIn, NonInteractive(request.reason));
        Box::pin(async move { Err(refused) })
    }

    fn can_sign_in(&self) -> bool {
        false
    }
}

/// Why a sign-in is needed, where there is no authorizer.
#[derive(Debug, thiserror::Error)]
#[error("{}", match self.0 {
    SignInReason::Requested | SignInReason::First => "not signed in",
    SignInReason::Ended => "the sign-in has ended",
    SignInReason::StepUp => "the server wants scopes that the sign-in did not grant",
    SignInReason::Migration => "another authorization server protects the server now",
})]
struct NonInteractive(SignInReason);
