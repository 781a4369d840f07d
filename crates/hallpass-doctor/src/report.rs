//! The steps of a diagnosis, as data.

use hallpass_core::Remedy;
use serde::{Serialize, ser::SerializeStruct};

use crate::{Finding, Severity};

/// The result of a diagnosis.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The MCP server, without the values of its query.
    pub server: String,
    /// Which account on it.
    pub account: String,
    /// The steps, in order. Every one is there, also those that were skipped.
    pub steps: Vec<Step>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Step {
    /// Which one.
    pub name: StepName,
    /// Why it was skipped; `None` when it was not.
    pub skipped: Option<String>,
    /// The requests that were sent.
    pub exchanges: Vec<Exchange>,
    /// What the step learnt.
    pub facts: Vec<Fact>,
    /// What was found.
    pub findings: Vec<Finding>,
}

/// The steps, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum StepName {
    /// The way to the MCP server: name, proxy, TLS, clock.
    Network,
    /// What its endpoint says to a request without a token.
    Endpoint,
    /// The protected resource's metadata.
    ResourceMetadata,
    /// The authorization server's metadata.
    AuthorizationServer,
    /// Where credentials are kept, and which process holds a lock.
    Store,
    /// The client.
    Registration,
    /// Where the account stands.
    Account,
    /// The access token.
    Token,
    /// Whether the server takes it.
    Audience,
    /// Whether MCP works.
    Mcp,
}

/// How a step went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// There is something to know.
    Note,
    /// It works, and may not for long or not always.
    Warning,
    /// Something stands in the way.
    Fault,
    /// It could not be done.
    Skipped,
}

/// A request and its outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Exchange {
    /// Method and URL, without the values of a query.
    pub request: String,
    /// The status and how long it took, or why there was no answer.
    pub outcome: String,
}

/// Something that was learnt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Fact {
    /// About what.
    pub name: &'static str,
    /// What.
    pub value: String,
}

impl Report {
    /// Everything that was found, in order.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.steps.iter().flat_map(|step| &step.findings)
    }

    /// The first thing that stands in the way; `None` when nothing does.
    pub fn first_fault(&self) -> Option<&Finding> {
        self.findings()
            .find(|finding| finding.severity == Severity::Fault)
    }

    /// What to do about the first thing that stands in the way.
    pub fn remedy(&self) -> Option<Remedy> {
        self.first_fault().map(|finding| finding.remedy)
    }

    /// How many findings have this severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings()
            .filter(|finding| finding.severity == severity)
            .count()
    }

    /// The worst of the steps.
    pub fn verdict(&self) -> Verdict {
        Verdict::of(self.findings())
    }
}

impl Step {
    pub(crate) fn new(name: StepName) -> Self {
        Self {
            name,
            skipped: None,
            exchanges: Vec::new(),
            facts: Vec::new(),
            findings: Vec::new(),
        }
    }

    pub(crate) fn skipped(name: StepName, reason: impl Into<String>) -> Self {
        Self {
            skipped: Some(reason.into()),
            ..Self::new(name)
        }
    }

    pub(crate) fn push_fact(&mut self, name: &'static str, value: impl Into<String>) {
        let value = value.into();
        self.facts.push(Fact { name, value });
    }

    pub(crate) fn push_finding(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Whether nothing found here stands in the way.
    pub(crate) fn is_passable(&self) -> bool {
        self.skipped.is_none() && self.verdict() != Verdict::Fault
    }

    /// How it went.
    pub fn verdict(&self) -> Verdict {
        match self.skipped {
            Some(_) => Verdict::Skipped,
            None => Verdict::of(self.findings.iter()),
        }
    }
}

impl StepName {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Endpoint => "endpoint",
            Self::ResourceMetadata => "resource-metadata",
            Self::AuthorizationServer => "authorization-server",
            Self::Store => "store",
            Self::Registration => "registration",
            Self::Account => "account",
            Self::Token => "token",
            Self::Audience => "audience",
            Self::Mcp => "mcp",
        }
    }

    /// The specification that the step checks.
    pub fn spec(self) -> &'static str {
        match self {
            Self::Network => "RFC 9110 §4.3",
            Self::Endpoint => "RFC 9110 §11.6.1, RFC 6750 §3",
            Self::ResourceMetadata => "RFC 9728 §3",
            Self::AuthorizationServer => "RFC 8414 §3",
            Self::Store => "Hallpass, credential store",
            Self::Registration => "RFC 7591 §3",
            Self::Account => "RFC 6749 §4",
            Self::Token => "RFC 6749 §5.1, §6",
            Self::Audience => "RFC 8707 §2.2",
            Self::Mcp => "MCP 2025-11-25, Lifecycle",
        }
    }
}

impl Verdict {
    fn of<'a>(findings: impl Iterator<Item = &'a Finding>) -> Self {
        match findings.map(|finding| finding.severity).max() {
            None => Self::Ok,
            Some(Severity::Note) => Self::Note,
            Some(Severity::Warning) => Self::Warning,
            Some(Severity::Fault) => Self::Fault,
        }
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Fault => "fault",
            Self::Skipped => "skipped",
        }
    }
}

impl Serialize for Report {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut report = serializer.serialize_struct("Report", 6)?;
        report.serialize_field("server", &self.server)?;
        report.serialize_field("account", &self.account)?;
        report.serialize_field("verdict", &self.verdict())?;
        let first = self.first_fault().map(|finding| finding.code);
        report.serialize_field("first_fault", &first)?;
        report.serialize_field("remedy", &self.remedy())?;
        report.serialize_field("steps", &self.steps)?;
        report.end()
    }
}

impl Serialize for Step {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut step = serializer.serialize_struct("Step", 7)?;
        step.serialize_field("name", &self.name)?;
        step.serialize_field("spec", self.name.spec())?;
        step.serialize_field("verdict", &self.verdict())?;
        step.serialize_field("skip_reason", &self.skipped)?;
        step.serialize_field("exchanges", &self.exchanges)?;
        step.serialize_field("facts", &self.facts)?;
        step.serialize_field("findings", &self.findings)?;
        step.end()
    }
}
