//! Both servers, a user with a browser, and the ports of the host.

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use hallpass_core::{
    BoxFuture, Challenge, Clock, CredentialKey, HttpClient, Record, RegistrationSink, Scopes,
    ServerSettings, ServerUrl, SignIn, SignInReason, StoreError, StoreFuture, http::RequestOptions,
    store::StoreErrorKind,
};
use hallpass_discovery::Discovery;
use hallpass_http::{Client, HttpConfig};
use hallpass_login::{
    AuthorizationEndpointVerdict, BrowserLogin, Interaction, LoginError, LoginEvent, LoginInputs,
    OpenError, PlannedClient,
};
use hallpass_testkit::{
    AuthorizationServer, AuthorizationServerOptions, Behaviour, BrowserVisit, FakeClock,
    FixedEntropy, LeakCheck, McpServer, McpServerOptions, Person,
};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::JoinHandle,
};
use url::Url;

/// Both servers and the settings a test starts with.
#[derive(Debug)]
pub(crate) struct Fixture {
    pub(crate) issuer: AuthorizationServer,
    pub(crate) server: McpServer,
    pub(crate) settings: ServerSettings,
    pub(crate) clock: FakeClock,
    pub(crate) reason: SignInReason,
    pub(crate) scopes: Scopes,
    pub(crate) previous: Option<Record>,
    pub(crate) browser: Arc<Browser>,
    pub(crate) saved: SavedRecords,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut AuthorizationServerOptions)) -> Self {
        let mut options = AuthorizationServerOptions {
            behaviour: Behaviour {
                refresh_unasked: true,
                ..Behaviour::default()
            },
            ..AuthorizationServerOptions::default()
        };
        change(&mut options);
        let issuer = AuthorizationServer::start(options).await.unwrap();
        let server = McpServer::start(McpServerOptions::protected_by(&issuer))
            .await
            .unwrap();
        Self {
            issuer,
            server,
            settings: ServerSettings::default(),
            clock: FakeClock::default(),
            reason: SignInReason::First,
            scopes: Scopes::none(),
            previous: None,
            browser: Browser::new(Person::new()),
            saved: SavedRecords::default(),
        }
    }

    /// Has another user sign in.
    pub(crate) fn set_person(&mut self, person: Person) {
        self.browser = Browser::new(person);
    }

    pub(crate) fn key(&self) -> CredentialKey {
        CredentialKey::new(ServerUrl::parse(&self.server.url()).unwrap())
    }

    pub(crate) fn http() -> Arc<dyn HttpClient> {
        Arc::new(Client::new(HttpConfig::default()).unwrap())
    }

    /// The challenges in the server's answer to a request without a token.
    async fn challenges(&self, http: &dyn HttpClient) -> Vec<Challenge> {
        let request = http::Request::post(self.server.url())
            .body(Bytes::from_static(b"{}"))
            .unwrap();
        let answer = http
            .fetch(request, RequestOptions::mcp(&self.key().server))
            .await
            .unwrap();
        hallpass_discovery::challenges(answer.headers())
    }

    pub(crate) async fn login(&self) -> Result<Record, LoginError> {
        self.login_through(self.browser.clone()).await
    }

    pub(crate) async fn login_through(
        &self,
        interaction: Arc<dyn Interaction>,
    ) -> Result<Record, LoginError> {
        let http = Self::http();
        let challenges = self.challenges(&*http).await;
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        let login = BrowserLogin::builder(http, clock, Arc::new(FixedEntropy::new(7)), interaction)
            .client_name("the test")
            .build();
        let key = self.key();
        let mut request = SignIn::new(&key, &self.settings, self.reason, &self.scopes, &self.saved);
        request.challenges = &challenges;
        request.previous = self.previous.as_ref();
        // A login that waits for ever is a failure, not a test that hangs.
        let outcome = tokio::time::timeout(Duration::from_secs(300), login.run(request))
            .await
            .unwrap();
        self.check_leaks(&outcome);
        outcome
    }

    /// What a login would do about its client, and whether the server still knows a registration.
    pub(crate) async fn plan(&self) -> (Result<PlannedClient, LoginError>, Option<bool>) {
        let http = Self::http();
        let challenges = self.challenges(&*http).await;
        let discovery = Discovery {
            http: &*http,
            clock: &self.clock,
            settings: &self.settings,
        };
        let server = self.key().server;
        let discovered = discovery.run(&server, &challenges).await.unwrap();
        let inputs = LoginInputs {
            server: &server,
            settings: &self.settings,
            discovered: &discovered,
            challenges: &challenges,
            previous: self.previous.as_ref(),
            reason: self.reason,
            added_scopes: &self.scopes,
            device_grant: false,
            another_account: false,
            now: self.clock.now(),
        };
        let known = match &self
            .previous
            .as_ref()
            .and_then(|it| it.registration.clone())
        {
            Some(registration) => {
                let entropy = FixedEntropy::new(7);
                let http = &*http;
                let verdict = inputs
                    .ask_authorization_endpoint(registration, http, &entropy)
                    .await;
                verdict.map(|verdict| {
                    let refuses = AuthorizationEndpointVerdict::RefusesClient;
                    let refuses_uri =
                        matches!(verdict, AuthorizationEndpointVerdict::RefusesRedirectUri(_));
                    verdict != refuses && !refuses_uri
                })
            }
            None => None,
        };
        let plan = inputs.plan(inputs.scopes());
        (plan.map(|plan| plan.client), known)
    }

    /// A login that must succeed.
    pub(crate) async fn signed_in(&self) -> Record {
        match self.login().await {
            Ok(record) => record,
            Err(error) => panic!("{error}: {error:?} after {:?}", self.browser.events()),
        }
    }

    /// Nothing that a login says holds a secret that went over the wire. `state` is in the URL that
    /// the user is shown, and nowhere else.
    fn check_leaks(&self, outcome: &Result<Record, LoginError>) {
        let mut leaks = LeakCheck::new();
        leaks.watch_record(self.issuer.recorder(), &[]);
        for event in self.browser.events() {
            leaks.check("an event", &event).unwrap();
        }
        leaks.check("the outcome", &format!("{outcome:?}")).unwrap();
        if let Err(error) = outcome {
            let mut text = format!("{error} {:?}", error.hints());
            let mut source = std::error::Error::source(error);
            while let Some(error) = source {
                text = format!("{text} {error} {error:?}");
                source = error.source();
            }
            leaks.check("the error", &text).unwrap();
        }
    }
}

/// A free port below those that systems give out by themselves, so that it is still free when a second
/// login wants it again.
pub(crate) async fn quiet_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let processes = u16::try_from(std::process::id() % 1000).unwrap();
    loop {
        let port = 20_000 + processes * 12 + NEXT.fetch_add(1, Ordering::Relaxed);
        if TcpListener::bind(("127.0.0.1", port)).await.is_ok() {
            return port;
        }
    }
}

/// The records that a login saves.
#[derive(Debug, Clone, Default)]
pub(crate) struct SavedRecords {
    records: Arc<Mutex<Vec<Record>>>,
    /// Whether the medium is full.
    pub(crate) fails: bool,
}

impl SavedRecords {
    pub(crate) fn records(&self) -> Vec<Record> {
        self.records.lock().unwrap().clone()
    }
}

impl RegistrationSink for SavedRecords {
    fn save<'a>(&'a self, record: &'a Record) -> StoreFuture<'a, ()> {
        let outcome = if self.fails {
            Err(StoreError::new(StoreErrorKind::Io, "the disk is full"))
        } else {
            self.records.lock().unwrap().push(record.clone());
            Ok(())
        };
        Box::pin(async { outcome })
    }

    fn save_proof<'a>(&'a self, record: &'a Record) -> BoxFuture<'a, Result<(), StoreError>> {
        self.save(record)
    }
}

/// An interaction with a [`Person`] behind it.
#[derive(Debug)]
pub(crate) struct Browser {
    person: Person,
    declines: bool,
    events: Mutex<Vec<String>>,
    urls: watch::Sender<Vec<Url>>,
    visits: Mutex<Vec<JoinHandle<io::Result<BrowserVisit>>>>,
    paste: mpsc::UnboundedSender<String>,
    pasted: tokio::sync::Mutex<mpsc::UnboundedReceiver<String>>,
}

impl Browser {
    pub(crate) fn new(person: Person) -> Arc<Self> {
        Arc::new(Self::with(person, false))
    }

    /// One that opens nothing.
    pub(crate) fn declining() -> Arc<Self> {
        Arc::new(Self::with(Person::new(), true))
    }

    fn with(person: Person, declines: bool) -> Self {
        let (paste, pasted) = mpsc::unbounded_channel();
        Self {
            person,
            declines,
            events: Mutex::default(),
            urls: watch::Sender::new(Vec::new()),
            visits: Mutex::default(),
            paste,
            pasted: tokio::sync::Mutex::new(pasted),
        }
    }

    /// Every event, as its `Debug`.
    pub(crate) fn events(&self) -> Vec<String> {
        self.events.lock().unwrap().clone()
    }

    /// The first words of the events.
    pub(crate) fn steps(&self) -> Vec<String> {
        let words = |event: &String| {
            let end = event.find([' ', '(']).unwrap_or(event.len());
            event[..end].to_owned()
        };
        self.events().iter().map(words).collect()
    }

    /// The URLs that the user was sent to.
    pub(crate) fn urls(&self) -> Vec<Url> {
        self.urls.borrow().clone()
    }

    /// The `n`th URL, once it is there.
    pub(crate) async fn url(&self, n: usize) -> Url {
        let mut urls = self.urls.subscribe();
        let urls = urls.wait_for(|urls| urls.len() > n).await.unwrap();
        urls[n].clone()
    }

    pub(crate) fn paste(&self, text: impl Into<String>) {
        self.paste.send(text.into()).unwrap();
    }

    /// How the visits ended.
    pub(crate) async fn visits(&self) -> Vec<io::Result<BrowserVisit>> {
        let tasks = std::mem::take(&mut *self.visits.lock().unwrap());
        let mut visits = Vec::new();
        for task in tasks {
            visits.push(task.await.unwrap());
        }
        visits
    }

    /// How the one visit ended.
    pub(crate) async fn visit(&self) -> BrowserVisit {
        let mut visits = self.visits().await;
        assert_eq!(visits.len(), 1);
        visits.remove(0).unwrap()
    }
}

impl Interaction for Browser {
    fn open<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<(), OpenError>> {
        Box::pin(async move {
            if self.declines {
                return Err(OpenError::Declined);
            }
            let (person, url) = (self.person.clone(), url.clone());
            let visit = tokio::spawn(async move { person.visit(&url).await });
            self.visits.lock().unwrap().push(visit);
            Ok(())
        })
    }

    fn event(&self, event: LoginEvent<'_>) {
        self.events.lock().unwrap().push(format!("{event:?}"));
        if let LoginEvent::OpenUrl(request) = event {
            self.urls.send_modify(|urls| urls.push(request.url.clone()));
        }
    }

    fn pasted(&self) -> BoxFuture<'_, Option<String>> {
        Box::pin(async { self.pasted.lock().await.recv().await })
    }
}
