//! The next token, when one ends.

use hallpass_core::{Authorizer, SignInReason};
use hallpass_service::ServiceClient;
use serde_json::json;

use crate::{
    grants::{bearer, vouched_for},
    scripted_server::{ScriptedServer, SignInCase, form, itself, with_client},
};

#[tokio::test]
async fn expired_grant_is_renewed_without_discovery() {
    check(itself(), &["/token"]).await;
    check(bearer("a.b.c"), &["/token"]).await;
    check(vouched_for(), &["/exchange", "/token"]).await;
}

/// Signs in, lets the token end, and says what is asked then: the same as before, and no more.
async fn check(client: ServiceClient, expected: &[&str]) {
    let server = ScriptedServer::new(&json!({}));
    let login = server.login(client);
    assert!(!login.is_interactive());
    let first = SignInCase::default().run(&login).await.unwrap();
    let before = server.asked().len();
    let asked = SignInCase {
        reason: SignInReason::Ended,
        challenges: Vec::new(),
        previous: Some(&first),
        ..SignInCase::default()
    };
    let second = asked.run(&login).await.unwrap();
    assert_eq!(server.asked()[before..], *expected);
    let sent = server.sent("/token");
    assert_eq!(form(&sent[0]), form(&sent[1]));
    assert_eq!(
        sent[0].header("authorization"),
        sent[1].header("authorization")
    );
    assert_eq!(second.metadata, first.metadata);
}

#[tokio::test]
async fn refusal_or_changed_settings_read_the_metadata_again() {
    let server = ScriptedServer::new(&json!({}));
    let login = server.login(itself());
    let first = SignInCase::default().run(&login).await.unwrap();
    let metadata = "/.well-known/oauth-authorization-server".to_owned();
    let mut settings = with_client(Some("canary-secret"));
    settings.scopes = Some(hallpass_core::Scopes::from_server("other offline_access"));
    let refused = SignInCase {
        reason: SignInReason::Ended,
        previous: Some(&first),
        ..SignInCase::default()
    };
    let changed = SignInCase {
        settings,
        reason: SignInReason::Ended,
        challenges: Vec::new(),
        previous: Some(&first),
        ..SignInCase::default()
    };
    for asked in [refused, changed] {
        let before = server.asked().len();
        asked.run(&login).await.unwrap();
        assert!(server.asked()[before..].contains(&metadata), "{asked:?}");
    }
    let sent = server.sent("/token").pop().unwrap();
    assert_eq!(
        sent.parameter("scope").unwrap(),
        "offline_access other",
        "the user's list stays"
    );
}
