//! An HTTP client that answers from a script, for tests without a socket.
//!
//! The script is a list of entries: a [`RequestPattern`] and the [`ScriptedResponse`] to a request that
//! it fits. A request takes the first entry that fits and uses it up; the last entry that fits stays,
//! so that one entry answers any number of requests. A [strict](ScriptedClient::strict) client uses up
//! the last one as well. A request that no entry fits gets the fallback, goes through the fallback
//! client, or has no connection.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use hallpass_core::{
    BoxFuture, HttpClient, HttpError,
    http::{Body, Chunks, HttpErrorKind, RequestOptions, RequestTarget},
};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use serde_json::json;
use url::{Url, form_urlencoded};

use crate::{FakeClock, Gate};

/// An [`HttpClient`] that answers from a script and keeps what it was sent.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// use hallpass_core::{HttpClient, ServerUrl, http::{HttpErrorKind, RequestOptions}};
/// use hallpass_testkit::{ScriptedClient, ScriptedResponse};
///
/// let client = ScriptedClient::new();
/// client.on(
///     "/token",
///     [
///         ScriptedResponse::error(HttpErrorKind::Timeout),
///         ScriptedResponse::json(200, r#"{"access_token":"t1","token_type":"Bearer"}"#),
///     ],
/// );
/// let server = ServerUrl::parse("https://mcp.example/mcp")?;
/// let send = async || {
///     let request = http::Request::post("https://as.example/token").body("grant_type=x".into());
///     let options = RequestOptions::authorization_server(&server);
///     (&client as &dyn HttpClient).fetch(request.unwrap(), options).await
/// };
/// assert_eq!(send().await.unwrap_err().kind(), HttpErrorKind::Timeout);
/// assert_eq!(send().await?.status(), 200);
/// assert_eq!(client.requests()[1].parameter("grant_type").as_deref(), Some("x"));
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct ScriptedClient {
    entries: Mutex<VecDeque<(RequestPattern, ScriptedResponse)>>,
    requests: Mutex<Vec<SentRequest>>,
    strict: bool,
    fallback: Option<ScriptedResponse>,
    fallback_client: Option<Arc<dyn HttpClient>>,
    gate: Option<Gate>,
    time: Option<(FakeClock, Duration)>,
}

impl ScriptedClient {
    /// A client without a script.
    pub fn new() -> Self {
        Self::default()
    }

    /// A client that uses up the last entry too: each response is given once.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// Gives this response to a request that no entry fits.
    #[must_use]
    pub fn with_fallback(mut self, response: ScriptedResponse) -> Self {
        self.fallback = Some(response);
        self
    }

    /// Sends a request that no entry fits through this client.
    #[must_use]
    pub fn with_fallback_client(mut self, client: Arc<dyn HttpClient>) -> Self {
        self.fallback_client = Some(client);
        self
    }

    /// Each request takes this long by the clock.
    #[must_use]
    pub fn with_time(mut self, clock: FakeClock, duration: Duration) -> Self {
        self.time = Some((clock, duration));
        self
    }

    /// Each response is given once the gate is open.
    #[must_use]
    pub fn with_gate(mut self, gate: &Gate) -> Self {
        self.gate = Some(gate.clone());
        self
    }

    /// Adds responses to the end of the script.
    pub fn on(
        &self,
        pattern: impl Into<RequestPattern>,
        responses: impl IntoIterator<Item = ScriptedResponse>,
    ) {
        let pattern = pattern.into();
        let responses = responses.into_iter();
        let entries = responses.map(|response| (pattern.clone(), response));
        self.entries().extend(entries);
    }

    /// Puts responses in the place of those of the same pattern; none takes them out.
    pub fn replace(
        &self,
        pattern: impl Into<RequestPattern>,
        responses: impl IntoIterator<Item = ScriptedResponse>,
    ) {
        let pattern = pattern.into();
        self.entries().retain(|(other, _)| *other != pattern);
        self.on(pattern, responses);
    }

    /// What was sent so far, in order.
    pub fn requests(&self) -> Vec<SentRequest> {
        self.sent().clone()
    }

    /// What was sent to a path so far, in order.
    pub fn requests_to(&self, path: &str) -> Vec<SentRequest> {
        let mut requests = self.requests();
        requests.retain(|request| request.path() == path);
        requests
    }

    /// What was sent since the last call.
    pub fn take_requests(&self) -> Vec<SentRequest> {
        std::mem::take(&mut self.sent())
    }

    fn entries(&self) -> MutexGuard<'_, VecDeque<(RequestPattern, ScriptedResponse)>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sent(&self) -> MutexGuard<'_, Vec<SentRequest>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The response to a request; `None` where no entry fits.
    fn next(&self, request: &SentRequest) -> Option<ScriptedResponse> {
        let mut entries = self.entries();
        let fits = |index: &usize| entries.get(*index).is_some_and(|(it, _)| it.fits(request));
        let mut fitting = (0..entries.len()).filter(fits);
        let (first, is_last) = (fitting.next(), fitting.next().is_none());
        let entry = match first {
            Some(index) if is_last && !self.strict => entries.get(index).cloned(),
            Some(index) => entries.remove(index),
            None => None,
        };
        Some(entry?.1)
    }
}

impl HttpClient for ScriptedClient {
    fn open(
        &self,
        request: Request<Bytes>,
        options: RequestOptions,
    ) -> BoxFuture<'_, Result<Response<Body>, HttpError>> {
        let sent = SentRequest { request, options };
        let scripted = self.next(&sent).or_else(|| self.fallback.clone());
        let (target, url) = (sent.options.target, sent.url());
        self.sent().push(sent.clone());
        if let Some((clock, duration)) = &self.time {
            clock.advance(*duration);
        }
        Box::pin(async move {
            let gate = scripted
                .as_ref()
                .and_then(|response| response.gate.as_ref());
            for gate in [self.gate.as_ref(), gate].into_iter().flatten() {
                gate.pass().await;
            }
            match (scripted, &self.fallback_client) {
                (Some(response), _) => response.into_response(target, url),
                (None, Some(client)) => client.open(sent.request, sent.options).await,
                (None, None) => ScriptedResponse::unscripted().into_response(target, url),
            }
        })
    }
}

/// Which requests an entry of a script answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestPattern {
    method: Option<Method>,
    path: Option<String>,
    target: Option<RequestTarget>,
    url: Option<String>,
}

impl RequestPattern {
    /// Every request.
    pub fn any() -> Self {
        Self::default()
    }

    /// Requests to a path, of any host.
    pub fn path(path: impl Into<String>) -> Self {
        Self {
            path: Some(path.into()),
            ..Self::default()
        }
    }

    /// Requests to exactly this URL.
    pub fn url(url: impl Into<String>) -> Self {
        Self {
            url: Some(url.into()),
            ..Self::default()
        }
    }

    /// Requests of one part of the work.
    pub fn target(target: RequestTarget) -> Self {
        Self {
            target: Some(target),
            ..Self::default()
        }
    }

    /// The same, with this method.
    #[must_use]
    pub fn with_method(mut self, method: Method) -> Self {
        self.method = Some(method);
        self
    }

    fn fits(&self, request: &SentRequest) -> bool {
        let SentRequest { request, options } = request;
        let url = request.uri();
        let method = self.method.as_ref();
        method.is_none_or(|method| method == request.method())
            && self.path.as_ref().is_none_or(|path| path == url.path())
            && self.target.is_none_or(|target| target == options.target)
            && self.url.as_ref().is_none_or(|it| *it == url.to_string())
    }
}

impl From<&str> for RequestPattern {
    /// A path where it begins with `/`, else a URL.
    fn from(text: &str) -> Self {
        if text.starts_with('/') {
            Self::path(text)
        } else {
            Self::url(text)
        }
    }
}

/// A request as it was sent.
#[derive(Clone)]
pub struct SentRequest {
    /// The request.
    pub request: Request<Bytes>,
    /// What it might do and take.
    pub options: RequestOptions,
}

impl SentRequest {
    /// The path of its URL.
    pub fn path(&self) -> &str {
        self.request.uri().path()
    }

    /// The value of a header; `None` where it is absent or no text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.request.headers().get(name)?.to_str().ok()
    }

    /// The parameters of its form, in order.
    pub fn form(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(self.request.body())
            .into_owned()
            .collect()
    }

    /// All values of a parameter of its form.
    pub fn parameters(&self, name: &str) -> Vec<String> {
        let form = self.form().into_iter();
        form.filter(|(key, _)| key == name)
            .map(|(_, value)| value)
            .collect()
    }

    /// The one value of a parameter of its form; `None` where there is none or more than one.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let mut values = self.parameters(name);
        values.pop().filter(|_| values.is_empty())
    }

    fn url(&self) -> Url {
        let url = Url::parse(&self.request.uri().to_string());
        url.unwrap_or_else(|_| self.options.server.url().clone())
    }
}

impl fmt::Debug for SentRequest {
    /// The method and the path: everything else may hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.request.method(), self.path())
    }
}

/// What the script gives for a request.
#[derive(Debug, Clone)]
pub struct ScriptedResponse {
    head: Result<StatusCode, HttpErrorKind>,
    headers: Vec<(String, String)>,
    chunks: VecDeque<Chunk>,
    gate: Option<Gate>,
    is_scripted: bool,
}

#[derive(Debug, Clone)]
enum Chunk {
    Bytes(Bytes),
    Error(HttpErrorKind),
    Gate(Gate),
}

impl ScriptedResponse {
    /// A response without a body. A number that is no status gives a 500.
    pub fn new(status: u16) -> Self {
        let status = StatusCode::from_u16(status);
        Self::with_head(Ok(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)))
    }

    /// A response with a JSON body: a text, or a value of `serde_json`.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a test writes no `&` for a value it makes"
    )]
    pub fn json(status: u16, body: impl ToString) -> Self {
        Self::new(status)
            .with_header(header::CONTENT_TYPE.as_str(), "application/json")
            .with_chunk(body.to_string())
    }

    /// An error of OAuth (RFC 6749 §5.2).
    pub fn oauth_error(status: u16, code: &str) -> Self {
        Self::json(status, json!({ "error": code }))
    }

    /// A 200 with an event stream.
    pub fn events(body: impl Into<Bytes>) -> Self {
        Self::new(200)
            .with_header(header::CONTENT_TYPE.as_str(), "text/event-stream")
            .with_chunk(body)
    }

    /// No response: the request fails.
    pub fn error(kind: HttpErrorKind) -> Self {
        Self::with_head(Err(kind))
    }

    fn unscripted() -> Self {
        Self {
            is_scripted: false,
            ..Self::error(HttpErrorKind::Connect)
        }
    }

    fn with_head(head: Result<StatusCode, HttpErrorKind>) -> Self {
        Self {
            head,
            headers: Vec::new(),
            chunks: VecDeque::new(),
            gate: None,
            is_scripted: true,
        }
    }

    /// The same, with another header.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The same, with another chunk of the body.
    #[must_use]
    pub fn with_chunk(mut self, chunk: impl Into<Bytes>) -> Self {
        self.chunks.push_back(Chunk::Bytes(chunk.into()));
        self
    }

    /// The same, with a body that fails after the chunks so far.
    #[must_use]
    pub fn with_body_error(mut self, kind: HttpErrorKind) -> Self {
        self.chunks.push_back(Chunk::Error(kind));
        self
    }

    /// The same, given once the gate is open.
    #[must_use]
    pub fn with_gate(mut self, gate: &Gate) -> Self {
        self.gate = Some(gate.clone());
        self
    }

    /// The same, with a body that goes on once the gate is open.
    #[must_use]
    pub fn with_body_gate(mut self, gate: &Gate) -> Self {
        self.chunks.push_back(Chunk::Gate(gate.clone()));
        self
    }

    fn into_response(self, target: RequestTarget, url: Url) -> Result<Response<Body>, HttpError> {
        let status = self.head.map_err(|kind| {
            let error = HttpError::new(kind, target, &url);
            error.with_source(if self.is_scripted {
                "the script fails this request"
            } else {
                "the script has no response for this request"
            })
        })?;
        let mut response = Response::new(Body::new(ScriptedChunks {
            chunks: self.chunks,
            target,
            url,
            waiting: None,
        }));
        *response.status_mut() = status;
        for (name, value) in &self.headers {
            let name = HeaderName::try_from(name.as_str());
            // What no header can carry is left out.
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
                response.headers_mut().append(name, value);
            }
        }
        Ok(response)
    }
}

struct ScriptedChunks {
    chunks: VecDeque<Chunk>,
    target: RequestTarget,
    url: Url,
    /// The gate that the next chunk is behind.
    waiting: Option<BoxFuture<'static, ()>>,
}

impl Chunks for ScriptedChunks {
    fn poll_chunk(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, HttpError>>> {
        loop {
            if let Some(waiting) = &mut self.waiting {
                std::task::ready!(waiting.as_mut().poll(context));
                self.waiting = None;
            }
            return Poll::Ready(match self.chunks.pop_front() {
                Some(Chunk::Gate(gate)) => {
                    self.waiting = Some(Box::pin(async move { gate.pass().await }));
                    continue;
                }
                Some(Chunk::Bytes(bytes)) => Some(Ok(bytes)),
                Some(Chunk::Error(kind)) => Some(Err(HttpError::new(kind, self.target, &self.url))),
                None => None,
            });
        }
    }
}

#[cfg(test)]
mod tests;
