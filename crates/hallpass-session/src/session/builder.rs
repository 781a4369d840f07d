//! Builds a session.

use std::sync::Arc;

use hallpass_core::{
    Authorizer, Clock, CredentialKey, CredentialStore, Entropy, HttpClient, NoAuthorizer, Observer,
    ServerSettings, TokenSource,
};
use hallpass_discovery::MetadataCache;
use hallpass_oauth::{ClientKey, ClientKeyError};

use super::Session;
use crate::{
    circuit_breaker::CircuitBreakers,
    ports::Ports,
    session_inner::SessionInner,
    system::{OsEntropy, SystemClock},
};

/// Builds a [`Session`]. [`Session::builder`] takes what is required, the methods what is optional.
#[derive(Debug)]
#[must_use]
pub struct SessionBuilder {
    pub(crate) key: CredentialKey,
    pub(crate) settings: ServerSettings,
    pub(crate) store: Arc<dyn CredentialStore>,
    pub(crate) ports: Ports,
    pub(crate) metadata: Option<Arc<MetadataCache>>,
    pub(crate) authorizer: Arc<dyn Authorizer>,
    pub(crate) token_source: Option<Arc<dyn TokenSource>>,
    pub(crate) breakers: Option<Arc<CircuitBreakers>>,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) proactive_refresh: bool,
}

impl SessionBuilder {
    pub(super) fn new(
        key: CredentialKey,
        settings: ServerSettings,
        store: Arc<dyn CredentialStore>,
        http: Arc<dyn HttpClient>,
    ) -> Self {
        Self {
            key,
            settings,
            store,
            ports: Ports {
                http,
                clock: Arc::new(SystemClock),
                entropy: Arc::new(OsEntropy),
            },
            metadata: None,
            authorizer: Arc::new(NoAuthorizer),
            token_source: None,
            breakers: None,
            observer: None,
            proactive_refresh: false,
        }
    }

    /// Signs in. Without an authorizer every sign-in is refused.
    pub fn authorizer(mut self, authorizer: Arc<dyn Authorizer>) -> Self {
        self.authorizer = authorizer;
        self
    }

    /// Shares the metadata that is read after a 401, for a host with many sessions on one HTTP client,
    /// such as one session per user: sessions with one cache that are refused at the same time share one
    /// discovery per server. By default each session has its own cache.
    pub fn metadata_cache(mut self, cache: Arc<MetadataCache>) -> Self {
        self.metadata = Some(cache);
        self
    }

    /// Takes every token from `source`. The session then signs in, refreshes and saves nothing: it uses
    /// neither the store nor the authorizer.
    pub fn token_source(mut self, source: Arc<dyn TokenSource>) -> Self {
        self.token_source = Some(source);
        self
    }

    /// Refreshes a token some time before that is necessary, so that no request waits for it. The time
    /// is random, to spread the hosts' requests, and only a token that was used since the last refresh
    /// is refreshed: an idle session sends nothing.
    pub fn proactive_refresh(mut self) -> Self {
        self.proactive_refresh = true;
        self
    }

    /// Shares the circuit breakers of the token endpoints with other sessions. A host with sessions of
    /// many users gives one value to all. By default the session has its own, which never opens.
    pub fn circuit_breakers(mut self, breakers: Arc<CircuitBreakers>) -> Self {
        self.breakers = Some(breakers);
        self
    }

    /// Tells `observer` of the session's refreshes and sign-ins.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// The clock; the operating system's by default.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.ports.clock = clock;
        self
    }

    /// The randomness of proofs of possession; the operating system's by default.
    pub fn entropy(mut self, entropy: Arc<dyn Entropy>) -> Self {
        self.ports.entropy = entropy;
        self
    }

    /// Builds the session. Nothing is read or sent yet.
    ///
    /// # Errors
    ///
    /// When the settings have a client key that can't be parsed.
    pub fn build(self) -> Result<Session, ClientKeyError> {
        let key = self.settings.client.key.as_ref();
        let key = key.map(ClientKey::open).transpose()?;
        Ok(Session(SessionInner::new(self, key)))
    }
}
