//! What goes out for each grant, and the record that comes of it.

use std::sync::Arc;

use hallpass_core::{AuthScheme, Challenge, Scopes, State, record::GrantKind};
use hallpass_service::{
    Assertion, AssertionFile, IdentityProvider, ServiceClient, ServiceGrant, ServiceLogin,
};
use serde_json::json;

use crate::scripted_server::{
    ISSUER, PROVIDER, SERVER, ScriptedServer, SignInCase, answer, client, form, itself, token,
};

pub(crate) fn bearer(jwt: &str) -> ServiceClient {
    ServiceClient::new(ServiceGrant::JwtBearer(Arc::new(Assertion::new(jwt))))
}

pub(crate) fn vouched_for() -> ServiceClient {
    ServiceClient::new(ServiceGrant::IdentityAssertion(Box::new(
        IdentityProvider {
            token_endpoint: PROVIDER.parse().unwrap(),
            client: client("service-at-idp", None),
            id_token: Arc::new(Assertion::new("canary-id-token")),
        },
    )))
}

/// Signs in, and compares what was sent to the token endpoint.
async fn check(client: ServiceClient, kind: GrantKind, expected: &[&str]) -> Arc<ScriptedServer> {
    let server = ScriptedServer::new(&json!({}));
    let record = SignInCase::default()
        .run(&server.login(client))
        .await
        .unwrap();
    assert_eq!(record.state, State::SignedIn);
    assert_eq!(record.issuer.as_str(), ISSUER);
    let grant = record.grant.unwrap();
    assert_eq!(grant.kind, kind);
    assert_eq!(grant.scheme, AuthScheme::Bearer);
    assert_eq!(grant.access_token.expose(), "canary-access");
    assert_eq!(grant.resource.unwrap().as_str(), SERVER);
    assert_eq!(grant.requested_scopes.to_string(), "read");
    let life = grant
        .expires_at
        .unwrap()
        .saturating_since(grant.obtained_at);
    assert_eq!(life.as_secs(), 300);
    let sent = server.sent("/token");
    assert_eq!(sent.len(), 1);
    assert_eq!(form(&sent[0]), expected);
    server
}

#[tokio::test]
async fn client_credentials_request_has_the_client_alone() {
    let expected = [
        "grant_type=client_credentials",
        "scope=read",
        "resource=https://mcp.example/mcp",
        "client_id=service",
    ];
    let server = check(itself(), GrantKind::ClientCredentials, &expected).await;
    let sent = &server.sent("/token")[0];
    assert!(sent.header("authorization").unwrap().starts_with("Basic "));
}

#[tokio::test]
async fn jwt_bearer_request_has_the_assertion_unchanged() {
    let expected = [
        "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer",
        "assertion=a.b.c",
        "scope=read",
        "resource=https://mcp.example/mcp",
        "client_id=service",
    ];
    check(bearer(" a.b.c\n"), GrantKind::JwtBearer, &expected).await;
}

#[tokio::test]
async fn id_token_is_exchanged_at_the_identity_provider() {
    let expected = [
        "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer",
        "assertion=canary-id-jag",
        "scope=read",
        "resource=https://mcp.example/mcp",
        "client_id=service",
    ];
    let server = check(vouched_for(), GrantKind::JwtBearer, &expected).await;
    let exchange = &server.sent("/exchange")[0];
    assert_eq!(
        form(exchange),
        [
            "grant_type=urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token=canary-id-token",
            "subject_token_type=urn:ietf:params:oauth:token-type:id_token",
            "requested_token_type=urn:ietf:params:oauth:token-type:id-jag",
            "audience=https://as.example",
            "resource=https://mcp.example/mcp",
            "scope=read",
            "client_id=service-at-idp",
        ]
    );
    assert_eq!(
        exchange.header("authorization"),
        None,
        "the provider's client is public"
    );
}

#[tokio::test]
async fn scopes_come_from_the_challenge_and_step_ups_add_to_them() {
    let server = ScriptedServer::new(&json!({}));
    let mut challenge = Challenge::new(AuthScheme::Bearer);
    challenge.scope = Some(Scopes::from_server("call"));
    let asked = SignInCase {
        challenges: vec![challenge],
        scopes: Scopes::from_server("list"),
        ..SignInCase::default()
    };
    asked.run(&server.login(itself())).await.unwrap();
    assert_eq!(
        server.sent("/token")[0].parameter("scope").unwrap(),
        "call list"
    );
}

#[tokio::test]
async fn refresh_token_is_not_kept() {
    let server = ScriptedServer::new(&json!({}));
    let mut with_refresh = token("Bearer");
    with_refresh["refresh_token"] = json!("canary-refresh");
    server.on("/token", [answer(200, &with_refresh)]);
    let record = SignInCase::default()
        .run(&server.login(itself()))
        .await
        .unwrap();
    assert_eq!(record.grant.unwrap().refresh_token, None);
}

#[tokio::test]
async fn assertion_file_is_read_for_each_sign_in() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwt");
    let source = AssertionFile::new(&path);
    let service = ServiceClient::new(ServiceGrant::JwtBearer(Arc::new(source)));
    let server = ScriptedServer::new(&json!({}));
    let login: ServiceLogin = server.login(service);
    for written in ["first\n", "second"] {
        std::fs::File::create(&path)
            .and_then(|mut file| std::io::Write::write_all(&mut file, written.as_bytes()))
            .unwrap();
        SignInCase::default().run(&login).await.unwrap();
    }
    let sent = server.sent("/token");
    let assertions: Vec<_> = sent
        .iter()
        .map(|sent| sent.parameter("assertion").unwrap())
        .collect();
    assert_eq!(assertions, ["first", "second"]);
}
