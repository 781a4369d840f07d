//! The servers, a user who signs in, and a session as each process builds it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use hallpass_core::{
    Account, BoxFuture, Clock, CredentialKey, ServerSettings, ServerUrl, Timestamp,
};
use hallpass_http::{Client, HttpConfig};
use hallpass_login::{BrowserLogin, Interaction, LoginEvent, OpenError};
use hallpass_session::{OsEntropy, Session, SignInRequest, SystemClock};
use hallpass_store::{FileStore, KeyFile};
use hallpass_testkit::{
    AuthorizationServer, AuthorizationServerOptions, Behaviour, McpServer, McpServerOptions, Person,
};
use tempfile::TempDir;
use url::Url;

/// Both servers and a folder for the credentials.
pub(crate) struct Servers {
    pub(crate) issuer: AuthorizationServer,
    pub(crate) server: McpServer,
    folder: TempDir,
}

impl Servers {
    pub(crate) async fn start(lifetime: Duration) -> Self {
        let options = AuthorizationServerOptions {
            behaviour: Behaviour {
                access_token_lifetime: lifetime,
                ..Behaviour::default()
            },
            ..AuthorizationServerOptions::default()
        };
        let issuer = AuthorizationServer::start(options).await.unwrap();
        let server = McpServer::start(McpServerOptions::protected_by(&issuer));
        Self {
            server: server.await.unwrap(),
            issuer,
            folder: TempDir::with_prefix("hallpass-processes").unwrap(),
        }
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.folder.path().join("credentials")
    }

    /// Has a user sign in, and saves the credentials under `account`.
    pub(crate) async fn sign_in(&self, account: &str) {
        let session = session(&self.store(), &self.server.url(), account, 0).await;
        session.sign_in(SignInRequest::default()).await.unwrap();
        session.close(Duration::from_secs(30)).await.unwrap();
    }
}

/// A session as a process builds it. `ahead` is how many seconds its wall clock is ahead of the
/// servers', which makes their tokens expire without a wait.
pub(crate) async fn session(store: &Path, url: &str, account: &str, ahead: i64) -> Session {
    let http = client();
    let login = BrowserLogin::builder(
        http.clone(),
        Arc::new(SystemClock),
        Arc::new(OsEntropy),
        Arc::new(Browser),
    );
    let store = FileStore::open(store, KeyFile::in_folder(store))
        .await
        .unwrap();
    let (key, settings) = (key(url, account), ServerSettings::default());
    Session::builder(key, settings, Arc::new(store), http)
        .authorizer(Arc::new(login.build()))
        .clock(Arc::new(Ahead(ahead)))
        .build()
        .unwrap()
}

pub(crate) fn client() -> Arc<Client> {
    let client = Client::new(HttpConfig::default());
    Arc::new(client.unwrap())
}

fn key(url: &str, account: &str) -> CredentialKey {
    let key = CredentialKey::new(ServerUrl::parse(url).unwrap());
    key.with_account(Account::parse(account).unwrap())
}

/// The computer's clocks, the wall clock so many seconds ahead.
#[derive(Debug)]
struct Ahead(i64);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_seconds(SystemClock.now().as_unix_seconds() + self.0)
    }

    fn monotonic(&self) -> Duration {
        SystemClock.monotonic()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        SystemClock.sleep(duration)
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
