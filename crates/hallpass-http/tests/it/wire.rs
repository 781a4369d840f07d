//! What goes over the wire, as a server that is not ours sees it.

use bytes::Bytes;
use hallpass_core::{
    HttpClient,
    http::{HttpErrorKind, RequestOptions},
};
use hallpass_http::{Client, HttpConfig, Origin, OriginHeaders};
use http::{HeaderMap, HeaderValue, Request};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{body_string, header, method, path},
};

use crate::server_at;

/// A client of `server`, with a header for it.
fn client(server: &MockServer) -> Client {
    let origin = Origin::parse(&server.uri()).unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("x-gateway", HeaderValue::from_static("let me through"));
    Client::new(HttpConfig::default().with_headers(vec![OriginHeaders { origin, headers }]))
        .unwrap()
}

#[tokio::test]
async fn request_arrives_with_method_body_headers_and_user_agent() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/token"))
        .and(header("x-gateway", "let me through"))
        .and(header(
            "user-agent",
            concat!("hallpass/", env!("CARGO_PKG_VERSION")),
        ))
        .and(body_string("grant_type=refresh_token"))
        .respond_with(ResponseTemplate::new(200).set_body_string("granted"))
        .expect(1)
        .mount(&server)
        .await;
    let request = Request::post(format!("{}/token", server.uri()))
        .body(Bytes::from_static(b"grant_type=refresh_token"))
        .unwrap();
    let client: &dyn HttpClient = &client(&server);
    let answer = client
        .fetch(
            request,
            RequestOptions::authorization_server(&server_at(&server.uri())),
        )
        .await
        .unwrap();
    assert_eq!(answer.body(), "granted");
}

#[tokio::test]
async fn token_request_follows_no_redirect() {
    let server = MockServer::start().await;
    let moved = ResponseTemplate::new(307).insert_header("location", "/elsewhere");
    Mock::given(path("/token"))
        .respond_with(moved)
        .expect(1)
        .mount(&server)
        .await;
    Mock::given(path("/elsewhere"))
        .respond_with(ResponseTemplate::new(200))
        .expect(0)
        .mount(&server)
        .await;
    let request = Request::post(format!("{}/token", server.uri()))
        .body(Bytes::new())
        .unwrap();
    let client: &dyn HttpClient = &client(&server);
    let answer = client
        .fetch(
            request,
            RequestOptions::authorization_server(&server_at(&server.uri())),
        )
        .await
        .unwrap();
    assert_eq!(answer.status(), 307);
}

#[tokio::test]
async fn metadata_request_refuses_sixth_redirect() {
    let server = MockServer::start().await;
    for hop in 0..7 {
        let next = format!("/hop{}", hop + 1);
        let moved = ResponseTemplate::new(302).insert_header("location", next.as_str());
        Mock::given(path(format!("/hop{hop}")))
            .respond_with(moved)
            .mount(&server)
            .await;
    }
    let request = Request::get(format!("{}/hop0", server.uri()))
        .body(Bytes::new())
        .unwrap();
    let client: &dyn HttpClient = &client(&server);
    let error = client
        .fetch(request, RequestOptions::metadata(&server_at(&server.uri())))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::Redirect);
    assert_eq!(server.received_requests().await.unwrap().len(), 6);
}
