//! The client that rmcp calls.

use std::{collections::HashMap, fmt, sync::Arc};

use futures_util::stream::BoxStream;
use hallpass_core::{AuthScheme, Challenge, HttpClient, ServerUrl, http::ExchangePolicy};
use hallpass_mcp_http::{Anonymous, Endpoint, Request, Response};
use hallpass_session::{Session, SessionError, Token};
use http::{HeaderName, HeaderValue, StatusCode};
use rmcp::{
    model::ClientJsonRpcMessage,
    transport::{
        StreamableHttpClientTransport,
        common::client_side_sse::ExponentialBackoff,
        streamable_http_client::{
            SseError, StreamableHttpClient, StreamableHttpClientTransportConfig,
            StreamableHttpError, StreamableHttpPostResponse, StreamableHttpResponseLimits,
        },
    },
};
use sse_stream::Sse;

use crate::{
    Error, answer,
    error::{OtherServer, Refused, Stop},
    outgoing::{Outgoing, with_headers},
    proof::{ByToken, asks_for_nonce},
    stream::{DeadEnds, Place, Source},
};

/// The transport that [`transport`] gives: what `rmcp::ServiceExt::serve` takes.
pub type Transport = StreamableHttpClientTransport<Client>;

/// rmcp's HTTP client for one server, authorised by a session. Cloning it copies pointers.
///
/// Each request asks the session for its token, which costs nothing while the token is fresh. A
/// request is sent at most six times, and steps up at most twice: a refresh, a move to another
/// authorization server, the sign-in there and two step-ups need no more.
#[derive(Clone)]
pub struct Client {
    session: Session,
    endpoint: Endpoint,
    dead_ends: DeadEnds,
}

/// How many challenges of one request are answered.
pub(crate) const MOST_ANSWERS: usize = 5;

/// How many of them are step-ups. A session knows which scopes were asked for before; that they are
/// asked for by the same call only the call knows.
pub(crate) const MOST_STEP_UPS: usize = 2;

/// How often one request is repeated with another nonce. One is enough, unless the server replaces
/// it just then.
const MOST_NONCES: usize = 2;

/// The longest pause before rmcp opens a stream again.
const MOST_BACK_OFF: std::time::Duration = std::time::Duration::from_secs(60);

impl Client {
    /// A client for the server that `session` is for, on `http`.
    pub fn new(session: Session, http: Arc<dyn HttpClient>) -> Self {
        let endpoint = Endpoint::new(http, session.slot().server.clone());
        Self {
            session,
            endpoint,
            dead_ends: DeadEnds::default(),
        }
    }

    /// The same client with other time limits for its requests.
    #[must_use]
    pub fn with_policy(mut self, policy: ExchangePolicy) -> Self {
        self.endpoint = self.endpoint.with_policy(policy);
        self
    }

    /// The session, to sign in early or out.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Sends `request` with a token, and again with another one for as long as that is the answer to
    /// what the server says.
    ///
    /// A server that wants its nonce in the proof (RFC 9449 §9) has refused neither token nor
    /// request: the same goes out again with it, [a few times](MOST_NONCES).
    pub(crate) async fn send(&self, request: &Request, purpose: Purpose) -> Result<Response, Stop> {
        let mut token = match self.session.token().await {
            Ok(token) => Some(token),
            // The server's own challenge says what to sign in for.
            Err(SessionError::SignInNeeded(_)) => None,
            Err(error) => return Err(Stop::before_sending(error)),
        };
        let mut answered = 0;
        let mut step_ups = 0;
        let mut nonces = 0;
        loop {
            let response = self.send_once(request, token.as_ref()).await?;
            let bound = token
                .as_ref()
                .filter(|token| token.scheme() == AuthScheme::Dpop);
            if bound.is_some() && asks_for_nonce(&response) {
                if nonces == MOST_NONCES {
                    let refused = Refused::new(&self.endpoint, answered + nonces + 1);
                    return Err(Stop::in_circles(refused, &response));
                }
                nonces += 1;
                continue;
            }
            let Some(challenges) = refusal(&response) else {
                if let Some(token) = token.as_ref().filter(|_| response.status().is_success()) {
                    token.mark_accepted();
                }
                return Ok(response);
            };
            if response.status() == StatusCode::FORBIDDEN {
                step_ups += 1;
            }
            if answered == MOST_ANSWERS || step_ups > MOST_STEP_UPS {
                let refused = Refused::new(&self.endpoint, answered + 1);
                return Err(Stop::in_circles(refused, &response));
            }
            answered += 1;
            tracing::debug!(
                status = response.status().as_u16(),
                method = %request.method(),
                "the server asks for another token"
            );
            let next = purpose.answer(&self.session, token.as_ref(), &challenges);
            match next.await {
                Ok(next) => token = Some(next),
                Err(error) => return Err(Stop::refused(error, &response)),
            }
        }
    }

    async fn send_once(&self, request: &Request, token: Option<&Token>) -> Result<Response, Stop> {
        let sent = match token {
            Some(token) => {
                let authorization = ByToken {
                    session: &self.session,
                    token,
                };
                self.endpoint.send(request, &authorization).await
            }
            None => self.endpoint.send(request, &Anonymous).await,
        };
        sent.map_err(Stop::from)
    }

    /// Whether rmcp's configuration names the session's server, and leaves authorisation to us.
    fn agree(
        &self,
        uri: &str,
        auth_header: Option<&String>,
    ) -> Result<(), StreamableHttpError<Error>> {
        if auth_header.is_some() {
            return Err(StreamableHttpError::ReservedHeaderConflict(
                http::header::AUTHORIZATION.to_string(),
            ));
        }
        let server = self.endpoint.server();
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

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("slot", self.session.slot())
            .finish_non_exhaustive()
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
    pauses.max_delay = Some(MOST_BACK_OFF);
    config.retry_config = Arc::new(pauses);
    StreamableHttpClientTransport::with_client(client, config)
}

/// On whose behalf a request is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Somebody waits for it, and may be asked to sign in.
    Asked,
    /// Nobody does: nothing but a refresh may come of it.
    Background,
}

impl Purpose {
    /// Another token than `refused`.
    pub(crate) async fn answer(
        self,
        session: &Session,
        refused: Option<&Token>,
        challenges: &[Challenge],
    ) -> Result<Token, SessionError> {
        match (self, refused) {
            (Self::Asked, refused) => session.answer_challenge(refused, challenges).await,
            (Self::Background, Some(refused)) => {
                session.token_after_rejection(refused, challenges).await
            }
            // Somebody may have signed in meanwhile.
            (Self::Background, None) => session.token().await,
        }
    }
}

/// The challenges, when an answer is about authorisation: a 401, with or without a challenge, or a
/// 403 that says `insufficient_scope`.
fn refusal(response: &Response) -> Option<Vec<Challenge>> {
    let challenges = || hallpass_discovery::challenges(response.headers());
    match response.status() {
        StatusCode::UNAUTHORIZED => {
            let mut challenges = challenges();
            if challenges.is_empty() {
                challenges.push(Challenge::bare(AuthScheme::Bearer));
            }
            Some(challenges)
        }
        StatusCode::FORBIDDEN => {
            let challenges = challenges();
            let scope = challenges.iter().any(Challenge::is_insufficient_scope);
            scope.then_some(challenges)
        }
        _ => None,
    }
}

impl StreamableHttpClient for Client {
    type Error = Error;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<StreamableHttpPostResponse, StreamableHttpError<Error>> {
        let limits = StreamableHttpResponseLimits::default();
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
        custom_headers: HashMap<HeaderName, HeaderValue>,
        max_sse_event_size: usize,
    ) -> Result<StreamableHttpPostResponse, StreamableHttpError<Error>> {
        let mut limits = StreamableHttpResponseLimits::default();
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
        custom_headers: HashMap<HeaderName, HeaderValue>,
        limits: StreamableHttpResponseLimits,
    ) -> Result<StreamableHttpPostResponse, StreamableHttpError<Error>> {
        self.agree(&uri, auth_header.as_ref())?;
        let outgoing = Outgoing::of(&message, session_id.is_some());
        let mut request = Request::post(serde_json::to_vec(&message)?);
        if let Some(id) = &session_id {
            request = request.session(id).map_err(Stop::from)?;
        }
        let request = with_headers(request, custom_headers)?;
        let response = self.send(&request, outgoing.purpose()).await?;
        let source = Source {
            place: Place::new(session_id, None),
            opened_by_get: false,
            tells_errors: outgoing.starts_a_lifecycle(),
            dead_ends: self.dead_ends.clone(),
        };
        answer::to_post(response, &outgoing, limits, source).await
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session_id: Arc<str>,
        auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<(), StreamableHttpError<Error>> {
        self.agree(&uri, auth_header.as_ref())?;
        let request = Request::delete().session(&session_id).map_err(Stop::from)?;
        let request = with_headers(request, custom_headers)?;
        answer::to_delete(&self.send(&request, Purpose::Background).await?)
    }

    async fn get_stream(
        &self,
        uri: Arc<str>,
        session_id: Option<Arc<str>>,
        last_event_id: Option<String>,
        auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<BoxStream<'static, Result<Sse, SseError>>, StreamableHttpError<Error>> {
        self.get_stream_with_max_sse_event_size(
            uri,
            session_id,
            last_event_id,
            auth_header,
            custom_headers,
            StreamableHttpResponseLimits::default().max_sse_event_size,
        )
        .await
    }

    async fn get_stream_with_max_sse_event_size(
        &self,
        uri: Arc<str>,
        session_id: Option<Arc<str>>,
        last_event_id: Option<String>,
        auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
        max_sse_event_size: usize,
    ) -> Result<BoxStream<'static, Result<Sse, SseError>>, StreamableHttpError<Error>> {
        self.agree(&uri, auth_header.as_ref())?;
        let after = last_event_id.filter(|id| !id.is_empty());
        let place = Place::new(session_id, after);
        if self.dead_ends.contains(&place) {
            tracing::warn!("the stream can't be resumed: its next event is too large");
            return Err(StreamableHttpError::ServerDoesNotSupportSse);
        }
        let mut request = Request::stream();
        if let Some(id) = place.session() {
            request = request.session(id).map_err(Stop::from)?;
        }
        if let Some(id) = place.after() {
            request = request.after(id).map_err(Stop::from)?;
        }
        let request = with_headers(request, custom_headers)?;
        let response = self
            .send(&request, Purpose::Background)
            .await
            .map_err(Stop::of_stream)?;
        let source = Source {
            place,
            opened_by_get: true,
            tells_errors: false,
            dead_ends: self.dead_ends.clone(),
        };
        answer::to_get(response, max_sse_event_size, source)
    }
}
