//! What can keep a session from giving a token.

mod ended;
mod need;
mod refresh;

use std::{error::Error, fmt, sync::Arc, time::Duration};

use hallpass_core::{AuthorizeError, Remedy, Slot, StoreError, TokenSourceError};

pub use self::{
    ended::{Ended, EndedWhy},
    need::{Need, SignInNeeded},
    refresh::{RefreshFailed, Waiting},
};

/// Why there is no token. Cloning it is cheap: callers who wait for the same refresh get the same
/// error.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum SessionError {
    /// Somebody has to sign in first.
    SignInNeeded(SignInNeeded),
    /// A sign-in was tried and came to nothing.
    SignIn(SignInFailed),
    /// The store could not read, lock or save.
    Store(StoreFailed),
    /// The authorization server did not refresh the token, and the credentials are kept.
    Refresh(RefreshFailed),
    /// The source that the tokens come from has none to give.
    TokenSource(TokenSourceFailed),
    /// There is nothing left to try: a stated end instead of a loop.
    Ended(Ended),
    /// Other calls of this session came first, again and again, and what they got is not what this
    /// one needs.
    Overtaken(Overtaken),
    /// The session is closed, or no tokio runtime runs here.
    Closed(Closed),
}

impl SessionError {
    /// What a host can do about it.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::SignInNeeded(_) => Remedy::SignIn,
            Self::SignIn(failed) => failed.0.remedy(),
            Self::Store(failed) => failed.0.remedy(),
            Self::Refresh(failed) => failed.remedy(),
            Self::TokenSource(failed) => failed.error.remedy(),
            Self::Ended(ended) => ended.remedy(),
            Self::Overtaken(_) => Remedy::Retry,
            Self::Closed(_) => Remedy::Report,
        }
    }

    /// Advice for a person, if there is any.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::SignInNeeded(needed) => needed.hint(),
            Self::Store(failed) => failed.0.hint().map(str::to_owned),
            Self::Refresh(failed) => failed.hint(),
            Self::TokenSource(failed) => failed.error.hint().map(str::to_owned),
            Self::Ended(ended) => ended.hint(),
            Self::SignIn(failed) => failed.0.hint().map(str::to_owned),
            Self::Overtaken(_) | Self::Closed(_) => None,
        }
    }

    pub(crate) fn store(error: StoreError) -> Self {
        Self::Store(StoreFailed(Arc::new(error)))
    }

    pub(crate) fn token_source(origin: String, error: TokenSourceError) -> Self {
        Self::TokenSource(TokenSourceFailed {
            origin: origin.into(),
            error: Arc::new(error),
        })
    }

    pub(crate) fn sign_in(slot: &Slot, error: AuthorizeError) -> Self {
        Self::SignIn(SignInFailed(Arc::new(error), Arc::new(slot.clone())))
    }

    /// The same error, when the pause that it began has this much left.
    #[must_use]
    pub(crate) fn after(self, pause: Duration) -> Self {
        match self {
            Self::Refresh(failed) => Self::Refresh(failed.after(pause)),
            error => error,
        }
    }

    pub(crate) fn overtaken(slot: &Slot) -> Self {
        Self::Overtaken(Overtaken(Arc::new(slot.clone())))
    }

    pub(crate) fn closed(slot: &Slot) -> Self {
        Self::Closed(Closed(Arc::new(slot.clone())))
    }
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SignInNeeded(needed) => fmt::Display::fmt(needed, f),
            Self::SignIn(failed) if failed.0.is_nobody_asked() => {
                write!(f, "a sign-in to {} is needed", failed.1)
            }
            Self::SignIn(failed) => write!(f, "signing in to {} did not come to a grant", failed.1),
            Self::Store(_) => f.write_str("the credential store is in trouble"),
            Self::Refresh(failed) => fmt::Display::fmt(failed, f),
            Self::TokenSource(failed) => write!(f, "{} has no token to give", failed.origin),
            Self::Ended(ended) => fmt::Display::fmt(ended, f),
            Self::Overtaken(Overtaken(slot)) => write!(
                f,
                "other calls for {slot} came first each time, and got something else"
            ),
            Self::Closed(Closed(slot)) => {
                write!(
                    f,
                    "the session for {slot} is closed, or its runtime has gone"
                )
            }
        }
    }
}

impl Error for SessionError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::SignIn(failed) => Some(&*failed.0),
            Self::Store(failed) => Some(&*failed.0),
            Self::TokenSource(failed) => Some(&*failed.error),
            // These three print themselves above, so their source comes next.
            Self::SignInNeeded(needed) => needed.source(),
            Self::Refresh(failed) => failed.source(),
            Self::Ended(ended) => ended.source(),
            Self::Overtaken(_) | Self::Closed(_) => None,
        }
    }
}

/// A sign-in that came to nothing.
#[derive(Debug, Clone)]
pub struct SignInFailed(Arc<AuthorizeError>, Arc<Slot>);

impl SignInFailed {
    /// What the authorizer said.
    pub fn cause(&self) -> &AuthorizeError {
        &self.0
    }
}

/// A store in trouble.
#[derive(Debug, Clone)]
pub struct StoreFailed(Arc<StoreError>);

impl StoreFailed {
    /// What the store said.
    pub fn cause(&self) -> &StoreError {
        &self.0
    }
}

/// A source of tokens that has none.
#[derive(Debug, Clone)]
pub struct TokenSourceFailed {
    origin: Arc<str>,
    error: Arc<TokenSourceError>,
}

impl TokenSourceFailed {
    /// What the source said.
    pub fn cause(&self) -> &TokenSourceError {
        &self.error
    }

    /// Where the tokens come from, in words for a person.
    pub fn origin(&self) -> &str {
        &self.origin
    }
}

/// A call whose turn did not come.
#[derive(Debug, Clone)]
pub struct Overtaken(Arc<Slot>);

impl Overtaken {
    /// Whose session it is.
    pub fn slot(&self) -> &Slot {
        &self.0
    }
}

/// A session that takes no more work.
#[derive(Debug, Clone)]
pub struct Closed(Arc<Slot>);

impl Closed {
    /// Whose session it was.
    pub fn slot(&self) -> &Slot {
        &self.0
    }
}

#[cfg(test)]
mod tests;
