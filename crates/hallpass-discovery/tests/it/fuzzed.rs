//! What has to hold for whatever bytes a server sends: the entries of the fuzz targets in `fuzz/`,
//! which include this file. `corpus.rs` runs them over the inputs that were kept.

use std::time::Duration;

use bytes::Bytes;
use hallpass_core::{
    BoxFuture, Clock, Diagnostic as _, HttpClient, HttpError, ResourceMetadata, ServerMetadata,
    ServerSettings, ServerUrl, Timestamp, block_on,
    http::{Body, RequestOptions},
    is_loopback,
};
use hallpass_discovery::{Discovered, Discovery, DiscoveryError, challenges, print_challenge};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};

const MCP: &str = "https://mcp.example/mcp";
const RESOURCE: &str = "https://mcp.example/.well-known/oauth-protected-resource";
const SERVER: &str = "https://as.example/.well-known/oauth-authorization-server";

/// `WWW-Authenticate` headers, one a line: what is read prints, and reads back as it was.
pub(crate) fn challenge(data: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n') {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(header::WWW_AUTHENTICATE, value);
        }
    }
    let read = challenges(&headers);
    let mut again = HeaderMap::new();
    for challenge in &read {
        let printed = print_challenge(challenge);
        let value = HeaderValue::from_bytes(printed.as_bytes());
        again.append(
            header::WWW_AUTHENTICATE,
            value.expect("what came out of headers fits into one"),
        );
    }
    assert_eq!(challenges(&again), read);
}

/// A protected resource's metadata: it is the server's own, or an error that says why not.
pub(crate) fn protected_resource(data: &[u8]) {
    match discover(
        Bytes::copy_from_slice(data),
        Bytes::from_static(GOOD_SERVER),
    ) {
        Ok(found) => {
            if let Some(metadata) = &found.resource_metadata {
                let server = ServerUrl::parse(MCP).expect("a constant");
                assert!(metadata.resource.matches_server(&server).is_ok());
                let kept = serde_json::to_vec(metadata).expect("metadata is JSON");
                let read: ResourceMetadata = serde_json::from_slice(&kept).expect("as written");
                assert_eq!(read, *metadata);
            }
            assert!(found.resource.is_some());
        }
        Err(error) => explained(&error),
    }
}

/// An authorization server's metadata: it is the issuer's own and every endpoint may be asked.
pub(crate) fn authorization_server(data: &[u8]) {
    match discover(
        Bytes::from_static(GOOD_RESOURCE),
        Bytes::copy_from_slice(data),
    ) {
        Ok(found) => {
            let metadata = &found.server;
            assert_eq!(
                metadata.issuer.as_str().trim_end_matches('/'),
                "https://as.example"
            );
            for endpoint in [
                &metadata.authorization_endpoint,
                &metadata.token_endpoint,
                &metadata.registration_endpoint,
                &metadata.revocation_endpoint,
                &metadata.device_authorization_endpoint,
                &metadata.pushed_authorization_request_endpoint,
            ]
            .into_iter()
            .flatten()
            {
                assert!(endpoint.scheme() == "https" || is_loopback(endpoint));
                assert!(endpoint.username().is_empty() && endpoint.password().is_none());
                assert!(endpoint.fragment().is_none());
            }
            // A record keeps it, and a refresh months later reads it from there.
            let kept = serde_json::to_vec(metadata).expect("metadata is JSON");
            let read: ServerMetadata = serde_json::from_slice(&kept).expect("as written");
            assert_eq!(read, *metadata);
        }
        Err(error) => explained(&error),
    }
}

fn explained(error: &DiscoveryError) {
    assert!(!error.to_string().is_empty());
    assert!(error.to_string().len() < 16 << 10, "{error}");
    assert!(!error.to_string().contains(char::is_control));
    assert!(!error.hints().is_empty(), "{error}");
    assert!(!error.attempts().is_empty());
}

/// Discovery in a world of two documents.
fn discover(resource: Bytes, server: Bytes) -> Result<Discovered, DiscoveryError> {
    let world = World { resource, server };
    let settings = ServerSettings::default();
    let discovery = Discovery {
        http: &world,
        clock: &world,
        settings: &settings,
    };
    let mut headers = HeaderMap::new();
    let challenge = format!("Bearer resource_metadata=\"{RESOURCE}\"");
    let value = HeaderValue::from_str(&challenge).expect("a constant");
    headers.insert(header::WWW_AUTHENTICATE, value);
    let url = ServerUrl::parse(MCP).expect("a constant");
    block_on(discovery.run(&url, &challenges(&headers)))
}

const GOOD_RESOURCE: &[u8] = br#"{"resource": "https://mcp.example/mcp",
    "authorization_servers": ["https://as.example"]}"#;

const GOOD_SERVER: &[u8] = br#"{"issuer": "https://as.example",
    "authorization_endpoint": "https://as.example/authorize",
    "token_endpoint": "https://as.example/token"}"#;

#[derive(Debug)]
struct World {
    resource: Bytes,
    server: Bytes,
}

impl HttpClient for World {
    fn open(
        &self,
        request: Request<Bytes>,
        _: RequestOptions,
    ) -> BoxFuture<'_, Result<Response<Body>, HttpError>> {
        let url = request.uri().to_string();
        let (status, body) = match url.as_str() {
            RESOURCE => (StatusCode::OK, self.resource.clone()),
            SERVER => (StatusCode::OK, self.server.clone()),
            _ => (StatusCode::NOT_FOUND, Bytes::new()),
        };
        let mut response = Response::new(Body::whole(body));
        *response.status_mut() = status;
        Box::pin(async { Ok(response) })
    }
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_seconds(0)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }
}
