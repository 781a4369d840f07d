//! Where requests are sent, each with a token.

use std::{fmt, sync::Arc};

use hallpass_core::{
    AuthScheme, BoxFuture, Challenge, HttpClient, ServerUrl, http::RequestOptions,
};
use hallpass_session::{Session, SessionError, Token};
use http::StatusCode;

use crate::{
    Anonymous, AttemptBudget, DEFAULT_MAX_MESSAGE_BYTES, Endpoint, Error, Interactivity, Request,
    RequestError, Response, TokenAuthorization, TooManyChallenges, TransportKind, probe,
};

/// An MCP server's endpoint, authorized by a session. Cloning it copies pointers.
///
/// Each request asks the session for its token, which costs nothing while the token is fresh.
#[derive(Clone)]
pub struct AuthorizedEndpoint {
    session: Session,
    endpoint: Arc<Endpoint>,
    max_message_bytes: usize,
    transport: TransportKind,
}

/// How often one request is repeated with another nonce. One is enough, unless the server replaces
/// it just then.
const MAX_NONCES: usize = 2;

impl AuthorizedEndpoint {
    /// The endpoint of the server that `session` is for, on `http`.
    pub fn new(session: Session, http: Arc<dyn HttpClient>) -> Self {
        let endpoint = Arc::new(Endpoint::new(http, &session.key().server));
        Self {
            session,
            endpoint,
            max_message_bytes: DEFAULT_MAX_MESSAGE_BYTES,
            transport: TransportKind::Auto,
        }
    }

    /// The same endpoint, spoken to by this transport. It counts for those that send messages to it:
    /// here each request goes out as it is.
    #[must_use]
    pub fn with_transport(mut self, transport: TransportKind) -> Self {
        self.transport = transport;
        self
    }

    /// How the server is spoken to.
    pub fn transport(&self) -> TransportKind {
        self.transport
    }

    /// The same endpoint with another limit for a message of the server, which is
    /// [`DEFAULT_MAX_MESSAGE_BYTES`] otherwise. The reader of a response applies it.
    #[must_use]
    pub fn with_max_message_bytes(mut self, bytes: usize) -> Self {
        self.max_message_bytes = bytes;
        self
    }

    /// How many bytes a message of the server may have.
    pub fn max_message_bytes(&self) -> usize {
        self.max_message_bytes
    }

    /// The same endpoint with other time limits for its requests.
    #[must_use]
    pub fn with_options(mut self, options: RequestOptions) -> Self {
        self.endpoint = Arc::new(self.endpoint.as_ref().clone().with_options(options));
        self
    }

    /// The session, to sign in early or out.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The server.
    pub fn server(&self) -> &ServerUrl {
        self.endpoint.server()
    }

    /// Signs in, if the server asks for it, before a caller waits for an answer.
    ///
    /// With a token it sends nothing. Without one it sends `server/discover`, which changes nothing, and
    /// answers the challenge. Any other answer is left for the first message to meet.
    ///
    /// # Errors
    ///
    /// When the server asks for a token and the session can't get one, or when the server can't be
    /// reached.
    pub async fn ensure_signed_in(&self) -> Result<(), Error> {
        match self.session.token().await {
            Ok(_) => return Ok(()),
            Err(SessionError::SignInRequired(_)) => {}
            Err(error) => return Err(Error::Session(error)),
        }
        let probe = probe::discover();
        let sent = self.send(&probe, Interactivity::Interactive).await;
        sent.map(drop).map_err(RequestError::into_error)
    }

    /// Sends `request` with a token, and again with another one for as long as that is the answer to
    /// what the server says, but not for ever: [`AttemptBudget`] counts.
    ///
    /// A server that wants its nonce in the proof (RFC 9449 §9) has refused neither token nor
    /// request: the same goes out again with it, a few times at most.
    ///
    /// # Errors
    ///
    /// When there is no answer, or the session has no token that the server accepts. Every other status
    /// is an answer.
    pub async fn send(
        &self,
        request: &Request,
        interactivity: Interactivity,
    ) -> Result<Response, RequestError> {
        self.send_within(request, interactivity, &mut AttemptBudget::default())
            .await
    }

    /// As [`send`](Self::send), where the challenges of several requests count together, as those for
    /// [one stream](crate::Reconnection::budget).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_within<'f>(
        &'f self,
        request: &'f Request,
        interactivity: Interactivity,
        budget: &'f mut AttemptBudget,
    ) -> BoxFuture<'f, Result<Response, RequestError>> {
        // Boxed, it is compiled once, and not in each crate that sends requests.
        Box::pin(self.send_counted(request, interactivity, budget))
    }

    async fn send_counted(
        &self,
        request: &Request,
        interactivity: Interactivity,
        budget: &mut AttemptBudget,
    ) -> Result<Response, RequestError> {
        let mut token = match self.session.token().await {
            Ok(token) => Some(token),
            // The server's own challenge says what to sign in for.
            Err(SessionError::SignInRequired(_)) => None,
            Err(error) => return Err(RequestError::before_sending(error)),
        };
        let mut nonces = 0;
        loop {
            let response = self.send_once(request, token.as_ref()).await?;
            let bound = token
                .as_ref()
                .filter(|token| token.scheme() == AuthScheme::Dpop);
            if bound.is_some() && response.asks_for_dpop_nonce() {
                if nonces == MAX_NONCES {
                    let refused = TooManyChallenges::new(
                        self.server(),
                        budget.consumed() + nonces + 1,
                        &response,
                    );
                    return Err(RequestError::too_many_challenges(refused, &response));
                }
                nonces += 1;
                continue;
            }
            let Some(challenges) = authorization_challenges(&response) else {
                if let Some(token) = token.as_ref().filter(|_| response.status().is_success()) {
                    token.mark_accepted();
                }
                return Ok(response);
            };
            if !budget.try_consume(response.status() == StatusCode::FORBIDDEN) {
                let refused =
                    TooManyChallenges::new(self.server(), budget.consumed() + 1, &response);
                return Err(RequestError::too_many_challenges(refused, &response));
            }
            tracing::debug!(
                status = response.status().as_u16(),
                method = %request.method(),
                "the server asks for another token"
            );
            let next = interactivity.answer(&self.session, token.as_ref(), &challenges);
            match next.await {
                Ok(next) => token = Some(next),
                Err(error) => return Err(RequestError::unanswered_challenge(error, &response)),
            }
        }
    }

    async fn send_once(
        &self,
        request: &Request,
        token: Option<&Token>,
    ) -> Result<Response, RequestError> {
        let sent = match token {
            Some(token) => {
                let authorization = TokenAuthorization::new(&self.session, token);
                self.endpoint.send(request, &authorization).await
            }
            None => self.endpoint.send(request, &Anonymous).await,
        };
        sent.map_err(RequestError::from)
    }
}

impl fmt::Debug for AuthorizedEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizedEndpoint")
            .field("key", self.session.key())
            .finish_non_exhaustive()
    }
}

/// The challenges, when a response is about authorization: a 401, or a 403 that says
/// `insufficient_scope`.
fn authorization_challenges(response: &Response) -> Option<Vec<Challenge>> {
    match response.status() {
        StatusCode::UNAUTHORIZED => Some(response.challenges()),
        StatusCode::FORBIDDEN => Some(response.challenges())
            .filter(|challenges| challenges.iter().any(Challenge::is_insufficient_scope)),
        _ => None,
    }
}
