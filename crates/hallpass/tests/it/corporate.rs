//! A corporate network on every request: a private certificate authority, a proxy with credentials, a
//! client certificate, and a header that a gateway wants.

use std::sync::Arc;

use hallpass::Diagnostic as _;
use hallpass::{
    Remedy,
    http_client::{
        CaBundle, ClientIdentity, HttpConfig, Origin, OriginHeaders, Proxy, ProxyConfig, Trust,
    },
    login::Interaction,
};
use hallpass_testkit::{
    AuthorizationServerOptions, ConnectProxy, Endpoint, Identity, ListenOptions, Person, ServerTls,
    TestCa,
};
use http::{HeaderMap, HeaderValue};

use crate::fixture::{Browser, Fixture, add, chain, connect};

const HEADER: &str = "x-corp-gateway";

#[tokio::test]
async fn configured_trust_and_header_apply_to_every_endpoint() {
    let (ca, fixture) = corporate_world().await;
    let hallpass = fixture
        .host()
        .http(
            HttpConfig::default()
                .with_trust(Trust::Only(
                    CaBundle::from_pem(ca.pem().as_bytes()).unwrap(),
                ))
                .with_headers(vec![
                    header_for(fixture.server.origin()),
                    header_for(fixture.issuer.origin()),
                ]),
        )
        .interactive(person_trusting(&ca))
        .build()
        .unwrap();

    let client = connect(&hallpass).await;
    fixture.issuer.expire_access_tokens();
    assert_eq!(add(&client, 2, 3).await, "5");
    client.cancel().await.unwrap();

    for endpoint in [
        Endpoint::Mcp,
        Endpoint::ResourceMetadata,
        Endpoint::ServerMetadata,
        Endpoint::Registration,
        Endpoint::CodeExchange,
        Endpoint::Refresh,
    ] {
        let requests = fixture.requests_to(endpoint);
        assert!(!requests.is_empty(), "{endpoint:?} was never asked");
        for request in requests {
            assert_eq!(
                request.header(HEADER),
                Some("let me through"),
                "{endpoint:?}"
            );
            assert!(request.origin.starts_with("https://"));
        }
    }
}

#[tokio::test]
async fn server_header_does_not_reach_the_authorization_server() {
    let (ca, fixture) = corporate_world().await;
    let hallpass = fixture
        .host()
        .http(
            HttpConfig::default()
                .with_trust(Trust::Only(
                    CaBundle::from_pem(ca.pem().as_bytes()).unwrap(),
                ))
                .with_headers(vec![header_for(fixture.server.origin())]),
        )
        .interactive(person_trusting(&ca))
        .build()
        .unwrap();

    hallpass.login().await.unwrap();
    let of_issuer = fixture.issuer.requests();
    assert!(
        of_issuer
            .iter()
            .any(|request| request.is_to(Endpoint::CodeExchange))
    );
    for request in fixture.issuer.recorder().requests() {
        let expected = (request.origin == fixture.server.origin()).then_some("let me through");
        assert_eq!(
            request.header(HEADER),
            expected,
            "{} {}",
            request.origin,
            request.path
        );
    }
}

#[tokio::test]
async fn unknown_authority_sends_nothing() {
    let (_, fixture) = corporate_world().await;
    let hallpass = fixture.host().build().unwrap();
    let error = hallpass.login().await.unwrap_err();
    assert!(
        chain(&error).contains("TLS handshake failed"),
        "{}",
        chain(&error)
    );
    assert_eq!(error.remedy(), Remedy::Configure);
    assert!(fixture.issuer.recorder().is_empty());
}

/// Everything at once: login, a refresh and a call.
#[tokio::test]
async fn corporate_network_serves_login_refresh_and_call() {
    let (ca, fixture) = guarded_world().await;
    let proxy = ConnectProxy::start().await.unwrap();
    let laptop = ca.client("laptop").unwrap();
    let hallpass = fixture
        .host()
        .http(guarded_config(&ca, &fixture, &proxy.url(), Some(&laptop)))
        .interactive(person_showing(&ca, &laptop))
        .build()
        .unwrap();

    hallpass.login().await.unwrap();
    let client = connect(&hallpass).await;
    assert_eq!(add(&client, 2, 3).await, "5");
    fixture.issuer.expire_access_tokens();
    assert_eq!(add(&client, 4, 5).await, "9");
    client.cancel().await.unwrap();

    let browser = |user_agent: &str| user_agent.contains("person");
    for endpoint in [
        Endpoint::Mcp,
        Endpoint::ResourceMetadata,
        Endpoint::ServerMetadata,
        Endpoint::Registration,
        Endpoint::CodeExchange,
        Endpoint::Refresh,
    ] {
        let requests = fixture.requests_to(endpoint);
        assert!(!requests.is_empty(), "{endpoint:?} was never asked");
        for request in requests {
            assert!(request.origin.starts_with("https://"));
            assert_eq!(request.header(HEADER), Some("let me through"));
            assert!(!browser(request.header("user-agent").unwrap()));
            assert_eq!(request.header("proxy-authorization"), None);
        }
    }
    assert_eq!(fixture.requests_to(Endpoint::Refresh).len(), 1);

    // Every connection of ours went through the proxy, which learned where to and no more.
    let heads = proxy.heads();
    let authority = |origin: &str| origin.replace("https://", "connect ");
    for origin in [fixture.server.origin(), fixture.issuer.origin()] {
        let connect = authority(origin);
        assert!(heads.iter().any(|head| head.starts_with(&connect)));
    }
    for head in heads {
        assert!(head.starts_with("connect 127.0.0.1:"), "{head}");
        assert!(head.contains("user-agent: hallpass/"), "{head}");
        assert!(!head.contains(HEADER), "{head}");
    }
}

/// Take any one of them away, and the error says which; nothing was sent.
#[tokio::test]
async fn missing_part_of_a_corporate_network_is_named() {
    let (ca, fixture) = guarded_world().await;
    let proxy = ConnectProxy::start().await.unwrap();
    let laptop = ca.client("laptop").unwrap();
    let whole = || guarded_config(&ca, &fixture, &proxy.url(), Some(&laptop));
    let without_authority = whole().with_trust(Trust::Platform);
    let without_credentials = guarded_config(
        &ca,
        &fixture,
        &proxy.url_without_credentials(),
        Some(&laptop),
    );
    let without_certificate = guarded_config(&ca, &fixture, &proxy.url(), None);
    let cases = [
        (without_authority, "which is not trusted"),
        (without_credentials, "wants credentials"),
        (without_certificate, "TLS handshake failed"),
    ];
    for (config, text) in cases {
        let hallpass = fixture.host().http(config).build().unwrap();
        let error = hallpass.login().await.unwrap_err();
        assert!(chain(&error).contains(text), "{}", chain(&error));
        assert_eq!(error.remedy(), Remedy::Configure, "{text}");
        assert!(fixture.issuer.recorder().is_empty(), "{text}");
    }
}

/// Both servers ask for a certificate of the authority, and the MCP server's gateway for a header.
async fn guarded_world() -> (TestCa, Fixture) {
    let ca = TestCa::new().unwrap();
    let listen = |name: &str| {
        ListenOptions::new(name).over_tls(ServerTls {
            identity: ca.server().unwrap(),
            client_ca_pem: Some(ca.pem()),
        })
    };
    let options = AuthorizationServerOptions {
        listen: listen("authorization server"),
        ..AuthorizationServerOptions::default()
    };
    let fixture = Fixture::with(options, |server| {
        server.listen = listen("MCP server");
        server.listen.required_header = Some((HEADER.to_owned(), "let me through".to_owned()));
    })
    .await;
    (ca, fixture)
}

fn guarded_config(
    ca: &TestCa,
    fixture: &Fixture,
    proxy: &str,
    certificate: Option<&Identity>,
) -> HttpConfig {
    let identity = |shown: &Identity| {
        ClientIdentity::from_pem(shown.certificate_pem(), shown.key_pem()).unwrap()
    };
    HttpConfig::default()
        .with_trust(Trust::PlatformPlus(
            CaBundle::from_pem(ca.pem().as_bytes()).unwrap(),
        ))
        .with_client_identity(certificate.map(identity))
        .with_proxy(ProxyConfig::all(Proxy::parse(proxy).unwrap()))
        .with_headers(vec![
            header_for(fixture.server.origin()),
            header_for(fixture.issuer.origin()),
        ])
}

fn person_showing(ca: &TestCa, certificate: &Identity) -> Arc<dyn Interaction> {
    let person = Person::new()
        .trusting(ca.pem())
        .showing(certificate.clone());
    Arc::new(Browser::new(person))
}

async fn corporate_world() -> (TestCa, Fixture) {
    let ca = TestCa::new().unwrap();
    let listen = |name: &str| ListenOptions::new(name).over_tls(ca.server().unwrap());
    let options = AuthorizationServerOptions {
        listen: listen("authorization server"),
        ..AuthorizationServerOptions::default()
    };
    let fixture = Fixture::with(options, |server| server.listen = listen("MCP server")).await;
    (ca, fixture)
}

fn person_trusting(ca: &TestCa) -> Arc<dyn Interaction> {
    Arc::new(Browser::new(Person::new().trusting(ca.pem())))
}

fn header_for(origin: &str) -> OriginHeaders {
    let mut headers = HeaderMap::new();
    headers.insert(HEADER, HeaderValue::from_static("let me through"));
    OriginHeaders {
        origin: Origin::parse(origin).unwrap(),
        headers,
    }
}
