//! What the servers were sent, in the order it arrived, over all servers that share a recorder.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;
use url::form_urlencoded;

use crate::Endpoint;

mod redact;

/// The servers' own record. Clones share it; servers that are to be seen in one order share one.
///
/// It holds everything as it was sent, secrets too: it is the servers' memory, not a log. Show
/// [`RecordedRequest::redacted`] to people.
#[derive(Clone, Default)]
pub struct Recorder(Arc<Mutex<Vec<RecordedRequest>>>);

/// One request, and what was answered.
///
/// `Debug` shows the [redacted](Self::redacted) view.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct RecordedRequest {
    /// Its place in the order of arrival, from 0, over all servers of the recorder.
    pub sequence: usize,
    /// When it came, by the monotonic time of the server's clock.
    pub at: Duration,
    /// The name of the server that got it.
    pub server: String,
    /// That server's origin: `http://127.0.0.1:4711`.
    pub origin: String,
    /// What the server took it for.
    pub endpoints: Vec<Endpoint>,
    /// The method, in capitals.
    pub method: String,
    /// The path as sent, without the query.
    pub path: String,
    /// The query's pairs, decoded, in their order.
    pub query: Vec<(String, String)>,
    /// The header fields, names in lower case, in their order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: RecordedBody,
    /// What was answered. `None` while it is being worked on, and for ever where the connection
    /// was closed without an answer.
    pub answer: Option<RecordedAnswer>,
}

/// What a server answered.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct RecordedAnswer {
    /// The status code.
    pub status: u16,
    /// The header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body; [`RecordedBody::Unread`] where the server streams it.
    pub body: RecordedBody,
}

/// A body, read by its content type.
///
/// `Debug` shows the [redacted](Self::redacted) view.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum RecordedBody {
    /// No bytes.
    Empty,
    /// Pairs of `application/x-www-form-urlencoded`, decoded, in their order.
    Form(Vec<(String, String)>),
    /// JSON, whatever the content type says, as long as it is none of a form.
    Json(Value),
    /// Anything else.
    Text(String),
    /// Bytes that the recorder did not look at.
    Unread,
}

impl Recorder {
    /// An empty record.
    pub fn new() -> Self {
        Self::default()
    }

    /// All requests so far, in the order they arrived.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.with(|requests| requests.clone())
    }

    /// The requests to one endpoint, in the order they arrived.
    pub fn requests_to(&self, endpoint: Endpoint) -> Vec<RecordedRequest> {
        let mut requests = self.requests();
        requests.retain(|request| request.is_to(endpoint));
        requests
    }

    /// How many requests there have been, which is the next one's sequence number.
    pub fn len(&self) -> usize {
        self.with(|requests| requests.len())
    }

    /// Whether there has been no request.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The requests with a sequence number of `from` and above: what happened since
    /// [`len`](Self::len) said `from`.
    pub fn since(&self, from: usize) -> Vec<RecordedRequest> {
        self.with(|requests| requests.get(from..).unwrap_or_default().to_vec())
    }

    pub(crate) fn begin(&self, mut request: RecordedRequest) -> usize {
        self.with(|requests| {
            request.sequence = requests.len();
            requests.push(request);
            requests.len() - 1
        })
    }

    pub(crate) fn record_answer(&self, sequence: usize, answer: RecordedAnswer) {
        self.with(|requests| {
            if let Some(request) = requests.get_mut(sequence) {
                request.answer = Some(answer);
            }
        });
    }

    fn with<T>(&self, look: impl FnOnce(&mut Vec<RecordedRequest>) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recorder({} requests)", self.len())
    }
}

impl RecordedRequest {
    /// The first value of a header field; the name in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// All values of a parameter, in the query and in a form body.
    pub fn parameters(&self, name: &str) -> Vec<&str> {
        let form: &[_] = match &self.body {
            RecordedBody::Form(pairs) => pairs,
            _ => &[],
        };
        let pairs = self.query.iter().chain(form);
        pairs
            .filter(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// The one value of a parameter, in the query or in a form body; `None` where there is none or
    /// more than one.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        match self.parameters(name)[..] {
            [value] => Some(value),
            _ => None,
        }
    }

    /// The body as JSON.
    pub fn json(&self) -> Option<&Value> {
        self.body.json()
    }

    /// The `method` of a JSON-RPC message in the body: `initialize`, `tools/call`…
    pub fn rpc_method(&self) -> Option<&str> {
        self.json()?.get("method")?.as_str()
    }

    /// The URL without the query, which may be secret.
    pub fn url(&self) -> String {
        format!("{}{}", self.origin, self.path)
    }

    /// The status that was answered, if anything was.
    pub fn status(&self) -> Option<u16> {
        self.answer.as_ref().map(|answer| answer.status)
    }

    /// Whether the server took the request for one to `endpoint`.
    pub fn is_to(&self, endpoint: Endpoint) -> bool {
        self.endpoints.contains(&endpoint)
    }
}

impl fmt::Debug for RecordedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.redacted();
        f.debug_struct("RecordedRequest")
            .field("sequence", &shown.sequence)
            .field("server", &shown.server)
            .field("method", &shown.method)
            .field("path", &shown.path)
            .field("query", &shown.query)
            .field("headers", &shown.headers)
            .field("body", &shown.body)
            .field("answer", &shown.answer)
            .finish_non_exhaustive()
    }
}

impl RecordedAnswer {
    /// The first value of a header field; the name in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// The body as JSON.
    pub fn json(&self) -> Option<&Value> {
        self.body.json()
    }
}

impl fmt::Debug for RecordedAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.redacted();
        f.debug_struct("RecordedAnswer")
            .field("status", &shown.status)
            .field("headers", &shown.headers)
            .field("body", &shown.body)
            .finish()
    }
}

impl RecordedBody {
    /// The body as JSON.
    pub fn json(&self) -> Option<&Value> {
        match self {
            Self::Json(value) => Some(value),
            _ => None,
        }
    }

    pub(crate) fn read(headers: &HeaderMap, body: &Bytes) -> Self {
        if body.is_empty() {
            return Self::Empty;
        }
        if is_form(headers) {
            return Self::Form(pairs(body));
        }
        match serde_json::from_slice(body) {
            Ok(value) => Self::Json(value),
            Err(_) => Self::Text(String::from_utf8_lossy(body).into_owned()),
        }
    }
}

impl fmt::Debug for RecordedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.redacted() {
            Self::Empty => f.write_str("Empty"),
            Self::Form(pairs) => f.debug_tuple("Form").field(&pairs).finish(),
            Self::Json(value) => f.debug_tuple("Json").field(&value).finish(),
            Self::Text(text) => f.debug_tuple("Text").field(&text).finish(),
            Self::Unread => f.write_str("Unread"),
        }
    }
}

/// Whether a message says that its body is a form.
pub(crate) fn is_form(headers: &HeaderMap) -> bool {
    let content_type = headers.get(http::header::CONTENT_TYPE);
    content_type.is_some_and(|value| {
        let essence = value.as_bytes().split(|byte| *byte == b';').next();
        essence.is_some_and(|essence| {
            essence
                .trim_ascii()
                .eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
        })
    })
}

/// The decoded pairs of a form or a query.
pub(crate) fn pairs(encoded: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(encoded).into_owned().collect()
}

/// Header fields as text, in their order.
pub(crate) fn header_pairs(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), text(value)))
        .collect()
}

fn find<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    fields
        .iter()
        .find(|(field, _)| field.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}
