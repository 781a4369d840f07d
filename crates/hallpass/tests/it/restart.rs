//! A new process: a new `Hallpass` over the same files.

use std::sync::Arc;

use hallpass::{
    SignOut,
    store::{FileStore, KeyFile},
};
use hallpass_testkit::{AuthorizationServerOptions, Endpoint};

use crate::fixture::{Fixture, add, connect};

#[tokio::test]
async fn warm_start_requests_no_metadata_and_no_sign_in() {
    let fixture = Fixture::new().await;
    let folder = tempfile::tempdir().unwrap();
    let host = async || {
        let folder = folder.path().join("credentials");
        let store = FileStore::open(&folder, KeyFile::in_folder(&folder))
            .await
            .unwrap();
        fixture.host().store(Arc::new(store)).build().unwrap()
    };

    host().await.login().await.unwrap();
    let before = fixture.issuer.recorder().len();

    let client = connect(&host().await).await;
    assert_eq!(add(&client, 2, 3).await, "5");
    client.cancel().await.unwrap();
    let warm = fixture.issuer.recorder().since(before);
    assert!(
        warm.iter().all(|request| request.is_to(Endpoint::Mcp)),
        "{warm:?}"
    );
    assert!(
        warm.iter().all(|request| request.status() != Some(401)),
        "{warm:?}"
    );

    fixture.issuer.expire_access_tokens();
    let before = fixture.issuer.recorder().len();
    let client = connect(&host().await).await;
    assert_eq!(add(&client, 4, 4).await, "8");
    client.cancel().await.unwrap();
    let after_expiry = fixture.issuer.recorder().since(before);
    let others: Vec<_> = after_expiry
        .iter()
        .filter(|request| !request.is_to(Endpoint::Mcp))
        .collect();
    assert_eq!(others.len(), 1, "{others:?}");
    assert!(others[0].is_to(Endpoint::Refresh));
    assert_eq!(fixture.browser.visits(), 1);
}

#[tokio::test]
async fn logout_revokes_and_later_login_reuses_the_client() {
    let fixture = Fixture::new().await;
    let hallpass = fixture.host().build().unwrap();
    hallpass.login().await.unwrap();

    let done = hallpass.logout(SignOut::default()).await.unwrap();
    assert!(done.had_grant);
    assert_eq!(fixture.requests_to(Endpoint::Revocation).len(), 2);
    assert!(hallpass.session().token().await.is_err());

    hallpass.login().await.unwrap();
    assert_eq!(fixture.requests_to(Endpoint::Registration).len(), 1);
    assert!(hallpass.session().token().await.is_ok());
}

/// What was asked for is in the record: another process steps up to all of it and one more.
#[tokio::test]
async fn step_up_after_a_restart_requests_the_earlier_scopes_too() {
    let fixture = Fixture::with(AuthorizationServerOptions::default(), |server| {
        server.protection.challenge_scope = Some("read".to_owned());
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    for needed in ["read", "write", "delete"] {
        fixture
            .server
            .change(|protection| protection.call_scope = Some(needed.to_owned()));
        let folder = folder.path().join("credentials");
        let store = FileStore::open(&folder, KeyFile::in_folder(&folder)).await;
        let host = fixture
            .host()
            .store(Arc::new(store.unwrap()))
            .build()
            .unwrap();
        let client = connect(&host).await;
        assert_eq!(add(&client, 2, 3).await, "5");
        client.cancel().await.unwrap();
    }
    let asked = fixture.requests_to(Endpoint::Authorization);
    let scopes: Vec<_> = asked.iter().map(|it| it.parameter("scope")).collect();
    let union = [Some("read"), Some("read write"), Some("delete read write")];
    assert_eq!(scopes, union);
}
