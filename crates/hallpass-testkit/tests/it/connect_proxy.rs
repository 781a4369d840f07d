//! The proxy that wants a password.

use hallpass_testkit::ConnectProxy;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const CREDENTIALS: &str = "Proxy-Authorization: Basic Y2xlcms6czNjcmV0JQ==\r\n";

/// Sends the head of a request. The proxy's answer up to its end follows, without the empty line.
async fn ask(proxy: &ConnectProxy, line: &str, credentials: &str) -> (TcpStream, String) {
    let url = proxy.url_without_credentials();
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("{line} HTTP/1.1\r\n{credentials}\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    let answer = String::from_utf8(answer).unwrap();
    (stream, answer.trim_end().to_owned())
}

#[tokio::test]
async fn request_with_credentials_is_tunnelled_until_the_proxy_ends() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("CONNECT {}", server.local_addr().unwrap());
    let proxy = ConnectProxy::start().await.unwrap();
    let (mut client, answer) = ask(&proxy, &target, CREDENTIALS).await;
    assert_eq!(answer, "HTTP/1.1 200 Connection Established");
    let (mut accepted, _) = server.accept().await.unwrap();
    client.write_all(b"ping").await.unwrap();
    let mut sent = [0; 4];
    accepted.read_exact(&mut sent).await.unwrap();
    assert_eq!(&sent, b"ping");
    let head = format!("{target} HTTP/1.1\r\n{CREDENTIALS}\r\n").to_lowercase();
    assert_eq!(proxy.heads(), [head]);
    drop(proxy);
    assert_eq!(client.read(&mut sent).await.unwrap(), 0);
}

#[tokio::test]
async fn other_requests_are_refused_and_recorded() {
    let proxy = ConnectProxy::start().await.unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("CONNECT {}", closed.local_addr().unwrap());
    drop(closed);
    for (line, credentials, status) in [
        (&*target, "", "407 Proxy Authentication Required"),
        (&target, CREDENTIALS, "502 Bad Gateway"),
        ("GET /", CREDENTIALS, "405 Method Not Allowed"),
    ] {
        let (_, answer) = ask(&proxy, line, credentials).await;
        assert_eq!(answer, format!("HTTP/1.1 {status}"));
    }
    assert_eq!(proxy.heads().len(), 3);
    assert!(!format!("{proxy:?}").contains("basic"));
}
