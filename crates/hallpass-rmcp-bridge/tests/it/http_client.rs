//! Ten lines, and a host has a private authority, headers and sealed credentials on each request.

use std::{error::Error, sync::Arc};

use hallpass_core::{HttpError, http::HttpErrorKind};
use hallpass_http::{CaBundle, Client, HttpConfig, Origin, OriginHeaders, Trust};
use hallpass_rmcp_bridge::Bridge;
use hallpass_testkit::{
    AuthorizationServerOptions, Endpoint, ListenOptions, Person, RecordedRequest, TestCa,
};
use http::{HeaderMap, HeaderValue};
use rmcp::transport::auth::AuthorizationManager;

use crate::fixture::{Fixture, Host, add};

const HEADER: &str = "x-corp-gateway";

const OAUTH: [Endpoint; 5] = [
    Endpoint::ResourceMetadata,
    Endpoint::ServerMetadata,
    Endpoint::Registration,
    Endpoint::CodeExchange,
    Endpoint::Refresh,
];

/// What a host adds to what it has. The rest of it is rmcp's.
async fn manager(fixture: &Fixture, http: &Client) -> AuthorizationManager {
    let store = fixture.host.store().await;
    let bridge = Bridge::new(fixture.host.key(), store, Arc::new(http.clone()));
    bridge.manager().await.unwrap()
}

#[tokio::test]
async fn every_request_uses_authority_and_headers_and_sends_one_resource() {
    let (ca, fixture) = corporate_world().await;
    let http = Host::http(
        HttpConfig::default()
            .with_trust(Trust::Only(
                CaBundle::from_pem(ca.pem().as_bytes()).unwrap(),
            ))
            .with_headers(vec![
                header_for(fixture.server.origin()),
                header_for(fixture.issuer.origin()),
            ]),
    );
    let signed_in = fixture
        .sign_in(manager(&fixture, &http).await)
        .await
        .unwrap();
    let client = fixture.host.connect(&http, signed_in).await;
    assert_eq!(add(&client, 2, 3).await, "5");
    fixture.issuer.expire_access_tokens();
    assert_eq!(add(&client, 4, 5).await, "9");
    client.cancel().await.unwrap();

    for endpoint in OAUTH.into_iter().chain([Endpoint::Mcp]) {
        let requests = fixture.requests_to(endpoint);
        assert!(!requests.is_empty(), "{endpoint:?} was never asked");
        for request in requests {
            let header = request.header(HEADER);
            assert_eq!(header, Some("let me through"), "{endpoint:?}");
            assert!(request.origin.starts_with("https://"));
        }
    }
    for endpoint in [
        Endpoint::Authorization,
        Endpoint::CodeExchange,
        Endpoint::Refresh,
    ] {
        let requests = fixture.requests_to(endpoint);
        let resources = |it: &RecordedRequest| -> Vec<String> {
            it.parameters("resource")
                .into_iter()
                .map(str::to_owned)
                .collect()
        };
        let resources: Vec<_> = requests.iter().map(resources).collect();
        assert_eq!(resources, [[fixture.server.resource()]], "{endpoint:?}");
    }
}

#[tokio::test]
async fn header_reaches_no_other_origin() {
    let (ca, fixture) = corporate_world().await;
    let http = Host::http(
        HttpConfig::default()
            .with_trust(Trust::Only(
                CaBundle::from_pem(ca.pem().as_bytes()).unwrap(),
            ))
            .with_headers(vec![header_for(fixture.server.origin())]),
    );
    fixture
        .sign_in(manager(&fixture, &http).await)
        .await
        .unwrap();
    for request in fixture.issuer.recorder().requests() {
        let is_server = request.origin == fixture.server.origin();
        let expected = is_server.then_some("let me through");
        assert_eq!(request.header(HEADER), expected, "{}", request.path);
    }
    assert_eq!(fixture.requests_to(Endpoint::CodeExchange).len(), 1);
}

#[tokio::test]
async fn missing_authority_sends_nothing() {
    let (_, fixture) = corporate_world().await;
    let http = Host::http(HttpConfig::default());
    let refused = fixture.sign_in(manager(&fixture, &http).await).await;
    let Err(refused) = refused else {
        panic!("an authority that is not trusted was accepted");
    };
    let kind = http_error(&refused).map(HttpError::kind);
    assert_eq!(kind, Some(HttpErrorKind::Tls), "{refused:?}");
    assert!(fixture.issuer.recorder().is_empty());
}

#[tokio::test]
async fn metadata_urls_obey_the_address_policy() {
    let fixture = Fixture::with(AuthorizationServerOptions::default(), |server| {
        server.protection.authorization_servers = vec!["http://169.254.10.10/as".to_owned()];
    })
    .await;
    let http = Host::http(HttpConfig::default());
    let refused = fixture.sign_in(manager(&fixture, &http).await).await;
    assert!(refused.is_err());
    assert!(fixture.requests_to(Endpoint::ServerMetadata).is_empty());
}

/// The error of our client behind one of rmcp's.
fn http_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a HttpError> {
    let mut error = Some(error);
    while let Some(it) = error {
        if let Some(found) = it.downcast_ref() {
            return Some(found);
        }
        error = it.source();
    }
    None
}

async fn corporate_world() -> (TestCa, Fixture) {
    let ca = TestCa::new().unwrap();
    let listen = |name: &str| ListenOptions::new(name).over_tls(ca.server().unwrap());
    let options = AuthorizationServerOptions {
        listen: listen("authorization server"),
        ..AuthorizationServerOptions::default()
    };
    let mut fixture = Fixture::with(options, |server| server.listen = listen("MCP server")).await;
    fixture.person = Person::new().trusting(ca.pem()).copying_callback();
    (ca, fixture)
}

fn header_for(origin: &str) -> OriginHeaders {
    let mut headers = HeaderMap::new();
    headers.insert(HEADER, HeaderValue::from_static("let me through"));
    OriginHeaders {
        origin: Origin::parse(origin).unwrap(),
        headers,
    }
}
