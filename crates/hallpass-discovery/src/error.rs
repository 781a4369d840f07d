//! Why discovery failed.

use std::{error::Error, fmt, sync::Arc};

use hallpass_core::{Diagnostic, Hint, HttpError, Remedy, http::HttpErrorKind};

use crate::Attempt;

/// Discovery that found no usable authorization server.
///
/// Its text names the rule that failed and the values on both sides, its [hint](Self::hint) the
/// setting that would change it, and it carries [every try](Self::attempts).
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

    /// What to do about it.
    pub fn remedy(&self) -> Remedy {
        self.fault.remedy()
    }

    /// The setting that would change it and the value that it would have to have, where that is known;
    /// for a diagnosis that prints the very line. Whether that value is right a person has to judge.
    pub fn suggestion(&self) -> Option<(&'static str, &str)> {
        let (name, value) = self.fault.suggestion.as_ref()?;
        Some((name, value))
    }

    /// Which setting would change it, named as the field of
    /// [`ServerSettings`](hallpass_core::ServerSettings), or whom to tell.
    pub fn hint(&self) -> Option<&str> {
        self.fault.hint.as_deref()
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

    fn hints(&self) -> Vec<Hint> {
        let setting = self.suggestion();
        let setting = setting.map(|(setting, value)| Hint::setting(setting, Some(value)));
        setting
            .into_iter()
            .chain(self.hint().map(Hint::text))
            .collect()
    }
}

/// Why one candidate, or all of them, can't be used.
#[derive(Debug)]
pub(crate) struct RequestFailure {
    pub(crate) kind: DiscoveryErrorKind,
    pub(crate) text: String,
    pub(crate) hint: Option<String>,
    suggestion: Option<(&'static str, String)>,
    source: Option<Arc<HttpError>>,
    http: Option<HttpErrorKind>,
    not_found: bool,
}

impl RequestFailure {
    pub(crate) fn new(kind: DiscoveryErrorKind, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
            hint: None,
            suggestion: None,
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

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The setting that would change it, and to what.
    pub(crate) fn with_suggestion(mut self, setting: &'static str, value: &str) -> Self {
        self.suggestion = Some((setting, value.to_owned()));
        self
    }

    /// A hint for a failure that has none of its own.
    pub(crate) fn or_hint(mut self, hint: impl FnOnce() -> String) -> Self {
        self.hint.get_or_insert_with(hint);
        self
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
    fn weight(&self) -> u8 {
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
    pub(crate) fn heaviest(faults: Vec<RequestFailure>) -> Option<RequestFailure> {
        faults.into_iter().rev().max_by_key(RequestFailure::weight)
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
            DiscoveryErrorKind::TooLarge
            | DiscoveryErrorKind::InvalidDocument
            | DiscoveryErrorKind::EndpointRefused => Remedy::Report,
            _ => Remedy::Configure,
        }
    }
}
