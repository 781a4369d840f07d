//! Everything a client is made from, as plain data.

use std::{fmt::Display, sync::Arc, time::Duration};

use hallpass_core::{KindError, Remedy};
use rustls::crypto::CryptoProvider;

use crate::{
    ClientIdentity, HandshakeLog, Origin, OriginHeaders, ProxyConfig, Resolver, SystemResolver,
    Trust,
};

/// The configuration of a [`Client`](crate::Client). The default is right for a server on the
/// public internet.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HttpConfig {
    /// Which certificate authorities are trusted.
    pub trust: Trust,
    /// The certificate to show to servers that ask for one.
    pub client_identity: Option<ClientIdentity>,
    /// Which proxy requests go through.
    pub proxy: ProxyConfig,
    /// Headers for single origins.
    pub headers: Vec<OriginHeaders>,
    /// The `User-Agent` of every request, CONNECT requests to proxies included.
    pub user_agent: String,
    /// Origins that the user named besides the MCP servers: a configured issuer, an explicit
    /// endpoint or metadata URL. They are always allowed; what they name is not.
    ///
    /// Each request says which server it is for
    /// ([`RequestOptions::server`](hallpass_core::http::RequestOptions::server)). That server's own
    /// origin is allowed, and what its metadata names may be on a network of the same class: a
    /// server on this machine may name others on this machine, one in a private network others in
    /// private networks.
    pub configured_origins: Vec<Origin>,
    /// How long connecting may take, from the name's lookup to the end of the TLS handshake.
    pub connect_timeout: Duration,
    /// After how long without a byte an HTTP/2 connection with requests under way is asked for a sign
    /// of life. It ends when it gives none for as long again: a computer that slept, or changed
    /// networks, would wait for answers that can't come.
    pub keep_alive: Duration,
    /// How names become addresses.
    pub resolver: Arc<dyn Resolver>,
    /// The cryptography of TLS; `None` for `ring`. A host that needs another, as one that is validated for
    /// FIPS, names it here: no process-wide provider is read. Signatures and the store have their own.
    pub crypto_provider: Option<Arc<CryptoProvider>>,
    /// Where to note what servers present in their TLS handshakes, for a diagnosis.
    pub handshakes: Option<HandshakeLog>,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            trust: Trust::default(),
            client_identity: None,
            proxy: ProxyConfig::default(),
            headers: Vec::new(),
            user_agent: concat!("hallpass/", env!("CARGO_PKG_VERSION")).to_owned(),
            configured_origins: Vec::new(),
            connect_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(12),
            resolver: Arc::new(SystemResolver),
            crypto_provider: None,
            handshakes: None,
        }
    }
}

impl HttpConfig {
    /// Sets [`trust`](Self::trust).
    #[must_use]
    pub fn with_trust(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }

    /// Sets [`client_identity`](Self::client_identity).
    #[must_use]
    pub fn with_client_identity(
        mut self,
        client_identity: impl Into<Option<ClientIdentity>>,
    ) -> Self {
        self.client_identity = client_identity.into();
        self
    }

    /// Sets [`proxy`](Self::proxy).
    #[must_use]
    pub fn with_proxy(mut self, proxy: ProxyConfig) -> Self {
        self.proxy = proxy;
        self
    }

    /// Sets [`headers`](Self::headers).
    #[must_use]
    pub fn with_headers(mut self, headers: Vec<OriginHeaders>) -> Self {
        self.headers = headers;
        self
    }

    /// Sets [`user_agent`](Self::user_agent).
    #[must_use]
    pub fn with_user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.user_agent = user_agent.into();
        self
    }

    /// Sets [`configured_origins`](Self::configured_origins).
    #[must_use]
    pub fn with_configured_origins(mut self, configured_origins: Vec<Origin>) -> Self {
        self.configured_origins = configured_origins;
        self
    }

    /// Sets [`connect_timeout`](Self::connect_timeout).
    #[must_use]
    pub fn with_connect_timeout(mut self, connect_timeout: Duration) -> Self {
        self.connect_timeout = connect_timeout;
        self
    }

    /// Sets [`keep_alive`](Self::keep_alive).
    #[must_use]
    pub fn with_keep_alive(mut self, keep_alive: Duration) -> Self {
        self.keep_alive = keep_alive;
        self
    }

    /// Sets [`resolver`](Self::resolver).
    #[must_use]
    pub fn with_resolver(mut self, resolver: Arc<dyn Resolver>) -> Self {
        self.resolver = resolver;
        self
    }

    /// Sets [`crypto_provider`](Self::crypto_provider).
    #[must_use]
    pub fn with_crypto_provider(
        mut self,
        crypto_provider: impl Into<Option<Arc<CryptoProvider>>>,
    ) -> Self {
        self.crypto_provider = crypto_provider.into();
        self
    }

    /// Sets [`handshakes`](Self::handshakes).
    #[must_use]
    pub fn with_handshakes(mut self, handshakes: impl Into<Option<HandshakeLog>>) -> Self {
        self.handshakes = handshakes.into();
        self
    }
}

/// A configuration that no client can be made from. The remedy is always to change it.
pub type HttpConfigError = KindError<Remedy>;

/// The error that `what` can't be used.
pub(crate) fn unusable(what: impl Display) -> HttpConfigError {
    HttpConfigError::new(Remedy::Configure, format!("{what} can't be used"))
}
