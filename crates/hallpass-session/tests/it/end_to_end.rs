//! The whole stack against the testkit's strict servers: real sockets, sealed files, a real login.
//! Two sessions with a store and a client of their own each stand for two processes.

use std::{collections::HashSet, path::Path, sync::Arc, time::Duration};

use hallpass_core::{
    BoxFuture, Clock, CredentialKey, CredentialStore, Record, ServerSettings, ServerUrl, State,
    record::SignInCause,
};
use hallpass_http::{Client, HttpConfig};
use hallpass_login::{BrowserLogin, Interaction, LoginEvent, OpenError};
use hallpass_session::{OsEntropy, Session, SignInNeed, SignInRequest, SignOut};
use hallpass_store::{FileStore, KeyFile, KeySource};
use hallpass_testkit::{
    AuthorizationServer, AuthorizationServerOptions, Behaviour, Endpoint, FakeClock, Fault,
    McpServer, McpServerOptions, Person, ReuseCounts,
};
use tempfile::TempDir;
use tokio::task::JoinSet;
use url::Url;

use crate::fixture::{bare, need, retry_after};

/// A user with the testkit's browser.
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

struct Whole {
    clock: FakeClock,
    issuer: AuthorizationServer,
    server: McpServer,
    folder: TempDir,
}

impl Whole {
    async fn start(lifetime: u64) -> Self {
        let clock = FakeClock::default();
        let issuer = AuthorizationServer::start(AuthorizationServerOptions {
            clock: Some(Arc::new(clock.clone())),
            behaviour: Behaviour {
                access_token_lifetime: Duration::from_secs(lifetime),
                ..Behaviour::default()
            },
            ..AuthorizationServerOptions::default()
        });
        let issuer = issuer.await.unwrap();
        let server = McpServer::start(McpServerOptions::protected_by(&issuer))
            .await
            .unwrap();
        Self {
            clock,
            issuer,
            server,
            folder: TempDir::with_prefix("hallpass-session").unwrap(),
        }
    }

    /// What another process would build for itself.
    async fn process(&self) -> Session {
        let url = ServerUrl::parse(&self.server.url()).unwrap();
        let http = Client::new(HttpConfig::default());
        let http = Arc::new(http.unwrap());
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        let login = BrowserLogin::builder(
            http.clone(),
            Arc::clone(&clock),
            Arc::new(OsEntropy),
            Arc::new(Browser),
        );
        let (key, settings) = (CredentialKey::new(url), ServerSettings::default());
        Session::builder(key, settings, store(self.folder.path()).await, http)
            .authorizer(Arc::new(login.build()))
            .clock(clock)
            .build()
            .unwrap()
    }

    /// The refresh tokens that the server saw, in order.
    fn refreshed(&self) -> Vec<String> {
        let requests = self.issuer.requests_to(Endpoint::Refresh);
        let tokens = requests
            .iter()
            .map(|request| request.parameter("refresh_token").unwrap());
        tokens.map(str::to_owned).collect()
    }
}

/// Fails with words where `work` would hang: nothing advances the clock for it.
async fn in_time<T>(what: &str, work: impl Future<Output = T>) -> T {
    let ended = tokio::time::timeout(Duration::from_secs(120), work).await;
    ended.unwrap_or_else(|_| panic!("{what} does not end"))
}

async fn store(folder: &Path) -> Arc<dyn CredentialStore> {
    let folder = folder.join("credentials");
    let key: Arc<dyn KeySource> = Arc::new(KeyFile::in_folder(folder.clone()));
    Arc::new(FileStore::open(folder, key).await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn processes_share_two_second_tokens() {
    let whole = Whole::start(2).await;
    let sessions = [
        whole.process().await,
        whole.process().await,
        whole.process().await,
    ];
    let token = sessions[0].handle_challenge(None, &bare()).await.unwrap();
    assert!(
        whole
            .issuer
            .registry()
            .introspect(token.access_token().expose())
            .is_some()
    );
    for _ in 0..10 {
        whole.clock.advance(Duration::from_secs(1));
        let mut calls = JoinSet::new();
        for session in &sessions {
            for _ in 0..20 {
                let session = session.clone();
                calls.spawn(async move { session.token().await.unwrap() });
            }
        }
        for token in calls.join_all().await {
            let found = whole
                .issuer
                .registry()
                .introspect(token.access_token().expose());
            assert_eq!(found.unwrap().audience, Some(whole.server.resource()));
        }
    }
    let refreshed = whole.refreshed();
    assert_eq!(refreshed.len(), 5, "one for each token");
    assert_eq!(
        refreshed.iter().collect::<HashSet<_>>().len(),
        5,
        "each of them once"
    );
    assert_eq!(
        whole.issuer.registry().reuse_counts(),
        ReuseCounts::default()
    );
    for request in whole.issuer.requests_to(Endpoint::Token) {
        assert_eq!(
            request.parameter("resource"),
            Some(whole.server.resource().as_str())
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn lost_answer_costs_one_sign_in() {
    let whole = Whole::start(60).await;
    let (one, two) = (whole.process().await, whole.process().await);
    one.sign_in(SignInRequest::default()).await.unwrap();
    two.token().await.unwrap();
    whole.clock.advance(Duration::from_secs(60));
    whole.issuer.once(Endpoint::Refresh, Fault::DropAnswer);
    assert_eq!(retry_after(&one.token().await.unwrap_err()), 7);
    // The second process keeps the pause that the first one saved.
    assert_eq!(retry_after(&two.token().await.unwrap_err()), 7);
    let record = two.record().await.unwrap().unwrap();
    assert_eq!(
        (record.state, record.pending_refresh.unwrap().posts),
        (State::OutcomeUnknown, 1)
    );
    whole.clock.advance(Duration::from_secs(7));
    let expected = SignInNeed::Ended(SignInCause::RefreshOutcomeUnknown);
    assert_eq!(need(&two.token().await.unwrap_err()), expected);
    assert_eq!(need(&one.token().await.unwrap_err()), expected);
    assert_eq!(whole.refreshed().len(), 2);

    let registrations = whole.issuer.requests_to(Endpoint::Registration).len();
    let token = two.handle_challenge(None, &bare()).await.unwrap();
    let other = one.token().await.unwrap();
    assert!(
        token.access_token() == other.access_token(),
        "the other process adopts it"
    );
    assert_eq!(
        whole.issuer.requests_to(Endpoint::Registration).len(),
        registrations
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn forgotten_client_is_found_after_a_login_without_callback_and_the_grant_is_kept() {
    let whole = Whole::start(60).await;
    let session = whole.process().await;
    session.sign_in(SignInRequest::default()).await.unwrap();
    let before = session.record().await.unwrap().unwrap();
    let client = |record: &Record| record.registration.clone().unwrap();
    assert!(client(&before).proven_at.is_some());
    whole.issuer.forget_clients();

    // The browser ends at an error page, and the user gives up.
    let given_up = async {
        tokio::select! {
            outcome = session.sign_in(SignInRequest::default()) => panic!("{outcome:?}"),
            () = whole.clock.until_asleep(1) => {}
        }
    };
    in_time("the sign-in waits for the user", given_up).await;
    let kept = session.record().await.unwrap().unwrap();
    assert_eq!(client(&kept).proven_at, None);
    assert_eq!(kept.grant, before.grant);
    assert_eq!(kept.state, State::SignedIn);
    assert_eq!(client(&kept).client_id, client(&before).client_id);

    let again = session.sign_in(SignInRequest::default());
    in_time("the next sign-in", again).await.unwrap();
    let record = session.record().await.unwrap().unwrap();
    assert_ne!(client(&record).client_id, client(&before).client_id);
    assert!(client(&record).proven_at.is_some());
    assert_eq!(whole.issuer.requests_to(Endpoint::Registration).len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn outage_recovers_without_a_sign_in() {
    let whole = Whole::start(60).await;
    let session = whole.process().await;
    session.sign_in(SignInRequest::default()).await.unwrap();
    whole.issuer.once(
        Endpoint::Refresh,
        Fault::Status {
            status: 503,
            retry_after: Some("1".to_owned()),
        },
    );
    whole.clock.advance(Duration::from_secs(60));
    let asked = tokio::spawn({
        let session = session.clone();
        async move { session.token().await }
    });
    in_time("the first pause", whole.clock.until_asleep(1)).await;
    whole.clock.advance(Duration::from_secs(2));
    in_time("the refresh", asked).await.unwrap().unwrap();
    whole.issuer.once(Endpoint::Refresh, Fault::DropRequest);
    whole.clock.advance(Duration::from_secs(60));
    assert_eq!(retry_after(&session.token().await.unwrap_err()), 7);
    whole.clock.advance(Duration::from_secs(7));
    session.token().await.unwrap();
    assert_eq!(whole.refreshed().len(), 4);
    assert_eq!(
        whole.issuer.registry().reuse_counts(),
        ReuseCounts::default()
    );

    // A server that is down altogether was sent nothing.
    whole.clock.advance(Duration::from_secs(60));
    whole.issuer.stop().await;
    let asked = tokio::spawn({
        let session = session.clone();
        async move { session.token().await }
    });
    in_time("the second pause", whole.clock.until_asleep(1)).await;
    whole.issuer.resume().await.unwrap();
    whole.clock.advance(Duration::from_secs(1));
    in_time("the last refresh", asked).await.unwrap().unwrap();
    assert_eq!(
        session.record().await.unwrap().unwrap().pending_refresh,
        None
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sign_out_revokes_both_tokens() {
    let whole = Whole::start(60).await;
    let session = whole.process().await;
    let token = session.sign_in(SignInRequest::default()).await.unwrap();
    session.sign_out(SignOut::default()).await.unwrap();
    assert!(
        whole
            .issuer
            .registry()
            .introspect(token.access_token().expose())
            .is_none()
    );
    assert_eq!(whole.issuer.requests_to(Endpoint::Revocation).len(), 2);
    let other = whole.process().await.token().await.unwrap_err();
    assert_eq!(need(&other), SignInNeed::Ended(SignInCause::SignedOut));
}
