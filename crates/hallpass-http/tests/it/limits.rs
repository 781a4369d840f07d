//! Bodies and heads that never end, drip, lie or explode.

use std::time::Duration;

use bytes::Bytes;
use hallpass_core::{
    HttpClient, HttpError,
    http::{HttpErrorKind, RequestOptions},
};
use hallpass_http::{Client, HttpConfig};
use http::Request;

use crate::{
    chain, get, send,
    server::{Reply, Server},
    server_at,
};

const SHORT: Duration = Duration::from_millis(150);
const GZIP: &str = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\nconnection: close\r\n\r\n";

/// What becomes of this answer, under a policy with a cap of 64 KiB.
async fn check(
    answer: fn() -> Reply,
    adjust: fn(&mut RequestOptions),
    kind: HttpErrorKind,
    sent: bool,
) -> HttpError {
    let server = Server::start(move |_| answer()).await;
    let mut policy = RequestOptions::metadata(&server_at(&server.url("/")));
    policy.body_cap = 64 << 10;
    adjust(&mut policy);
    let request = Request::get(server.url("/x?code=canary")).body(Bytes::new());
    let start = tokio::time::Instant::now();
    let error = send(&crate::client(), request.unwrap(), policy)
        .await
        .unwrap_err();
    // The policy's own limits are 30 s: whatever ended it was what the test set.
    assert!(start.elapsed() < Duration::from_secs(15));
    assert_eq!(error.kind(), kind, "{}", chain(&error));
    assert_eq!(error.may_have_been_sent(), sent, "{kind:?}");
    let text = format!("{} {error:?}", chain(&error));
    assert!(!text.contains("canary"), "{text}");
    assert!(
        server.written() < 32 << 20,
        "{} bytes were taken",
        server.written()
    );
    error
}

fn nothing(_: &mut RequestOptions) {}

#[tokio::test]
async fn body_beyond_cap_is_refused() {
    let endless = || Reply::Forever {
        head: b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_vec(),
        again: vec![b'x'; 64 << 10],
        pause: Duration::ZERO,
    };
    check(endless, nothing, HttpErrorKind::BodyTooLarge, true).await;

    let announced = || Reply::Forever {
        head: b"HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n".to_vec(),
        again: vec![b'x'; 64 << 10],
        pause: Duration::ZERO,
    };
    check(announced, nothing, HttpErrorKind::BodyTooLarge, true).await;

    let chunked = || Reply::Forever {
        head: b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec(),
        again: [b"1000\r\n".as_slice(), &[b'x'; 0x1000], b"\r\n"].concat(),
        pause: Duration::ZERO,
    };
    check(chunked, nothing, HttpErrorKind::BodyTooLarge, true).await;
}

#[tokio::test]
async fn body_of_exactly_the_cap_is_read() {
    let server = Server::start(|_| Reply::ok(&"x".repeat(1000))).await;
    let client = crate::client();
    let mut policy = RequestOptions::metadata(&server_at(&server.url("/")));
    for (cap, fits) in [(1000, true), (999, false), (u64::MAX, true)] {
        policy.body_cap = cap;
        let request = Request::get(server.url("/")).body(Bytes::new()).unwrap();
        assert_eq!(
            send(&client, request, policy.clone()).await.is_ok(),
            fits,
            "{cap}"
        );
    }
}

/// A gzip head (RFC 1952), then DEFLATE's fixed code (RFC 1951 §3.2.6): one zero byte, and after it
/// any number of times "258 bytes like the last one".
#[tokio::test]
async fn gzip_bomb_is_stopped_at_cap() {
    let bomb = || {
        let mut head = GZIP.as_bytes().to_vec();
        head.extend_from_slice(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
        // Eight copies of 13 bits fill 13 bytes; the first few bits hold the block's head (final,
        // fixed) and the literal 0 (00110000), which together are 11 bits.
        let mut bits = vec![1, 1, 0];
        bits.extend([0, 0, 1, 1, 0, 0, 0, 0]);
        // Up to the next byte: five of the thirteen bits of the first copy.
        let copy = [1, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0];
        bits.extend(&copy[..5]);
        let pack = |bits: &[u8]| -> Vec<u8> {
            let byte = |bits: &[u8]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | bit);
            bits.chunks(8).map(byte).collect()
        };
        head.extend(pack(&bits));
        let mut again = copy[5..].to_vec();
        for _ in 0..7 {
            again.extend(copy);
        }
        again.extend(&copy[..5]);
        // Eight kilobytes that become more than a megabyte. Nothing follows them, so a reader that
        // took them as they are would wait.
        head.extend(pack(&again).repeat(600));
        Reply::Hold(head)
    };
    check(bomb, nothing, HttpErrorKind::BodyTooLarge, true).await;
}

#[tokio::test]
async fn body_that_is_not_gzip_is_malformed() {
    let broken = || Reply::text(&format!("{GZIP}this is no gzip at all"));
    check(broken, nothing, HttpErrorKind::Malformed, true).await;
}

#[tokio::test]
async fn body_shorter_than_content_length_is_interrupted() {
    let short = || Reply::text("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc");
    check(short, nothing, HttpErrorKind::Interrupted, true).await;
    let chunked = || Reply::text("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab");
    check(chunked, nothing, HttpErrorKind::Interrupted, true).await;
}

#[tokio::test]
async fn body_longer_than_content_length_ends_there() {
    let server =
        Server::start(|_| Reply::text("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabcdef")).await;
    let answer = get(&crate::client(), &server.url("/")).await.unwrap();
    assert_eq!(answer.body(), "abc");
}

#[tokio::test]
async fn missing_answer_is_interrupted_and_other_protocol_is_malformed() {
    let cut = || Reply::text("");
    check(cut, nothing, HttpErrorKind::Interrupted, true).await;
    let noise = || Reply::text("SSH-2.0-OpenSSH_9\r\n\r\n");
    check(noise, nothing, HttpErrorKind::Malformed, true).await;
}

#[tokio::test]
async fn each_timeout_ends_the_request() {
    let silent = || Reply::Hold(Vec::new());
    let half_head = || Reply::Hold(b"HTTP/1.1 200 OK\r\nx-a: ".to_vec());
    let half_body = || Reply::Hold(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc".to_vec());
    let drip = || Reply::Forever {
        head: b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n".to_vec(),
        again: b"x".to_vec(),
        pause: Duration::from_millis(10),
    };
    let head = |policy: &mut RequestOptions| policy.response_timeout = Some(SHORT);
    let idle = |policy: &mut RequestOptions| policy.idle_timeout = Some(SHORT);
    let total = |policy: &mut RequestOptions| policy.timeout = Some(SHORT);
    let timeout = HttpErrorKind::Timeout;
    tokio::join!(
        check(silent, head, timeout, true),
        check(silent, total, timeout, true),
        check(half_head, head, timeout, true),
        check(half_body, idle, timeout, true),
        check(half_body, total, timeout, true),
        check(drip, total, timeout, true),
        // A body that keeps coming is not idle; only the whole is too slow.
        check(
            drip,
            |policy| {
                policy.idle_timeout = Some(SHORT);
                policy.timeout = Some(SHORT * 3);
            },
            timeout,
            true
        ),
    );
}

#[tokio::test]
async fn stream_outlives_response_timeout() {
    let server = Server::start(|_| Reply::Forever {
        head: b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n".to_vec(),
        again: b"data: x\n\n".to_vec(),
        pause: Duration::from_millis(10),
    })
    .await;
    let client = crate::client();
    let client: &dyn HttpClient = &client;
    let mut policy = RequestOptions::mcp(&server_at(&server.url("/")));
    let limit = SHORT * 10;
    policy.response_timeout = Some(limit);
    policy.idle_timeout = Some(limit);
    let request = Request::get(server.url("/")).body(Bytes::new()).unwrap();
    let (_, mut body) = client.open(request, policy).await.unwrap().into_parts();
    let start = tokio::time::Instant::now();
    while start.elapsed() < limit * 2 {
        body.chunk().await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn request_to_closed_port_or_unknown_name_is_not_sent() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/x?code=canary", listener.local_addr().unwrap());
    drop(listener);
    let error = get(&crate::client(), &url).await.unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::Connect, "{}", chain(&error));
    assert!(!error.may_have_been_sent());
    assert!(chain(&error).contains("refused"), "{}", chain(&error));

    let url = "http://unknown.test/x?code=canary";
    let client = Client::new(HttpConfig::default().with_resolver(crate::Names::new(&[]))).unwrap();
    let error = get(&client, url).await.unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::Resolve, "{}", chain(&error));
    assert!(!error.may_have_been_sent());
    assert!(chain(&error).ends_with("no such name"), "{}", chain(&error));
    assert!(!format!("{error:?}").contains("canary"));
}
