//! From the parts of a session to the session.

use std::sync::Arc;

use hallpass_core::{
    Authorizer, Clock, CredentialKey, CredentialStore, Entropy, HttpClient, NoAuthorizer,
    ServerSettings, TokenSource,
};
use hallpass_discovery::MetadataCache;
use hallpass_oauth::{ClientKey, ClientKeyError};

use super::Session;
use crate::{
    circuit_breaker::CircuitBreakers,
    shared::{Parts, Shared},
    system::{OsEntropy, SystemClock},
};

/// Puts a [`Session`] together: what it can't do without is given to
/// [`Session::builder`], the rest here.
#[derive(Debug)]
#[must_use]
pub struct SessionBuilder {
    key: CredentialKey,
    settings: ServerSettings,
    store: Arc<dyn CredentialStore>,
    http: Arc<dyn HttpClient>,
    metadata: Arc<MetadataCache>,
    authorizer: Arc<dyn Authorizer>,
    token_source: Option<Arc<dyn TokenSource>>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    breakers: Arc<CircuitBreakers>,
    proactive_refresh: bool,
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
            http,
            metadata: Arc::default(),
            authorizer: Arc::new(NoAuthorizer),
            token_source: None,
            clock: Arc::new(SystemClock),
            entropy: Arc::new(OsEntropy),
            breakers: Arc::default(),
            proactive_refresh: false,
        }
    }

    /// Who signs in. Without one every sign-in is refused.
    pub fn authorizer(mut self, authorizer: Arc<dyn Authorizer>) -> Self {
        self.authorizer = authorizer;
        self
    }

    /// What reads the server's metadata again after a 401, for a host with many sessions on one HTTP
    /// client, such as one for each user: sessions that share a cache and are refused at the same
    /// moment make one discovery for each server, and all see what it finds. Without this a session
    /// shares nothing.
    pub fn metadata_cache(mut self, cache: Arc<MetadataCache>) -> Self {
        self.metadata = cache;
        self
    }

    /// Takes every token from `source`. Nobody signs in then, nothing is refreshed and nothing is
    /// kept: the store and the authorizer are not asked.
    pub fn token_source(mut self, source: Arc<dyn TokenSource>) -> Self {
        self.token_source = Some(source);
        self
    }

    /// Refreshes a token some time before it has to be, so that no request waits for that: at a
    /// random moment, lest all hosts come at once, and only if the token was used since the last
    /// refresh. An idle session refreshes nothing.
    pub fn proactive_refresh(mut self) -> Self {
        self.proactive_refresh = true;
        self
    }

    /// Watches the token endpoints together with other sessions: a host that runs sessions of many
    /// users gives one value to all. By default the session has its own, which never opens.
    pub fn circuit_breakers(mut self, breakers: Arc<CircuitBreakers>) -> Self {
        self.breakers = breakers;
        self
    }

    /// What tells the time; the computer's clocks by default.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Where the random part of a proof of possession comes from; the operating system by default.
    pub fn entropy(mut self, entropy: Arc<dyn Entropy>) -> Self {
        self.entropy = entropy;
        self
    }

    /// The session. Nothing is read or sent yet.
    ///
    /// # Errors
    ///
    /// When the client's key, if the settings have one, can't be read.
    pub fn build(self) -> Result<Session, ClientKeyError> {
        let key = self.settings.client.key.as_ref();
        Ok(Session(Arc::new(Shared::new(Parts {
            client_key: key.map(ClientKey::open).transpose()?,
            key: self.key,
            settings: self.settings,
            store: self.store,
            http: self.http,
            metadata: self.metadata,
            authorizer: self.authorizer,
            token_source: self.token_source,
            clock: self.clock,
            entropy: self.entropy,
            breakers: self.breakers,
            proactive_refresh: self.proactive_refresh,
        }))))
    }
}
