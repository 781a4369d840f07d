//! What to do about an error, as data.

use std::{collections::BTreeMap, error::Error, fmt, time::Duration};

use serde::{Serialize, Serializer};

/// An error that says what to do about it.
///
/// A host decides by [`remedy`](Self::remedy) and shows the [`hints`](Self::hints). It never has to
/// read the error's text.
pub trait Diagnostic: Error {
    /// What a host can do.
    fn remedy(&self) -> Remedy;

    /// Advice for the user, the likeliest first.
    fn hints(&self) -> Vec<Hint> {
        Vec::new()
    }
}

/// What a host can do about an error.
///
/// Exhaustive on purpose: a host decides by it, and a fifth one would fall into its last arm
/// unnoticed. Finer distinctions are in the errors themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Remedy {
    /// Nothing is lost; the same call may succeed later.
    Retry,
    /// The user (or the service) has to sign in again.
    SignIn,
    /// A setting, a certificate or a file has to change; trying again won't help.
    Configure,
    /// The server or Hallpass misbehaves: contact the operator.
    Report,
}

impl Remedy {
    /// The word for it in reports and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::SignIn => "sign-in",
            Self::Configure => "configure",
            Self::Report => "report",
        }
    }
}

/// One piece of advice. A program turns it into a command of its own; `Display` is for hosts that
/// have none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
#[non_exhaustive]
pub enum Hint {
    /// Change a setting, and sign in again where the credentials depend on it.
    Setting {
        /// A field of [`ServerSettings`](crate::ServerSettings) or of the HTTP client's
        /// configuration, or `max_message_size`.
        setting: &'static str,
        /// The value to set; `None` where only the user knows.
        value: Option<String>,
    },
    /// Change several settings together, of which one alone does not help.
    Settings {
        /// Their names, and the values to set, as those of [`Setting`](Self::Setting).
        settings: BTreeMap<&'static str, Option<String>>,
    },
    /// Sign in.
    SignIn,
    /// Forget the registered client, and sign in.
    ForgetClient,
    /// Leave out the external source of the tokens, and sign in.
    LeaveOutTokenSource,
    /// Move the files of the credential store out of the way, and start over. What they hold is lost if
    /// they can't be repaired.
    ResetStore,
    /// Move the damaged file of an account's credentials out of the way, and sign in again. It is not deleted.
    ForgetCredentials,
    /// Allow the diagnosis to refresh the token.
    Refresh,
    /// Use another URL of the server.
    Url {
        /// The URL.
        url: String,
    },
    /// Try again.
    Retry {
        /// How long to wait first, where the server says so.
        #[serde(serialize_with = "seconds")]
        after: Option<Duration>,
    },
    /// Contact the operator of a server.
    ContactOperator {
        /// Which server, by its host or its role.
        server: String,
    },
    /// Anything else.
    Text {
        /// The advice.
        text: String,
    },
}

impl Hint {
    /// The settings that the hints of Hallpass name. A program has an option for each.
    pub const SETTINGS: &[&str] = &[
        "allow_mismatch",
        "authorize_parameters",
        "callback",
        "callback.host",
        "callback.path",
        "client",
        "client.auth_method",
        "client.secret",
        "client_identity",
        "dpop",
        "endpoints",
        "endpoints.authorization",
        "endpoints.registration",
        "endpoints.revocation",
        "endpoints.token",
        "headers",
        "issuer",
        "legacy_discovery",
        "max_message_size",
        "pkce",
        "proxy",
        "refresh_scope",
        "resource",
        "resource_metadata_url",
        "scopes",
        "server_metadata_url",
        "trust",
        "trusted_issuers",
    ];

    /// Advice in words.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into() }
    }

    /// Set `setting` to `value`; `None` where only the user knows.
    pub fn setting(setting: &'static str, value: Option<&str>) -> Self {
        Self::Setting {
            setting,
            value: value.map(str::to_owned),
        }
    }

    /// Set all of `settings` together; `None` where only the user knows a value.
    pub fn settings<'a>(
        settings: impl IntoIterator<Item = (&'static str, Option<&'a str>)>,
    ) -> Self {
        let settings = settings.into_iter();
        Self::Settings {
            settings: settings
                .map(|(name, value)| (name, value.map(str::to_owned)))
                .collect(),
        }
    }

    /// Request a token for another resource than the server's own (RFC 8707 §2); only the user knows
    /// which.
    pub fn other_resource() -> Self {
        Self::settings([("allow_mismatch", Some("true")), ("resource", None)])
    }

    /// Contact the operator of `server`.
    pub fn contact_operator(server: impl Into<String>) -> Self {
        Self::ContactOperator {
            server: server.into(),
        }
    }
}

impl From<String> for Hint {
    fn from(text: String) -> Self {
        Self::Text { text }
    }
}

impl From<&str> for Hint {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setting { setting, value } => {
                f.write_str("set ")?;
                setting_value(f, setting, value.as_deref())
            }
            Self::Settings { settings } => {
                f.write_str("set ")?;
                for (index, (setting, value)) in settings.iter().enumerate() {
                    if index > 0 {
                        f.write_str(" and ")?;
                    }
                    setting_value(f, setting, value.as_deref())?;
                }
                Ok(())
            }
            Self::SignIn => f.write_str("sign in"),
            Self::ForgetClient => f.write_str("forget the registered client, and sign in"),
            Self::LeaveOutTokenSource => {
                f.write_str("leave out the external source of the tokens, and sign in")
            }
            Self::ResetStore => f.write_str("if it is lost, reset the credential store"),
            Self::ForgetCredentials => f.write_str("else move it out of the way and sign in again"),
            Self::Refresh => f.write_str("diagnose again and allow a refresh"),
            Self::Url { url } => write!(f, "use the URL {url}"),
            Self::Retry { after: None } => f.write_str("try again later"),
            Self::Retry { after: Some(after) } => {
                write!(f, "try again in {}", format_duration(*after))
            }
            Self::ContactOperator { server } => write!(f, "contact the operator of {server}"),
            Self::Text { text } => f.write_str(text),
        }
    }
}

fn setting_value(f: &mut fmt::Formatter<'_>, name: &str, value: Option<&str>) -> fmt::Result {
    match value {
        Some(value) => write!(f, "`{name}` to `{value}`"),
        None => write!(f, "`{name}`"),
    }
}

#[expect(clippy::ref_option, reason = "serde's signature")]
fn seconds<S: Serializer>(after: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    after.map(whole_seconds).serialize(serializer)
}

/// Rounded up.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// A duration in its largest unit, rounded up.
fn format_duration(duration: Duration) -> String {
    match whole_seconds(duration) {
        seconds @ 0..=119 => format!("{seconds} s"),
        seconds @ 120..=7_199 => format!("{} min", seconds.div_ceil(60)),
        seconds => format!("{} h", seconds.div_ceil(3_600)),
    }
}

/// Implements [`Diagnostic`] by a type's own `remedy`, and its `hint` where it has one.
#[doc(hidden)]
#[macro_export]
macro_rules! impl_diagnostic {
    ($type:ty) => {
        impl $crate::Diagnostic for $type {
            fn remedy(&self) -> $crate::Remedy {
                <$type>::remedy(self)
            }
        }
    };
    ($type:ty, hint) => {
        impl $crate::Diagnostic for $type {
            fn remedy(&self) -> $crate::Remedy {
                <$type>::remedy(self)
            }

            fn hints(&self) -> Vec<$crate::Hint> {
                self.hint().into_iter().map($crate::Hint::text).collect()
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remedy_word_and_json_are_the_same() {
        for remedy in [
            Remedy::Retry,
            Remedy::SignIn,
            Remedy::Configure,
            Remedy::Report,
        ] {
            let json = serde_json::to_string(&remedy).unwrap_or_default();
            assert_eq!(json, format!("\"{}\"", remedy.as_str()));
        }
    }

    #[test]
    fn hint_display_and_json_say_the_same() {
        for (hint, text, json) in [
            (
                Hint::setting("resource", Some("https://a.example")),
                "set `resource` to `https://a.example`",
                r#"{"kind":"setting","setting":"resource","value":"https://a.example"}"#,
            ),
            (
                Hint::settings([
                    ("endpoints.token", Some("https://a.example/t")),
                    ("client", None),
                ]),
                "set `client` and `endpoints.token` to `https://a.example/t`",
                r#"{"kind":"settings","settings":{"client":null,"endpoints.token":"https://a.example/t"}}"#,
            ),
            (Hint::SignIn, "sign in", r#"{"kind":"sign-in"}"#),
            (
                Hint::LeaveOutTokenSource,
                "leave out the external source of the tokens, and sign in",
                r#"{"kind":"leave-out-token-source"}"#,
            ),
            (
                Hint::ResetStore,
                "if it is lost, reset the credential store",
                r#"{"kind":"reset-store"}"#,
            ),
            (
                Hint::ForgetCredentials,
                "else move it out of the way and sign in again",
                r#"{"kind":"forget-credentials"}"#,
            ),
            (
                Hint::Retry {
                    after: Some(Duration::from_secs(7)),
                },
                "try again in 7 s",
                r#"{"kind":"retry","after":7}"#,
            ),
            (
                Hint::contact_operator("as.example"),
                "contact the operator of as.example",
                r#"{"kind":"contact-operator","server":"as.example"}"#,
            ),
            (
                Hint::text("look"),
                "look",
                r#"{"kind":"text","text":"look"}"#,
            ),
        ] {
            assert_eq!(hint.to_string(), text);
            assert_eq!(serde_json::to_string(&hint).unwrap_or_default(), json);
        }
    }
}
