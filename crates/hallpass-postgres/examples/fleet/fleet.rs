//! The servers, the database, the accounts, and the replicas that were started.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream};
use hallpass_core::{
    AccessToken, BoxFuture, CredentialKey, CredentialStore as _, Record, RefreshToken,
    ServerSettings, ServerUrl, Subject, Tenant,
    store::{LockKind, Saved},
};
use hallpass_http::{Client, HttpConfig};
use hallpass_login::{BrowserLogin, Interaction, LoginEvent, OpenError};
use hallpass_postgres::{PostgresOptions, PostgresStore, migrate};
use hallpass_seal::{
    DataKeys, KeyError, KeyId, KeyLocation, KeySource, LocalKeyEncryption, SealingKey,
};
use hallpass_session::{OsEntropy, Session, SignInRequest, SystemClock};
use hallpass_store::MemoryStore;
use hallpass_testkit::{
    AuthorizationServer, AuthorizationServerOptions, Behaviour, Endpoint, McpServer,
    McpServerOptions, Person,
};
use url::Url;

use crate::{replica::Replica, server::Server};

/// How long an access token is good. Replicas set their clocks to its end instead of waiting for it.
pub(crate) const LIFETIME: Duration = Duration::from_secs(3600);

/// The seconds between two rounds, on the clocks of the replicas: every token of the last round has ended.
pub(crate) const ROUND: i64 = 2 * 3600;

const DATABASE: &str = "fleet";

/// How many accounts are written at the same time.
const WRITERS: usize = 16;

/// A database, an authorization server, an MCP server, and accounts that are signed in.
pub(crate) struct Fleet {
    pub(crate) issuer: AuthorizationServer,
    pub(crate) server: McpServer,
    pub(crate) database: Server,
    pub(crate) accounts: usize,
}

impl Fleet {
    /// Starts all but the replicas. The authorization server honours a refresh token for `grace` after it
    /// was replaced.
    pub(crate) async fn start(accounts: usize, grace: Option<Duration>) -> Self {
        let behaviour = Behaviour {
            access_token_lifetime: LIFETIME,
            reuse_grace: grace,
            ..Behaviour::default()
        };
        let options = AuthorizationServerOptions {
            behaviour,
            ..AuthorizationServerOptions::default()
        };
        let issuer = AuthorizationServer::start(options).await.unwrap();
        let server = McpServer::start(McpServerOptions::protected_by(&issuer));
        let database = Server::start("max_connections = 400").unwrap_or_else(|| {
            panic!("PostgreSQL is not installed: apt-get install postgresql pgbouncer")
        });
        database.create_database(DATABASE);
        let fleet = Self {
            server: server.await.unwrap(),
            issuer,
            database,
            accounts,
        };
        let url = fleet.url("hallpass_migrate");
        let options = PostgresOptions::from_url(&url).unwrap();
        migrate(&options, "hallpass").await.unwrap();
        fleet.sign_in().await;
        fleet
    }

    fn url(&self, role: &str) -> String {
        self.database.url(role, DATABASE)
    }

    /// A replica, whose clock is `ahead` seconds ahead of the servers'.
    pub(crate) fn replica(&self, number: usize, ahead: i64) -> Replica {
        let database = self.url("hallpass");
        Replica::start(&database, &self.server.url(), number, ahead, None)
    }

    /// A replica that stops at the `nth` event with this step.
    pub(crate) fn stopping_replica(&self, number: usize, step: &str, nth: usize) -> Replica {
        let database = self.url("hallpass");
        let stop = Some((step, nth));
        Replica::start(&database, &self.server.url(), number, 0, stop)
    }

    /// The saved record of an account.
    pub(crate) async fn record(&self, account: usize) -> Record {
        let store = open(&self.url("hallpass"), "check").await;
        let record = store.load(&key(&self.server.url(), account)).await.unwrap();
        store.close().await.unwrap();
        record.unwrap()
    }

    /// How often refresh tokens were posted, and how many different ones.
    pub(crate) fn posts(&self) -> (usize, usize) {
        let requests = self.issuer.requests_to(Endpoint::Refresh);
        let mut tokens: Vec<_> = requests
            .iter()
            .map(|request| request.parameter("refresh_token"))
            .collect();
        tokens.sort();
        tokens.dedup();
        (requests.len(), tokens.len())
    }

    /// How many sign-ins the authorization server has ended because a refresh token came back.
    pub(crate) fn reused(&self) -> usize {
        self.issuer.registry().reuse_counts().refresh_tokens_reused
    }

    /// Has a user sign in, and gives every account a grant of its own for the same client.
    async fn sign_in(&self) {
        let url = self.server.url();
        let http = client();
        let (clock, entropy) = (Arc::new(SystemClock), Arc::new(OsEntropy));
        let login = BrowserLogin::builder(http.clone(), clock, entropy, Arc::new(Browser));
        let store = Arc::new(MemoryStore::new());
        let session = Session::builder(key(&url, 0), ServerSettings::default(), store, http)
            .authorizer(Arc::new(login.build()))
            .build()
            .unwrap();
        session.sign_in(SignInRequest::default()).await.unwrap();
        let template = session.record().await.unwrap().unwrap();
        session.close(Duration::from_secs(30)).await.unwrap();

        let client_id = &template.registration.as_ref().unwrap().client_id;
        let resource = template.grant.as_ref().unwrap().resource.as_ref().unwrap();
        let registry = self.issuer.registry();
        let store = open(&self.url("hallpass"), "sign-in").await;
        let writing = (0..self.accounts).map(|account| {
            let mut record = template.clone();
            record.key = key(&url, account);
            let grant = record.grant.as_mut().unwrap();
            let planted = registry.plant_grant(
                client_id.as_str(),
                Some(resource.as_str()),
                &grant.scopes().to_string(),
                LIFETIME,
            );
            grant.access_token = AccessToken::new(planted.0);
            grant.refresh_token = Some(RefreshToken::new(planted.1));
            let store = store.clone();
            async move {
                let wait = Duration::from_secs(10);
                let lock = store.lock(&record.key, LockKind::Credential, wait);
                let mut guard = lock.await.unwrap();
                let saved = store.save_and_release(&record, None, &mut guard).await;
                assert!(matches!(saved, Ok(Saved::Written(_))), "{saved:?}");
            }
        });
        stream::iter(writing)
            .buffer_unordered(WRITERS)
            .collect::<()>()
            .await;
        store.close().await.unwrap();
    }
}

/// The credential of an account: each is a user's, in one of ten tenants.
pub(crate) fn key(url: &str, account: usize) -> CredentialKey {
    let tenant = Tenant::new(&format!("tenant-{}", account % 10)).unwrap();
    let subject = Subject::new(&format!("user-{account}")).unwrap();
    CredentialKey::new(ServerUrl::parse(url).unwrap()).with_subject(subject.with_tenant(tenant))
}

/// The store as a replica opens it.
pub(crate) async fn open(url: &str, name: &str) -> PostgresStore {
    let options = PostgresOptions::from_url(url)
        .unwrap()
        .with_replica_name(name);
    let wrapping_key = LocalKeyEncryption::new(WrappingKey, KeyId::from_bytes([7; 16]));
    let data_keys = DataKeys::new(Arc::new(wrapping_key), Arc::new(SystemClock));
    PostgresStore::open(&options, data_keys).await.unwrap()
}

pub(crate) fn client() -> Arc<Client> {
    let client = Client::new(HttpConfig::default());
    Arc::new(client.unwrap())
}

/// The wrapping key of all replicas.
#[derive(Debug)]
struct WrappingKey;

impl KeySource for WrappingKey {
    fn key_location(&self) -> KeyLocation {
        KeyLocation::Host
    }

    fn create(&self, id: KeyId) -> BoxFuture<'_, Result<SealingKey, KeyError>> {
        self.load(id)
    }

    fn load(&self, _: KeyId) -> BoxFuture<'_, Result<SealingKey, KeyError>> {
        Box::pin(async { Ok(SealingKey::from_bytes([7; 32])) })
    }

    fn describe(&self) -> String {
        "a key of this check".to_owned()
    }
}

/// A user whose browser is the testkit's.
#[derive(Debug)]
struct Browser;

impl Interaction for Browser {
    fn open<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<(), OpenError>> {
        let url = url.clone();
        Box::pin(async move {
            tokio::spawn(async move { Person::new().visit(&url).await.map(|_| ()) });
            Ok(())
        })
    }

    fn event(&self, _: LoginEvent<'_>) {}
}
