//! The lesser road: a session on top of another client of rmcp's.

use std::{collections::HashMap, future::Future, io, sync::Arc};

use futures_util::stream::BoxStream;
use hallpass_core::{AuthScheme, Challenge, Remedy, ServerUrl};
use hallpass_session::{Session, SessionError, Token};
use hallpass_mcp::{AttemptBudget, Interactivity};
use http::{HeaderMap, HeaderName, HeaderValue, header::WWW_AUTHENTICATE};
use rmcp::{
    model::ClientJsonRpcMessage,
    transport::streamable_http_client::{
        AuthRequiredError, SseError, StreamableHttpClient, StreamableHttpError,
        StreamableHttpPostResponse, StreamableHttpResponseLimits,
    },
};
use sse_stream::Sse;

use crate::{Error, error::OtherServer, outgoing::Outgoing};

/// Another rmcp client whose requests a session authorises, for a host that has reasons to keep it.
///
/// It is the lesser road. It sees of a refusal what `C` tells: rmcp's own client tells the first
/// `WWW-Authenticate` of several, nothing of a 401 without one, nothing of a DELETE's 401. It sends
/// bearer tokens only. Redirects, certificate authorities and time limits are those of `C`. And an
/// end that has to do with authorisation is `AuthRequired` or `InsufficientScope`, by which rmcp
/// knows that it must stop, but which say nothing about a remedy. [`Client`](crate::Client) has none
/// of these limits.
#[derive(Debug, Clone)]
pub struct AuthorizedClient<C> {
    inner: C,
    session: Session,
}

type Outcome<T, C> = Result<T, StreamableHttpError<<C as StreamableHttpClient>::Error>>;

impl<C> AuthorizedClient<C> {
    /// `inner`, authorised by `session`.
    pub fn new(inner: C, session: Session) -> Self {
        Self { inner, session }
    }

    /// The session, to sign in early or out.
    pub fn session(&self) -> &Session {
        &self.session
    }
}

impl<C: StreamableHttpClient + Sync> AuthorizedClient<C> {
    async fn drive<T, F, Fut>(
        &self,
        uri: &str,
        auth_header: Option<&String>,
        purpose: Interactivity,
        call: F,
    ) -> Outcome<T, C>
    where
        F: Fn(Option<String>) -> Fut + Send + Sync,
        Fut: Future<Output = Outcome<T, C>> + Send,
    {
        self.agree(uri, auth_header)?;
        let mut token = match self.session.token().await {
            Ok(token) => Some(token),
            Err(SessionError::SignInRequired(_)) => None,
            Err(error) => return Err(ended(error, None)),
        };
        let mut budget = AttemptBudget::default();
        loop {
            let refusal = match call(bearer(token.as_ref())?).await {
                Err(refusal) => refusal,
                answer => return answer,
            };
            let Some(challenges) = challenges(&refusal) else {
                return Err(refusal);
            };
            let step_up = matches!(refusal, StreamableHttpError::InsufficientScope(_));
            if !budget.try_consume(step_up) {
                return Err(refusal);
            }
            let next = purpose.answer(&self.session, token.as_ref(), &challenges);
            match next.await {
                Ok(next) => token = Some(next),
                Err(error) => return Err(ended(error, Some(refusal))),
            }
        }
    }

    fn agree(&self, uri: &str, auth_header: Option<&String>) -> Outcome<(), C> {
        if auth_header.is_some() {
            return Err(StreamableHttpError::ReservedHeaderConflict(
                http::header::AUTHORIZATION.to_string(),
            ));
        }
        let server = &self.session.key().server;
        if uri == server.as_str() || ServerUrl::parse(uri).is_ok_and(|other| other == *server) {
            return Ok(());
        }
        let error = Error::OtherServer(OtherServer::new(uri, server));
        Err(io::Error::other(error).into())
    }
}

/// The token as rmcp's clients take it.
fn bearer<E: std::error::Error + Send + Sync + 'static>(
    token: Option<&Token>,
) -> Result<Option<String>, StreamableHttpError<E>> {
    let Some(token) = token else {
        return Ok(None);
    };
    match token.scheme() {
        AuthScheme::Bearer => Ok(Some(token.access_token().expose().to_owned())),
        // It must not be sent as what it is not (RFC 9449 §7.1), and `C` makes no proofs.
        _ => Err(StreamableHttpError::AuthRequired(AuthRequiredError::new(
            "the token is bound to a key, which this client can't prove".to_owned(),
        ))),
    }
}

/// What the server asks for, as far as the client tells; `None` when it is no matter of
/// authorisation.
fn challenges<E: std::error::Error + Send + Sync + 'static>(
    error: &StreamableHttpError<E>,
) -> Option<Vec<Challenge>> {
    let (text, is_forbidden) = match error {
        StreamableHttpError::AuthRequired(error) => (&error.www_authenticate_header, false),
        StreamableHttpError::InsufficientScope(error) => (&error.www_authenticate_header, true),
        _ => return None,
    };
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(WWW_AUTHENTICATE, value);
    }
    let mut challenges = hallpass_discovery::challenges(&headers);
    if is_forbidden {
        // rmcp's own client says so of each 403 with a challenge.
        let scope = challenges.iter().any(Challenge::is_insufficient_scope);
        return scope.then_some(challenges);
    }
    if challenges.is_empty() {
        challenges.push(Challenge::new(AuthScheme::Bearer));
    }
    Some(challenges)
}

/// What rmcp is told when the session has no token to give.
fn ended<E: std::error::Error + Send + Sync + 'static>(
    error: SessionError,
    refusal: Option<StreamableHttpError<E>>,
) -> StreamableHttpError<E> {
    if error.remedy() == Remedy::Retry {
        return io::Error::other(Error::Session(error)).into();
    }
    tracing::warn!("no token for a request: {error}");
    refusal.unwrap_or_else(|| {
        StreamableHttpError::AuthRequired(AuthRequiredError::new(error.to_string()))
    })
}

impl<C: StreamableHttpClient + Sync> StreamableHttpClient for AuthorizedClient<C> {
    type Error = C::Error;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Outcome<StreamableHttpPostResponse, C> {
        let purpose = Outgoing::of(&message, session_id.is_some()).purpose();
        self.drive(&uri, auth_header.as_ref(), purpose, |token| {
            self.inner.post_message(
                uri.clone(),
                message.clone(),
                session_id.clone(),
                token,
                custom_headers.clone(),
            )
        })
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
    ) -> Outcome<StreamableHttpPostResponse, C> {
        let purpose = Outgoing::of(&message, session_id.is_some()).purpose();
        self.drive(&uri, auth_header.as_ref(), purpose, |token| {
            self.inner.post_message_with_max_sse_event_size(
                uri.clone(),
                message.clone(),
                session_id.clone(),
                token,
                custom_headers.clone(),
                max_sse_event_size,
            )
        })
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
    ) -> Outcome<StreamableHttpPostResponse, C> {
        let purpose = Outgoing::of(&message, session_id.is_some()).purpose();
        self.drive(&uri, auth_header.as_ref(), purpose, |token| {
            self.inner.post_message_with_response_limits(
                uri.clone(),
                message.clone(),
                session_id.clone(),
                token,
                custom_headers.clone(),
                limits,
            )
        })
        .await
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session_id: Arc<str>,
        auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Outcome<(), C> {
        self.drive(
            &uri,
            auth_header.as_ref(),
            Interactivity::Background,
            |token| {
                self.inner.delete_session(
                    uri.clone(),
                    session_id.clone(),
                    token,
                    custom_headers.clone(),
                )
            },
        )
        .await
    }

    async fn get_stream(
        &self,
        uri: Arc<str>,
        session_id: Option<Arc<str>>,
        last_event_id: Option<String>,
        auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Outcome<BoxStream<'static, Result<Sse, SseError>>, C> {
        self.drive(
            &uri,
            auth_header.as_ref(),
            Interactivity::Background,
            |token| {
                self.inner.get_stream(
                    uri.clone(),
                    session_id.clone(),
                    last_event_id.clone(),
                    token,
                    custom_headers.clone(),
                )
            },
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
    ) -> Outcome<BoxStream<'static, Result<Sse, SseError>>, C> {
        self.drive(
            &uri,
            auth_header.as_ref(),
            Interactivity::Background,
            |token| {
                self.inner.get_stream_with_max_sse_event_size(
                    uri.clone(),
                    session_id.clone(),
                    last_event_id.clone(),
                    token,
                    custom_headers.clone(),
                    max_sse_event_size,
                )
            },
        )
        .await
    }
}
