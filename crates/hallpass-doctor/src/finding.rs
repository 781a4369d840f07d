//! What was found: a code, whose it is, and the line that mends it.

use std::error::Error;

use hallpass_core::Remedy;
use serde::{Serialize, Serializer};

use crate::Code;

/// One thing that was found at a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// Which thing.
    pub code: Code,
    /// How grave it is.
    pub severity: Severity,
    /// Whose it is.
    pub side: ResponsibleParty,
    /// The rule behind it: an RFC and its section, or a part of MCP.
    pub rule: &'static str,
    /// What it is, on which values.
    pub what: String,
    /// The causes, outermost first.
    pub because: Vec<String>,
    /// What mends it, the likeliest first.
    pub mends: Vec<Fix>,
    /// What a host can do about it.
    #[serde(serialize_with = "remedy")]
    pub remedy: Remedy,
}

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Good to know.
    Note,
    /// It works, and may not for long or not always.
    Warning,
    /// It stands in the way.
    Fault,
}

/// Whose a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ResponsibleParty {
    /// The MCP server's.
    Server,
    /// The authorization server's.
    AuthorizationServer,
    /// Something's on the way.
    Network,
    /// This machine's: its settings, its clock, its store, the person before it.
    Here,
}

/// What mends a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
#[non_exhaustive]
pub enum Fix {
    /// Setting a field of [`ServerSettings`](hallpass_core::ServerSettings) or of
    /// [`HttpConfig`](hallpass_http::HttpConfig), and signing in.
    Setting {
        /// The field.
        name: &'static str,
        /// What it has to be; `None` where only a person knows.
        value: Option<String>,
    },
    /// Signing in.
    SignIn,
    /// Forgetting the registered client, and signing in.
    ForgetClient,
    /// Asking the same with leave to refresh the token.
    Refresh,
    /// Another URL of the server.
    Url {
        /// The URL.
        url: String,
    },
    /// Anything else, in words.
    Words {
        /// The words.
        text: String,
    },
}

impl Finding {
    pub(crate) fn new(code: Code, what: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.severity(),
            side: code.side(),
            rule: code.rule(),
            what: what.into(),
            because: Vec::new(),
            mends: Vec::new(),
            remedy: code.remedy(),
        }
    }

    /// What an error says, with its causes.
    pub(crate) fn of_error(code: Code, error: &(dyn Error + 'static)) -> Self {
        Self::new(code, error.to_string()).because(error.source())
    }

    /// Adds causes, from `source` on.
    pub(crate) fn because(mut self, source: Option<&(dyn Error + 'static)>) -> Self {
        let mut next = source;
        while let Some(error) = next {
            self.because.push(error.to_string());
            next = error.source();
        }
        self
    }

    pub(crate) fn mend(mut self, mend: Fix) -> Self {
        self.mends.push(mend);
        self
    }

    pub(crate) fn words(self, text: impl Into<String>) -> Self {
        self.mend(Fix::Words { text: text.into() })
    }

    pub(crate) fn setting(self, name: &'static str, value: Option<&str>) -> Self {
        let value = value.map(str::to_owned);
        self.mend(Fix::Setting { name, value })
    }

    pub(crate) fn at(mut self, side: ResponsibleParty) -> Self {
        self.side = side;
        self
    }

    pub(crate) fn weighing(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    pub(crate) fn remedy(mut self, remedy: Remedy) -> Self {
        self.remedy = remedy;
        self
    }
}

impl Severity {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Fault => "fault",
        }
    }
}

impl ResponsibleParty {
    /// Whose it is, in words.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Server => "the MCP server's",
            Self::AuthorizationServer => "the authorization server's",
            Self::Network => "the network's",
            Self::Here => "this side's",
        }
    }
}

/// The word for a remedy.
pub(crate) fn remedy_word(remedy: Remedy) -> &'static str {
    match remedy {
        Remedy::Retry => "retry",
        Remedy::SignIn => "sign-in",
        Remedy::Configure => "configure",
        Remedy::Report => "report",
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn remedy<S: Serializer>(remedy: &Remedy, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(remedy_word(*remedy))
}
