//! What every request carries, and what belongs to one origin.

use bytes::Bytes;
use hallpass_core::http::{HttpErrorKind, RequestOptions};
use hallpass_http::{Client, HttpConfig, OriginHeaders};
use http::{HeaderMap, HeaderValue, Request, header};

use crate::{
    advice, get, origin, post_for, send,
    server::{Reply, Server},
    server_at,
};

fn headers(url: &str, entries: &[(&'static str, &'static str)]) -> OriginHeaders {
    let mut headers = HeaderMap::new();
    for (name, value) in entries {
        headers.append(*name, HeaderValue::from_static(value));
    }
    OriginHeaders {
        origin: origin(url),
        headers,
    }
}

#[tokio::test]
async fn origin_headers_stay_with_their_origin() {
    let one = Server::start(|_| Reply::ok("")).await;
    let two = Server::start(|_| Reply::ok("")).await;
    let client = Client::new(HttpConfig::default().with_headers(vec![
        headers(
            &one.url("/"),
            &[("x-api-key", "canary"), ("x-both", "a"), ("x-both", "b")],
        ),
        headers(&two.url("/"), &[("x-tenant", "blue")]),
    ]))
    .unwrap();
    get(&client, &one.url("/a")).await.unwrap();
    post_for(&client, &two.url("/"), &two.url("/token"), "grant")
        .await
        .unwrap();

    let (one, two) = (&one.seen()[0], &two.seen()[0]);
    assert_eq!(one.header("x-api-key"), Some("canary"));
    assert_eq!(one.header("x-tenant"), None);
    let both = one.headers.iter().filter(|(name, _)| name == "x-both");
    assert_eq!(both.count(), 2);
    assert_eq!(two.header("x-api-key"), None);
    assert_eq!(two.header("x-tenant"), Some("blue"));
    assert_eq!(two.body, "grant");
    for request in [one, two] {
        let agent = request.header("user-agent").unwrap();
        assert!(agent.starts_with("hallpass/"), "{agent}");
        assert_eq!(request.header("referer"), None);
    }
    let text = format!("{client:?}");
    assert!(
        text.contains("x-api-key") && !text.contains("canary"),
        "{text}"
    );
}

#[tokio::test]
async fn request_header_replaces_configured_header() {
    let server = Server::start(|_| Reply::ok("")).await;
    let url = server.url("/");
    let client = Client::new(
        HttpConfig::default()
            .with_headers(vec![headers(
                &url,
                &[("authorization", "Basic default"), ("x-a", "default")],
            )])
            .with_user_agent("host/7".to_owned()),
    )
    .unwrap();
    let request = Request::get(&url)
        .header(header::AUTHORIZATION, "Bearer own")
        .body(Bytes::new())
        .unwrap();
    send(&client, request, RequestOptions::mcp(&server_at(&url)))
        .await
        .unwrap();
    let seen = &server.seen()[0];
    let authorization = seen
        .headers
        .iter()
        .filter(|(name, _)| name == "authorization");
    assert_eq!(authorization.count(), 1);
    assert_eq!(seen.header("authorization"), Some("Bearer own"));
    assert_eq!(seen.header("x-a"), Some("default"));
    assert_eq!(seen.header("user-agent"), Some("host/7"));
}

#[test]
fn framing_or_routing_header_is_refused() {
    for name in ["host", "content-length", "transfer-encoding", "connection"] {
        let error = Client::new(
            HttpConfig::default()
                .with_headers(vec![headers("https://a.example", &[(name, "canary")])]),
        )
        .unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains(name) && !text.contains("canary"), "{text}");
        assert!(advice(&error).contains("leave it out"));
    }
    for user_agent in ["", "a\nb"] {
        let config = HttpConfig::default().with_user_agent(user_agent.to_owned());
        assert!(Client::new(config).is_err(), "{user_agent:?}");
    }
}

#[tokio::test]
async fn url_with_credentials_or_another_scheme_is_refused() {
    let server = Server::start(|_| Reply::ok("")).await;
    let client = crate::client();
    let with_user = server.url("/").replace("//", "//user:canary@");
    for url in [
        with_user.as_str(),
        "ftp://a.example/canary?canary",
        "/canary",
    ] {
        let error = get(&client, url).await.unwrap_err();
        assert_eq!(error.kind(), HttpErrorKind::InvalidRequest, "{url}");
        assert!(!error.may_have_been_sent());
        let text = format!("{} {error:?}", crate::chain(&error)).replace("/canary", "");
        assert!(!text.contains("canary"), "{text}");
    }
    assert_eq!(server.connections(), 0);
}
