//! The stated ends.

use std::{error::Error, fmt, sync::Arc};

use hallpass_core::{Remedy, Scopes};
use hallpass_discovery::DiscoveryError;

/// There is nothing left to try for this request. The credentials are kept.
#[derive(Debug, Clone)]
pub struct SessionTerminated {
    why: TerminationReason,
    source: Option<Arc<DiscoveryError>>,
}

/// What has been tried in vain.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TerminationReason {
    /// The server refuses a token that was obtained just now, and no other authorization server
    /// protects it.
    FreshTokenRefused,
    /// The server wants scopes that were asked for already, and that the authorization server did not
    /// grant or the server does not see.
    ScopesAskedBefore(Scopes),
    /// The server says `insufficient_scope` and does not say which scopes would do.
    NoScopesNamed,
    /// As many step-ups as allowed were tried for these scopes.
    TooManyStepUps(Scopes),
    /// The access token holds characters that no header can carry.
    UnusableToken,
    /// The server refuses the token of this source, which has no other.
    HandedInRefused(String),
    /// The token of this source lacks these scopes.
    HandedInLacks(String, Scopes),
}

impl SessionTerminated {
    pub(crate) fn new(why: TerminationReason) -> Self {
        Self { why, source: None }
    }

    pub(crate) fn unusable_token() -> Self {
        Self::new(TerminationReason::UnusableToken)
    }

    #[must_use]
    pub(crate) fn with_source(mut self, source: DiscoveryError) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// What has been tried in vain.
    pub fn why(&self) -> &TerminationReason {
        &self.why
    }

    /// Why the metadata could not be read again, if that is how it came to this end.
    pub fn discovery_error(&self) -> Option<&DiscoveryError> {
        self.source.as_deref()
    }

    pub(crate) fn remedy(&self) -> Remedy {
        match &self.why {
            TerminationReason::FreshTokenRefused
            | TerminationReason::UnusableToken
            | TerminationReason::NoScopesNamed => Remedy::Report,
            TerminationReason::ScopesAskedBefore(_)
            | TerminationReason::HandedInRefused(_)
            | TerminationReason::HandedInLacks(..) => Remedy::Configure,
            TerminationReason::TooManyStepUps(_) => Remedy::SignIn,
        }
    }

    pub(crate) fn hint(&self) -> Option<String> {
        match &self.why {
            TerminationReason::FreshTokenRefused => Some(
                "the server may expect another audience: compare its `resource` with the one the \
                 token was asked for, or sign in again"
                    .to_owned(),
            ),
            TerminationReason::ScopesAskedBefore(scopes) => Some(format!(
                "ask whoever runs the authorization server to grant `{scopes}` to this account"
            )),
            TerminationReason::TooManyStepUps(scopes) => {
                Some(format!("sign in and grant `{scopes}` on the consent page"))
            }
            TerminationReason::NoScopesNamed => {
                Some("set `scopes` for this server to what it documents, and sign in".to_owned())
            }
            TerminationReason::HandedInRefused(origin)
            | TerminationReason::HandedInLacks(origin, _) => Some(format!(
                "see to it that {origin} gives a token that the server takes"
            )),
            TerminationReason::UnusableToken => None,
        }
    }
}

impl fmt::Display for SessionTerminated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            TerminationReason::FreshTokenRefused => {
                f.write_str("the server refuses a token that was issued just now")
            }
            TerminationReason::ScopesAskedBefore(scopes) => write!(
                f,
                "the server wants the scopes `{scopes}`, which were asked for already"
            ),
            TerminationReason::NoScopesNamed => {
                f.write_str("the server wants more scopes and does not say which")
            }
            TerminationReason::TooManyStepUps(scopes) => write!(
                f,
                "the server wants the scopes `{scopes}`, and two step-ups for them came to nothing"
            ),
            TerminationReason::HandedInRefused(origin) => {
                write!(f, "the server refuses the token from {origin}")
            }
            TerminationReason::HandedInLacks(origin, scopes) if scopes.is_empty() => {
                write!(
                    f,
                    "the server wants more scopes than the token from {origin} has"
                )
            }
            TerminationReason::HandedInLacks(origin, scopes) => write!(
                f,
                "the server wants the scopes `{scopes}`, which the token from {origin} lacks"
            ),
            TerminationReason::UnusableToken => {
                f.write_str("the access token holds characters that no header can carry")
            }
        }
    }
}

impl Error for SessionTerminated {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|error| error as _)
    }
}
