//! From configuration to a [`Hallpass`].

use std::{fmt, mem, sync::Arc};

use hallpass_core::{
    Account, Authorizer, Clock, CredentialKey, CredentialStore, Entropy, HttpClient, NoAuthorizer,
    Remedy, ServerSettings, ServerUrl, TokenSource, store::StoreDiagnostics,
};
use hallpass_discovery::MetadataCache;
use hallpass_http::{Client, HandshakeLog, HttpConfig, HttpConfigError, Origin};
use hallpass_login::{BrowserLogin, BrowserLoginBuilder, Interaction};
use hallpass_mcp::{DEFAULT_MAX_MESSAGE_BYTES, TransportKind};
use hallpass_oauth::ClientKeyError;
use hallpass_service::{ServiceClient, ServiceGrant, ServiceLogin};
use hallpass_session::{CircuitBreakers, OsEntropy, Session, SystemClock};
use hallpass_store::MemoryStore;

use crate::Hallpass;

/// Wires the crates of the stack for one server. Everything but the URL has a default.
#[derive(Debug)]
pub struct HallpassBuilder {
    server: ServerUrl,
    account: Account,
    settings: ServerSettings,
    http: Http,
    watch_http: WatchHttp,
    metadata: Arc<MetadataCache>,
    breakers: Arc<CircuitBreakers>,
    store: Option<Arc<dyn CredentialStore>>,
    sign_in: SignInMethod,
    token_source: Option<Arc<dyn TokenSource>>,
    proactive_refresh: bool,
    max_message_bytes: usize,
    transport: TransportKind,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

#[derive(Debug)]
enum Http {
    Config(Box<HttpConfig>),
    Client(Arc<dyn HttpClient>),
}

enum SignInMethod {
    None,
    Authorizer(Arc<dyn Authorizer>),
    Browser(Arc<dyn Interaction>, Configure),
    ServiceClient(Box<ServiceClient>),
}

/// What the host puts around the client.
#[derive(Default)]
struct WatchHttp(Option<Watch>);

type Watch = Box<dyn FnOnce(Arc<dyn HttpClient>) -> Arc<dyn HttpClient> + Send + Sync>;

impl WatchHttp {
    /// The client with what is around it, once.
    fn take(&mut self, client: Arc<dyn HttpClient>) -> Arc<dyn HttpClient> {
        match self.0.take() {
            Some(watch) => watch(client),
            None => client,
        }
    }
}

impl fmt::Debug for WatchHttp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WatchHttp").field(&self.0.is_some()).finish()
    }
}

type Configure = Box<dyn FnOnce(BrowserLoginBuilder) -> BrowserLoginBuilder + Send + Sync>;

impl HallpassBuilder {
    pub(crate) fn new(server: ServerUrl) -> Self {
        Self {
            server,
            account: Account::default(),
            settings: ServerSettings::default(),
            http: Http::Config(Box::default()),
            watch_http: WatchHttp::default(),
            metadata: Arc::default(),
            breakers: Arc::default(),
            store: None,
            sign_in: SignInMethod::None,
            token_source: None,
            proactive_refresh: false,
            max_message_bytes: DEFAULT_MAX_MESSAGE_BYTES,
            transport: TransportKind::Auto,
            clock: Arc::new(SystemClock),
            entropy: Arc::new(OsEntropy),
        }
    }

    /// Which of several accounts on the server.
    #[must_use]
    pub fn account(mut self, account: Account) -> Self {
        self.account = account;
        self
    }

    /// What the server needs to be told apart from its URL.
    #[must_use]
    pub fn settings(mut self, settings: ServerSettings) -> Self {
        self.settings = settings;
        self
    }

    /// How to reach the network: certificate authorities, headers, proxy.
    #[must_use]
    pub fn http(mut self, config: HttpConfig) -> Self {
        self.http = Http::Config(Box::new(config));
        self
    }

    /// A client of the host's own for every request, instead of a configuration.
    #[must_use]
    pub fn http_client(mut self, client: Arc<dyn HttpClient>) -> Self {
        self.http = Http::Client(client);
        self
    }

    /// Sends every request through what `watch` makes of the client, such as one that says how long an
    /// answer is waited for.
    #[must_use]
    pub fn watch_http(
        mut self,
        watch: impl FnOnce(Arc<dyn HttpClient>) -> Arc<dyn HttpClient> + Send + Sync + 'static,
    ) -> Self {
        self.watch_http = WatchHttp(Some(Box::new(watch)));
        self
    }

    /// What reads the server's metadata again after a 401, for a host with many users on one
    /// [client](Self::http_client): of those that are refused at the same moment one asks for all.
    #[must_use]
    pub fn metadata_cache(mut self, cache: Arc<MetadataCache>) -> Self {
        self.metadata = cache;
        self
    }

    /// What watches the token endpoints, for a host with many users: an endpoint that loses its answers
    /// is tried by one account at a time, so that it costs few of them their sign-in.
    #[must_use]
    pub fn circuit_breakers(mut self, breakers: Arc<CircuitBreakers>) -> Self {
        self.breakers = breakers;
        self
    }

    /// Where credentials are kept. Without one they end with the process.
    #[must_use]
    pub fn store(mut self, store: Arc<dyn CredentialStore>) -> Self {
        self.store = Some(store);
        self
    }

    /// Lets the user sign in through a browser; `interaction` shows the URL.
    #[must_use]
    pub fn interactive(self, interaction: Arc<dyn Interaction>) -> Self {
        self.interactive_with(interaction, |login| login)
    }

    /// As [`interactive`](Self::interactive), with a login of other than the usual time limit,
    /// client name, further parameters or grants.
    #[must_use]
    pub fn interactive_with(
        mut self,
        interaction: Arc<dyn Interaction>,
        configure: impl FnOnce(BrowserLoginBuilder) -> BrowserLoginBuilder + Send + Sync + 'static,
    ) -> Self {
        self.sign_in = SignInMethod::Browser(interaction, Box::new(configure));
        self
    }

    /// Signs a service in, with a grant that needs no user. The client is the pre-registered one of
    /// the settings.
    #[must_use]
    pub fn service(mut self, client: ServiceClient) -> Self {
        self.sign_in = SignInMethod::ServiceClient(Box::new(client));
        self
    }

    /// Signs in with an authorizer of the host. Without this, [`interactive`](Self::interactive) or
    /// [`service`](Self::service), a challenge ends in [`Remedy::SignIn`].
    #[must_use]
    pub fn authorizer(mut self, authorizer: Arc<dyn Authorizer>) -> Self {
        self.sign_in = SignInMethod::Authorizer(authorizer);
        self
    }

    /// Takes every access token from elsewhere: a file, a command, a value of
    /// the host's. There is no sign-in then, no refresh, and nothing is stored.
    #[must_use]
    pub fn token_source(mut self, source: Arc<dyn TokenSource>) -> Self {
        self.token_source = Some(source);
        self
    }

    /// Refreshes tokens that are in use shortly before they have to be, so that no request waits
    /// for it. An idle host refreshes nothing.
    #[must_use]
    pub fn proactive_refresh(mut self) -> Self {
        self.proactive_refresh = true;
        self
    }

    /// How many bytes a message of the server may have, other than
    /// [`DEFAULT_MAX_MESSAGE_BYTES`]: a JSON body, or one event of a stream. Hints name it
    /// `max_message_size`.
    #[must_use]
    pub fn max_message_bytes(mut self, bytes: usize) -> Self {
        self.max_message_bytes = bytes;
        self
    }

    /// How the server is spoken to, other than [`TransportKind::Auto`].
    #[must_use]
    pub fn transport_kind(mut self, kind: TransportKind) -> Self {
        self.transport = kind;
        self
    }

    /// Another clock than the system's.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Another source of randomness than the operating system's.
    #[must_use]
    pub fn entropy(mut self, entropy: Arc<dyn Entropy>) -> Self {
        self.entropy = entropy;
        self
    }

    /// Builds it. Nothing is sent and nothing is read yet.
    ///
    /// # Errors
    ///
    /// When the configuration can't be used: a certificate, a proxy, a header, the client's key.
    pub fn build(mut self) -> Result<Hallpass, BuildError> {
        let http: Arc<dyn HttpClient> = match self.http {
            Http::Client(client) => client,
            Http::Config(config) => {
                let more = self.sign_in.origin();
                Arc::new(client(&self.settings, *config, more)?)
            }
        };
        let http = self.watch_http.take(http);
        let authorizer: Arc<dyn Authorizer> = match self.sign_in {
            SignInMethod::None => Arc::new(NoAuthorizer),
            SignInMethod::Authorizer(authorizer) => authorizer,
            SignInMethod::Browser(interaction, configure) => {
                let login = BrowserLogin::builder(
                    Arc::clone(&http),
                    Arc::clone(&self.clock),
                    Arc::clone(&self.entropy),
                    interaction,
                );
                Arc::new(configure(login).build())
            }
            SignInMethod::ServiceClient(client) => Arc::new(ServiceLogin::new(
                Arc::clone(&http),
                Arc::clone(&self.clock),
                Arc::clone(&self.entropy),
                *client,
            )),
        };
        let store = self
            .store
            .unwrap_or_else(|| Arc::new(MemoryStore::default()));
        let key = CredentialKey::new(self.server).with_account(self.account);
        let mut session = Session::builder(key, self.settings, store, Arc::clone(&http))
            .metadata_cache(self.metadata)
            .circuit_breakers(self.breakers)
            .authorizer(authorizer)
            .clock(Arc::clone(&self.clock))
            .entropy(self.entropy);
        if let Some(source) = self.token_source {
            session = session.token_source(source);
        }
        if self.proactive_refresh {
            session = session.proactive_refresh();
        }
        let session = session.build()?;
        Ok(Hallpass {
            http,
            session,
            max_message_bytes: self.max_message_bytes,
            transport: self.transport,
            clock: self.clock,
        })
    }
}

impl HallpassBuilder {
    /// Builds what `hallpass-doctor` needs, from the same configuration: a [`Hallpass`] that never
    /// signs in and only reads the store. Its requests go through what `record` makes of the client.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub fn build_for_diagnosis<C: HttpClient + Clone + 'static>(
        mut self,
        record: impl FnOnce(Arc<dyn HttpClient>, Arc<dyn Clock>) -> C,
    ) -> Result<DiagnosisParts<C>, BuildError> {
        let handshakes = HandshakeLog::new();
        let http = mem::replace(&mut self.http, Http::Config(Box::default()));
        let (client, below): (_, Arc<dyn HttpClient>) = match http {
            Http::Client(client) => (None, client),
            Http::Config(mut config) => {
                config.handshakes = Some(handshakes.clone());
                let more = self.sign_in.origin();
                let client = client(&self.settings, *config, more)?;
                (Some(client.clone()), Arc::new(client))
            }
        };
        let http = record(self.watch_http.take(below), Arc::clone(&self.clock));
        let is_persistent = self.store.is_some();
        let store = self
            .store
            .unwrap_or_else(|| Arc::new(MemoryStore::default()));
        let read_only = store.diagnostics().and_then(StoreDiagnostics::read_only);
        let store = read_only.unwrap_or(store);
        self.store = Some(Arc::clone(&store));
        let (clock, entropy) = (Arc::clone(&self.clock), Arc::clone(&self.entropy));
        let transport = self.transport;
        self.sign_in = SignInMethod::None;
        self.proactive_refresh = false;
        let hallpass = self.http_client(Arc::new(http.clone())).build()?;
        Ok(DiagnosisParts {
            hallpass,
            http,
            client,
            handshakes,
            store,
            is_persistent,
            transport,
            clock,
            entropy,
        })
    }
}

/// What [`HallpassBuilder::build_for_diagnosis`] makes.
#[derive(Debug)]
#[non_exhaustive]
pub struct DiagnosisParts<C> {
    /// Never signs in, and only reads the store.
    pub hallpass: Hallpass,
    /// The client of every request.
    pub http: C,
    /// The client below it, unless the host supplied its own.
    pub client: Option<Client>,
    /// The TLS handshakes of `client`.
    pub handshakes: HandshakeLog,
    /// The store, read-only where it can be.
    pub store: Arc<dyn CredentialStore>,
    /// Whether the host supplied a store. Without one, credentials end with the process.
    pub is_persistent: bool,
    /// How the server is spoken to.
    pub transport: TransportKind,
    /// The host's clock.
    pub clock: Arc<dyn Clock>,
    /// The host's source of randomness.
    pub entropy: Arc<dyn Entropy>,
}

/// The client of a configuration, with the origins that the user named.
fn client(
    settings: &ServerSettings,
    mut config: HttpConfig,
    more: Option<Origin>,
) -> Result<Client, HttpConfigError> {
    let named = settings.named_urls().filter_map(Origin::from_url);
    config.configured_origins.extend(named);
    config.configured_origins.extend(more);
    Client::new(config)
}

impl SignInMethod {
    /// The origin of an endpoint that the user named besides the settings.
    fn origin(&self) -> Option<Origin> {
        match self {
            Self::ServiceClient(client) => match &client.grant {
                ServiceGrant::IdentityAssertion(provider) => {
                    Origin::from_url(&provider.token_endpoint)
                }
                _ => None,
            },
            _ => None,
        }
    }
}

impl fmt::Debug for SignInMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Authorizer(_) => "Authorizer",
            Self::Browser(..) => "Browser",
            Self::ServiceClient(_) => "ServiceClient",
        })
    }
}

/// A configuration that can't be used.
#[derive(Debug)]
pub struct BuildError {
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl BuildError {
    /// What to do about it: change the configuration.
    pub fn remedy(&self) -> Remedy {
        Remedy::Configure
    }
}

impl From<ClientKeyError> for BuildError {
    fn from(source: ClientKeyError) -> Self {
        Self {
            source: Box::new(source),
        }
    }
}

impl From<HttpConfigError> for BuildError {
    fn from(source: HttpConfigError) -> Self {
        Self {
            source: Box::new(source),
        }
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration can't be used")
    }
}

impl std::error::Error for BuildError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.source)
    }
}

hallpass_core::impl_diagnostic!(BuildError);
