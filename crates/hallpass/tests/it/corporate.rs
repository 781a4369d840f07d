//! A private certificate authority and a header that a gateway wants, on every leg.

use std::sync::Arc;

use hallpass::{
    Remedy,
    http_client::{CaBundle, HttpConfig, Origin, OriginHeaders, Trust},
    login::Interaction,
};
use hallpass_testkit::{AuthorizationServerOptions, Endpoint, ListenOptions, Person, TestCa};
use http::{HeaderMap, HeaderValue};

use crate::world::{Visitor, World, add, chain, connect};

const HEADER: &str = "x-corp-gateway";

#[tokio::test]
async fn both_hold_on_every_leg_and_the_header_reaches_no_other_origin() {
    let (ca, world) = corporate_world().await;
    let hallpass = world
        .host()
        .http(HttpConfig {
            trust: Trust::Only(CaBundle::from_pem(ca.pem().as_bytes()).unwrap()),
            headers: vec![
                header_for(world.server.origin()),
                header_for(world.issuer.origin()),
            ],
            ..HttpConfig::default()
        })
        .sign_in_with(person_trusting(&ca))
        .build()
        .unwrap();

    let client = connect(&hallpass).await;
    world.issuer.expire_access_tokens();
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
        let requests = world.requests_to(endpoint);
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
async fn a_header_of_the_server_does_not_reach_the_authorization_server() {
    let (ca, world) = corporate_world().await;
    let hallpass = world
        .host()
        .http(HttpConfig {
            trust: Trust::Only(CaBundle::from_pem(ca.pem().as_bytes()).unwrap()),
            headers: vec![header_for(world.server.origin())],
            ..HttpConfig::default()
        })
        .sign_in_with(person_trusting(&ca))
        .build()
        .unwrap();

    hallpass.login().await.unwrap();
    let of_issuer = world.issuer.requests();
    assert!(
        of_issuer
            .iter()
            .any(|request| request.is_to(Endpoint::CodeExchange))
    );
    for request in world.issuer.recorder().requests() {
        let expected = (request.origin == world.server.origin()).then_some("let me through");
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
async fn without_the_authority_nothing_is_sent() {
    let (_, world) = corporate_world().await;
    let hallpass = world.host().build().unwrap();
    let error = hallpass.login().await.unwrap_err();
    assert!(
        chain(&error).contains("TLS handshake failed"),
        "{}",
        chain(&error)
    );
    assert_eq!(error.remedy(), Remedy::Configure);
    assert!(world.issuer.recorder().is_empty());
}

async fn corporate_world() -> (TestCa, World) {
    let ca = TestCa::new().unwrap();
    let listen = |name: &str| ListenOptions::new(name).over_tls(ca.server().unwrap());
    let options = AuthorizationServerOptions {
        listen: listen("authorization server"),
        ..AuthorizationServerOptions::default()
    };
    let world = World::with(options, |server| server.listen = listen("MCP server")).await;
    (ca, world)
}

fn person_trusting(ca: &TestCa) -> Arc<dyn Interaction> {
    Arc::new(Visitor::new(Person::new().trusting(ca.pem())))
}

fn header_for(origin: &str) -> OriginHeaders {
    let mut headers = HeaderMap::new();
    headers.insert(HEADER, HeaderValue::from_static("let me through"));
    OriginHeaders {
        origin: Origin::parse(origin).unwrap(),
        headers,
    }
}
