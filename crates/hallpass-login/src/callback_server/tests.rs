use hallpass_core::CallbackSetting;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::address::CallbackAddress;

async fn start() -> (CallbackServer, u16) {
    let address = CallbackAddress::from_setting(&CallbackSetting::default()).unwrap();
    let listener = address.bind().await.unwrap();
    let port = listener.port;
    (CallbackServer::start(listener), port)
}

/// Sends bytes and reads the answer to its end.
async fn send(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

fn get(port: u16, target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n")
}

fn signed_in() -> Page {
    Page::SignedIn {
        server: "https://mcp.example".to_owned(),
        client: "the test".to_owned(),
    }
}

#[test]
fn request_with_other_method_path_or_host_is_stray() {
    let filter = RequestFilter {
        authority: "127.0.0.1:40123".to_owned(),
        path: "/callback".to_owned(),
    };
    let check =
        |method: &str, target: &str, headers: &[(&str, &str)], expected: Result<&str, u16>| {
            let mut request = Request::builder().method(method).uri(target);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let request = request.body(()).unwrap();
            let found = filter
                .callback_query(request.method(), request.uri(), request.headers())
                .map_err(|page| page.status().as_u16());
            assert_eq!(found, expected, "{method} {target} {headers:?}");
        };
    let ours = ("host", "127.0.0.1:40123");
    check("GET", "/callback?code=c", &[ours], Ok("code=c"));
    check("GET", "/callback", &[ours], Ok(""));
    check(
        "GET",
        "http://127.0.0.1:40123/callback?code=c",
        &[ours],
        Ok("code=c"),
    );
    check("GET", "/callback?code=c", &[], Err(421));
    check("GET", "/callback?code=c", &[ours, ours], Err(421));
    check(
        "GET",
        "/callback?code=c",
        &[("host", "localhost:40123")],
        Err(421),
    );
    check(
        "GET",
        "/callback?code=c",
        &[("host", "evil.example")],
        Err(421),
    );
    check(
        "GET",
        "http://evil.example/callback?code=c",
        &[ours],
        Err(421),
    );
    check("GET", "/callback/?code=c", &[ours], Err(404));
    check("GET", "/Callback?code=c", &[ours], Err(404));
    check("GET", "/%63allback?code=c", &[ours], Err(404));
    check("GET", "//callback?code=c", &[ours], Err(404));
    check("GET", "/favicon.ico", &[ours], Err(404));
    for method in ["HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"] {
        check(method, "/callback?code=c", &[ours], Err(405));
    }
    check(
        "GET",
        "/callback?code=c",
        &[ours, ("sec-purpose", "prefetch;prerender")],
        Err(503),
    );
    check(
        "GET",
        "/callback?code=c",
        &[ours, ("purpose", "prefetch")],
        Err(503),
    );
}

#[test]
fn a_browser_leaves_port_80_out() {
    let filter = RequestFilter {
        authority: "localhost:80".to_owned(),
        path: "/".to_owned(),
    };
    assert!(filter.is_ours(b"localhost") && filter.is_ours(b"LOCALHOST:80"));
    assert!(!filter.is_ours(b"localhost:81"));
}

#[tokio::test]
async fn the_page_is_delivered_before_the_port_closes() {
    let (mut server, port) = start().await;
    let browser = tokio::spawn(async move { send(port, &get(port, "/callback?code=c")).await });
    let callback = server.next().await.unwrap();
    assert_eq!(callback.query.0, "code=c");
    assert_eq!(format!("{:?}", callback.query), "Query(redacted)");
    server.stop_listening();
    let late = send(port, &get(port, "/callback?code=c")).await;
    assert!(late.starts_with("HTTP/1.1 410 "), "{late}");
    callback.responder.send(signed_in());
    server.close().await;
    let answer = browser.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.ends_with("</html>\n"), "{answer}");
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
}

#[tokio::test]
async fn closing_server_delivers_the_page_of_an_open_request() {
    let (mut server, port) = start().await;
    let browser = tokio::spawn(async move { send(port, &get(port, "/callback?code=c")).await });
    let callback = server.next().await.unwrap();
    let late_page = async {
        // Once no more connections are accepted, the idle connections have been broken off.
        while TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            tokio::task::yield_now().await;
        }
        callback.responder.send(signed_in());
    };
    tokio::join!(server.close(), late_page);
    let answer = browser.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn browser_of_an_aborted_login_gets_a_page() {
    let (mut server, port) = start().await;
    let browser = tokio::spawn(async move { send(port, &get(port, "/callback?code=c")).await });
    drop(server.next().await.unwrap());
    assert!(browser.await.unwrap().starts_with("HTTP/1.1 410 "));
    drop(server);
}

#[tokio::test]
async fn a_thousand_strangers_do_not_keep_the_callback_out() {
    let (mut server, port) = start().await;
    // Connections that say nothing, or half of something, and stay.
    let mut silent = Vec::new();
    for number in 0..300 {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        if number % 2 == 0 {
            stream.write_all(b"GET /callback?co").await.unwrap();
        }
        silent.push(stream);
    }
    let requests = [
        get(port, "/favicon.ico"),
        format!("HEAD /callback?code=x HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"),
        format!(
            "POST /callback?code=x HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 9\r\n\r\n\
             code=evil"
        ),
        "GET /callback?code=x HTTP/1.1\r\nHost: evil.example\r\n\r\n".to_owned(),
        "GET /callback?code=x HTTP/1.0\r\n\r\n".to_owned(),
        "\u{1}\u{2} nonsense\r\n\r\n".to_owned(),
    ];
    for (number, request) in requests.iter().cycle().take(1000).enumerate() {
        let answer = send(port, request).await;
        let status = answer.split(' ').nth(1).unwrap_or_default();
        assert!(status.starts_with('4'), "{number}: {answer}");
    }
    let browser = tokio::spawn(async move { send(port, &get(port, "/callback?code=c")).await });
    let callback = server.next().await.unwrap();
    assert_eq!(
        callback.query.0, "code=c",
        "the first query that gets through is the real one"
    );
    callback.responder.send(signed_in());
    server.close().await;
    assert!(browser.await.unwrap().starts_with("HTTP/1.1 200 "));
}
