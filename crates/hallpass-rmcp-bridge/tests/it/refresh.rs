//! No refresh token is sent twice, and none that came back is lost.

use futures_util::future::join_all;
use hallpass_core::{CredentialStore, State, record::SignInCause};
use hallpass_http::HttpConfig;
use hallpass_testkit::{Endpoint, Fault, Gate, PlannedFault, When};
use rmcp::transport::auth::{AuthError, CredentialStore as _};

use crate::fixture::{Fixture, Host, add};

/// Two hosts share the files. Sixteen calls of theirs are refused at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_refusals_in_two_hosts_make_one_refresh() {
    let fixture = Fixture::new().await;
    let first = fixture.host.bridge().await.manager().await.unwrap();
    fixture.sign_in(first).await.unwrap();
    let http = Host::http(HttpConfig::default());
    let mut clients = Vec::new();
    for _ in 0..2 {
        clients.push(
            fixture
                .host
                .connect(&http, fixture.host.signed_in().await)
                .await,
        );
    }

    fixture.issuer.expire_access_tokens();
    let gate = Gate::new();
    fixture.server.plan(vec![PlannedFault {
        endpoint: Endpoint::Mcp,
        when: When::Always,
        fault: Fault::HoldRequest(gate.clone()),
    }]);
    let calls = clients.iter().flat_map(|client| {
        (0..8).map(move |n| async move { assert_eq!(add(client, n, 1).await, (n + 1).to_string()) })
    });
    let opening = async {
        gate.until_arrived(16).await;
        gate.open();
    };
    tokio::join!(join_all(calls), opening);

    assert_eq!(fixture.requests_to(Endpoint::Refresh).len(), 1);
    assert_eq!(
        fixture
            .issuer
            .registry()
            .reuse_counts()
            .refresh_tokens_reused,
        0
    );
    for client in clients {
        client.cancel().await.unwrap();
    }
}

/// The second caller takes what the first one got.
#[tokio::test]
async fn two_hosts_that_refresh_at_once_make_one_refresh() {
    let fixture = Fixture::new().await;
    let first = fixture.host.bridge().await.manager().await.unwrap();
    let one = fixture.sign_in(first).await.unwrap();
    let other = fixture.host.signed_in().await;
    let (a, b) = tokio::join!(one.refresh_token(), other.refresh_token());
    let token = |answer: Result<_, AuthError>| serde_json::to_value(answer.unwrap()).unwrap();
    assert_eq!(token(a)["access_token"], token(b)["access_token"]);
    assert_eq!(fixture.requests_to(Endpoint::Refresh).len(), 1);
    let again = one.get_access_token().await.unwrap();
    assert_eq!(again, other.get_access_token().await.unwrap());
    // A caller that has the newest token and asks all the same gets another.
    one.refresh_token().await.unwrap();
    assert_eq!(fixture.requests_to(Endpoint::Refresh).len(), 2);
    assert_eq!(
        fixture
            .issuer
            .registry()
            .reuse_counts()
            .refresh_tokens_reused,
        0
    );
}

#[tokio::test]
async fn dropped_caller_loses_no_grant() {
    let fixture = Fixture::new().await;
    let bridge = fixture.host.bridge().await;
    let manager = fixture
        .sign_in(bridge.manager().await.unwrap())
        .await
        .unwrap();
    let before = manager.get_access_token().await.unwrap();

    let gate = Gate::new();
    fixture
        .issuer
        .once(Endpoint::Refresh, Fault::HoldAnswer(gate.clone()));
    tokio::select! {
        _ = manager.refresh_token() => panic!("the answer was not held"),
        () = gate.until_arrived(1) => {}
    }
    gate.open();
    bridge.close().await.unwrap();

    let after = manager.get_access_token().await.unwrap();
    assert_ne!(after, before);
    manager.refresh_token().await.unwrap();
    assert_eq!(
        fixture
            .issuer
            .registry()
            .reuse_counts()
            .refresh_tokens_reused,
        0
    );
}

#[tokio::test]
async fn refused_refresh_token_is_not_sent_again() {
    let fixture = Fixture::new().await;
    let first = fixture.host.bridge().await.manager().await.unwrap();
    let one = fixture.sign_in(first).await.unwrap();
    let other = fixture.host.signed_in().await;
    fixture.issuer.registry().revoke_all();
    let refused = one.refresh_token().await;
    assert!(matches!(refused, Err(AuthError::TokenRefreshRejected(_))));
    for manager in [&one, &other] {
        let needed = manager.refresh_token().await;
        assert!(matches!(needed, Err(AuthError::AuthorizationRequired)));
        let needed = manager.get_access_token().await;
        assert!(matches!(needed, Err(AuthError::AuthorizationRequired)));
    }
    assert_eq!(fixture.requests_to(Endpoint::Refresh).len(), 1);

    let record = CredentialStore::load(&*fixture.host.store().await, &fixture.host.key())
        .await
        .unwrap();
    let record = record.unwrap();
    let cause = State::SignInRequired(SignInCause::RefreshRefused);
    assert_eq!(record.state, cause);
    assert!(record.registration.is_some());
}

/// The server refuses the old token while the user signs in: the new credentials stay.
#[tokio::test]
async fn refusal_keeps_newer_credentials() {
    let fixture = Fixture::new().await;
    let bridge = fixture.host.bridge().await;
    let manager = fixture
        .sign_in(bridge.manager().await.unwrap())
        .await
        .unwrap();
    let old = bridge.credential_store().load().await.unwrap().unwrap();
    fixture.sign_in(manager).await.unwrap();
    let store = bridge.credential_store();
    store.on_refresh_token_rejected(&old).await.unwrap();
    let left = store.load().await.unwrap().unwrap();
    assert!(left.token_response.is_some());
}

/// What passes by itself changes nothing, and the next one succeeds.
#[tokio::test]
async fn temporary_failure_keeps_the_credentials() {
    let fixture = Fixture::new().await;
    let first = fixture.host.bridge().await.manager().await.unwrap();
    let manager = fixture.sign_in(first).await.unwrap();
    let fault = Fault::Status {
        status: 503,
        retry_after: None,
    };
    fixture.issuer.once(Endpoint::Refresh, fault);
    let failed = manager.refresh_token().await;
    assert!(matches!(failed, Err(AuthError::TokenRefreshFailed(_))));
    manager.refresh_token().await.unwrap();
}

#[tokio::test]
async fn store_error_does_not_ask_for_a_sign_in() {
    let fixture = Fixture::new().await;
    let first = fixture.host.bridge().await.manager().await.unwrap();
    let manager = fixture.sign_in(first).await.unwrap();
    let sealed = walk(fixture.folder.path());
    let sealed = sealed
        .iter()
        .filter(|path| path.extension().is_some_and(|end| end == "sealed"));
    for record in sealed {
        std::fs::File::create(record).unwrap();
    }
    let failed = manager.get_access_token().await;
    let Err(AuthError::CredentialStoreError(text)) = failed else {
        panic!("{failed:?}");
    };
    assert!(!text.is_empty());
    assert!(fixture.requests_to(Endpoint::Refresh).is_empty());
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(walk(&path));
        } else {
            files.push(path);
        }
    }
    files
}
