//! What ends a sign-in, and what it says.

use std::{error::Error, sync::Arc};

use hallpass_core::Remedy;
use hallpass_service::{
    Assertion, AssertionFile, IdentityProvider, ServiceClient, ServiceErrorKind, ServiceGrant,
};
use serde_json::json;

use crate::script::{Asked, PROVIDER, Script, answer, client, error, itself};

fn bearer() -> ServiceClient {
    let assertion = Assertion::new("canary-assertion");
    ServiceClient::new(ServiceGrant::JwtBearer(Arc::new(assertion)))
}

/// How a sign-in ends when the token endpoint answers so, and after how many requests.
async fn check(status: u16, code: &str, kind: ServiceErrorKind, remedy: Remedy, requests: usize) {
    let script = Script::new(&json!({}));
    script.on("/token", [error(status, code)]);
    let error = Asked::default()
        .of(&script.login(bearer()))
        .await
        .unwrap_err();
    assert_eq!((error.kind(), error.remedy()), (kind, remedy), "{code}");
    assert_eq!(script.sent("/token").len(), requests, "{code}");
    let mut text = format!("{error:?} {error} {:?}", error.hint());
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text} {error} {error:?}");
        source = error.source();
    }
    assert!(!text.contains("canary"), "{text}");
}

#[tokio::test]
async fn a_refused_assertion_is_not_sent_again_and_nothing_is_tried_in_its_place() {
    use ServiceErrorKind::Refused;
    check(400, "invalid_grant", Refused, Remedy::Configure, 1).await;
    check(400, "invalid_scope", Refused, Remedy::Configure, 1).await;
    check(400, "unauthorized_client", Refused, Remedy::Configure, 1).await;
    check(401, "invalid_client", Refused, Remedy::Configure, 1).await;
    check(500, "server_error", Refused, Remedy::Retry, 1).await;
    // The server has not looked at these.
    check(503, "temporarily_unavailable", Refused, Remedy::Retry, 3).await;
    check(429, "slow_down", Refused, Remedy::Retry, 3).await;
}

#[tokio::test]
async fn an_assertion_that_was_refused_is_not_sent_by_a_later_sign_in_either() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwt");
    let write = |text: &str| {
        std::fs::File::create(&path)
            .and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()))
            .unwrap();
    };
    let source = AssertionFile::new(&path);
    let script = Script::new(&json!({}));
    script.on("/token", [error(400, "invalid_grant")]);
    let login = script.login(ServiceClient::new(ServiceGrant::JwtBearer(Arc::new(
        source,
    ))));
    write("expired");
    for _ in 0..3 {
        let error = Asked::default().of(&login).await.unwrap_err();
        assert_eq!(error.kind(), ServiceErrorKind::Refused);
    }
    assert_eq!(script.sent("/token").len(), 1);
    write("replaced");
    Asked::default().of(&login).await.unwrap_err();
    assert_eq!(script.sent("/token").len(), 2);
}

#[tokio::test]
async fn there_may_be_no_assertion() {
    let folder = tempfile::tempdir().unwrap();
    let script = Script::new(&json!({}));
    let absent = AssertionFile::new(folder.path().join("absent"));
    let empty = AssertionFile::new({
        let path = folder.path().join("empty");
        std::fs::File::create(&path).unwrap();
        path
    });
    for source in [absent, empty] {
        let machine = ServiceClient::new(ServiceGrant::JwtBearer(Arc::new(source)));
        let error = Asked::default()
            .of(&script.login(machine))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ServiceErrorKind::Assertion);
        assert_eq!(error.remedy(), Remedy::Configure);
        assert!(error.source().unwrap().to_string().contains("reading"));
    }
    assert!(script.sent("/token").is_empty());
}

#[tokio::test]
async fn an_identity_provider_may_say_no_or_something_else() {
    let provider = || IdentityProvider {
        token_endpoint: PROVIDER.parse().unwrap(),
        client: client("machine-at-idp", Some("canary-idp-secret")),
        id_token: Arc::new(Assertion::new("canary-id-token")),
    };
    let not_an_assertion = json!({ "access_token": "canary-other", "token_type": "Bearer" });
    for refusal in [error(400, "invalid_grant"), answer(200, &not_an_assertion)] {
        let script = Script::new(&json!({}));
        script.on("/exchange", [refusal]);
        let machine = ServiceClient::new(ServiceGrant::IdentityAssertion(Box::new(provider())));
        let error = Asked::default()
            .of(&script.login(machine))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ServiceErrorKind::Exchange);
        assert!(error.to_string().contains("idp.example"), "{error}");
        assert!(
            script.sent("/token").is_empty(),
            "nothing went on to the other server"
        );
    }
}

#[tokio::test]
async fn a_network_that_fails_is_no_refusal() {
    let script = Script::new(&json!({ "token_endpoint": "https://as.example/gone" }));
    let error = Asked::default()
        .of(&script.login(itself()))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ServiceErrorKind::Network);

    let script = Script::new(&json!({}));
    script.on("/.well-known/oauth-authorization-server", [error_page()]);
    let error = Asked::default()
        .of(&script.login(itself()))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ServiceErrorKind::Discovery);
}

fn error_page() -> http::Response<bytes::Bytes> {
    answer(404, &json!({}))
}
