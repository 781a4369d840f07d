//! Where a session's tokens come from.
//!
//! | origin | a token comes from |
//! |---|---|
//! | [stored](crate::stored_token) | the record in the store; its refresh token gets the next one |
//! | [service](crate::service_sign_in) | the same record; a sign-in without a user gets the next one |
//! | [external](crate::external_token) | a [`TokenSource`] of the host |

use std::fmt;

use hallpass_core::{BoxFuture, Challenge, TokenSource};

use crate::{error::SessionError, token::Token};

/// Which token a caller needs.
#[derive(Debug, Clone)]
pub(crate) enum RefreshIntent {
    /// A fresh one.
    Fresh,
    /// Another than this one, which the server refused.
    Replace(Token),
    /// Another than this one, which is still valid.
    Refresh(Token),
}

impl RefreshIntent {
    pub(crate) fn accepts(&self, token: &Token) -> bool {
        match self {
            Self::Fresh => true,
            Self::Replace(other) | Self::Refresh(other) => !other.same(token),
        }
    }

    /// Whether the present token is used while it is valid when a refresh returns no newer one.
    pub(crate) fn accepts_old(&self) -> bool {
        matches!(self, Self::Fresh | Self::Refresh(_))
    }

    /// Whether the work for this intent does all that can be done for `other`.
    pub(crate) fn covers(&self, other: &RefreshIntent) -> bool {
        match (self, other) {
            (_, Self::Fresh) => true,
            (Self::Replace(one), Self::Replace(other) | Self::Refresh(other))
            | (Self::Refresh(one), Self::Refresh(other)) => one.same(other),
            (Self::Fresh | Self::Refresh(_), _) => false,
        }
    }
}

/// The origin of a session's tokens.
pub(crate) trait TokenOrigin: fmt::Debug + Send + Sync {
    /// The token that `intent` asks for, without a sign-in.
    fn renew<'a>(
        &'a self,
        intent: RefreshIntent,
        challenges: &'a [Challenge],
    ) -> BoxFuture<'a, Result<Token, SessionError>>;

    /// A fresh token for a caller that has sent no request yet.
    fn token(&self) -> BoxFuture<'_, Result<Token, SessionError>> {
        self.renew(RefreshIntent::Fresh, &[])
    }

    /// Starts to replace a token that is still valid. No caller waits.
    fn refresh_in_background(&self, token: Token);

    /// The host's source, if the tokens come from one. No sign-in is possible then.
    fn external(&self) -> Option<&dyn TokenSource> {
        None
    }
}
