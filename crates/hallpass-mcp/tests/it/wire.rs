//! The transport over real sockets, against a server that says exactly what a test tells it to.

use std::sync::Arc;

use hallpass_core::{Diagnostic as _, HttpError, Remedy, ServerUrl, http::HttpErrorKind};
use hallpass_http::{Client, HttpConfig};
use hallpass_mcp::{Anonymous, Content, Endpoint, Error, Request};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// A listener, and an endpoint for it.
async fn server() -> (TcpListener, Endpoint) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let client = Client::new(HttpConfig::default());
    let server = ServerUrl::parse(&format!("{origin}/mcp")).unwrap();
    (listener, Endpoint::new(Arc::new(client.unwrap()), &server))
}

/// Reads one request with its body, as text.
async fn request(connection: &mut TcpStream) -> String {
    let mut text = String::new();
    let mut piece = [0; 4096];
    loop {
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| {
                    line.to_ascii_lowercase()
                        .strip_prefix("content-length: ")
                        .map(str::to_owned)
                })
                .map_or(0, |length| length.parse().unwrap());
            if body.len() >= length {
                return text;
            }
        }
        let read = connection.read(&mut piece).await.unwrap();
        assert!(read > 0, "the client went away");
        text.push_str(std::str::from_utf8(&piece[..read]).unwrap());
    }
}

const STREAM: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

async fn chunk(connection: &mut TcpStream, bytes: &str) {
    let chunk = format!("{:x}\r\n{bytes}\r\n", bytes.len());
    connection.write_all(chunk.as_bytes()).await.unwrap();
}

#[tokio::test]
async fn events_arrive_one_by_one() {
    let (listener, endpoint) = server().await;
    let client = async {
        let sent = endpoint.send(&Request::post("{}"), &Anonymous).await;
        let response = sent.unwrap();
        assert_eq!(response.content(), Content::Events);
        response.events(1000)
    };
    let server = async {
        let (mut connection, _) = listener.accept().await.unwrap();
        let request = request(&mut connection).await;
        assert!(request.starts_with("POST /mcp HTTP/1.1\r\n"), "{request}");
        assert!(request.ends_with("\r\n\r\n{}"), "{request}");
        connection.write_all(STREAM.as_bytes()).await.unwrap();
        connection
    };
    let (mut events, mut connection) = tokio::join!(client, server);
    // The server says the next thing only after the client has heard the one before.
    for number in 1..=3 {
        chunk(&mut connection, &format!("id: {number}\r\nda")).await;
        chunk(&mut connection, "ta: x\r\n\r").await;
        let event = events.next().await.unwrap().unwrap();
        assert_eq!(event.data.as_deref(), Some("x"));
        assert_eq!(event.id, Some(number.to_string()));
        chunk(&mut connection, "\n").await;
    }
    chunk(&mut connection, "").await;
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn connection_broken_in_an_event_is_an_error() {
    let (listener, endpoint) = server().await;
    let request_ = Request::stream();
    let client = endpoint.send(&request_, &Anonymous);
    let server = async {
        let (mut connection, _) = listener.accept().await.unwrap();
        request(&mut connection).await;
        connection.write_all(STREAM.as_bytes()).await.unwrap();
        chunk(&mut connection, "id: 1\ndata: a\n\ndata: b").await;
    };
    let (response, ()) = tokio::join!(client, server);
    let mut events = response.unwrap().events(1000);
    assert!(events.next().await.unwrap().is_ok());
    let error = events.next().await.unwrap().unwrap_err();
    let interrupted = |error: &HttpError| error.kind() == HttpErrorKind::Interrupted;
    assert!(
        matches!(&error, Error::Http(error) if interrupted(error)),
        "{error:?}"
    );
    assert_eq!(error.remedy(), Remedy::Retry);
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn dropped_stream_closes_the_connection() {
    let (listener, endpoint) = server().await;
    let request_ = Request::stream();
    let client = endpoint.send(&request_, &Anonymous);
    let server = async {
        let (mut connection, _) = listener.accept().await.unwrap();
        request(&mut connection).await;
        connection.write_all(STREAM.as_bytes()).await.unwrap();
        chunk(&mut connection, "data: a\n\n").await;
        connection
    };
    let (response, mut connection) = tokio::join!(client, server);
    let mut events = response.unwrap().events(1000);
    events.next().await.unwrap().unwrap();
    drop(events);
    let gone = connection.read(&mut [0; 16]).await;
    assert!(matches!(gone, Ok(0) | Err(_)), "{gone:?}");
}

#[tokio::test]
async fn redirect_keeps_method_and_body() {
    let (listener, endpoint) = server().await;
    let request_ = Request::post("{\"id\":1}").session("s-1").unwrap();
    let client = endpoint.send(&request_, &Anonymous);
    let server = async {
        let redirect = "HTTP/1.1 308 Permanent Redirect\r\nlocation: /v2?x=1\r\n\
                        content-length: 0\r\nconnection: close\r\n\r\n";
        let accepted = "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        let mut seen = Vec::new();
        for answer in [redirect, accepted] {
            let (mut connection, _) = listener.accept().await.unwrap();
            seen.push(request(&mut connection).await);
            connection.write_all(answer.as_bytes()).await.unwrap();
        }
        seen
    };
    let (response, seen) = tokio::join!(client, server);
    assert_eq!(response.unwrap().status(), 202);
    for (request, line) in seen.iter().zip(["POST /mcp ", "POST /v2?x=1 "]) {
        assert!(request.starts_with(line), "{request}");
        assert!(request.contains("mcp-session-id: s-1\r\n"), "{request}");
        assert!(request.ends_with("\r\n\r\n{\"id\":1}"), "{request}");
    }
}
