//! Where no browser is sent: into networks that are none of the MCP server's.

use std::{error::Error as _, sync::Arc};

use hallpass_core::{
    AddressRefused, AuthScheme, ClientId, ExplicitEndpoints, Hint, PreRegisteredClient, Remedy,
};
use hallpass_login::{LoginError, LoginErrorKind};
use serde_json::{Value, json};

use crate::scripted_server::{ScriptedServer, answer};

/// Endpoints in networks of the user's machine, home, company or cloud.
const INTERNAL: &[&str] = &[
    "https://127.0.0.1/authorize",
    "http://127.0.0.1:6379/authorize",
    "https://127.1/authorize",
    "https://2130706433/authorize",
    "https://0x7f.1/authorize",
    "https://017700000001/authorize",
    "https://0.0.0.0/authorize",
    "https://[::1]/authorize",
    "https://[::ffff:127.0.0.1]/authorize",
    "https://[::ffff:a00:1]/authorize",
    "https://[64:ff9b::10.0.0.1]/authorize",
    "https://[64:ff9b:1::a9fe:a9fe]/authorize",
    "https://[2002:a00:1::]/authorize",
    "https://[fe80::1]/authorize",
    "https://[fd00::1]/authorize",
    "https://[fd00:ec2::254]/authorize",
    "https://10.0.0.5/authorize",
    "https://172.16.0.1/authorize",
    "https://192.168.0.1/authorize",
    "https://192.168.178.1/authorize",
    "https://100.64.0.1/authorize",
    "https://169.254.169.254/latest/meta-data/",
    "https://100.100.100.200/latest/meta-data/",
    "https://168.63.129.16/metadata",
    "http://localhost:8080/authorize",
    "https://LOCALHOST./authorize",
    "https://app.localhost/authorize",
    "https://printer.local/authorize",
    "https://sso.internal/authorize",
    "https://metadata.google.internal/computeMetadata/v1/",
    "https://metadata/authorize",
    "https://router/authorize",
    "https://nas.home.arpa/authorize",
    "https://nas.lan/authorize",
    "https://fritz.box/authorize",
    "https://www.routerlogin.net/authorize",
];

async fn refused(more: &Value) -> (LoginError, Arc<ScriptedServer>) {
    let server = Arc::new(ScriptedServer::new(more));
    let error = server.login(AuthScheme::Bearer, None).await.unwrap_err();
    (error, server)
}

#[tokio::test]
async fn authorization_endpoint_in_internal_network_opens_no_browser() {
    let mut offered = Vec::new();
    for url in INTERNAL {
        let server = Arc::new(ScriptedServer::new(
            &json!({ "authorization_endpoint": url }),
        ));
        let outcome = server.login(AuthScheme::Bearer, None).await;
        if server.heard("OpenUrl") {
            offered.push(*url);
            continue;
        }
        assert!(server.sent("/register").is_empty(), "{url}");
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), LoginErrorKind::Endpoint, "{url}");
        assert_eq!(error.remedy(), Remedy::Configure);
    }
    assert_eq!(offered, Vec::<&str>::new(), "offered to the browser");
    assert!(INTERNAL.len() >= 31);
}

#[tokio::test]
async fn refused_authorization_endpoint_is_named_with_its_host_and_issuer() {
    let more = json!({ "authorization_endpoint": "https://10.0.0.5/authorize?key=canary" });
    let (error, _) = refused(&more).await;
    assert_eq!(
        error.to_string(),
        "no sign-in to https://mcp.example/mcp: no browser is sent to the authorization endpoint \
         https://10.0.0.5/authorize?…, which the metadata of https://as.example names"
    );
    let source = error.source().unwrap();
    let source = source.downcast_ref::<AddressRefused>().unwrap();
    assert_eq!(
        source.to_string(),
        "`10.0.0.5` is a private address, and the MCP server is not in such a network"
    );
    assert_eq!(error.hints()[0], Hint::setting("endpoints", None));
    assert!(error.hints()[1].to_string().contains("`10.0.0.5`"));
}

#[tokio::test]
async fn pushed_request_is_not_sent_for_an_internal_authorization_endpoint() {
    let (error, server) = refused(&json!({
        "authorization_endpoint": "https://192.168.0.1/authorize",
        "pushed_authorization_request_endpoint": "https://as.example/par",
        "require_pushed_authorization_requests": true,
    }))
    .await;
    assert_eq!(error.kind(), LoginErrorKind::Endpoint);
    assert!(server.sent("/par").is_empty());
    assert!(!server.heard("OpenUrl"));
}

#[tokio::test]
async fn device_code_in_internal_network_is_not_shown() {
    let public = "https://as.example/verify";
    for (page, complete) in [
        ("https://192.168.0.1/verify", public),
        (public, "https://fritz.box/verify?user_code=x"),
        ("https://metadata.google.internal/", public),
        ("http://localhost/verify", public),
    ] {
        let mut server = ScriptedServer::new(&json!({
            "device_authorization_endpoint": "https://as.example/device",
            "grant_types_supported": [
                "authorization_code",
                "refresh_token",
                "urn:ietf:params:oauth:grant-type:device_code",
            ],
        }));
        server.declines = true;
        let device = json!({
            "device_code": "canary-device-code",
            "user_code": "USER-CODE",
            "verification_uri": page,
            "verification_uri_complete": complete,
            "expires_in": 60,
            "interval": 1,
        });
        server.on("/device", [answer(200, &device)]);
        let server = Arc::new(server);
        let clock = server.clock.clone();
        let login = async { server.login(AuthScheme::Bearer, None).await };
        let ending = async {
            while !server.heard("DeviceEnded") && !server.heard("DeviceCode") {
                tokio::task::yield_now().await;
            }
            clock.advance(hallpass_login::BrowserLogin::TIMEOUT);
        };
        let (outcome, ()) = tokio::join!(login, ending);
        outcome.unwrap_err();
        assert!(!server.heard("DeviceCode"), "{page} {complete}");
        assert!(server.heard("DeviceEnded"), "{page} {complete}");
    }
}

#[tokio::test]
async fn internal_authorization_endpoint_that_the_user_named_is_opened() {
    let mut server = ScriptedServer::new(&json!({}));
    let token = "https://as.example/token".parse().unwrap();
    let named = "https://10.0.0.5/authorize".parse().ok();
    server.settings.endpoints = Some(ExplicitEndpoints::new(token).with_authorization(named));
    server.settings.client.pre_registered = Some(PreRegisteredClient::new(ClientId::new("c")));
    let server = Arc::new(server);
    server.login(AuthScheme::Bearer, None).await.unwrap();
    assert!(server.heard("OpenUrl"));

    // The issuer's origin, where its metadata was found already.
    let mut server = ScriptedServer::new(&json!({
        "issuer": "https://sso.internal",
        "authorization_endpoint": "https://sso.internal/authorize",
        "token_endpoint": "https://sso.internal/token",
    }));
    server.settings.issuer = "https://sso.internal".parse().ok();
    server.settings.trusted_issuers = server.settings.issuer.iter().cloned().collect();
    let server = Arc::new(server);
    server.login(AuthScheme::Bearer, None).await.unwrap();
    assert!(server.heard("OpenUrl"));
}
