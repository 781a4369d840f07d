//! The client that rmcp calls.

use std::{fmt, sync::Arc};

use hallpass_core::{Diagnostic as _, HttpClient, Remedy, ServerUrl, http::RequestOptions};
use hallpass_mcp::{
    AuthorizedEndpoint, Interactivity, Reconnection, Request, Response, Unanswered, only_reads,
};
use hallpass_session::Session;
use rmcp::{
    model::ClientJsonRpcMessage,
    transport::{
        StreamableHttpClientTransport,
        common::client_side_sse::ExponentialBackoff,
        streamable_http_client::{
            StreamableHttpClient, StreamableHttpClientTransportConfig, StreamableHttpError,
            StreamableHttpPostResponse, StreamableHttpResponseLimits,
        },
    },
};

use crate::{
    ClientError, Error, answer,
    error::{OtherServer, RmcpError, stream_error, unsent},
    http_sse::HttpSse,
    outgoing::{Headers, Outgoing, with_headers},
    server_streams::ServerStreams,
    sessions::Sessions,
    stream::{self, ClosedStreams, EventSource, SseStream},
};

mod post;

use post::Post;

/// The transport that [`transport`] gives: what `rmcp::ServiceExt::serve` takes.
pub type Transport = StreamableHttpClientTransport<Client>;

/// rmcp's HTTP client for one server, authorized by a session. Cloning it copies pointers.
///
/// Each request asks the session for its token, which costs nothing while the token is fresh. A
/// request is sent [at most six times](hallpass_mcp::AttemptBudget).
#[derive(Clone)]
pub struct Client {
    server: AuthorizedEndpoint,
    ended: ClosedStreams,
    server_streams: ServerStreams,
    sessions: Sessions,
    http_sse: HttpSse,
}

/// The longest pause before rmcp opens a stream again.
const MAX_BACKOFF: std::time::Duration = std::time::Duration::from_secs(60);

impl Client {
    /// A client for the server that `session` is for, on `http`.
    pub fn new(session: Session, http: Arc<dyn HttpClient>) -> Self {
        Self::at(AuthorizedEndpoint::new(session, http))
    }

    /// A client for `server`, with the limits that it has. [`transport`] hands the limit of a message
    /// to rmcp.
    pub fn at(server: AuthorizedEndpoint) -> Self {
        Self {
            server,
            ended: ClosedStreams::default(),
            server_streams: ServerStreams::default(),
            sessions: Sessions::default(),
            http_sse: HttpSse::default(),
        }
    }

    /// The same client with other time limits for its requests.
    #[must_use]
    pub fn with_options(mut self, options: RequestOptions) -> Self {
        self.server = self.server.with_options(options);
        self
    }

    /// The session, to sign in early or out.
    pub fn session(&self) -> &Session {
        self.server.session()
    }

    /// Signs in, if the server asks for it, before rmcp begins to wait.
    ///
    /// With `ClientLifecycleMode::Auto` rmcp waits ten seconds for the answer to its first message,
    /// and is confused by one that comes later, because the user had to sign in meanwhile. So a host
    /// that uses that mode calls this first. With a token at hand it sends nothing; else it asks the
    /// server something harmless and answers its challenge. Whatever else the server says to that is
    /// left for rmcp to find out.
    ///
    /// # Errors
    ///
    /// When the server asks for a token and the session can't get one, or when the server can't be
    /// reached.
    pub async fn ensure_signed_in(&self) -> Result<(), Error> {
        self.server.ensure_signed_in().await.map_err(Error::from)
    }

    fn limits(&self) -> StreamableHttpResponseLimits {
        let mut limits = StreamableHttpResponseLimits::default();
        limits.max_sse_event_size = self.server.max_message_bytes();
        limits.max_json_response_size = self.server.max_message_bytes();
        limits
    }

    fn source(&self, session: Option<Arc<str>>, reconnection: Reconnection) -> EventSource {
        EventSource {
            server: self.server.clone(),
            session,
            reconnection,
            awaited: None,
            ended: self.ended.clone(),
            server_streams: self.server_streams.clone(),
            sessions: self.sessions.clone(),
        }
    }

    async fn send(
        &self,
        request: &Request,
        interactivity: Interactivity,
    ) -> Result<Response, RmcpError> {
        let sent = self.server.send(request, interactivity).await;
        sent.map_err(|error| StreamableHttpError::Client(error.into_error().into()))
    }

    /// Whether rmcp's configuration names the session's server, and leaves authorization to us.
    fn check_target(&self, uri: &str, auth_header: Option<&String>) -> Result<(), RmcpError> {
        if auth_header.is_some() {
            return Err(StreamableHttpError::ReservedHeaderConflict(
                http::header::AUTHORIZATION.to_string(),
            ));
        }
        let server = self.server.server();
        let same =
            uri == server.as_str() || ServerUrl::parse(uri).is_ok_and(|other| other == *server);
        if same {
            Ok(())
        } else {
            // A token of one server must not be sent to another.
            Err(StreamableHttpError::Client(Error::OtherServer(
                OtherServer::new(uri, server),
            )))
        }
    }
}

/// Where the connection breaks off after a request was sent, the host has to know that the server may
/// have done what was asked.
fn with_outcome(error: RmcpError, outgoing: &Outgoing) -> RmcpError {
    match error {
        StreamableHttpError::Client(Error::Http(hallpass_mcp::Error::Http(broken)))
            if outgoing.id().is_some()
                && !outgoing.starts_a_lifecycle()
                && broken.remedy() == Remedy::Retry
                && broken.may_have_been_sent()
                && !only_reads(outgoing.method()) =>
        {
            let unanswered = Unanswered::from_error(&broken, outgoing.method());
            StreamableHttpError::Client(Error::Unanswered(unanswered))
        }
        error => error,
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The ids of streams and sessions are no reader's.
        f.debug_tuple("Client").field(&self.server).finish()
    }
}

/// The transport for `server`, which is the one that `client`'s session is for; for another one
/// every request is refused.
///
/// A host that wants other settings of rmcp (limits, headers) hands the client to rmcp's
/// `StreamableHttpClientTransport::with_client` itself. Must be called in a tokio runtime.
pub fn transport(client: Client, server: &ServerUrl) -> Transport {
    let mut config = StreamableHttpClientTransportConfig::with_uri(server.as_str());
    // rmcp doubles the pause without end unless it is told otherwise.
    let mut pauses = ExponentialBackoff::default();
    pauses.max_delay = Some(MAX_BACKOFF);
    config.retry_config = Arc::new(pauses);
    let limit = client.server.max_message_bytes();
    config.max_json_response_size = limit;
    config.max_sse_event_size = limit;
    StreamableHttpClientTransport::with_client(client, config)
}

impl StreamableHttpClient for Client {
    type Error = Error;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        auth_header: Option<String>,
        custom_headers: Headers,
    ) -> Result<StreamableHttpPostResponse, RmcpError> {
        let limits = self.limits();
        self.post_message_with_response_limits(
            uri,
            message,
            session_id,
            auth_header,
            custom_headers,
            limits,
        )
        .await
    }

    async fn post_message_with_max_sse_event_size(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        auth_header: Option<String>,
        custom_headers: Headers,
        max_sse_event_size: usize,
    ) -> Result<StreamableHttpPostResponse, RmcpError> {
        let mut limits = self.limits();
        limits.max_sse_event_size = max_sse_event_size;
        self.post_message_with_response_limits(
            uri,
            message,
            session_id,
            auth_header,
            custom_headers,
            limits,
        )
        .await
    }

    async fn post_message_with_response_limits(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        auth_header: Option<String>,
        custom_headers: Headers,
        limits: StreamableHttpResponseLimits,
    ) -> Result<StreamableHttpPostResponse, RmcpError> {
        self.check_target(&uri, auth_header.as_ref())?;
        let outgoing = Outgoing::new(&message, session_id.is_some());
        let post = Post {
            client: self,
            message: &message,
            outgoing: &outgoing,
            session_id,
            headers: custom_headers,
            limits,
        };
        match post.send().await {
            // rmcp ends the connection otherwise. What is wrong is said to the first request after it.
            Ok(StreamableHttpPostResponse::Sse(..)) if outgoing.is_initialized() => {
                Ok(StreamableHttpPostResponse::Accepted)
            }
            Err(error) if outgoing.is_initialized() => {
                let error = ClientError::new(error);
                tracing::info!("the server was not told that the host is ready: {error}");
                Ok(StreamableHttpPostResponse::Accepted)
            }
            posted => posted.map_err(|error| with_outcome(error, &outgoing)),
        }
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session_id: Arc<str>,
        auth_header: Option<String>,
        custom_headers: Headers,
    ) -> Result<(), RmcpError> {
        self.check_target(&uri, auth_header.as_ref())?;
        if self.http_sse.end(&session_id) {
            return Ok(());
        }
        let request = Request::delete().session(&session_id).map_err(unsent)?;
        let request = with_headers(request, custom_headers)?;
        answer::to_delete(&self.send(&request, Interactivity::Background).await?)
    }

    async fn get_stream(
        &self,
        uri: Arc<str>,
        session_id: Option<Arc<str>>,
        last_event_id: Option<String>,
        auth_header: Option<String>,
        custom_headers: Headers,
    ) -> Result<SseStream, RmcpError> {
        self.get_stream_with_max_sse_event_size(
            uri,
            session_id,
            last_event_id,
            auth_header,
            custom_headers,
            self.limits().max_sse_event_size,
        )
        .await
    }

    async fn get_stream_with_max_sse_event_size(
        &self,
        uri: Arc<str>,
        session_id: Option<Arc<str>>,
        last_event_id: Option<String>,
        auth_header: Option<String>,
        custom_headers: Headers,
        max_sse_event_size: usize,
    ) -> Result<SseStream, RmcpError> {
        self.check_target(&uri, auth_header.as_ref())?;
        if let Some(connection) = self.http_sse.session(session_id.as_ref()) {
            let unasked = connection.unasked();
            return unasked.ok_or(StreamableHttpError::ServerDoesNotSupportSse);
        }
        let after = last_event_id.filter(|id| !id.is_empty());
        let clock = self.session().clock();
        let ended = self.ended.take(session_id.as_deref(), after.as_deref());
        let mut awaited = None;
        let mut reconnection = match ended {
            Some(stream) => {
                let ended = stream.reconnection;
                awaited = stream.awaited;
                let Some(pause) = ended.delay(clock.monotonic()) else {
                    if let Some(awaited) = &awaited {
                        let unanswered = if ended.had_no_message() {
                            Unanswered::no_message(&awaited.method)
                        } else {
                            Unanswered::stream_ended(&awaited.method)
                        };
                        return Ok(stream::of_one(awaited.failed(&unanswered)));
                    }
                    tracing::warn!(
                        "an event stream is not opened again: the server ends it each time"
                    );
                    if let Some(id) = session_id.as_ref().filter(|_| !ended.answers_a_request()) {
                        self.server_streams.refused(id);
                    }
                    return Err(StreamableHttpError::ServerDoesNotSupportSse);
                };
                clock.sleep(pause).await;
                ended
            }
            None => stream::unknown(after.as_deref(), clock.monotonic()),
        };
        reconnection.opened(clock.monotonic());
        let mut request = Request::stream();
        if let Some(id) = session_id.as_deref() {
            request = request.session(id).map_err(unsent)?;
        }
        if let Some(id) = after.as_deref() {
            request = request.after(id).map_err(unsent)?;
        }
        let request = with_headers(request, custom_headers)?;
        // A GET may also go on with a stream that answers a request.
        let own = session_id
            .as_ref()
            .filter(|_| !reconnection.answers_a_request());
        let asked = own.map(|id| self.server_streams.asked(id));
        let budget = reconnection.budget();
        let sent = self
            .server
            .send_within(&request, Interactivity::Background, budget)
            .await;
        let mut source = self.source(session_id.clone(), reconnection);
        source.awaited = awaited;
        let opened = match sent {
            Ok(response) => answer::to_get(response, max_sse_event_size, source),
            Err(error) => match &source.awaited {
                Some(awaited) if error.remedy() != Remedy::Retry => {
                    Ok(stream::of_one(awaited.failed(&error)))
                }
                _ => {
                    source.keep_for_resumption(false);
                    Err(stream_error(error))
                }
            },
        };
        if let (Some(id), Err(StreamableHttpError::ServerDoesNotSupportSse)) = (own, &opened) {
            self.server_streams.refused(id);
        }
        // Not before that is noted.
        drop(asked);
        opened
    }
}
