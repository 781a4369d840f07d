//! The errors of a session.
//!
//! Four types give reasons:
//!
//! | type | says | used |
//! |---|---|---|
//! | [`SignInReason`](hallpass_core::SignInReason) | why a sign-in starts | in the request to an `Authorizer` |
//! | [`SignInCause`](hallpass_core::record::SignInCause) | why a grant has ended | in the saved record, so that every process knows it |
//! | [`SignInNeed`] | why a session has no token before a sign-in | in [`SignInRequired`]; includes a cause, and what shows only in this process: changed settings, an expired secret |
//! | [`TerminationReason`] | why nothing more can be tried for a request | in [`SessionTerminated`]; the grant has not ended, and no sign-in starts by itself |

mod refresh;
mod sign_in_required;
mod terminated;

use std::{error::Error, fmt, sync::Arc, time::Duration};

use hallpass_core::{
    AuthorizeError, CredentialKey, Diagnostic, Hint, Remedy, StoreError, TokenSourceError,
};

pub use self::{
    refresh::{RefreshError, Waiting},
    sign_in_required::{SignInNeed, SignInRequired},
    terminated::{SessionTerminated, TerminationReason},
};

/// Why there is no token. Cloning is cheap: callers that share a refresh get the same error.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum SessionError {
    /// A sign-in is needed first.
    SignInRequired(SignInRequired),
    /// A sign-in failed.
    SignIn(SignInError),
    /// The store could not read, lock or save.
    Store(Arc<StoreError>),
    /// The authorization server did not refresh the token, and the credentials are kept.
    Refresh(RefreshError),
    /// The host's token source failed.
    TokenSource(ExternalTokenError),
    /// Nothing more can be tried: a terminal error instead of a loop.
    Terminated(SessionTerminated),
    /// Other calls of this session completed first each time, with results that this call can't use.
    ConcurrentUpdate(ConcurrentUpdate),
    /// The session is closed, or no tokio runtime is running.
    Closed(Closed),
}

impl Diagnostic for SessionError {
    fn remedy(&self) -> Remedy {
        match self {
            Self::SignInRequired(_) => Remedy::SignIn,
            Self::SignIn(failed) => failed.0.remedy(),
            Self::Store(error) => error.remedy(),
            Self::Refresh(failed) => failed.remedy(),
            Self::TokenSource(failed) => failed.error.remedy(),
            Self::Terminated(ended) => ended.remedy(),
            Self::ConcurrentUpdate(_) => Remedy::Retry,
            Self::Closed(_) => Remedy::Report,
        }
    }

    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::SignInRequired(needed) => needed.hints(),
            Self::Store(error) => error.hints().to_vec(),
            Self::Refresh(failed) => failed.hints(),
            Self::TokenSource(failed) => failed.error.hints().to_vec(),
            Self::Terminated(ended) => ended.hints(),
            Self::SignIn(failed) => failed.0.hints(),
            Self::ConcurrentUpdate(_) | Self::Closed(_) => Vec::new(),
        }
    }
}

impl SessionError {
    pub(crate) fn store(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }

    pub(crate) fn token_source(origin: String, error: TokenSourceError) -> Self {
        Self::TokenSource(ExternalTokenError {
            origin: origin.into(),
            error: Arc::new(error),
        })
    }

    pub(crate) fn sign_in(key: &CredentialKey, error: AuthorizeError) -> Self {
        Self::SignIn(SignInError(Arc::new(error), Arc::new(key.clone())))
    }

    /// The same error with the remaining pause.
    #[must_use]
    pub(crate) fn with_retry_after(self, pause: Duration) -> Self {
        match self {
            Self::Refresh(failed) => Self::Refresh(failed.with_retry_after(pause)),
            error => error,
        }
    }

    pub(crate) fn concurrent_update(key: &CredentialKey) -> Self {
        Self::ConcurrentUpdate(ConcurrentUpdate(Arc::new(key.clone())))
    }

    pub(crate) fn closed(key: &CredentialKey) -> Self {
        Self::Closed(Closed(Arc::new(key.clone())))
    }
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SignInRequired(needed) => fmt::Display::fmt(needed, f),
            Self::SignIn(failed) if failed.0.is_non_interactive() => {
                write!(f, "a sign-in to {} is needed", failed.1)
            }
            Self::SignIn(failed) => write!(f, "signing in to {} failed", failed.1),
            Self::Store(_) => f.write_str("the credential store failed"),
            Self::Refresh(failed) => fmt::Display::fmt(failed, f),
            Self::TokenSource(failed) => write!(f, "could not get a token from {}", failed.origin),
            Self::Terminated(ended) => fmt::Display::fmt(ended, f),
            Self::ConcurrentUpdate(ConcurrentUpdate(key)) => write!(
                f,
                "other calls for {key} completed first each time, with results that this call can't use"
            ),
            Self::Closed(Closed(key)) => {
                write!(
                    f,
                    "the session for {key} is closed, or no tokio runtime is running"
                )
            }
        }
    }
}

impl Error for SessionError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::SignIn(failed) => Some(&*failed.0),
            Self::Store(error) => Some(&**error),
            Self::TokenSource(failed) => Some(&*failed.error),
            // These three are displayed above, so the next error is their source.
            Self::SignInRequired(needed) => needed.source(),
            Self::Refresh(failed) => failed.source(),
            Self::Terminated(ended) => ended.source(),
            Self::ConcurrentUpdate(_) | Self::Closed(_) => None,
        }
    }
}

/// A sign-in that failed.
#[derive(Debug, Clone)]
pub struct SignInError(Arc<AuthorizeError>, Arc<CredentialKey>);

impl SignInError {
    /// The authorizer's error.
    pub fn cause(&self) -> &AuthorizeError {
        &self.0
    }
}

/// A token source that failed.
#[derive(Debug, Clone)]
pub struct ExternalTokenError {
    origin: Arc<str>,
    error: Arc<TokenSourceError>,
}

impl ExternalTokenError {
    /// The source's error.
    pub fn cause(&self) -> &TokenSourceError {
        &self.error
    }

    /// The name of the source, for the user.
    pub fn origin(&self) -> &str {
        &self.origin
    }
}

/// A call that other calls always preceded.
#[derive(Debug, Clone)]
pub struct ConcurrentUpdate(Arc<CredentialKey>);

impl ConcurrentUpdate {
    /// The credential of the session.
    pub fn key(&self) -> &CredentialKey {
        &self.0
    }
}

/// A session that accepts no more calls.
#[derive(Debug, Clone)]
pub struct Closed(Arc<CredentialKey>);

impl Closed {
    /// The credential of the session.
    pub fn key(&self) -> &CredentialKey {
        &self.0
    }
}

#[cfg(test)]
mod tests;
