//! The port to access tokens that are obtained and renewed elsewhere.

use std::{fmt, time::Duration};

use crate::{AccessToken, BoxFuture, KindError, Remedy};

/// Hands out a bearer token (RFC 6750): from a variable, a file, a command, a secret store.
///
/// A session with a source takes every token from it. It registers nowhere, signs no user in, refreshes
/// nothing and keeps nothing.
pub trait TokenSource: Send + Sync + fmt::Debug {
    /// The present token. Asked when there is none yet, when the last one [lasts](Self::lasts) no
    /// longer, and once after the server refused it.
    fn read(&self) -> BoxFuture<'_, Result<AccessToken, TokenSourceError>>;

    /// How long a token is used before the source is asked again, in whole seconds, for a source
    /// that may have changed by then. `None`: until it is refused.
    fn lasts(&self) -> Option<Duration> {
        None
    }

    /// Where the tokens come from, in words for a user: "the file `…`". No secret is among them.
    fn describe(&self) -> String;
}

/// One token, as long as the server takes it.
#[derive(Debug, Clone)]
pub struct FixedToken {
    token: AccessToken,
    origin: String,
}

impl FixedToken {
    /// A token, and where it comes from: "the environment variable `…`".
    pub fn new(token: AccessToken, origin: impl Into<String>) -> Self {
        Self {
            token,
            origin: origin.into(),
        }
    }
}

impl TokenSource for FixedToken {
    fn read(&self) -> BoxFuture<'_, Result<AccessToken, TokenSourceError>> {
        let token = self.token.clone();
        Box::pin(async move { Ok(token) })
    }

    fn describe(&self) -> String {
        self.origin.clone()
    }
}

/// A source that has no token to give.
pub type TokenSourceError = KindError<Remedy>;
