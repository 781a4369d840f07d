//! What is sent.

use std::fmt;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{ACCEPT, CONTENT_TYPE},
};

use url::Url;

use crate::Error;

/// The session that a server opened at `initialize`.
pub const MCP_SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
/// The protocol version that was agreed on.
pub const MCP_PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// The event after which a stream resumes.
pub const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

pub(crate) const JSON: &str = "application/json";
pub(crate) const EVENT_STREAM: &str = "text/event-stream";

/// One request of the streamable HTTP transport: bytes with their headers, to no server yet.
///
/// It can be sent any number of times; a clone shares the body.
#[derive(Clone)]
pub struct Request {
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Where it goes; the server's own URL otherwise.
    pub(crate) url: Option<Url>,
    /// Whether it is a message of HTTP+SSE.
    pub(crate) is_of_http_sse: bool,
}

impl Request {
    /// A POST of one JSON-RPC message (or batch), which goes out as it is.
    pub fn post(message: impl Into<Bytes>) -> Self {
        let mut request = Self::new(Method::POST);
        request.headers.insert(
            ACCEPT,
            HeaderValue::from_static("application/json, text/event-stream"),
        );
        request
            .headers
            .insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        request.body = message.into();
        request
    }

    /// A GET of the server's own event stream, or of the rest of a stream that
    /// broke off (with [`after`](Self::after)).
    pub fn stream() -> Self {
        let mut request = Self::new(Method::GET);
        request
            .headers
            .insert(ACCEPT, HeaderValue::from_static(EVENT_STREAM));
        request
    }

    /// A DELETE, which ends the session.
    pub fn delete() -> Self {
        Self::new(Method::DELETE)
    }

    fn new(method: Method) -> Self {
        Self {
            method,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            url: None,
            is_of_http_sse: false,
        }
    }

    /// Sends it to `url` in the place of the server's own. It has to be on the server's origin.
    #[must_use]
    pub fn at(mut self, url: Url) -> Self {
        self.url = Some(url);
        self
    }

    pub(crate) fn of_http_sse(mut self) -> Self {
        self.is_of_http_sse = true;
        self
    }

    /// Sends it in the session `id`. The id is enough to join the session, so `Debug` does not show it.
    ///
    /// # Errors
    ///
    /// When the id can't stand in a header.
    pub fn session(self, id: &str) -> Result<Self, Error> {
        self.with(MCP_SESSION_ID, id, true)
    }

    /// Says which protocol version was agreed on.
    ///
    /// # Errors
    ///
    /// When the text can't stand in a header.
    pub fn protocol_version(self, version: &str) -> Result<Self, Error> {
        self.with(MCP_PROTOCOL_VERSION, version, false)
    }

    /// Resumes after the event `id`. An empty id resumes after nothing and is left out.
    ///
    /// # Errors
    ///
    /// When the id can't stand in a header.
    pub fn after(self, id: &str) -> Result<Self, Error> {
        if id.is_empty() {
            return Ok(self);
        }
        self.with(LAST_EVENT_ID, id, false)
    }

    /// Adds a header, in place of others of the same name.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The headers, without what authorizes the request.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The body.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    fn with(self, name: HeaderName, value: &str, sensitive: bool) -> Result<Self, Error> {
        let Ok(mut value) = HeaderValue::from_bytes(value.as_bytes()) else {
            return Err(Error::invalid_header(name));
        };
        value.set_sensitive(sensitive);
        Ok(self.header(name, value))
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("headers", &self.headers)
            .field("body_len", &self.body.len())
            // A URL of its own may be enough to join a session.
            .finish_non_exhaustive()
    }
}
