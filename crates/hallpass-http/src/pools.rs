//! The connections of a client, one reqwest client for each way out.

use std::{sync::Arc, time::Duration};

use hallpass_core::Remedy;
use http::{HeaderMap, HeaderValue};
use rustls::ClientConfig;
use url::Url;

use crate::{
    AddressClass, HttpConfig, HttpConfigError, Origin, Proxy,
    certificate_request::NoCertificate,
    config::unusable,
    policy::{AddressPolicy, OTHER_ORIGIN, PolicyResolver, Reach},
};

/// A pool for each reach: a pool has one resolver, which checks addresses, and a connection that
/// stands is checked no more. So one that was opened for a server in a private network is not used
/// for another server's request to the same origin.
pub(crate) struct Pools {
    configured: reqwest::Client,
    public: reqwest::Client,
    private: reqwest::Client,
    loopback: reqwest::Client,
}

/// How long a connection is kept for the next request.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// What of one HTTP/2 stream may be under way that its reader has not asked for, and what of all streams of
/// a connection. A reader may pause; the others go on as long as the paused streams do not fill the
/// connection's window: 320 of them do.
const STREAM_WINDOW: u32 = 128 * 1024;
const CONNECTION_WINDOW: u32 = 320 * STREAM_WINDOW;

/// The largest header list of an HTTP/2 response. A connection that sends four times as much is closed.
const MAX_HEADER_LIST: u32 = 16 * 1024;

impl Pools {
    pub(crate) fn new(
        template: &Template,
        policy: &Arc<AddressPolicy>,
        proxy: Option<&Proxy>,
    ) -> Result<Self, HttpConfigError> {
        let pool = |reach| {
            let resolver = PolicyResolver {
                policy: Arc::clone(policy),
                reach,
                proxy_host: proxy.map(|proxy| proxy.host().to_owned()),
            };
            let through = match proxy {
                None => None,
                Some(proxy) => Some(
                    reqwest::Proxy::all(proxy.expose())
                        .map_err(|_| unusable(format_args!("the proxy {proxy}")))?,
                ),
            };
            template.build(resolver, through, HeaderMap::new())
        };
        Ok(Self {
            configured: pool(Reach::Configured)?,
            public: pool(Reach::Within(AddressClass::Public))?,
            private: pool(Reach::Within(AddressClass::Private))?,
            loopback: pool(Reach::Within(AddressClass::Loopback))?,
        })
    }

    /// The connections that a request of this reach may use.
    pub(crate) fn client(&self, reach: Reach) -> &reqwest::Client {
        match reach {
            Reach::Configured => &self.configured,
            Reach::Within(AddressClass::Private) => &self.private,
            Reach::Within(AddressClass::Loopback) => &self.loopback,
            Reach::Within(_) => &self.public,
        }
    }
}

/// What every pool has in common.
pub(crate) struct Template {
    tls: ClientConfig,
    user_agent: HeaderValue,
    connect_timeout: Duration,
    keep_alive: Duration,
}

impl Template {
    pub(crate) fn new(config: &HttpConfig) -> Result<Self, HttpConfigError> {
        let provider = config.crypto_provider.clone();
        let provider =
            provider.unwrap_or_else(|| Arc::new(rustls::crypto::ring::default_provider()));
        let verifier = config
            .trust
            .verifier(&provider, config.handshakes.as_ref())?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable("the TLS provider").with_source(error))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut tls = match &config.client_identity {
            None => builder.with_client_cert_resolver(Arc::new(NoCertificate)),
            Some(identity) => builder
                .with_client_auth_cert(identity.chain(), identity.key())
                .map_err(|error| {
                    unusable("the client certificate")
                        .with_hint("check that the key belongs to the first certificate")
                        .with_source(error)
                })?,
        };
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let user_agent = HeaderValue::from_str(&config.user_agent)
            .ok()
            .filter(|value| !value.is_empty())
            .ok_or_else(|| {
                let what = "the user agent is empty or holds control characters";
                HttpConfigError::new(Remedy::Configure, what)
            })?;
        Ok(Self {
            tls,
            user_agent,
            connect_timeout: config.connect_timeout,
            keep_alive: config.keep_alive,
        })
    }

    /// A client for one origin: every other is sent to a proxy that does not exist.
    pub(crate) fn build_for(
        &self,
        server: &Origin,
        policy: &Arc<AddressPolicy>,
        proxy: Option<Proxy>,
        headers: HeaderMap,
    ) -> Result<reqwest::Client, HttpConfigError> {
        let resolver = PolicyResolver {
            policy: Arc::clone(policy),
            reach: Reach::Configured,
            proxy_host: proxy.as_ref().map(|proxy| proxy.host().to_owned()),
        };
        let server = server.clone();
        let through = reqwest::Proxy::custom(move |url| {
            if Origin::from_url(url).as_ref() == Some(&server) {
                proxy.as_ref().map(Proxy::expose)
            } else {
                Url::parse(&format!("http://{OTHER_ORIGIN}")).ok()
            }
        });
        self.build(resolver, Some(through), headers)
    }

    fn build(
        &self,
        resolver: PolicyResolver,
        proxy: Option<reqwest::Proxy>,
        headers: HeaderMap,
    ) -> Result<reqwest::Client, HttpConfigError> {
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured(self.tls.clone())
            .user_agent(self.user_agent.clone())
            .connect_timeout(self.connect_timeout)
            .http2_initial_stream_window_size(STREAM_WINDOW)
            .http2_initial_connection_window_size(CONNECTION_WINDOW)
            .http2_max_header_list_size(MAX_HEADER_LIST)
            .http2_keep_alive_interval(self.keep_alive)
            .http2_keep_alive_timeout(self.keep_alive)
            // Shorter than servers keep theirs: a request on a connection that the server is just
            // closing ends with an unknown outcome.
            .pool_idle_timeout(IDLE_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .dns_resolver(resolver)
            .default_headers(headers)
            // Without this the environment's proxies would be used.
            .no_proxy();
        let builder = match proxy {
            None => builder,
            Some(proxy) => builder.proxy(proxy),
        };
        builder.build().map_err(|error| {
            HttpConfigError::new(Remedy::Configure, "the HTTP client can't be made")
                .with_source(error.without_url())
        })
    }
}
