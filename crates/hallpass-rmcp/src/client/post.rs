//! One message, posted: over which transport, in which session, and what the answer says of both.

use std::sync::Arc;

use hallpass_mcp::{
    Interactivity, InvalidMessage, MCP_PROTOCOL_VERSION, Reconnection, Request, RequestRefusal,
    Response, SessionLost, SseConnection, SseError, TransportKind, probe,
};
use http::StatusCode;
use rmcp::{
    model::{ClientJsonRpcMessage, ServerJsonRpcMessage},
    transport::streamable_http_client::{
        StreamableHttpError, StreamableHttpPostResponse, StreamableHttpResponseLimits,
    },
};

use super::Client;
use crate::{
    Error, answer,
    error::{RmcpError, unsent},
    http_sse::Connection,
    outgoing::{Headers, Outgoing, with_headers},
    stream::Awaited,
};

/// What rmcp is told of a message that it wants to have posted.
type Posted = Result<StreamableHttpPostResponse, RmcpError>;

/// A message of rmcp for the server.
pub(super) struct Post<'a> {
    pub(super) client: &'a Client,
    pub(super) message: &'a ClientJsonRpcMessage,
    pub(super) outgoing: &'a Outgoing,
    pub(super) session_id: Option<Arc<str>>,
    pub(super) headers: Headers,
    pub(super) limits: StreamableHttpResponseLimits,
}

impl Post<'_> {
    pub(super) async fn send(self) -> Posted {
        if let Some(connection) = self.client.http_sse.session(self.session_id.as_ref()) {
            return self.send_over_http_sse(&connection).await;
        }
        if self.outgoing.probes() && self.speaks_http_sse_alone() {
            let reason = "HTTP+SSE has no server/discover".to_owned();
            return Ok(answer::no_discover(reason, self.outgoing));
        }
        if let Some(connection) = self.known_http_sse().await? {
            return self.send_over_http_sse(&connection).await;
        }
        self.send_over_streamable_http().await
    }

    fn speaks_http_sse_alone(&self) -> bool {
        self.client.server.transport() == TransportKind::HttpSse
    }

    /// A new connection over HTTP+SSE, if this is how the server was spoken to before.
    async fn known_http_sse(&self) -> Result<Option<Arc<Connection>>, RmcpError> {
        let http_sse = &self.client.http_sse;
        let is_tried = self.speaks_http_sse_alone() || http_sse.is_known();
        if !self.outgoing.is_initialize() || !is_tried {
            return Ok(None);
        }
        match self.open_http_sse().await {
            Err(SseError::Status(_) | SseError::NoStream(_)) if !self.speaks_http_sse_alone() => {
                http_sse.forget();
                Ok(None)
            }
            opened => opened.map(Some).map_err(http_sse_error),
        }
    }

    /// A connection over HTTP+SSE, if the server speaks that instead of streamable HTTP.
    async fn fallback_to_http_sse(&self) -> Result<Option<Arc<Connection>>, RmcpError> {
        match self.open_http_sse().await {
            Ok(connection) => {
                tracing::debug!("the server speaks HTTP+SSE of MCP 2024-11-05");
                Ok(Some(connection))
            }
            Err(error) if error.is_of_http_sse() => Err(http_sse_error(error)),
            Err(error) => {
                tracing::debug!("the server speaks no HTTP+SSE: {error}");
                Ok(None)
            }
        }
    }

    async fn open_http_sse(&self) -> Result<Arc<Connection>, SseError> {
        let opened = SseConnection::open(&self.client.server, Interactivity::Interactive).await?;
        Ok(self.client.http_sse.begin(opened))
    }

    /// Sends the message over HTTP+SSE, and waits for the answer on the event stream.
    async fn send_over_http_sse(mut self, connection: &Connection) -> Posted {
        let Self {
            client, outgoing, ..
        } = self;
        // It is of streamable HTTP.
        self.headers.remove(&MCP_PROTOCOL_VERSION);
        let answer = outgoing.id().map(|id| connection.expect(id)).transpose()?;
        let body = serde_json::to_vec(self.message)?;
        let request = SseConnection::post(connection.endpoint(), body);
        let request = with_headers(request, self.headers)?;
        let response = client.send(&request, outgoing.interactivity()).await?;
        let status = response.status();
        if status == StatusCode::NOT_FOUND
            && outgoing.id().is_some()
            && !outgoing.starts_a_lifecycle()
            && client.sessions.may_repeat(outgoing.id())
        {
            return Err(StreamableHttpError::SessionExpired);
        }
        if !status.is_success() {
            let cap = self.limits.max_json_response_size;
            return answer::to_failure(response, outgoing, cap).await;
        }
        drop(response);
        let Some(answer) = answer else {
            return Ok(StreamableHttpPostResponse::Accepted);
        };
        let answer = answer.wait(outgoing, &client.sessions).await?;
        client.sessions.complete(outgoing.id());
        let session = outgoing.is_initialize().then(|| connection.id().to_owned());
        Ok(StreamableHttpPostResponse::Json(answer, session))
    }

    async fn send_over_streamable_http(self) -> Posted {
        let Self {
            client, outgoing, ..
        } = self;
        let clock = client.session().clock();
        let mut request = Request::post(serde_json::to_vec(self.message)?);
        let mut ping = None;
        if let Some(id) = &self.session_id {
            request = request.session(id).map_err(unsent)?;
            if outgoing.id().is_some() {
                ping = Some(self.checked_session(id).await?);
            }
            client.server_streams.before(self.message, id, clock).await;
        }
        let request = with_headers(request, self.headers.clone())?;
        let reconnection = Reconnection::for_request(clock.monotonic());
        let response = client.send(&request, outgoing.interactivity()).await?;
        let status = response.status();
        self.note_session(&response)?;
        if outgoing.is_initialize()
            && client.server.transport().falls_back_after(status)
            && let Some(connection) = self.fallback_to_http_sse().await?
        {
            return self.send_over_http_sse(&connection).await;
        }
        let is_accepted = matches!(status, StatusCode::ACCEPTED | StatusCode::NO_CONTENT);
        if is_accepted && outgoing.id().is_some() {
            let unanswered = answer::unanswered(&response);
            drop(response);
            let session = self.session_id.as_ref();
            let may_answer = client.server_streams.may_answer(session, clock);
            return if may_answer.await {
                Ok(StreamableHttpPostResponse::Accepted)
            } else {
                Err(unanswered)
            };
        }
        let mut source = client.source(self.session_id.clone(), reconnection);
        source.awaited = outgoing.id().map(|id| Awaited {
            id: id.clone(),
            method: outgoing.method().to_owned(),
            is_resumed: !outgoing.starts_a_lifecycle(),
            source: InvalidMessage::new(&response),
            complaint: None,
            is_answered: false,
            refusal: None,
        });
        let posted = answer::to_post(response, outgoing, self.limits, source).await;
        match (&self.session_id, ping) {
            (Some(id), Some(ping)) => self.unless_lost(id, &ping, status, posted).await,
            _ => posted,
        }
    }

    /// Sees to it that a request is sent in no session that is lost. The ping that tells whether it is
    /// lost later on.
    async fn checked_session(&self, id: &Arc<str>) -> Result<Request, RmcpError> {
        let sessions = &self.client.sessions;
        sessions.check(id)?;
        let ping = probe::ping().session(id).map_err(unsent)?;
        let ping = with_headers(ping, self.headers.clone())?;
        if let Some(refusal) = sessions.suspicion(id)
            && self.client.has_lost_session(id, &ping, refusal).await
        {
            return Err(StreamableHttpError::SessionExpired);
        }
        Ok(ping)
    }

    /// Notes what the status says of the session.
    fn note_session(&self, response: &Response) -> Result<(), RmcpError> {
        let Self {
            client, outgoing, ..
        } = self;
        let Some(id) = &self.session_id else {
            if let Some(opened) = response.session_id() {
                client.sessions.opened(opened);
            }
            return Ok(());
        };
        let status = response.status();
        if status.is_success() || outgoing.is_initialized() {
            client.server_streams.after(self.message, id);
        }
        if status == StatusCode::NOT_FOUND && client.sessions.may_repeat(outgoing.id()) {
            // The session has ended: rmcp initializes again.
            return Err(StreamableHttpError::SessionExpired);
        }
        Ok(())
    }

    /// What rmcp is told of a request in a session, where the server may have refused it because the
    /// session is lost.
    async fn unless_lost(
        &self,
        session: &Arc<str>,
        ping: &Request,
        status: StatusCode,
        posted: Posted,
    ) -> Posted {
        let Self {
            client, outgoing, ..
        } = self;
        let Some(refusal) = refusal(status, &posted) else {
            client.sessions.complete(outgoing.id());
            return posted;
        };
        if !client.has_lost_session(session, ping, refusal).await {
            return posted;
        }
        if outgoing.is_call() {
            let lost = SessionLost::new(refusal);
            return Err(StreamableHttpError::Client(Error::SessionLost(lost)));
        }
        if client.sessions.may_repeat(outgoing.id()) {
            return Err(StreamableHttpError::SessionExpired);
        }
        posted
    }
}

impl Client {
    /// Whether the server refused a request for its session.
    async fn has_lost_session(
        &self,
        id: &Arc<str>,
        ping: &Request,
        refusal: RequestRefusal,
    ) -> bool {
        let now = || self.session().clock().monotonic();
        if self.sessions.is_lost(id) {
            return true;
        }
        let is_lost =
            self.sessions.may_renew(now()) && self.server.refuses_ping(ping, refusal).await;
        if is_lost {
            tracing::info!("the server has lost the session");
            self.sessions.lose(id, now());
        }
        is_lost
    }
}

fn http_sse_error(error: SseError) -> RmcpError {
    StreamableHttpError::Client(Error::HttpSse(error))
}

/// How the server refuses the request with `posted`, where that may be for its session.
fn refusal(status: StatusCode, posted: &Posted) -> Option<RequestRefusal> {
    let code = match posted {
        Ok(StreamableHttpPostResponse::Json(ServerJsonRpcMessage::Error(error), _)) => {
            Some(i64::from(error.error.code.0))
        }
        Err(StreamableHttpError::Client(Error::UnexpectedStatus(_))) => None,
        _ => return None,
    };
    Some(RequestRefusal::new(status, code)).filter(RequestRefusal::may_be_for_session)
}
