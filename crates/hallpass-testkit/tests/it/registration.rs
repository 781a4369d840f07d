//! Registration, and clients that prove who they are.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use hallpass_core::TokenEndpointAuthMethod;
use hallpass_testkit::{AuthorizationServer, AuthorizationServerOptions, FakeClock, StaticClient};
use serde_json::{Value, json};

use crate::fixture::{CALLBACK, Fixture, changed, post_form, post_json, send};

async fn check(fixture: &Fixture, changes: &Value, expected: &str) -> Value {
    let mut document = json!({
        "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "none",
    });
    for (name, value) in changes.as_object().unwrap() {
        document[name] = value.clone();
    }
    let members = document.as_object_mut().unwrap();
    members.retain(|_, value| !value.is_null());
    let answer = post_json(&fixture.at("/register"), &document).await;
    assert_eq!(answer.outcome(), expected, "{document}");
    answer.json()
}

#[tokio::test]
async fn invalid_registration_is_refused() {
    let fixture = Fixture::new().await;
    let public = check(&fixture, &json!({ "client_name": "x", "own": 1 }), "201").await;
    assert!(public.get("client_secret").is_none());
    assert_eq!(public["own"], 1, "what it does not know is given back");
    // The two defaults of RFC 7591 §2.
    let silent = json!({ "grant_types": null, "token_endpoint_auth_method": null });
    let silent = check(&fixture, &silent, "201").await;
    assert_eq!(silent["grant_types"], json!(["authorization_code"]));
    assert_eq!(silent["token_endpoint_auth_method"], "client_secret_basic");
    assert_eq!(silent["client_secret_expires_at"], 0);
    for (uris, expected) in [
        (json!(null), "400 invalid_redirect_uri"),
        (json!([]), "400 invalid_redirect_uri"),
        (
            json!(["http://elsewhere.example/"]),
            "400 invalid_redirect_uri",
        ),
        (
            json!([CALLBACK, "https://a.example/#x"]),
            "400 invalid_redirect_uri",
        ),
        (json!([7]), "400 invalid_redirect_uri"),
        (json!(["https://a.example/"]), "201"),
        (
            json!(["http://localhost:8/cb", "com.example.app:/cb"]),
            "201",
        ),
    ] {
        check(&fixture, &json!({ "redirect_uris": uris }), expected).await;
    }
    let unknown = json!({ "token_endpoint_auth_method": "private_key_jwt" });
    check(&fixture, &unknown, "400 invalid_client_metadata").await;
    let no_object = send("POST", &fixture.at("/register"), &[], "[]").await;
    assert_eq!(no_object.outcome(), "400 invalid_client_metadata");
    let known = fixture.issuer.clients();
    assert!(known.iter().any(|it| it.name.as_deref() == Some("x")));

    fixture.issuer.change(|it| it.registration = false);
    check(&fixture, &json!({}), "404").await;
}

#[tokio::test]
async fn client_without_the_refresh_grant_gets_no_refresh_token() {
    let mut fixture = Fixture::new().await;
    let silent = check(&fixture, &json!({ "grant_types": null }), "201").await;
    fixture.client_id = silent["client_id"].as_str().unwrap().to_owned();
    assert_eq!(fixture.tokens().await.text("refresh_token"), "");
    fixture.issuer.change(|it| it.refresh_unasked = true);
    assert_ne!(fixture.tokens().await.text("refresh_token"), "");
}

/// A fixture whose client authenticates by `method` with the secret `s:e cret`.
async fn confidential(method: TokenEndpointAuthMethod) -> Fixture {
    let options = AuthorizationServerOptions {
        clients: vec![StaticClient {
            id: "by hand".to_owned(),
            secret: method.needs_secret().then(|| "s:e cret".to_owned()),
            auth_method: method,
            redirect_uris: vec![CALLBACK.to_owned()],
        }],
        ..Default::default()
    };
    let issuer = AuthorizationServer::start(options).await.unwrap();
    Fixture {
        client_id: "by hand".to_owned(),
        ..Fixture::with(issuer).await
    }
}

#[tokio::test]
async fn client_with_another_auth_method_is_refused() {
    let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
    // Identifier and secret are form-encoded first (RFC 6749 §2.3.1).
    let right = basic("by+hand:s%3Ae+cret");
    let none = TokenEndpointAuthMethod::None;
    let by_header = TokenEndpointAuthMethod::ClientSecretBasic;
    let by_body = TokenEndpointAuthMethod::ClientSecretPost;
    let ok = "200";
    let no = "401 invalid_client";
    // Method, `Authorization`, changes to the body, what comes of it.
    let cases = [
        (&by_header, right.as_str(), &[("client_id", "")][..], ok),
        (&by_header, &right, &[], ok),
        (&by_header, &basic("by hand:s:e cret"), &[], ok),
        (&by_header, &right, &[("client_id", "other")], no),
        (&by_header, &right, &[("client_secret", "s:e cret")], no),
        (&by_header, &basic("by+hand:wrong"), &[], no),
        (&by_header, "Bearer x", &[], no),
        (&by_header, "", &[("client_secret", "s:e cret")], no),
        (&by_header, "", &[], no),
        (&by_body, "", &[("client_secret", "s:e cret")], ok),
        (&by_body, "", &[("client_secret", "wrong")], no),
        (&by_body, &right, &[("client_id", "")], no),
        (&none, "", &[], ok),
        (&none, &right, &[], no),
    ];
    for (method, authorization, changes, expected) in cases {
        let fixture = confidential(method.clone()).await;
        let (code, resource) = (fixture.code().await, fixture.server.resource());
        let good = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", CALLBACK),
            ("client_id", "by hand"),
            ("code_verifier", crate::fixture::VERIFIER),
            ("resource", &resource),
        ];
        let headers = [("authorization", authorization)];
        let headers = if authorization.is_empty() {
            &[][..]
        } else {
            &headers
        };
        let pairs = changed(&good, changes);
        let answer = post_form(&fixture.at("/token"), headers, &pairs).await;
        assert_eq!(
            answer.outcome(),
            expected,
            "{method} {authorization} {changes:?}"
        );
        let challenged = answer.headers.contains_key("www-authenticate");
        assert_eq!(challenged, expected == no && !authorization.is_empty());
    }
}

#[tokio::test]
async fn expired_client_secret_is_refused() {
    let clock = FakeClock::default();
    let options = AuthorizationServerOptions {
        clock: Some(std::sync::Arc::new(clock.clone())),
        ..Default::default()
    };
    let mut fixture = Fixture::with(AuthorizationServer::start(options).await.unwrap()).await;
    fixture.issuer.change(|behaviour| {
        behaviour.client_secret_lifetime = Some(Duration::from_secs(100));
        behaviour.auth_method_given = Some(TokenEndpointAuthMethod::ClientSecretPost);
    });
    let client = check(&fixture, &json!({}), "201").await;
    assert_eq!(client["token_endpoint_auth_method"], "client_secret_post");
    assert_eq!(client["client_secret_expires_at"], 1_767_225_700);
    fixture.client_id = client["client_id"].as_str().unwrap().to_owned();
    let secret = client["client_secret"].as_str().unwrap();
    let changes = [("client_secret", secret)];
    let tokens = fixture.redeem(&fixture.code().await, &changes).await;
    assert_eq!(tokens.outcome(), "200");
    clock.advance(Duration::from_secs(100));
    let late = fixture
        .refresh(&tokens.text("refresh_token"), &changes)
        .await;
    assert_eq!(late.outcome(), "401 invalid_client");
}

#[tokio::test]
async fn forgotten_client_is_refused() {
    let fixture = Fixture::new().await;
    let tokens = fixture.tokens().await;
    fixture.issuer.forget_clients();
    let refused = fixture.refresh(&tokens.text("refresh_token"), &[]).await;
    assert_eq!(refused.outcome(), "401 invalid_client");
}
