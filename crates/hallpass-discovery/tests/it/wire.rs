//! Discovery over a real client and a real socket.

use std::time::Duration;

use hallpass_core::{
    BoxFuture, Clock, HttpClient, ServerSettings, ServerUrl, Timestamp, http::RequestOptions,
};
use hallpass_discovery::{
    Discovered, Discovery, DiscoveryError, DiscoveryErrorKind, MetadataSource, challenges,
};
use hallpass_http::{Client, HttpConfig};
use serde_json::{Value, json};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{method, path},
};

const PROTECTED: &str = "/.well-known/oauth-protected-resource/mcp";
const RFC_8414: &str = "/.well-known/oauth-authorization-server";
const OPEN_ID: &str = "/.well-known/openid-configuration";

#[tokio::test]
async fn challenge_with_metadata_url_costs_two_requests() {
    let server = MockServer::start().await;
    let named = "/custom/metadata.json";
    let challenge = format!(r#"Bearer resource_metadata="{}{named}""#, server.uri());
    let refusal = ResponseTemplate::new(401).insert_header("www-authenticate", challenge);
    Mock::given(method("POST"))
        .and(path("/mcp"))
        .respond_with(refusal)
        .expect(1)
        .mount(&server)
        .await;
    serve(&server, named, resource(&server), 1).await;
    serve(&server, RFC_8414, issuer(&server), 1).await;
    never(&server, PROTECTED).await;
    never(&server, OPEN_ID).await;

    let found = discover(&server).await.unwrap();
    assert_eq!(
        found.resource.unwrap().as_str(),
        format!("{}/mcp", server.uri())
    );
    assert_eq!(found.server.issuer.as_str(), server.uri());
    assert_eq!(found.attempts.len(), 2);
}

#[tokio::test]
async fn missing_challenge_reads_well_known_urls_in_order() {
    let server = MockServer::start().await;
    serve(&server, PROTECTED, resource(&server), 1).await;
    serve(&server, OPEN_ID, issuer(&server), 1).await;
    never(&server, "/.well-known/oauth-protected-resource").await;

    let found = discover(&server).await.unwrap();
    assert_eq!(found.source, MetadataSource::OpenId);
    let statuses: Vec<_> = found
        .attempts
        .iter()
        .map(hallpass_discovery::Attempt::status)
        .collect();
    assert_eq!(statuses.len(), 3, "the one that answered 404 is among them");
}

#[tokio::test]
async fn redirect_on_the_same_origin_is_followed() {
    let server = MockServer::start().await;
    let moved = ResponseTemplate::new(302).insert_header("location", "/moved.json");
    Mock::given(method("GET"))
        .and(path(PROTECTED))
        .respond_with(moved)
        .expect(1)
        .mount(&server)
        .await;
    serve(&server, "/moved.json", resource(&server), 1).await;
    serve(&server, RFC_8414, issuer(&server), 1).await;
    discover(&server).await.unwrap();
}

#[tokio::test]
async fn redirect_to_another_origin_is_not_followed() {
    let (server, other) = (MockServer::start().await, MockServer::start().await);
    let away = format!("{}/metadata.json", other.uri());
    let moved = ResponseTemplate::new(302).insert_header("location", away);
    Mock::given(method("GET"))
        .and(path(PROTECTED))
        .respond_with(moved)
        .mount(&server)
        .await;
    never(&other, "/metadata.json").await;
    let error = discover(&server).await.unwrap_err();
    assert_eq!(error.kind(), DiscoveryErrorKind::Unreachable);
}

#[tokio::test]
async fn web_page_is_reported_as_one() {
    let server = MockServer::start().await;
    let page =
        ResponseTemplate::new(200).set_body_raw("<!doctype html><title>x</title>", "text/html");
    Mock::given(method("GET"))
        .and(path(PROTECTED))
        .respond_with(page)
        .mount(&server)
        .await;
    let error = discover(&server).await.unwrap_err();
    assert_eq!(error.kind(), DiscoveryErrorKind::NotJson);
    assert!(!error.to_string().contains("doctype"), "{error}");
}

/// Asks the MCP endpoint first, as a host does, and goes on from what it says.
async fn discover(server: &MockServer) -> Result<Discovered, DiscoveryError> {
    let config = HttpConfig::default();
    let client = Client::new(config).unwrap();
    let client: &dyn HttpClient = &client;
    let url = ServerUrl::parse(&format!("{}/mcp", server.uri())).unwrap();
    let post = http::Request::post(url.as_str())
        .body(bytes::Bytes::new())
        .unwrap();
    let answer = client.fetch(post, RequestOptions::mcp(&url)).await.unwrap();
    let settings = ServerSettings::default();
    let discovery = Discovery {
        http: client,
        clock: &Stopped,
        settings: &settings,
    };
    discovery.run(&url, &challenges(answer.headers())).await
}

async fn serve(server: &MockServer, at: &str, document: Value, times: u64) {
    let answer = ResponseTemplate::new(200).set_body_json(document);
    Mock::given(method("GET"))
        .and(path(at))
        .respond_with(answer)
        .expect(times)
        .mount(server)
        .await;
}

async fn never(server: &MockServer, at: &str) {
    let answer = ResponseTemplate::new(500);
    Mock::given(path(at))
        .respond_with(answer)
        .expect(0)
        .mount(server)
        .await;
}

fn resource(server: &MockServer) -> Value {
    json!({ "resource": format!("{}/mcp", server.uri()), "authorization_servers": [server.uri()] })
}

fn issuer(server: &MockServer) -> Value {
    let endpoint = |name: &str| format!("{}/{name}", server.uri());
    json!({
        "issuer": server.uri(),
        "authorization_endpoint": endpoint("authorize"),
        "token_endpoint": endpoint("token"),
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
    })
}

#[derive(Debug)]
struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_seconds(0)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}
