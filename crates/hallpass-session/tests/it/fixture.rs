//! One account on one server, with its fakes.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use hallpass_core::{
    AuthScheme, Challenge, ClientId, CredentialKey, CredentialStore, Record, Registration, Scopes,
    ServerSettings, ServerUrl, State,
    record::{GrantKind, RegistrationOrigin},
    store::LockKind,
};
use hallpass_session::{Session, SessionBuilder, SessionError, SignInNeed, Token};

use crate::fakes::{FakeAuthorizer, Fault, Server, TestClock, TestStore};

#[derive(Debug, Clone)]
pub(crate) struct Fixture {
    pub(crate) clock: Arc<TestClock>,
    pub(crate) server: Arc<Server>,
    pub(crate) store: Arc<TestStore>,
    pub(crate) authorizer: Arc<FakeAuthorizer>,
    pub(crate) key: CredentialKey,
    pub(crate) settings: ServerSettings,
}

impl Fixture {
    /// A service with a new sign-in and tokens of an hour.
    pub(crate) async fn service() -> Self {
        let fixture = Self::empty();
        fixture.authorizer.is_service.store(true, Ordering::SeqCst);
        fixture
            .put(|record| {
                let grant = record.grant.as_mut().unwrap();
                grant.kind = GrantKind::ClientCredentials;
                grant.refresh_token = None;
            })
            .await;
        fixture
    }

    /// A fixture without a sign-in.
    pub(crate) fn empty() -> Self {
        let clock = Arc::new(TestClock::new(1_000_000));
        let server = Arc::new(Server::new(Arc::clone(&clock)));
        Self {
            authorizer: Arc::new(FakeAuthorizer::new(Arc::clone(&server))),
            clock,
            server,
            store: Arc::new(TestStore::default()),
            key: CredentialKey::new(ServerUrl::parse("https://mcp.example.com/mcp").unwrap()),
            settings: ServerSettings::default(),
        }
    }

    /// A fixture with a new sign-in, for the scopes `a b`.
    pub(crate) async fn signed_in() -> Self {
        let fixture = Self::empty();
        fixture.put(|_| ()).await;
        fixture
    }

    /// A fixture with an expired access token, and these next faults.
    pub(crate) async fn expired(faults: &[Fault]) -> Self {
        let fixture = Self::signed_in().await;
        fixture.clock.advance(3_600);
        for fault in faults {
            fixture.server.fault(*fault);
        }
        fixture
    }

    /// Saves a new signed-in record after `change`.
    pub(crate) async fn put(&self, change: impl FnOnce(&mut Record)) {
        let metadata = self.server.metadata();
        let mut record = Record::new(self.key.clone(), metadata, self.settings.fingerprint());
        let client = ClientId::new("client-1");
        record.registration = Some(Registration::new(RegistrationOrigin::Dynamic, client));
        record.grant = Some(self.server.grant(&Scopes::from_server("a b")));
        record.state = State::SignedIn;
        change(&mut record);
        self.replace(record).await;
    }

    pub(crate) async fn replace(&self, record: Record) {
        let wait = std::time::Duration::from_secs(5);
        let mut guard = self
            .store
            .lock(&self.key, LockKind::Credential, wait)
            .await
            .unwrap();
        let found = self
            .store
            .load_issuer(&self.key, &record.issuer)
            .await
            .unwrap();
        let expected = found.map(|record| record.generation);
        let saved = self
            .store
            .save(&record, expected, &mut guard)
            .await
            .unwrap();
        assert!(matches!(saved, hallpass_core::store::Saved::Written(_)));
    }

    pub(crate) async fn record(&self) -> Record {
        self.store.load(&self.key).await.unwrap().unwrap()
    }

    /// How long the refresh token is not posted, in seconds.
    pub(crate) async fn pause(&self) -> i64 {
        let pending_refresh = self.record().await.pending_refresh.unwrap();
        pending_refresh.not_before.as_unix_seconds() - self.clock.wall()
    }

    pub(crate) fn session(&self) -> Session {
        self.builder().build().unwrap()
    }

    pub(crate) fn builder(&self) -> SessionBuilder {
        let (store, http) = (Arc::clone(&self.store), Arc::clone(&self.server));
        Session::builder(self.key.clone(), self.settings.clone(), store, http)
            .authorizer(Arc::clone(&self.authorizer) as _)
            .clock(Arc::clone(&self.clock) as _)
    }
}

/// How long a test waits for a session to close.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_secs(60);

/// The number of an access token of the fake server.
pub(crate) fn serial(token: &Token) -> u32 {
    let text = token.access_token().expose();
    text.strip_prefix("access-canary-")
        .unwrap()
        .parse()
        .unwrap()
}

/// How long the session pauses after this error, in whole seconds.
#[track_caller]
pub(crate) fn retry_after(error: &SessionError) -> u64 {
    let SessionError::Refresh(failed) = error else {
        panic!("not a refresh that failed: {error:?}")
    };
    failed.retry_after().unwrap().as_secs()
}

pub(crate) fn need(error: &SessionError) -> SignInNeed {
    match error {
        SessionError::SignInRequired(needed) => needed.need().clone(),
        error => panic!("not a matter of signing in: {error:?}"),
    }
}

pub(crate) fn bare() -> Vec<Challenge> {
    vec![Challenge::new(AuthScheme::Bearer)]
}

pub(crate) fn insufficient(scopes: &str) -> Vec<Challenge> {
    let mut challenge = Challenge::new(AuthScheme::Bearer);
    challenge.error = Some("insufficient_scope".to_owned());
    challenge.scope = (!scopes.is_empty()).then(|| Scopes::from_server(scopes));
    vec![challenge]
}
