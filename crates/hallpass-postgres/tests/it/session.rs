//! A session over the store: what it does while the database is away.

use std::sync::Arc;

use hallpass_core::{CredentialStore, Diagnostic as _, Remedy, ServerSettings};
use hallpass_postgres::{PostgresStore, migrate};
use hallpass_session::Session;
use hallpass_testkit::{ScriptedClient, ScriptedResponse};

use crate::{
    fixture::{Database, data_keys, key, options, sign_in},
    server::Server,
};

const TOKEN: &str =
    r#"{"access_token":"new","token_type":"Bearer","expires_in":3600,"refresh_token":"next"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_posted_and_a_live_token_is_served_while_the_database_is_away() {
    let Some(server) = Server::start("fsync = off") else {
        return;
    };
    server.create_database("sessions");
    let owner = options(&server.url("hallpass_migrate", "sessions"));
    migrate(&owner, "hallpass").await.unwrap();
    let replica = options(&server.url("hallpass", "sessions"));
    let store = PostgresStore::open(&replica, data_keys(1)).await.unwrap();
    sign_in(&store, "fresh", "first", 4_000_000_000).await;
    sign_in(&store, "expired", "first", 2_000).await;
    let http = Arc::new(ScriptedClient::new());
    http.on("/token", [ScriptedResponse::json(200, TOKEN)]);
    let session = |user| {
        let (store, http) = (Arc::new(store.clone()), Arc::clone(&http));
        Session::builder(key("acme", user), ServerSettings::default(), store, http)
            .build()
            .unwrap()
    };
    let (fresh, expired) = (session("fresh"), session("expired"));
    fresh.token().await.unwrap();

    server.control(&["stop", "--mode=immediate"]);
    fresh.token().await.unwrap();
    let error = expired.token().await.unwrap_err();
    assert_eq!(error.remedy(), Remedy::Retry, "{error:?}");
    assert_eq!(
        http.requests().len(),
        0,
        "a refresh token was posted without the database"
    );

    server.control(&["start"]);
    let token = expired.token().await.unwrap();
    assert_eq!(token.access_token().expose(), "new");
    assert_eq!(http.requests().len(), 1);
    let saved = store.load(&key("acme", "expired")).await.unwrap().unwrap();
    assert_eq!(saved.grant.unwrap().access_token.expose(), "new");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_replicas_post_once_for_each_expiry() {
    let Some(database) = Database::new("replicas").await else {
        return;
    };
    let http = Arc::new(ScriptedClient::new().strict());
    // One response for each account: a second post has none.
    let accounts: Vec<_> = (0..8).map(|number| format!("user-{number}")).collect();
    http.on(
        "/token",
        accounts.iter().map(|_| ScriptedResponse::json(200, TOKEN)),
    );
    let first = database.open().await;
    for account in &accounts {
        sign_in(&first, account, "first", 2_000).await;
    }
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let store = Arc::new(database.open().await);
        for account in &accounts {
            let (store, http) = (Arc::clone(&store), Arc::clone(&http));
            let session =
                Session::builder(key("acme", account), ServerSettings::default(), store, http);
            let session = session.build().unwrap();
            tasks.spawn(async move { session.token().await });
        }
    }
    while let Some(token) = tasks.join_next().await {
        assert_eq!(token.unwrap().unwrap().access_token().expose(), "new");
    }
    assert_eq!(http.requests().len(), accounts.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn refresh_is_a_load_and_two_statements() {
    let Some(database) = Database::new("statements").await else {
        return;
    };
    let store = database.open().await;
    sign_in(&store, "user", "first", 2_000).await;
    let http = Arc::new(ScriptedClient::new());
    http.on("/token", [ScriptedResponse::json(200, TOKEN)]);
    let shared = Arc::new(store.clone());
    let session = Session::builder(key("acme", "user"), ServerSettings::default(), shared, http);
    let session = session.build().unwrap();
    let statements = || {
        let log = database.server.log();
        let lines = log
            .lines()
            .filter(|line| line.starts_with("[statements] LOG:  execute <unnamed>"));
        // The heartbeat has statements of its own, in any number.
        let of_store = lines.filter(|line| !line.contains("INSERT INTO hallpass.replica"));
        of_store.count()
    };
    let before = statements();
    assert!(before > 0);
    session.token().await.unwrap();
    // All that it started is done.
    store.close().await.unwrap();
    // Leaving is one more.
    assert_eq!(statements() - before, 3 + 1);
}
