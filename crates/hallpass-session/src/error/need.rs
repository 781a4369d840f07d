//! Why somebody has to sign in.

use std::{error::Error, fmt, sync::Arc};

use hallpass_core::{Issuer, Slot, record::SignInCause};
use hallpass_oauth::TokenError;

/// Somebody has to sign in before there is a token.
#[derive(Debug, Clone)]
pub struct SignInNeeded {
    slot: Arc<Slot>,
    need: Arc<Need>,
    source: Option<Arc<TokenError>>,
}

/// What a sign-in is needed for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Need {
    /// Nobody has signed in yet.
    First,
    /// The credentials have ended, for this cause.
    Ended(SignInCause),
    /// This setting is another than when somebody signed in.
    SettingChanged(String),
    /// The client's secret has expired (RFC 7591 §3.2.1), so the client has to register anew.
    SecretExpired,
    /// The authorization server no longer knows the client that was registered there, so it has to
    /// register anew.
    ClientForgotten,
    /// This authorization server protects the server now, another than the one that issued the
    /// credentials.
    Migrated(Issuer),
}

impl SignInNeeded {
    pub(crate) fn new(slot: &Slot, need: Need) -> Self {
        Self {
            slot: Arc::new(slot.clone()),
            need: Arc::new(need),
            source: None,
        }
    }

    #[must_use]
    pub(crate) fn with_source(mut self, source: Arc<TokenError>) -> Self {
        self.source = Some(source);
        self
    }

    /// Who has to sign in where.
    pub fn slot(&self) -> &Slot {
        &self.slot
    }

    /// What for.
    pub fn need(&self) -> &Need {
        &self.need
    }

    /// The same as it is kept in a record; `None` when nobody has signed in yet.
    pub fn cause(&self) -> Option<SignInCause> {
        match &*self.need {
            Need::First => None,
            Need::Ended(cause) => Some(cause.clone()),
            Need::SettingChanged(_) => Some(SignInCause::SettingsChanged),
            Need::SecretExpired | Need::ClientForgotten => Some(SignInCause::RefreshRefused),
            Need::Migrated(_) => Some(SignInCause::IssuerChanged),
        }
    }

    /// The setting that has changed, if that is the reason.
    pub fn setting(&self) -> Option<&str> {
        match &*self.need {
            Need::SettingChanged(name) => Some(name),
            _ => None,
        }
    }

    pub(crate) fn hint(&self) -> Option<String> {
        match &*self.need {
            Need::SettingChanged(name) => Some(format!(
                "sign in again, or set `{name}` back to what it was"
            )),
            // The sign-in mends it; the error alone would name other means.
            Need::ClientForgotten => None,
            _ => self.source.as_ref().and_then(|error| error.hint()),
        }
    }
}

impl fmt::Display for SignInNeeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a sign-in to {} is needed: ", self.slot)?;
        match &*self.need {
            Need::First => f.write_str("nobody has signed in yet"),
            Need::Ended(cause) => write!(f, "{cause}"),
            Need::SettingChanged(name) => {
                write!(
                    f,
                    "the setting `{name}` is another than at the last sign-in"
                )
            }
            Need::SecretExpired => f.write_str("the client's secret has expired"),
            Need::ClientForgotten => f.write_str(
                "the authorization server no longer accepts the client that was registered there",
            ),
            Need::Migrated(issuer) => {
                write!(
                    f,
                    "the authorization server {issuer} protects the server now"
                )
            }
        }
    }
}

impl Error for SignInNeeded {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|error| error as _)
    }
}
