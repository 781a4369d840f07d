//! Where requests go, and the redirects on the way.

use std::{sync::Arc, time::Duration};

use hallpass_core::{
    HttpClient, HttpError, ServerUrl,
    http::{HttpErrorKind, Redirects, RequestOptions, RequestTarget},
};
use http::{
    HeaderMap, Method, StatusCode, Uri,
    header::{AUTHORIZATION, LOCATION},
};
use url::Url;

use crate::{
    Authorization, Error, Request, Response,
    error::{AuthorizationError, RedirectError, RedirectReason},
};

/// How many redirects of one request are followed.
const MAX_REDIRECTS: usize = 5;

/// How long the head of an answer to a POST may take.
const POST_RESPONSE_TIMEOUT: Duration = Duration::from_secs(300);

/// An MCP server's endpoint: sends requests there and follows the redirects that MCP allows.
///
/// A 307 or 308 on the same scheme, host and port is followed at most five times, with the same
/// method and body and an authorization of its own for each hop. A redirect elsewhere is an error,
/// since neither the token nor the configured headers may go there; a 301, 302 or 303 is an error as
/// well, since it would turn a POST into a GET (RFC 9110 §15.4).
#[derive(Debug, Clone)]
pub struct Endpoint {
    http: Arc<dyn HttpClient>,
    post: RequestOptions,
    other: RequestOptions,
}

impl Endpoint {
    /// The endpoint of `server`, with [`RequestOptions::mcp`] as its time limits. A POST waits five
    /// minutes for the head of its answer instead, which a server with plain JSON answers sends only
    /// when the work is done.
    pub fn new(http: Arc<dyn HttpClient>, server: &ServerUrl) -> Self {
        let other = RequestOptions::mcp(server);
        let post = RequestOptions {
            response_timeout: Some(POST_RESPONSE_TIMEOUT),
            ..other.clone()
        };
        Self { http, post, other }
    }

    /// The same endpoint with other limits for every method. The server and redirects stay with the
    /// endpoint, whatever `options` says.
    #[must_use]
    pub fn with_options(mut self, mut options: RequestOptions) -> Self {
        options.server = self.other.server;
        options.redirects = Redirects::None;
        self.post = options.clone();
        self.other = options;
        self
    }

    /// The endpoint of another server, on the same client and with the same limits.
    #[must_use]
    pub fn at(&self, server: ServerUrl) -> Self {
        let mut endpoint = self.clone();
        endpoint.post.server = server.clone();
        endpoint.other.server = server;
        endpoint
    }

    /// The server.
    pub fn server(&self) -> &ServerUrl {
        &self.other.server
    }

    /// Sends `request` and returns once the head of its answer is there. Every status is an answer,
    /// save the redirects.
    ///
    /// # Errors
    ///
    /// When there is no answer, a redirect can't be followed, or no authorization can be made.
    pub async fn send(
        &self,
        request: &Request,
        authorization: &dyn Authorization,
    ) -> Result<Response, Error> {
        let server = self.server().url();
        let mut url = request.url.as_ref().unwrap_or(server).clone();
        if url.origin() != server.origin() {
            // The token and the configured headers are for the server alone.
            return Err(
                HttpError::new(HttpErrorKind::InvalidRequest, RequestTarget::Mcp, &url).into(),
            );
        }
        let mut followed = 0;
        loop {
            let hop = hop(request, &url, authorization)?;
            let has_token = hop.headers().contains_key(AUTHORIZATION);
            let options = self.options_for(request);
            let response = self.http.open_with_secrets(hop, options).await?;
            authorization.record_response(&url, response.headers());
            if !is_redirect(response.status()) {
                return Ok(Response::new(response, url, request, has_token));
            }
            let next = target(response.status(), response.headers(), &url, followed)?;
            tracing::debug!(status = %response.status(), from = url.path(), to = next.path(), "following a redirect");
            url = next;
            followed += 1;
        }
    }

    fn options_for(&self, request: &Request) -> RequestOptions {
        if request.method == Method::POST {
            self.post.clone()
        } else {
            self.other.clone()
        }
    }
}

fn hop(
    request: &Request,
    url: &Url,
    authorization: &dyn Authorization,
) -> Result<http::Request<bytes::Bytes>, Error> {
    let invalid = || HttpError::new(HttpErrorKind::InvalidRequest, RequestTarget::Mcp, url);
    let uri = Uri::try_from(url.as_str()).map_err(|error| invalid().with_source(error))?;
    let mut hop = http::Request::new(request.body.clone());
    *hop.method_mut() = request.method.clone();
    *hop.uri_mut() = uri;
    let mut headers = request.headers.clone();
    authorization
        .authorize(&request.method, url, &mut headers)
        .map_err(|source| Error::Authorization(AuthorizationError { source }))?;
    *hop.headers_mut() = headers;
    Ok(hop)
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Where the next hop goes, or why there is none.
fn target(
    status: StatusCode,
    headers: &HeaderMap,
    from: &Url,
    followed: usize,
) -> Result<Url, RedirectError> {
    let location = headers
        .get(LOCATION)
        .and_then(|location| location.to_str().ok())
        .and_then(|location| from.join(location).ok());
    let refuse = |reason, to: Option<&Url>| Err(RedirectError::new(status, from, to, reason));
    let Some(mut to) = location else {
        return refuse(RedirectReason::NoLocation, None);
    };
    if !matches!(status.as_u16(), 307 | 308) {
        return refuse(RedirectReason::MethodLost, Some(&to));
    }
    if to.origin() != from.origin() || !to.username().is_empty() || to.password().is_some() {
        return refuse(RedirectReason::OtherOrigin, Some(&to));
    }
    if followed == MAX_REDIRECTS {
        return refuse(RedirectReason::TooMany, Some(&to));
    }
    to.set_fragment(None);
    Ok(to)
}
