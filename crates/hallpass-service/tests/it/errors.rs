//! What ends a sign-in, and what it says.

use std::{error::Error, sync::Arc};

use hallpass_core::Remedy;
use hallpass_service::{
    Assertion, AssertionFile, IdentityProvider, ServiceClient, ServiceErrorKind, ServiceGrant,
};
use serde_json::json;

use crate::scripted_server::{PROVIDER, ScriptedServer, SignInCase, answer, client, error, itself};

fn bearer() -> ServiceClient {
    let assertion = Assertion::new("canary-assertion");
    ServiceClient::new(ServiceGrant::JwtBearer(Arc::new(assertion)))
}

/// How a sign-in ends when the token endpoint answers so, and after how many requests.
async fn check(status: u16, code: &str, kind: ServiceErrorKind, remedy: Remedy, requests: usize) {
    let server = ScriptedServer::new(&json!({}));
    server.on("/token", [error(status, code)]);
    let error = SignInCase::default()
        .run(&server.login(bearer()))
        .await
        .unwrap_err();
    assert_eq!((error.kind(), error.remedy()), (kind, remedy), "{code}");
    assert_eq!(server.sent("/token").len(), requests, "{code}");
    let mut text = format!("{error:?} {error} {:?}", error.hints());
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text} {error} {error:?}");
        source = error.source();
    }
    assert!(!text.contains("canary"), "{text}");
}

#[tokio::test]
async fn refused_assertion_is_not_sent_again() {
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
async fn refused_assertion_is_not_sent_by_a_later_sign_in() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwt");
    let write = |text: &str| {
        std::fs::File::create(&path)
            .and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()))
            .unwrap();
    };
    let source = AssertionFile::new(&path);
    let server = ScriptedServer::new(&json!({}));
    server.on("/token", [error(400, "invalid_grant")]);
    let login = server.login(ServiceClient::new(ServiceGrant::JwtBearer(Arc::new(
        source,
    ))));
    write("expired");
    for _ in 0..3 {
        let error = SignInCase::default().run(&login).await.unwrap_err();
        assert_eq!(error.kind(), ServiceErrorKind::Refused);
    }
    assert_eq!(server.sent("/token").len(), 1);
    write("replaced");
    SignInCase::default().run(&login).await.unwrap_err();
    assert_eq!(server.sent("/token").len(), 2);
}

#[tokio::test]
async fn missing_assertion_sends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = ScriptedServer::new(&json!({}));
    let absent = AssertionFile::new(folder.path().join("absent"));
    let empty = AssertionFile::new({
        let path = folder.path().join("empty");
        std::fs::File::create(&path).unwrap();
        path
    });
    for source in [absent, empty] {
        let service = ServiceClient::new(ServiceGrant::JwtBearer(Arc::new(source)));
        let error = SignInCase::default()
            .run(&server.login(service))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ServiceErrorKind::Assertion);
        assert_eq!(error.remedy(), Remedy::Configure);
        let source = error.source().unwrap().to_string();
        assert!(source.starts_with("the file `"), "{source}");
    }
    assert!(server.sent("/token").is_empty());
}

#[tokio::test]
async fn identity_provider_error_sends_no_token_request() {
    let provider = || IdentityProvider {
        token_endpoint: PROVIDER.parse().unwrap(),
        client: client("service-at-idp", Some("canary-idp-secret")),
        id_token: Arc::new(Assertion::new("canary-id-token")),
    };
    let not_an_assertion = json!({ "access_token": "canary-other", "token_type": "Bearer" });
    for refusal in [error(400, "invalid_grant"), answer(200, &not_an_assertion)] {
        let server = ScriptedServer::new(&json!({}));
        server.on("/exchange", [refusal]);
        let service = ServiceClient::new(ServiceGrant::IdentityAssertion(Box::new(provider())));
        let error = SignInCase::default()
            .run(&server.login(service))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ServiceErrorKind::Exchange);
        assert!(error.to_string().contains("idp.example"), "{error}");
        assert!(
            server.sent("/token").is_empty(),
            "nothing went on to the other server"
        );
    }
}

#[tokio::test]
async fn network_failure_is_not_a_refusal() {
    let server = ScriptedServer::new(&json!({ "token_endpoint": "https://as.example/gone" }));
    let error = SignInCase::default()
        .run(&server.login(itself()))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ServiceErrorKind::Network);

    let server = ScriptedServer::new(&json!({}));
    server.on(
        "/.well-known/oauth-authorization-server",
        [answer(404, &json!({}))],
    );
    let error = SignInCase::default()
        .run(&server.login(itself()))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ServiceErrorKind::Discovery);
}
