//! The HTTP+SSE transport of MCP 2024-11-05.
//!
//! A GET opens an event stream. Its first event, `endpoint`, names the URL that messages are posted to;
//! each answer comes on the stream. The stream is the session: when it ends, another one is opened, and
//! the server is initialized again.

use std::{
    error::Error as StdError,
    fmt,
    future::poll_fn,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use hallpass_core::{Clock, Diagnostic, Hint, Remedy, ServerUrl, url_without_query};
use http::StatusCode;
use url::Url;

use crate::{
    AuthorizedEndpoint, Content, Error, EventStream, Interactivity, InvalidMessage, Request,
    RequestError, Response, UnexpectedStatus,
};

/// How a server is spoken to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum TransportKind {
    /// Streamable HTTP, or HTTP+SSE where `initialize` is refused as by a server of that: MCP's section
    /// on backwards compatibility.
    #[default]
    Auto,
    /// Streamable HTTP alone.
    StreamableHttp,
    /// HTTP+SSE alone.
    HttpSse,
}

impl TransportKind {
    /// Whether HTTP+SSE is tried after a POST of `initialize` was answered with `status`.
    pub fn falls_back_after(self, status: StatusCode) -> bool {
        let refused = matches!(
            status,
            StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED
        );
        self == Self::Auto && refused
    }
}

/// How long the server may take to name the endpoint.
const ENDPOINT_TIMEOUT: Duration = Duration::from_secs(10);

/// How large the `endpoint` event may be: it names one URL.
const MAX_ENDPOINT_BYTES: usize = 8 * 1024;

/// An open event stream, and where messages are posted to.
#[derive(Debug)]
pub struct SseConnection {
    events: EventStream,
    endpoint: Url,
    source: InvalidMessage,
}

impl SseConnection {
    /// Opens the event stream of `server` and waits for its `endpoint` event.
    ///
    /// # Errors
    ///
    /// As [`AuthorizedEndpoint::send`]; and where the answer is no event stream, or names no endpoint on
    /// the server's own origin.
    pub async fn open(
        server: &AuthorizedEndpoint,
        interactivity: Interactivity,
    ) -> Result<Self, SseError> {
        let response = server.send(&Request::stream(), interactivity).await?;
        let (clock, cap) = (server.session().clock(), server.max_message_bytes());
        Self::from_response(response, server.server(), cap, clock).await
    }

    /// Waits for the `endpoint` event in `response`, which answers a [GET](Request::stream) of `server`. A
    /// message may have `max_message_bytes`.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), where there is an answer.
    pub async fn from_response(
        response: Response,
        server: &ServerUrl,
        max_message_bytes: usize,
        clock: &dyn Clock,
    ) -> Result<Self, SseError> {
        if !response.status().is_success() {
            return Err(SseError::Status(
                UnexpectedStatus::new(&response).without_secrets(),
            ));
        }
        let source = InvalidMessage::new(&response);
        if response.content() != Content::Events {
            return Err(SseError::NoStream(source.without_secrets()));
        }
        let url = response.url().clone();
        let mut events = response.events(max_message_bytes);
        let named = tokio::select! {
            biased;
            named = named_endpoint(&mut events) => named.map_err(RequestError::from)?,
            () = clock.sleep(ENDPOINT_TIMEOUT) => Ok(String::new()),
        };
        let endpoint = named
            .and_then(|named| endpoint(&url, &named))
            .map_err(|fault| SseError::Endpoint(EndpointError::new(server, fault)))?;
        Ok(Self {
            events,
            endpoint,
            source,
        })
    }

    /// Where messages are posted to, which is on the server's origin.
    pub fn endpoint(&self) -> &Url {
        &self.endpoint
    }

    /// Where its events come from, to say what is wrong with one.
    pub fn source(&self) -> &InvalidMessage {
        &self.source
    }

    /// A POST of one message to `endpoint`.
    pub fn post(endpoint: &Url, message: impl Into<Bytes>) -> Request {
        Request::post(message).at(endpoint.clone()).of_http_sse()
    }

    /// The text of the server's next message; `None` when the stream has ended.
    ///
    /// Nothing is lost when the returned future is dropped.
    ///
    /// # Errors
    ///
    /// When the stream breaks off, or a message is larger than the server's limit.
    pub async fn next(&mut self) -> Option<Result<String, Error>> {
        poll_fn(|context| self.poll_next_when(context, |_, _| Poll::Ready(()))).await
    }

    /// The same for a caller that limits how much memory it takes, as
    /// [`EventStream::poll_next_when`].
    pub fn poll_next_when(
        &mut self,
        context: &mut Context<'_>,
        mut may_read: impl FnMut(&mut Context<'_>, usize) -> Poll<()>,
    ) -> Poll<Option<Result<String, Error>>> {
        loop {
            let event = match ready!(self.events.poll_next_when(context, &mut may_read)) {
                Some(Ok(event)) => event,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            };
            let is_message = event.event.as_deref().is_none_or(|kind| kind == "message");
            if let Some(data) = event.data.filter(|data| is_message && !data.is_empty()) {
                return Poll::Ready(Some(Ok(data)));
            }
        }
    }
}

/// What the `endpoint` event of a stream says; nothing where there is none. A larger event than that may
/// be is read no further.
async fn named_endpoint(events: &mut EventStream) -> Result<Result<String, EndpointFault>, Error> {
    loop {
        let mut is_too_long = false;
        let next = poll_fn(|context| {
            let next = events.poll_next_when(context, |_, held| {
                is_too_long = held > MAX_ENDPOINT_BYTES;
                if is_too_long {
                    Poll::Pending
                } else {
                    Poll::Ready(())
                }
            });
            if is_too_long { Poll::Ready(None) } else { next }
        });
        let next = next.await.transpose()?;
        if is_too_long {
            return Ok(Err(EndpointFault::TooLong));
        }
        let Some(event) = next else {
            return Ok(Ok(String::new()));
        };
        if event.event.as_deref() == Some("endpoint") {
            let named = event.data.unwrap_or_default();
            let fits = named.len() <= MAX_ENDPOINT_BYTES;
            return Ok(fits.then_some(named).ok_or(EndpointFault::TooLong));
        }
    }
}

/// The URL that an `endpoint` event names, from the URL of the stream.
fn endpoint(stream: &Url, named: &str) -> Result<Url, EndpointFault> {
    let named = named.trim();
    if named.is_empty() {
        return Err(EndpointFault::NotNamed);
    }
    let mut endpoint = stream.join(named).map_err(|_| EndpointFault::NoUrl)?;
    let has_user = !endpoint.username().is_empty() || endpoint.password().is_some();
    if endpoint.origin() != stream.origin() || has_user {
        return Err(EndpointFault::OtherOrigin(
            url_without_query(&endpoint).into(),
        ));
    }
    endpoint.set_fragment(None);
    Ok(endpoint)
}

/// Why a server is not spoken to by HTTP+SSE.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[error(transparent)]
pub enum SseError {
    /// The GET has no answer, or none that is allowed.
    Request(#[from] RequestError),
    /// The GET is refused.
    Status(UnexpectedStatus),
    /// The answer to the GET is no event stream.
    NoStream(InvalidMessage),
    /// The stream names no endpoint that is used.
    Endpoint(EndpointError),
}

impl SseError {
    /// Whether the server speaks HTTP+SSE or asks for a sign-in first, so that this is the error to tell
    /// where streamable HTTP was refused before.
    pub fn is_of_http_sse(&self) -> bool {
        match self {
            Self::Request(error) => error.challenge_response().is_some(),
            Self::Endpoint(error) => error.is_other_origin(),
            Self::Status(_) | Self::NoStream(_) => false,
        }
    }
}

impl Diagnostic for SseError {
    fn remedy(&self) -> Remedy {
        match self {
            Self::Request(error) => error.remedy(),
            Self::Status(error) => error.remedy(),
            Self::NoStream(error) => error.remedy(),
            Self::Endpoint(error) => error.remedy(),
        }
    }

    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::Request(error) => error.hints(),
            Self::Status(error) => error.hints(),
            Self::NoStream(error) => error.hints(),
            Self::Endpoint(_) => Vec::new(),
        }
    }
}

/// An event stream that names no endpoint on the server's own origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointError {
    server: ServerUrl,
    fault: EndpointFault,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum EndpointFault {
    NotNamed,
    TooLong,
    NoUrl,
    /// Without its query.
    OtherOrigin(String),
}

impl EndpointError {
    fn new(server: &ServerUrl, fault: EndpointFault) -> Self {
        Self {
            server: server.clone(),
            fault,
        }
    }

    /// What to do about it: the server is at fault.
    pub fn remedy(&self) -> Remedy {
        Remedy::Report
    }

    /// Whether the stream named another origin: the server does speak HTTP+SSE.
    pub fn is_other_origin(&self) -> bool {
        matches!(self.fault, EndpointFault::OtherOrigin(_))
    }
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the event stream of {} ", self.server)?;
        match &self.fault {
            EndpointFault::NotNamed => f.write_str(
                "has no `endpoint` event, which begins each stream of HTTP+SSE (MCP 2024-11-05)",
            ),
            EndpointFault::TooLong => f.write_str(
                "begins with an event of more than 8 KiB, where its `endpoint` event names a URL",
            ),
            EndpointFault::NoUrl => f.write_str("names an endpoint for messages that is no URL"),
            EndpointFault::OtherOrigin(url) => write!(
                f,
                "names {url} as the endpoint for messages, which is another origin"
            ),
        }
    }
}

impl StdError for EndpointError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoint_is_on_the_origin_of_the_stream() {
        let stream = Url::parse("https://mcp.example.com/a/sse?tenant=1").unwrap();
        let check = |named: &str, expected: Result<&str, EndpointFault>| {
            let endpoint = endpoint(&stream, named);
            assert_eq!(
                endpoint.as_ref().map(Url::as_str),
                expected.as_deref(),
                "{named}"
            );
        };
        let own = |path: &str| format!("https://mcp.example.com{path}");
        check("/messages?session_id=1", Ok(&own("/messages?session_id=1")));
        check("messages", Ok(&own("/a/messages")));
        check("?session_id=1#x", Ok(&own("/a/sse?session_id=1")));
        check(" https://MCP.example.com:443/m ", Ok(&own("/m")));
        check("", Err(EndpointFault::NotNamed));
        check("https://[", Err(EndpointFault::NoUrl));
        for other in [
            "https://evil.example/m",
            "http://mcp.example.com/m",
            "https://mcp.example.com:444/m",
            "//evil.example/m",
            "https://user@mcp.example.com/m",
            "\\\\evil.example/m",
        ] {
            assert!(
                matches!(endpoint(&stream, other), Err(EndpointFault::OtherOrigin(_))),
                "{other}"
            );
        }
    }
}
