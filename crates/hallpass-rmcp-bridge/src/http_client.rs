//! rmcp's `OAuthHttpClient` over a Hallpass HTTP client.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use hallpass_core::{
    AuthScheme, HttpClient, HttpError, ServerUrl, State,
    http::{Redirects, RequestOptions},
};
use hallpass_oauth::TokenResponse;
use http::{Method, Request, Response, header::CONTENT_TYPE};
use rmcp::transport::auth::{
    OAuthHttpClient, OAuthHttpClientError, OAuthHttpClientFuture, OAuthHttpRedirectPolicy,
    OAuthHttpRequest,
};

use crate::{
    credentials,
    refresh_session::{RefreshSession, RefreshSessions, SharedRefreshSession},
};

/// Where rmcp sends its OAuth requests. [`Bridge`](crate::Bridge) makes it.
pub struct BridgeHttpClient {
    sessions: Arc<RefreshSessions>,
    http: Arc<dyn HttpClient>,
}

impl BridgeHttpClient {
    pub(crate) fn new(sessions: Arc<RefreshSessions>, http: Arc<dyn HttpClient>) -> Self {
        Self { sessions, http }
    }
}

impl OAuthHttpClient for BridgeHttpClient {
    fn execute(&self, request: OAuthHttpRequest) -> OAuthHttpClientFuture<'_> {
        Box::pin(async move {
            let options = options(&request, &self.sessions.key().server);
            let request = request.request.map(Bytes::from);
            let under_way = refresh_token(&request).zip(self.sessions.current_refresh());
            let response = match under_way {
                None => self.http.fetch(request, options).await?,
                Some((sent, session)) => {
                    let (sessions, http) = (Arc::clone(&self.sessions), Arc::clone(&self.http));
                    // A task of its own: dropping the caller must not lose the new refresh token.
                    let refresh = refresh(sessions, http, session, sent, request, options);
                    tokio::spawn(refresh).await??
                }
            };
            Ok::<_, OAuthHttpClientError>(response.map(Vec::from))
        })
    }
}

/// What the request may do and take. What is read is metadata, or a question to the MCP server for
/// its challenge; all else goes to an endpoint of the authorization server.
fn options(request: &OAuthHttpRequest, server: &ServerUrl) -> RequestOptions {
    let mut options = match *request.request.method() {
        Method::GET | Method::HEAD => RequestOptions::metadata(server),
        _ => RequestOptions::authorization_server(server),
    };
    // rmcp follows metadata's own redirects itself, and asks for none of them here.
    if request.redirect_policy == OAuthHttpRedirectPolicy::Stop {
        options.redirects = Redirects::None;
    }
    let limits = [options.timeout, request.timeout];
    options.timeout = limits.into_iter().flatten().min();
    options
}

/// The refresh token that a request sends.
fn refresh_token(request: &Request<Bytes>) -> Option<String> {
    let parameter = |name| {
        let mut pairs = form_urlencoded::parse(request.body());
        pairs.find_map(|(key, value)| (key == name).then_some(value))
    };
    if request.method() != Method::POST || parameter("grant_type")? != "refresh_token" {
        return None;
    }
    parameter("refresh_token").map(std::borrow::Cow::into_owned)
}

/// Makes a refresh, and saves the new grant.
async fn refresh(
    sessions: Arc<RefreshSessions>,
    http: Arc<dyn HttpClient>,
    session: SharedRefreshSession,
    sent: String,
    request: Request<Bytes>,
    options: RequestOptions,
) -> Result<Response<Bytes>, HttpError> {
    if let Some(grant) = session.lock().await.newer_grant(sessions.now()) {
        tracing::debug!("another process has refreshed meanwhile");
        let mut answer = Response::new(credentials::answer_for(grant).to_string().into());
        let json = http::HeaderValue::from_static("application/json");
        answer.headers_mut().insert(CONTENT_TYPE, json);
        return Ok(answer);
    }
    let response = http.fetch(request, options).await?;
    if let Ok(answer) = TokenResponse::from_http(&response, AuthScheme::Bearer) {
        save_grant(&sessions, &mut *session.lock().await, &sent, answer).await;
    }
    Ok(response)
}

/// Saves what a refresh brought. rmcp saves it once more, which then changes nothing, unless it is
/// not there any more.
async fn save_grant(
    sessions: &RefreshSessions,
    session: &mut RefreshSession,
    sent: &str,
    answer: TokenResponse,
) {
    let Some(base) = session.record().cloned() else {
        return;
    };
    let Some(old) = base.grant.as_ref().filter(|grant| {
        let token = grant.refresh_token.as_ref();
        token.is_some_and(|token| token.expose() == sent)
    }) else {
        return;
    };
    let mut record = base.clone();
    record.grant = Some(answer.renew(old, sessions.now()));
    record.pending_refresh = None;
    record.state = State::SignedIn;
    if let Err(error) = sessions.save(session, record, Some(&base)).await {
        tracing::warn!("a refreshed token is not saved yet: {error}");
    }
}

impl fmt::Debug for BridgeHttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BridgeHttpClient")
            .field(self.sessions.key())
            .finish()
    }
}
