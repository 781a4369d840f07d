//! What goes out for each grant, and the record that comes of it.

use std::sync::Arc;

use hallpass_core::{AuthScheme, Challenge, Scopes, State, record::GrantKind};
use hallpass_service::{
    Assertion, AssertionFile, IdentityProvider, ServiceClient, ServiceGrant, ServiceLogin,
};
use serde_json::json;

use crate::script::{Asked, ISSUER, PROVIDER, SERVER, Script, answer, client, itself, token};

pub(crate) fn bearer(jwt: &str) -> ServiceClient {
    ServiceClient::new(ServiceGrant::JwtBearer(Arc::new(Assertion::new(jwt))))
}

pub(crate) fn vouched_for() -> ServiceClient {
    ServiceClient::new(ServiceGrant::IdentityAssertion(Box::new(
        IdentityProvider {
            token_endpoint: PROVIDER.parse().unwrap(),
            client: client("machine-at-idp", None),
            id_token: Arc::new(Assertion::new("canary-id-token")),
        },
    )))
}

/// Signs in, and compares what was sent to the token endpoint.
async fn check(machine: ServiceClient, kind: GrantKind, expected: &[&str]) -> Arc<Script> {
    let script = Script::new(&json!({}));
    let record = Asked::default().of(&script.login(machine)).await.unwrap();
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
    let sent = script.sent("/token");
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].shown(), expected);
    script
}

#[tokio::test]
async fn client_credentials_show_the_client_alone() {
    let expected = [
        "grant_type=client_credentials",
        "scope=read",
        "resource=https://mcp.example/mcp",
        "client_id=machine",
    ];
    let script = check(itself(), GrantKind::ClientCredentials, &expected).await;
    let sent = &script.sent("/token")[0];
    assert!(sent.authorization.as_ref().unwrap().starts_with("Basic "));
}

#[tokio::test]
async fn a_workload_shows_its_assertion_as_it_is() {
    let expected = [
        "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer",
        "assertion=a.b.c",
        "scope=read",
        "resource=https://mcp.example/mcp",
        "client_id=machine",
    ];
    check(bearer(" a.b.c\n"), GrantKind::JwtBearer, &expected).await;
}

#[tokio::test]
async fn an_identity_provider_turns_an_id_token_into_an_assertion() {
    let expected = [
        "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer",
        "assertion=canary-id-jag",
        "scope=read",
        "resource=https://mcp.example/mcp",
        "client_id=machine",
    ];
    let script = check(vouched_for(), GrantKind::JwtBearer, &expected).await;
    let exchange = &script.sent("/exchange")[0];
    assert_eq!(
        exchange.shown(),
        [
            "grant_type=urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token=canary-id-token",
            "subject_token_type=urn:ietf:params:oauth:token-type:id_token",
            "requested_token_type=urn:ietf:params:oauth:token-type:id-jag",
            "audience=https://as.example",
            "resource=https://mcp.example/mcp",
            "scope=read",
            "client_id=machine-at-idp",
        ]
    );
    assert_eq!(
        exchange.authorization, None,
        "the provider's client is public"
    );
}

#[tokio::test]
async fn scopes_come_from_the_challenge_and_a_step_up_adds_to_them() {
    let script = Script::new(&json!({}));
    let mut challenge = Challenge::new(AuthScheme::Bearer);
    challenge.scope = Some(Scopes::from_server("call"));
    let asked = Asked {
        challenges: vec![challenge],
        scopes: Scopes::from_server("list"),
        ..Asked::default()
    };
    asked.of(&script.login(itself())).await.unwrap();
    assert_eq!(script.sent("/token")[0].value("scope"), "call list");
}

#[tokio::test]
async fn a_refresh_token_is_not_kept() {
    let script = Script::new(&json!({}));
    let mut with_refresh = token("Bearer");
    with_refresh["refresh_token"] = json!("canary-refresh");
    script.on("/token", [answer(200, &with_refresh)]);
    let record = Asked::default().of(&script.login(itself())).await.unwrap();
    assert_eq!(record.grant.unwrap().refresh_token, None);
}

#[tokio::test]
async fn a_file_is_read_anew_for_each_sign_in() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwt");
    let source = AssertionFile::new(&path);
    let machine = ServiceClient::new(ServiceGrant::JwtBearer(Arc::new(source)));
    let script = Script::new(&json!({}));
    let login: ServiceLogin = script.login(machine);
    for written in ["first\n", "second"] {
        std::fs::File::create(&path)
            .and_then(|mut file| std::io::Write::write_all(&mut file, written.as_bytes()))
            .unwrap();
        Asked::default().of(&login).await.unwrap();
    }
    let sent = script.sent("/token");
    let assertions: Vec<_> = sent.iter().map(|sent| sent.value("assertion")).collect();
    assert_eq!(assertions, ["first", "second"]);
}
