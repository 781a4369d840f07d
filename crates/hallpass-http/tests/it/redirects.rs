//! Redirects of a GET on the same origin, and no others.

use bytes::Bytes;
use hallpass_core::http::{HttpErrorKind, Redirects, RequestOptions};
use hallpass_http::{Client, HttpConfig, OriginHeaders, RedirectRefused};
use http::{HeaderMap, HeaderValue, Request};

use crate::{
    chain, get, origin, post_for, send,
    server::{Recorded, Reply, Server},
    server_at,
};

fn step(request: &Recorded) -> Reply {
    let path = request.line.split(' ').nth(1).unwrap();
    match path
        .strip_prefix("/hop/")
        .and_then(|left| left.parse::<u8>().ok())
    {
        Some(0) | None => Reply::ok("arrived"),
        Some(left) => Reply::redirect("302 Found", &format!("/hop/{}?a=b", left - 1)),
    }
}

#[tokio::test]
async fn sixth_redirect_is_refused() {
    let server = Server::start(step).await;
    let client = Client::new(HttpConfig::default().with_headers(vec![OriginHeaders {
        origin: origin(&server.url("/")),
        headers: HeaderMap::from_iter([(
            http::HeaderName::from_static("x-key"),
            HeaderValue::from_static("k"),
        )]),
    }]))
    .unwrap();
    let answer = get(&client, &server.url("/hop/1")).await.unwrap();
    assert_eq!(answer.body(), "arrived");
    assert!(
        server
            .seen()
            .iter()
            .all(|request| request.header("x-key") == Some("k"))
    );

    let server = Server::start(|request| {
        let path = request.line.split(' ').nth(1).unwrap();
        let count = path.len();
        if count > 6 {
            Reply::ok("arrived")
        } else {
            Reply::redirect("307 Temporary Redirect", &format!("{path}a"))
        }
    })
    .await;
    let client = crate::client();
    // "/a" to "/aaaaaa" are five hops away from the answer.
    let answer = get(&client, &server.url("/a")).await.unwrap();
    assert_eq!(answer.body(), "arrived");
    assert_eq!(server.seen().len(), 6);
    let error = get(&client, &server.url("/")).await.unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::Redirect);
    assert!(
        chain(&error).ends_with("more than 5 redirects"),
        "{}",
        chain(&error)
    );
}

#[tokio::test]
async fn redirect_to_another_origin_is_refused_and_named() {
    let elsewhere = Server::start(|_| Reply::ok("stolen")).await;
    let targets = [
        elsewhere.url("/x?secret=canary#canary"),
        format!("http://user:canary@{}/x", elsewhere.address),
        format!("//{}/x", elsewhere.address),
    ];
    for target in targets {
        let location = target.clone();
        let server = Server::start(move |_| Reply::redirect("301 Moved", &location)).await;
        let client = crate::client();
        let error = get(&client, &server.url("/")).await.unwrap_err();
        assert_eq!(error.kind(), HttpErrorKind::Redirect, "{target}");
        let source = std::error::Error::source(&error).unwrap();
        let refused = source.downcast_ref::<RedirectRefused>().unwrap();
        assert_eq!(refused.target(), Some(elsewhere.url("/x").as_str()));
        let text = format!("{} {error:?}", chain(&error));
        assert!(!text.contains("canary"), "{text}");
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn redirect_to_another_scheme_is_another_origin() {
    let server = Server::start(|request| {
        let host = request.header("host").unwrap().to_owned();
        Reply::redirect("308 Permanent Redirect", &format!("https://{host}/"))
    })
    .await;
    let error = get(&crate::client(), &server.url("/")).await.unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::Redirect);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn redirect_that_is_not_followed_is_the_answer() {
    let server = Server::start(|request| {
        if request.line.contains("/bare") {
            Reply::status("302 Found", "", "")
        } else if request.line.contains("/cached") {
            Reply::status("304 Not Modified", "", "")
        } else {
            Reply::redirect("302 Found", "/next")
        }
    })
    .await;
    let client = crate::client();
    let status = |answer: http::Response<Bytes>| answer.status().as_u16();
    // A POST, a policy without redirects, no Location, no redirect at all.
    assert_eq!(
        status(
            post_for(&client, &server.url("/"), &server.url("/"), "x")
                .await
                .unwrap()
        ),
        302
    );
    let mut lenient = RequestOptions::authorization_server(&server_at(&server.url("/")));
    lenient.redirects = Redirects::SameOrigin { limit: 5 };
    let request = Request::post(server.url("/"))
        .body(Bytes::from("x"))
        .unwrap();
    assert_eq!(status(send(&client, request, lenient).await.unwrap()), 302);
    let request = Request::get(server.url("/")).body(Bytes::new()).unwrap();
    let answer = send(
        &client,
        request,
        RequestOptions::mcp(&server_at(&server.url("/"))),
    )
    .await
    .unwrap();
    assert_eq!(status(answer), 302);
    assert_eq!(
        status(get(&client, &server.url("/bare")).await.unwrap()),
        302
    );
    assert_eq!(
        status(get(&client, &server.url("/cached")).await.unwrap()),
        304
    );
    assert_eq!(server.seen().len(), 5);
}

#[tokio::test]
async fn location_with_credentials_is_refused() {
    let server = Server::start(|request| {
        let host = request.header("host").unwrap().to_owned();
        Reply::redirect("302 Found", &format!("http://user:canary@{host}/next"))
    })
    .await;
    let error = get(&crate::client(), &server.url("/")).await.unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::Redirect);
    let text = format!("{} {error:?}", chain(&error));
    assert!(text.contains("holds a user name"), "{text}");
    assert!(!text.contains("canary"), "{text}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn location_that_is_not_a_url_is_refused() {
    let server = Server::start(|_| Reply::redirect("302 Found", "http://[canary")).await;
    let error = get(&crate::client(), &server.url("/")).await.unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::Redirect);
    let text = chain(&error);
    assert!(text.ends_with("the `Location` header is no URL"), "{text}");
}
