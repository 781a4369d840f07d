//! The client: which pool a request goes through, and which redirects it follows.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use hallpass_core::{
    BoxFuture, HttpClient, HttpError, Remedy, RequestSecrets, ServerUrl,
    http::{Body, HttpErrorKind, RequestOptions, RequestTarget},
};
use http::{HeaderMap, Request, Response, StatusCode, header};
use tokio::time::{Instant, timeout_at};
use url::{Host, Url};

use crate::{
    AddressClass, AddressRefused, HttpConfig, HttpConfigError, Origin, OriginHeaders, Proxy,
    ProxyConfig,
    body::LimitedBody,
    certificate_request, failure,
    policy::{AddressPolicy, Reach},
    pools::{Pools, Template},
    redirect::next_hop,
};

/// Headers that say how a request is framed or routed; a configuration can't set them.
const OWN_HEADERS: [header::HeaderName; 7] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::UPGRADE,
    header::TE,
    header::PROXY_AUTHORIZATION,
];

/// One configured HTTP client. Clones share its connections.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    direct: Pools,
    http_proxy: Option<Pools>,
    https_proxy: Option<Pools>,
    proxy: ProxyConfig,
    headers: Vec<OriginHeaders>,
    policy: Arc<AddressPolicy>,
    template: Template,
}

impl Client {
    /// Makes a client. Reads the operating system's certificate authorities where
    /// [`Trust`](crate::Trust) asks for them; opens no connection.
    ///
    /// # Errors
    ///
    /// When a part of the configuration can't be used; the error says which.
    pub fn new(config: HttpConfig) -> Result<Self, HttpConfigError> {
        let template = Template::new(&config)?;
        let mut headers = config.headers;
        for entry in &mut headers {
            if let Some(name) = entry.headers.keys().find(|name| OWN_HEADERS.contains(name)) {
                let what = format!("the header `{name}` for {} can't be set", entry.origin);
                let hint = "leave it out: it is part of how the request itself is sent";
                return Err(HttpConfigError::new(Remedy::Configure, what).with_hint(hint));
            }
            for value in entry.headers.values_mut() {
                value.set_sensitive(true);
            }
        }
        let proxy = config.proxy;
        let policy = Arc::new(AddressPolicy::new(
            &config.configured_origins,
            config.resolver,
            config.connect_timeout,
        ));
        let pools = |proxy: Option<&Proxy>| Pools::new(&template, &policy, proxy);
        let via =
            |proxy: &Option<Proxy>| proxy.as_ref().map(|proxy| pools(Some(proxy))).transpose();
        Ok(Self(Arc::new(Inner {
            direct: pools(None)?,
            http_proxy: via(&proxy.http)?,
            https_proxy: via(&proxy.https)?,
            proxy,
            headers,
            policy,
            template,
        })))
    }

    /// The same configuration as a [`reqwest::Client`], for a library that wants one, to talk to
    /// `server` and to no other.
    ///
    /// Trust, client certificate, proxy, user agent and connect limit are this client's, and
    /// `server`'s headers are on every request; a request to another origin fails to connect, so
    /// they reach no other server. It follows no redirect. It has no total time limit and no body cap,
    /// which [`open`](HttpClient::open) takes from its policy, and no address policy, since the
    /// user configured the server.
    ///
    /// # Errors
    ///
    /// As [`Client::new`].
    pub fn reqwest_client_for(&self, server: &Origin) -> Result<reqwest::Client, HttpConfigError> {
        let proxy = server
            .root()
            .and_then(|url| self.0.proxy.proxy_for(&url).cloned());
        let mut headers = HeaderMap::new();
        self.0.fill_in(server, &mut headers);
        self.0
            .template
            .build_for(server, &self.0.policy, proxy, headers)
    }

    /// The proxy through which `url` is reached; `None` when it is reached directly. Behind a proxy,
    /// the proxy and not the address policy decides where a name leads.
    pub fn proxy_for(&self, url: &Url) -> Option<&Proxy> {
        self.0.proxy.proxy_for(url)
    }

    async fn exchange(
        &self,
        request: Request<Bytes>,
        policy: RequestOptions,
    ) -> Result<Response<Body>, HttpError> {
        let start = Instant::now();
        let total = policy.timeout.and_then(|limit| start.checked_add(limit));
        let head = policy
            .response_timeout
            .and_then(|limit| start.checked_add(limit));
        let deadline = [total, head].into_iter().flatten().min();

        let mut target = Target::read(&request, policy.target)?;
        let mut followed = 0_u8;
        let response = loop {
            let error = |kind| HttpError::new(kind, policy.target, &target.url);
            let sending = self.send(&request, &target, &policy);
            let response = match deadline {
                None => sending.await?,
                Some(deadline) => timeout_at(deadline, sending)
                    .await
                    .map_err(|_| error(HttpErrorKind::Timeout))??,
            };
            let Some(next) = next_hop(
                request.method(),
                &response,
                &target.url,
                policy.redirects,
                followed,
            )
            .map_err(|refused| error(HttpErrorKind::Redirect).with_source(refused))?
            else {
                break response;
            };
            tracing::debug!(request = %policy.target, path = next.path(), "following a redirect");
            target.url = next;
            followed = followed.saturating_add(1);
        };
        tracing::debug!(
            request = %policy.target,
            origin = %target.origin,
            path = target.url.path(),
            status = response.status().as_u16(),
            "answered"
        );
        let mut answer = Response::new(());
        *answer.status_mut() = response.status();
        *answer.version_mut() = response.version();
        *answer.headers_mut() = response.headers().clone();
        let (mut sent, body) = request.into_parts();
        self.0.fill_in(&target.origin, &mut sent.headers);
        RequestSecrets::from_parts(sent.headers, &sent.uri, &body).attach(answer.extensions_mut());
        let body = LimitedBody::new(response, policy, total, target.url);
        Ok(answer.map(|()| Body::new(body)))
    }

    /// Sends the request once, to where `target` now points.
    async fn send(
        &self,
        request: &Request<Bytes>,
        target: &Target,
        policy: &RequestOptions,
    ) -> Result<reqwest::Response, HttpError> {
        let Target { url, origin } = target;
        let RequestOptions {
            server,
            target: request_target,
            ..
        } = policy;
        let request_target = *request_target;
        let inner = &self.0;
        let proxy = inner.proxy.proxy_for(url);
        let is_proxied = inner.proxy.proxy_for(server.url()).is_some();
        let reach = inner.policy.reach(origin, server, is_proxied).await;
        if reach != Reach::Configured {
            let refuse = |refused: AddressRefused| {
                HttpError::new(HttpErrorKind::AddressRefused, request_target, url)
                    .with_source(refused)
            };
            reach.judge_url(url).map_err(refuse)?;
            // A SOCKS proxy's pool looks names up here, and knows its proxy by its name alone.
            if let Some(proxy) = proxy.filter(|proxy| proxy.resolves_here())
                && url.host_str() == Some(proxy.host())
            {
                let class = AddressClass::Reserved;
                return Err(refuse(AddressRefused::new(proxy.host(), None, class)));
            }
        }
        // Below us such an address is taken for a name that no certificate can be for.
        if proxy.is_some() && url.scheme() == "https" && is_ipv6(url) {
            let why = "an IPv6 address is not reached by https through a proxy: use the server's \
                       name, or reach the address directly";
            return Err(
                HttpError::new(HttpErrorKind::InvalidRequest, request_target, url).with_source(why),
            );
        }
        let pools = match (proxy, url.scheme()) {
            (None, _) => Some(&inner.direct),
            (Some(_), "http") => inner.http_proxy.as_ref(),
            (Some(_), _) => inner.https_proxy.as_ref(),
        };
        let pool = pools.unwrap_or(&inner.direct).client(reach);
        let mut outgoing = reqwest::Request::new(request.method().clone(), url.clone());
        *outgoing.headers_mut() = request.headers().clone();
        inner.fill_in(origin, outgoing.headers_mut());
        if !request.body().is_empty() {
            *outgoing.body_mut() = Some(request.body().clone().into());
        }
        let (response, is_asked) = certificate_request::observe(pool.execute(outgoing)).await;
        let response = response
            .map_err(|error| failure::from_request(error, request_target, url, proxy, is_asked))?;
        match proxy {
            // Without a tunnel the proxy answers in the server's place, and only it has this status.
            Some(proxy) if response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
                Err(failure::from_proxy(request_target, url, proxy))
            }
            _ => Ok(response),
        }
    }
}

impl Inner {
    /// Adds the headers of `origin` where the request has none of that name.
    fn fill_in(&self, origin: &Origin, headers: &mut HeaderMap) {
        for entry in self.headers.iter().filter(|entry| entry.origin == *origin) {
            for name in entry.headers.keys() {
                if headers.contains_key(name) {
                    continue;
                }
                for value in entry.headers.get_all(name) {
                    headers.append(name.clone(), value.clone());
                }
            }
        }
    }
}

impl HttpClient for Client {
    fn open(
        &self,
        request: Request<Bytes>,
        policy: RequestOptions,
    ) -> BoxFuture<'_, Result<Response<Body>, HttpError>> {
        Box::pin(self.exchange(request, policy))
    }

    fn attaches_secrets(&self) -> bool {
        true
    }

    fn check_navigation(&self, url: &Url, server: &ServerUrl) -> Result<(), AddressRefused> {
        let is_proxied = self.0.proxy.proxy_for(server.url()).is_some();
        self.0.policy.check_navigation(url, server, is_proxied)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("proxy", &self.0.proxy)
            .field("headers", &self.0.headers)
            .field("policy", &self.0.policy)
            .finish_non_exhaustive()
    }
}

/// Where a request goes. Redirects change the URL and never the origin.
struct Target {
    url: Url,
    origin: Origin,
}

impl Target {
    fn read(request: &Request<Bytes>, request_target: RequestTarget) -> Result<Self, HttpError> {
        let invalid = |url: &Url, why: &'static str| {
            HttpError::new(HttpErrorKind::InvalidRequest, request_target, url).with_source(why)
        };
        let url = Url::parse(&request.uri().to_string()).map_err(|error| {
            // What can't be read can't be shown without its secrets.
            HttpError::new(HttpErrorKind::InvalidRequest, request_target, &no_url())
                .with_source(error)
        })?;
        let Some(origin) = Origin::from_url(&url) else {
            return Err(invalid(&url, "only http and https URLs can be asked"));
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(invalid(&url, "the URL holds a user name or a password"));
        }
        Ok(Self { url, origin })
    }
}

fn is_ipv6(url: &Url) -> bool {
    matches!(url.host(), Some(Host::Ipv6(_)))
}

/// Stands for a URL that can't be read.
#[expect(clippy::expect_used, reason = "a constant")]
fn no_url() -> Url {
    Url::parse("about:invalid").expect("a URL")
}
