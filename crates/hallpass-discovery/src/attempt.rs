//! What was tried on the way, and how it went.

use std::{fmt, time::Duration};

use hallpass_core::{quote, redacted_url};
use http::StatusCode;
use url::Url;

/// One try to read a metadata document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    document: Document,
    url: String,
    status: Option<StatusCode>,
    duration: Duration,
    from_cache: bool,
    reason: Option<String>,
    notes: Vec<String>,
}

/// Which of the two documents a try was about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Document {
    /// The protected resource's metadata (RFC 9728).
    ProtectedResource,
    /// The authorization server's metadata (RFC 8414, OpenID Connect Discovery 1.0).
    AuthorizationServer,
}

impl Attempt {
    pub(crate) fn new(document: Document, url: &Url) -> Self {
        Self {
            document,
            url: redacted_url(url),
            status: None,
            duration: Duration::ZERO,
            from_cache: false,
            reason: None,
            notes: Vec::new(),
        }
    }

    /// A candidate that was refused before any request, with the text that named it.
    pub(crate) fn refused(document: Document, text: &str, reason: String) -> Self {
        Self {
            document,
            url: match Url::parse(text) {
                Ok(url) => redacted_url(&url),
                Err(_) => quoted(text),
            },
            status: None,
            duration: Duration::ZERO,
            from_cache: false,
            reason: Some(reason),
            notes: Vec::new(),
        }
    }

    pub(crate) fn set_status(&mut self, status: StatusCode, from_cache: bool) {
        self.status = Some(status);
        self.from_cache = from_cache;
    }

    pub(crate) fn lasted(&mut self, duration: Duration) {
        self.duration = duration;
    }

    pub(crate) fn set_unused(&mut self, reason: String) {
        self.reason = Some(reason);
    }

    pub(crate) fn note(&mut self, notes: Vec<String>) {
        self.notes.extend(notes);
    }

    /// Which document was looked for.
    pub fn document(&self) -> Document {
        self.document
    }

    /// Where, without the values of a query and without user information, which may be secret.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The status of the answer; `None` when there was no answer or the URL was not asked.
    pub fn status(&self) -> Option<StatusCode> {
        self.status
    }

    /// How long it took, by the monotonic clock.
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// Whether the document came from a [`MetadataCache`](crate::MetadataCache).
    pub fn from_cache(&self) -> bool {
        self.from_cache
    }

    /// Why the document was not used; `None` when it was used.
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// What was wrong with a document and did not matter: members that were ignored.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: ", self.document, self.url)?;
        match self.status {
            Some(status) if self.from_cache => write!(f, "{} from the cache", status.as_u16())?,
            Some(status) => write!(f, "{} in {} ms", status.as_u16(), self.duration.as_millis())?,
            None if self.duration.is_zero() => f.write_str("not asked")?,
            None => write!(f, "no answer in {} ms", self.duration.as_millis())?,
        }
        match &self.reason {
            Some(reason) => write!(f, ", not used: {reason}"),
            None => f.write_str(", used"),
        }
    }
}

impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ProtectedResource => "protected resource metadata",
            Self::AuthorizationServer => "authorization server metadata",
        })
    }
}

/// A server's text as it may be shown: escaped, cut, and without what may be secret in it: a query,
/// a fragment, user information.
pub(crate) fn quoted(text: &str) -> String {
    let plain = text.split(['?', '#']).next().unwrap_or_default();
    let (start, rest) = match plain.split_once("://") {
        Some((scheme, rest)) => (&plain[..scheme.len() + 3], rest),
        None => ("", plain),
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let rest = match authority.rfind('@') {
        Some(at) if !start.is_empty() => format!("…{}", &rest[at..]),
        _ => rest.to_owned(),
    };
    let safe = format!("{start}{rest}");
    let mut shown = quote(&safe);
    if !shown.ends_with('…')
        && let Some(separator) = text[plain.len()..].chars().next()
    {
        shown.extend([separator, '…']);
    }
    shown
}
