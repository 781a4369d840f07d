//! The next token, when one ends.

use hallpass_core::{Authorizer, SignInReason};
use hallpass_service::ServiceClient;
use serde_json::json;

use crate::{
    grants::{bearer, vouched_for},
    script::{Asked, Script, itself, with_client},
};

#[tokio::test]
async fn a_grant_that_has_only_ended_is_asked_for_without_discovery() {
    check(itself(), &["/token"]).await;
    check(bearer("a.b.c"), &["/token"]).await;
    check(vouched_for(), &["/exchange", "/token"]).await;
}

/// Signs in, lets the token end, and says what is asked then: the same as before, and no more.
async fn check(machine: ServiceClient, expected: &[&str]) {
    let script = Script::new(&json!({}));
    let login = script.login(machine);
    assert!(!login.is_interactive());
    let first = Asked::default().of(&login).await.unwrap();
    let before = script.asked().len();
    let asked = Asked {
        reason: SignInReason::Ended,
        challenges: Vec::new(),
        previous: Some(&first),
        ..Asked::default()
    };
    let second = asked.of(&login).await.unwrap();
    assert_eq!(script.asked()[before..], *expected);
    let sent = script.sent("/token");
    assert_eq!(sent[0].shown(), sent[1].shown());
    assert_eq!(sent[0].authorization, sent[1].authorization);
    assert_eq!(second.metadata, first.metadata);
}

#[tokio::test]
async fn after_a_refusal_or_under_other_settings_the_metadata_is_read_anew() {
    let script = Script::new(&json!({}));
    let login = script.login(itself());
    let first = Asked::default().of(&login).await.unwrap();
    let metadata = "/.well-known/oauth-authorization-server".to_owned();
    let mut settings = with_client(Some("canary-secret"));
    settings.scopes = Some(hallpass_core::Scopes::from_server("other offline_access"));
    let refused = Asked {
        reason: SignInReason::Ended,
        previous: Some(&first),
        ..Asked::default()
    };
    let changed = Asked {
        settings,
        reason: SignInReason::Ended,
        challenges: Vec::new(),
        previous: Some(&first),
        ..Asked::default()
    };
    for asked in [refused, changed] {
        let before = script.asked().len();
        asked.of(&login).await.unwrap();
        assert!(script.asked()[before..].contains(&metadata), "{asked:?}");
    }
    let sent = script.sent("/token").pop().unwrap();
    assert_eq!(
        sent.value("scope"),
        "offline_access other",
        "a person's list stays"
    );
}
