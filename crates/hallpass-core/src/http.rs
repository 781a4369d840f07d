//! The port to the network: one request with its own redirect rule, time limits and body cap.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use ::http::{Request, Response};
use bytes::{Bytes, BytesMut};
use url::Url;

use crate::{
    AddressClass, AddressRefused, BoxError, BoxFuture, Diagnostic, Remedy, RequestSecrets,
    ServerUrl, url_without_query,
};

/// Sends HTTP requests for every request: metadata, registration, tokens, MCP.
///
/// One implementation with one configuration serves them all, so that a certificate authority, a
/// proxy or a header that holds for one request holds for the others. An implementation honours the
/// [`RequestOptions`] of each request.
pub trait HttpClient: Send + Sync + fmt::Debug {
    /// Sends `request` (with an absolute URI) and returns once the response's head has arrived.
    ///
    /// Every status is an answer, not an error.
    fn open(
        &self,
        request: Request<Bytes>,
        options: RequestOptions,
    ) -> BoxFuture<'_, Result<Response<Body>, HttpError>>;

    /// Whether each response's extensions hold the [`RequestSecrets`] of what was sent. Where they don't,
    /// the headers of each request are copied before it is sent.
    fn attaches_secrets(&self) -> bool {
        false
    }

    /// Judges whether a user's browser may be sent to `url`, which the MCP server `server` or its
    /// metadata names: an authorization endpoint, a page for a device code, a page that the server asks
    /// the user to visit.
    ///
    /// Nothing is resolved, since the browser resolves the name itself. The default knows of the server
    /// what its URL says ([`AddressClass::check_navigation`]). A client that knows more, such as the
    /// origins that the user configured, and one that wraps another client replace it.
    ///
    /// # Errors
    ///
    /// When the URL leads into another network than the server's.
    fn check_navigation(&self, url: &Url, server: &ServerUrl) -> Result<(), AddressRefused> {
        let class = AddressClass::from_url(server.url()).unwrap_or(AddressClass::Public);
        class.check_navigation(url, server)
    }
}

impl dyn HttpClient + '_ {
    /// As [`HttpClient::open`]; the response's extensions hold the request's [`RequestSecrets`], which its
    /// words are shown without.
    ///
    /// # Errors
    ///
    /// As [`HttpClient::open`].
    pub async fn open_with_secrets(
        &self,
        request: Request<Bytes>,
        options: RequestOptions,
    ) -> Result<Response<Body>, HttpError> {
        let secrets = (!self.attaches_secrets()).then(|| RequestSecrets::new(&request));
        let mut response = self.open(request, options).await?;
        if let Some(secrets) = secrets {
            secrets.attach(response.extensions_mut());
        }
        Ok(response)
    }

    /// Sends `request` and reads the whole body, up to the cap of `options`. The response's extensions
    /// hold the request's [`RequestSecrets`].
    ///
    /// # Errors
    ///
    /// As [`HttpClient::open`], and when the body breaks off, is too slow or too large.
    pub async fn fetch(
        &self,
        request: Request<Bytes>,
        options: RequestOptions,
    ) -> Result<Response<Bytes>, HttpError> {
        let uri = request.uri().clone();
        let (target, body_cap) = (options.target, options.body_cap);
        let response = self.open_with_secrets(request, options).await?;
        let (head, mut body) = response.into_parts();
        let mut whole = BytesMut::new();
        while let Some(chunk) = body.chunk().await {
            let chunk = chunk?;
            // Implementations hold to the cap as well; memory does not depend on it.
            let length = whole.len().saturating_add(chunk.len());
            if u64::try_from(length).unwrap_or(u64::MAX) > body_cap {
                return Err(too_large(target, &uri));
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(Response::from_parts(head, whole.freeze()))
    }
}

fn too_large(target: RequestTarget, uri: &::http::Uri) -> HttpError {
    let kind = HttpErrorKind::BodyTooLarge;
    match Url::parse(&uri.to_string()) {
        Ok(url) => HttpError::new(kind, target, &url),
        Err(_) => HttpError {
            kind,
            target,
            url: "a URL that can't be read".to_owned(),
            source: None,
        },
    }
}

/// What one request may do and take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestOptions {
    /// The MCP server that the request is for, also where another server is asked: its own endpoint, its metadata, or
    /// its authorization server. A client for several servers lets what the metadata of one names
    /// lead to where that one is, and no further.
    pub server: ServerUrl,
    /// Which part of the work this is, for error messages.
    pub target: RequestTarget,
    /// Which redirects are followed.
    pub redirects: Redirects,
    /// From the call to the last byte of the body; `None` for requests whose response streams.
    pub timeout: Option<Duration>,
    /// From the call to the response's head.
    pub response_timeout: Option<Duration>,
    /// From the time that the reader asks for a chunk of the body until that comes.
    pub idle_timeout: Option<Duration>,
    /// The largest body in bytes, after decompression.
    pub body_cap: u64,
}

impl RequestOptions {
    /// How long a request to an endpoint of an authorization server may take.
    pub const AUTHORIZATION_SERVER_TIMEOUT: Duration = Duration::from_secs(30);

    /// The largest metadata document in bytes.
    pub const METADATA_CAP: u64 = 1 << 20;

    /// For the metadata documents of `server`: 30 s, 1 MiB, at most five redirects on the same
    /// origin.
    pub fn metadata(server: &ServerUrl) -> Self {
        Self {
            server: server.clone(),
            target: RequestTarget::Metadata,
            redirects: Redirects::SameOrigin { limit: 5 },
            timeout: Some(Duration::from_secs(30)),
            response_timeout: None,
            idle_timeout: None,
            body_cap: Self::METADATA_CAP,
        }
    }

    /// For requests to the endpoints of the authorization server of `server` (token, registration,
    /// revocation, PAR, device): 30 s, 1 MiB, no redirect, since each of them carries something
    /// secret.
    pub fn authorization_server(server: &ServerUrl) -> Self {
        Self {
            server: server.clone(),
            target: RequestTarget::AuthorizationServer,
            redirects: Redirects::None,
            timeout: Some(Self::AUTHORIZATION_SERVER_TIMEOUT),
            response_timeout: None,
            idle_timeout: None,
            body_cap: 1 << 20,
        }
    }

    /// For MCP requests to `server`: no total limit, since a response may stream for hours; 60 s to its head and
    /// 5 min between chunks; no redirect, since the transport follows those itself with a fresh
    /// proof for each hop.
    pub fn mcp(server: &ServerUrl) -> Self {
        Self {
            server: server.clone(),
            target: RequestTarget::Mcp,
            redirects: Redirects::None,
            timeout: None,
            response_timeout: Some(Duration::from_secs(60)),
            idle_timeout: Some(Duration::from_secs(300)),
            body_cap: u64::MAX,
        }
    }
}

/// Which part of the work a request belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RequestTarget {
    /// Reading metadata documents.
    Metadata,
    /// Talking to an endpoint of the authorization server.
    AuthorizationServer,
    /// Talking MCP.
    Mcp,
    /// Talking to a key management service.
    KeyManagement,
}

impl fmt::Display for RequestTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Metadata => "metadata",
            Self::AuthorizationServer => "authorization server",
            Self::Mcp => "MCP",
            Self::KeyManagement => "key management",
        })
    }
}

/// Which redirects an implementation of [`HttpClient`] follows by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redirects {
    /// None: a 3xx is the answer.
    None,
    /// Those of a GET that stay on the same scheme, host and port.
    SameOrigin {
        /// How many at most; one more is an error.
        limit: u8,
    },
}

/// The body of a response as it arrives.
pub struct Body(Pin<Box<dyn Chunks>>);

/// A source of body chunks, implemented together with [`HttpClient`].
pub trait Chunks: Send {
    /// Polls for the next chunk; `None` is the end.
    fn poll_chunk(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, HttpError>>>;
}

impl Body {
    /// A body that arrives in chunks.
    pub fn new(chunks: impl Chunks + 'static) -> Self {
        Self(Box::pin(chunks))
    }

    /// A body that is there already.
    pub fn whole(bytes: impl Into<Bytes>) -> Self {
        struct Whole(Bytes);
        impl Chunks for Whole {
            fn poll_chunk(
                mut self: Pin<&mut Self>,
                _: &mut Context<'_>,
            ) -> Poll<Option<Result<Bytes, HttpError>>> {
                let bytes = std::mem::take(&mut self.0);
                Poll::Ready((!bytes.is_empty()).then_some(Ok(bytes)))
            }
        }
        Self::new(Whole(bytes.into()))
    }

    /// The next chunk; `None` at the end. Nothing is lost when the returned future is dropped.
    pub async fn chunk(&mut self) -> Option<Result<Bytes, HttpError>> {
        std::future::poll_fn(|context| self.0.as_mut().poll_chunk(context)).await
    }
}

impl Chunks for Body {
    fn poll_chunk(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, HttpError>>> {
        self.0.as_mut().poll_chunk(context)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Body")
    }
}

/// A request that got no usable response.
#[derive(Debug, thiserror::Error)]
#[error("{target} request to {url}: {}", kind.describe())]
pub struct HttpError {
    kind: HttpErrorKind,
    target: RequestTarget,
    url: String,
    source: Option<BoxError>,
}

/// Where a request failed. What matters most is whether the server may have seen it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HttpErrorKind {
    /// The request itself can't be sent as it is (URI, header).
    InvalidRequest,
    /// The address policy refused the target.
    AddressRefused,
    /// The host's name did not resolve.
    Resolve,
    /// No connection to the server or its proxy.
    Connect,
    /// The proxy wants credentials, or other ones (RFC 9110 §15.5.8).
    ProxyAuthentication,
    /// The TLS handshake failed.
    Tls,
    /// A time limit ran out before a connection stood.
    ConnectTimeout,
    /// A time limit ran out after the request may have been written.
    Timeout,
    /// The connection broke after the request may have been written.
    Interrupted,
    /// A redirect that the policy does not follow, or too many of them.
    Redirect,
    /// The body is larger than the cap.
    BodyTooLarge,
    /// The response is no HTTP, or its body can't be decoded.
    Malformed,
}

impl HttpError {
    /// An error about a request to `url`, of which scheme, host, port and path are kept.
    pub fn new(kind: HttpErrorKind, target: RequestTarget, url: &Url) -> Self {
        Self {
            kind,
            target,
            url: url_without_query(url).into(),
            source: None,
        }
    }

    /// Adds what caused it. The source's text must hold no secret.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Where it failed.
    pub fn kind(&self) -> HttpErrorKind {
        self.kind
    }

    /// Which part of the work it was.
    pub fn target(&self) -> RequestTarget {
        self.target
    }

    /// The URL without query, fragment and user information.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether the server may have received the request, and acted on it.
    pub fn may_have_been_sent(&self) -> bool {
        match self.kind {
            HttpErrorKind::InvalidRequest
            | HttpErrorKind::AddressRefused
            | HttpErrorKind::Resolve
            | HttpErrorKind::Connect
            | HttpErrorKind::ProxyAuthentication
            | HttpErrorKind::Tls
            | HttpErrorKind::ConnectTimeout => false,
            HttpErrorKind::Timeout
            | HttpErrorKind::Interrupted
            | HttpErrorKind::Redirect
            | HttpErrorKind::BodyTooLarge
            | HttpErrorKind::Malformed => true,
        }
    }
}

impl Diagnostic for HttpError {
    fn remedy(&self) -> Remedy {
        match self.kind {
            HttpErrorKind::InvalidRequest
            | HttpErrorKind::AddressRefused
            | HttpErrorKind::ProxyAuthentication
            | HttpErrorKind::Tls
            | HttpErrorKind::Redirect => Remedy::Configure,
            HttpErrorKind::BodyTooLarge | HttpErrorKind::Malformed => Remedy::Report,
            HttpErrorKind::Resolve
            | HttpErrorKind::Connect
            | HttpErrorKind::ConnectTimeout
            | HttpErrorKind::Timeout
            | HttpErrorKind::Interrupted => Remedy::Retry,
        }
    }
}

impl HttpErrorKind {
    fn describe(self) -> &'static str {
        match self {
            Self::InvalidRequest => "the request can't be sent",
            Self::AddressRefused => "the address policy refuses the target",
            Self::Resolve => "the host's name does not resolve",
            Self::Connect => "no connection",
            Self::ProxyAuthentication => "the proxy refuses",
            Self::Tls => "the TLS handshake failed",
            Self::ConnectTimeout => "no connection within the time limit",
            Self::Timeout => "no complete answer within the time limit",
            Self::Interrupted => "the connection broke off",
            Self::Redirect => "a redirect that is not followed",
            Self::BodyTooLarge => "the answer is larger than allowed",
            Self::Malformed => "the answer can't be read",
        }
    }
}

#[cfg(test)]
mod tests;
