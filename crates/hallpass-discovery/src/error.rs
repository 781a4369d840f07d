//! Why discovery failed.

use std::{error::Error, fmt, sync::Arc};

use hallpass_core::{Diagnostic, Hint, HttpError, Remedy, http::HttpErrorKind};

use crate::{Attempt, attempt::quoted};

/// Discovery that found no usable authorization server.
///
/// Its text names the rule that failed and the values on both sides, its
/// [hints](Diagnostic::hints) the setting that would change it, and it carries
/// [every try](Self::attempts).
pub struct DiscoveryError {
    fault: Box<RequestFailure>,
    attempts: Vec<Attempt>,
}

/// What kind of failure it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DiscoveryErrorKind {
    /// A setting can't be used as it is.
    Settings,
    /// The URL that a challenge names is not one to read metadata from (RFC 9728 §5.1).
    ChallengeRefused,
    /// The server shows no trace of OAuth: no challenge, no metadata.
    NoOAuth,
    /// There is no protected resource metadata where it should be (RFC 9728 §3).
    ResourceMetadataNotFound,
    /// The metadata's `resource` does not identify the server (RFC 9728 §3.3).
    ResourceMismatch,
    /// The configured `resource` is neither the server's URL nor published by its metadata.
    ResourceSetting,
    /// The protected resource metadata names no authorization server (RFC 9728 §2).
    NoAuthorizationServer,
    /// The configured issuer is none of those that the server names.
    IssuerNotListed,
    /// There is no authorization server metadata where it should be (RFC 8414 §3).
    ServerMetadataNotFound,
    /// The document's `issuer` is not the one its URL was built from (RFC 8414 §3.3).
    IssuerMismatch,
    /// An endpoint that no request may go to (RFC 6749 §3.1, §3.2).
    EndpointRefused,
    /// The answer is something else than a JSON object, for example a web page.
    NotJson,
    /// A JSON object that lacks what every such document has.
    InvalidDocument,
    /// The answer is larger than a metadata document may be.
    TooLarge,
    /// The other side answered that it can't answer now (429, 5xx).
    Unavailable,
    /// No answer at all: network, TLS, address policy, redirect.
    Unreachable,
}

impl DiscoveryError {
    pub(crate) fn new(fault: RequestFailure, attempts: Vec<Attempt>) -> Self {
        Self {
            fault: Box::new(fault),
            attempts,
        }
    }

    /// What kind of failure it was.
    pub fn kind(&self) -> DiscoveryErrorKind {
        self.fault.kind
    }

    /// Every try in order, the one that failed included.
    pub fn attempts(&self) -> &[Attempt] {
        &self.attempts
    }
}

impl fmt::Display for DiscoveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fault.text)
    }
}

impl fmt::Debug for DiscoveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiscoveryError")
            .field("kind", &self.fault.kind)
            .field("text", &self.fault.text)
            .field("source", &self.fault.source)
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}

impl Error for DiscoveryError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.fault.source.as_deref().map(|source| source as _)
    }
}

impl Diagnostic for DiscoveryError {
    fn remedy(&self) -> Remedy {
        self.fault.remedy()
    }

    /// The settings that would change it, with their values where those are known. Whether such a
    /// value is right the user has to judge.
    fn hints(&self) -> Vec<Hint> {
        self.fault.hints.clone()
    }
}

/// Why one candidate, or all of them, can't be used.
#[derive(Debug)]
pub(crate) struct RequestFailure {
    pub(crate) kind: DiscoveryErrorKind,
    pub(crate) text: String,
    pub(crate) hints: Vec<Hint>,
    source: Option<Arc<HttpError>>,
    http: Option<HttpErrorKind>,
    not_found: bool,
}

impl RequestFailure {
    pub(crate) fn new(kind: DiscoveryErrorKind, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
            hints: Vec::new(),
            source: None,
            http: None,
            not_found: false,
        }
    }

    /// No usable answer to a request; the text says which document it was about.
    pub(crate) fn http(text: String, error: Arc<HttpError>) -> Self {
        let kind = match error.kind() {
            HttpErrorKind::BodyTooLarge => DiscoveryErrorKind::TooLarge,
            HttpErrorKind::Malformed => DiscoveryErrorKind::NotJson,
            _ => DiscoveryErrorKind::Unreachable,
        };
        Self {
            http: Some(error.kind()),
            source: Some(error),
            ..Self::new(kind, text)
        }
    }

    /// A 404: the one status that says that there is nothing.
    pub(crate) fn not_found(mut self) -> Self {
        self.not_found = true;
        self
    }

    pub(crate) fn with_hint(mut self, hint: Hint) -> Self {
        self.hints.push(hint);
        self
    }

    /// The setting that would change it, and to what. A value of which a part may be secret is left
    /// out.
    pub(crate) fn with_setting(self, name: &'static str, value: &str) -> Self {
        let value = Some(value).filter(|value| quoted(value) == *value);
        self.with_hint(Hint::setting(name, value))
    }

    /// The settings that would change it, where only the user knows the value.
    pub(crate) fn with_settings(mut self, names: &[&'static str]) -> Self {
        let settings = names.iter().map(|name| Hint::setting(name, None));
        self.hints.extend(settings);
        self
    }

    /// Settings for a failure that has no hint of its own.
    pub(crate) fn or_settings(self, names: &[&'static str]) -> Self {
        if self.hints.is_empty() {
            self.with_settings(names)
        } else {
            self
        }
    }

    /// The text with its cause, for the account of one try.
    pub(crate) fn reason(&self) -> String {
        match &self.source {
            Some(source) => format!("{}: {source}", self.text),
            None => self.text.clone(),
        }
    }

    /// Whether the answer was a 404.
    pub(crate) fn is_not_found(&self) -> bool {
        self.not_found
    }

    /// Whether the same request may succeed later, so that nothing follows from this failure.
    pub(crate) fn is_passing(&self) -> bool {
        self.kind == DiscoveryErrorKind::Unavailable
            || self.kind == DiscoveryErrorKind::Unreachable && self.remedy() == Remedy::Retry
    }

    /// Whether other URLs of the same origin would fail in the same way.
    pub(crate) fn concerns_the_origin(&self) -> bool {
        self.kind == DiscoveryErrorKind::Unreachable && self.http != Some(HttpErrorKind::Redirect)
    }

    /// Whether a document was found and must not be used. Nothing may be guessed after that.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(
            self.kind,
            DiscoveryErrorKind::ResourceMismatch
                | DiscoveryErrorKind::ResourceSetting
                | DiscoveryErrorKind::IssuerMismatch
                | DiscoveryErrorKind::IssuerNotListed
                | DiscoveryErrorKind::EndpointRefused
                | DiscoveryErrorKind::Settings
        )
    }

    /// How much this failure tells, to choose the one to report among those of several candidates.
    fn significance(&self) -> u8 {
        match self.kind {
            DiscoveryErrorKind::IssuerMismatch => 6,
            DiscoveryErrorKind::EndpointRefused | DiscoveryErrorKind::ChallengeRefused => 5,
            DiscoveryErrorKind::Unreachable => 4,
            DiscoveryErrorKind::Unavailable => 3,
            DiscoveryErrorKind::InvalidDocument | DiscoveryErrorKind::TooLarge => 2,
            DiscoveryErrorKind::NotJson => 1,
            _ => 0,
        }
    }

    /// The fault that tells most; of several that tell as much, the first.
    pub(crate) fn most_significant(faults: Vec<RequestFailure>) -> Option<RequestFailure> {
        faults
            .into_iter()
            .rev()
            .max_by_key(RequestFailure::significance)
    }

    fn remedy(&self) -> Remedy {
        match self.kind {
            DiscoveryErrorKind::Unavailable => Remedy::Retry,
            DiscoveryErrorKind::Unreachable => match self.http {
                Some(
                    HttpErrorKind::InvalidRequest
                    | HttpErrorKind::AddressRefused
                    | HttpErrorKind::ProxyAuthentication
                    | HttpErrorKind::Tls
                    | HttpErrorKind::Redirect,
                ) => Remedy::Configure,
                _ => Remedy::Retry,
            },
            DiscoveryErrorKind::TooLarge | DiscoveryErrorKind::InvalidDocument => Remedy::Report,
            _ => Remedy::Configure,
        }
    }
}
