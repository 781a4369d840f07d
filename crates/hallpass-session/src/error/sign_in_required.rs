//! Why a sign-in is needed.

use std::{error::Error, fmt, sync::Arc};

use hallpass_core::{CredentialKey, Diagnostic, Hint, Issuer, Remedy, record::SignInCause};
use hallpass_oauth::TokenError;

/// A sign-in is needed before there is a token.
#[derive(Debug, Clone)]
pub struct SignInRequired {
    key: Arc<CredentialKey>,
    need: Arc<SignInNeed>,
    source: Option<Arc<TokenError>>,
    hint: Option<Box<Hint>>,
}

/// Why a sign-in is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignInNeed {
    /// There was no sign-in yet.
    First,
    /// The grant has ended, for this cause.
    Ended(SignInCause),
    /// The stored metadata names no token endpoint to refresh at.
    NoTokenEndpoint,
    /// No client is stored that the refresh token was issued to.
    NoClient,
    /// The stored key that the grant is bound to can't be read (RFC 9449 §5).
    DpopKeyUnreadable,
    /// This setting has changed since the last sign-in.
    SettingChanged(String),
    /// The client's secret has expired (RFC 7591 §3.2.1), so the client has to register again.
    SecretExpired,
    /// The authorization server no longer accepts the registered client, so it has to register again.
    ClientForgotten,
    /// The authorization server refuses the refresh request, and does not say that the grant has ended. The
    /// grant is kept, and the refresh is tried again after a pause.
    RefreshRequestRefused,
    /// Another authorization server than the one that issued the grant protects the server now.
    Migrated(Issuer),
}

impl SignInRequired {
    pub(crate) fn new(key: &CredentialKey, need: SignInNeed) -> Self {
        Self {
            key: Arc::new(key.clone()),
            need: Arc::new(need),
            source: None,
            hint: None,
        }
    }

    #[must_use]
    pub(crate) fn with_source(mut self, source: Arc<TokenError>) -> Self {
        self.source = Some(source);
        self
    }

    /// The same, with a hint beside those of its reason.
    #[must_use]
    pub(crate) fn with_hint(mut self, hint: Option<Hint>) -> Self {
        self.hint = hint.map(Box::new);
        self
    }

    /// The credential.
    pub fn key(&self) -> &CredentialKey {
        &self.key
    }

    /// Why.
    pub fn need(&self) -> &SignInNeed {
        &self.need
    }

    /// The cause as a record has it; `None` when there was no sign-in yet, or the record is incomplete.
    pub fn cause(&self) -> Option<SignInCause> {
        match &*self.need {
            SignInNeed::First
            | SignInNeed::NoTokenEndpoint
            | SignInNeed::NoClient
            | SignInNeed::DpopKeyUnreadable => None,
            SignInNeed::Ended(cause) => Some(cause.clone()),
            SignInNeed::SettingChanged(_) => Some(SignInCause::SettingsChanged),
            SignInNeed::SecretExpired
            | SignInNeed::ClientForgotten
            | SignInNeed::RefreshRequestRefused => Some(SignInCause::RefreshRefused),
            SignInNeed::Migrated(_) => Some(SignInCause::IssuerChanged),
        }
    }

    /// The setting that has changed, if that is the reason.
    pub fn setting(&self) -> Option<&str> {
        match &*self.need {
            SignInNeed::SettingChanged(name) => Some(name),
            _ => None,
        }
    }
}

impl Diagnostic for SignInRequired {
    fn remedy(&self) -> Remedy {
        Remedy::SignIn
    }

    fn hints(&self) -> Vec<Hint> {
        let mut hints = match &*self.need {
            SignInNeed::SettingChanged(_) => vec![Hint::text(
                "if the new setting is not meant, set it back to what it was",
            )],
            // The sign-in is the remedy; the hint of the error would name another.
            SignInNeed::ClientForgotten => Vec::new(),
            _ => self
                .source
                .as_ref()
                .map_or_else(Vec::new, |error| error.hints()),
        };
        hints.extend(self.hint.as_deref().cloned());
        hints
    }
}

impl fmt::Display for SignInRequired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a sign-in to {} is needed: ", self.key)?;
        match &*self.need {
            SignInNeed::First => f.write_str("not signed in"),
            SignInNeed::Ended(cause) => write!(f, "{cause}"),
            SignInNeed::SettingChanged(name) => {
                write!(f, "the setting `{name}` has changed since the last sign-in")
            }
            SignInNeed::NoTokenEndpoint => {
                f.write_str("the stored metadata of the authorization server has no token endpoint")
            }
            SignInNeed::NoClient => {
                f.write_str("the client that the refresh token was issued to is not stored")
            }
            SignInNeed::DpopKeyUnreadable => {
                f.write_str("the stored key that the refresh token is bound to can't be read")
            }
            SignInNeed::SecretExpired => f.write_str("the client's secret has expired"),
            SignInNeed::ClientForgotten => f.write_str(
                "the authorization server no longer accepts the client that was registered there",
            ),
            SignInNeed::RefreshRequestRefused => {
                f.write_str("the authorization server refuses to refresh the access token")
            }
            SignInNeed::Migrated(issuer) => {
                write!(
                    f,
                    "the authorization server {issuer} protects the server now"
                )
            }
        }
    }
}

impl Error for SignInRequired {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|error| error as _)
    }
}
