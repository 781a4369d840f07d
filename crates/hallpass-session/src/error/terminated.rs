//! Terminal errors.

use std::{error::Error, fmt, sync::Arc};

use hallpass_core::{Diagnostic, Hint, Remedy, Scopes, ServerWords};
use hallpass_discovery::DiscoveryError;

/// Nothing more can be tried for this request. The credentials are kept.
#[derive(Debug, Clone)]
pub struct SessionTerminated {
    reason: TerminationReason,
    /// Whether the token may be one of a refresh that did not name its scopes.
    lacks_refresh_scope: bool,
    /// What the server says about the token that it refuses.
    words: Option<Arc<ServerWords>>,
    source: Option<Arc<DiscoveryError>>,
}

/// Why nothing more can be tried.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TerminationReason {
    /// The server refuses a new token, and no other authorization server protects it.
    FreshTokenRefused,
    /// The server requires scopes that were requested before, and that the authorization server did not
    /// grant or the server does not recognize.
    ScopesAskedBefore(Scopes),
    /// The server says `insufficient_scope` and does not name the scopes.
    NoScopesNamed,
    /// The limit of step-ups for these scopes is reached.
    TooManyStepUps(Scopes),
    /// The access token contains characters that are not allowed in a header.
    UnusableToken,
    /// The server refuses the token of this source, and the source has no other.
    ExternalTokenRefused(String),
    /// The token of this source lacks these scopes.
    ExternalTokenLacksScopes(String, Scopes),
}

impl SessionTerminated {
    pub(crate) fn new(reason: TerminationReason) -> Self {
        Self {
            reason,
            lacks_refresh_scope: false,
            words: None,
            source: None,
        }
    }

    /// A new token is refused. `lacks_refresh_scope` says whether it may be one of a refresh that did
    /// not name its scopes.
    pub(crate) fn fresh_token_refused(lacks_refresh_scope: bool) -> Self {
        Self {
            lacks_refresh_scope,
            ..Self::new(TerminationReason::FreshTokenRefused)
        }
    }

    pub(crate) fn unusable_token() -> Self {
        Self::new(TerminationReason::UnusableToken)
    }

    #[must_use]
    pub(crate) fn with_source(mut self, source: DiscoveryError) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    #[must_use]
    pub(crate) fn with_words(mut self, words: Option<ServerWords>) -> Self {
        self.words = words.map(Arc::new);
        self
    }

    /// Why nothing more can be tried.
    pub fn reason(&self) -> &TerminationReason {
        &self.reason
    }
}

impl Diagnostic for SessionTerminated {
    fn remedy(&self) -> Remedy {
        match &self.reason {
            TerminationReason::FreshTokenRefused
            | TerminationReason::UnusableToken
            | TerminationReason::NoScopesNamed => Remedy::Report,
            TerminationReason::ScopesAskedBefore(_)
            | TerminationReason::ExternalTokenRefused(_)
            | TerminationReason::ExternalTokenLacksScopes(..) => Remedy::Configure,
            TerminationReason::TooManyStepUps(_) => Remedy::SignIn,
        }
    }

    fn hints(&self) -> Vec<Hint> {
        match &self.reason {
            TerminationReason::FreshTokenRefused => {
                let mut hints = vec![
                    Hint::text(
                        "the server may expect another audience: compare its `resource` with the \
                         one the token was requested for",
                    ),
                    Hint::SignIn,
                ];
                if self.lacks_refresh_scope {
                    hints.extend([
                        Hint::setting("refresh_scope", Some("true")),
                        Hint::text(
                            "if the server accepts the token of a sign-in and refuses each that a \
                             refresh brings, a refresh has to name the scopes",
                        ),
                    ]);
                }
                hints
            }
            TerminationReason::ScopesAskedBefore(scopes) => vec![Hint::text(format!(
                "ask the authorization server's operator to grant `{scopes}` to this account"
            ))],
            TerminationReason::TooManyStepUps(scopes) => vec![
                Hint::SignIn,
                Hint::text(format!("and grant `{scopes}` on the consent page")),
            ],
            TerminationReason::NoScopesNamed => vec![Hint::setting("scopes", None)],
            TerminationReason::ExternalTokenRefused(origin)
            | TerminationReason::ExternalTokenLacksScopes(origin, _) => vec![
                Hint::text(format!(
                    "make sure that {origin} provides a token that the server accepts"
                )),
                Hint::LeaveOutTokenSource,
            ],
            TerminationReason::UnusableToken => Vec::new(),
        }
    }
}

impl fmt::Display for SessionTerminated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            TerminationReason::FreshTokenRefused => {
                f.write_str("the server refuses a token that was issued just now")
            }
            TerminationReason::ScopesAskedBefore(scopes) => write!(
                f,
                "the server requires the scopes `{scopes}`, which were already requested"
            ),
            TerminationReason::NoScopesNamed => {
                f.write_str("the server requires more scopes and does not name them")
            }
            TerminationReason::TooManyStepUps(scopes) => write!(
                f,
                "the server requires the scopes `{scopes}`, and two step-ups for them failed"
            ),
            TerminationReason::ExternalTokenRefused(origin) => {
                write!(f, "the server refuses the token from {origin}")
            }
            TerminationReason::ExternalTokenLacksScopes(origin, scopes) if scopes.is_empty() => {
                write!(
                    f,
                    "the server requires more scopes than the token from {origin} has"
                )
            }
            TerminationReason::ExternalTokenLacksScopes(origin, scopes) => write!(
                f,
                "the server requires the scopes `{scopes}`, which the token from {origin} lacks"
            ),
            TerminationReason::UnusableToken => {
                f.write_str("the access token contains characters that are not allowed in a header")
            }
        }
    }
}

impl Error for SessionTerminated {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.words {
            Some(words) => Some(&**words),
            None => self.source.as_deref().map(|error| error as _),
        }
    }
}
