//! What was found: a code, who is responsible, and what fixes it.

use std::error::Error;

use hallpass_core::{Hint, Remedy, ServerWords};
use serde::Serialize;

use crate::Code;

/// One thing that was found at a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// The stable code.
    pub code: Code,
    /// The severity.
    pub severity: Severity,
    /// Who is responsible.
    #[serde(rename = "responsible")]
    pub party: ResponsibleParty,
    /// The specification: an RFC and its section, or a part of MCP.
    pub spec: &'static str,
    /// What is wrong, on which values.
    pub message: String,
    /// The causes, outermost first.
    pub causes: Vec<String>,
    /// What fixes it, the likeliest first.
    pub hints: Vec<Hint>,
    /// What a host can do about it.
    pub remedy: Remedy,
}

/// How severe a finding is.
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

/// Who is responsible for a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ResponsibleParty {
    /// The MCP server.
    Server,
    /// The authorization server.
    AuthorizationServer,
    /// The network between.
    Network,
    /// This machine: its settings, its clock, its store, its user.
    Here,
}

impl Finding {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.severity(),
            party: code.party(),
            spec: code.spec(),
            message: message.into(),
            causes: Vec::new(),
            hints: Vec::new(),
            remedy: code.remedy(),
        }
    }

    /// What an error says, with its causes.
    pub(crate) fn from_error(code: Code, error: &(dyn Error + 'static)) -> Self {
        Self::new(code, error.to_string()).with_causes(error.source())
    }

    /// Adds causes, from `source` on.
    pub(crate) fn with_causes(mut self, source: Option<&(dyn Error + 'static)>) -> Self {
        let mut next = source;
        while let Some(error) = next {
            self.causes.push(error.to_string());
            next = error.source();
        }
        self
    }

    pub(crate) fn with_cause(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// Adds what the server says of it, as the server's words.
    pub(crate) fn server_words(mut self, text: Option<&str>) -> Self {
        let words = text.and_then(ServerWords::cleaned);
        self.causes.extend(words.map(|words| words.to_string()));
        self
    }

    pub(crate) fn hint(mut self, hint: Hint) -> Self {
        self.hints.push(hint);
        self
    }

    /// Adds the advice of an error.
    pub(crate) fn with_hints(mut self, hints: &[Hint]) -> Self {
        self.hints.extend_from_slice(hints);
        self
    }

    pub(crate) fn text(self, text: impl Into<String>) -> Self {
        self.hint(Hint::text(text))
    }

    pub(crate) fn hint_setting(self, name: &'static str, value: Option<&str>) -> Self {
        self.hint(Hint::setting(name, value))
    }

    pub(crate) fn retry_later(self) -> Self {
        self.hint(Hint::Retry { after: None })
    }

    pub(crate) fn contact_operator(self, server: &str) -> Self {
        self.hint(Hint::contact_operator(server))
    }

    pub(crate) fn with_party(mut self, party: ResponsibleParty) -> Self {
        self.party = party;
        self
    }

    pub(crate) fn with_severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    pub(crate) fn with_remedy(mut self, remedy: Remedy) -> Self {
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
    /// Who it is, for the text of a report.
    pub fn label(self) -> &'static str {
        match self {
            Self::Server => "the MCP server's",
            Self::AuthorizationServer => "the authorization server's",
            Self::Network => "the network's",
            Self::Here => "this side's",
        }
    }
}
