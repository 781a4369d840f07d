//! A CONNECT proxy that wants a password (RFC 9110 §9.3.6, §11.7).

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

/// Tunnels to wherever it is asked, and keeps the head of each request.
pub(crate) struct ConnectProxy {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

/// `clerk:s3cret%` in base64.
const CREDENTIALS: &str = "proxy-authorization: basic y2xlcms6cznjcmv0jq==";

impl ConnectProxy {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            address: listener.local_addr().unwrap(),
            heads: Arc::default(),
        };
        let heads = Arc::clone(&proxy.heads);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(tunnel(stream, Arc::clone(&heads)));
            }
        });
        proxy
    }

    /// Its URL with the right credentials.
    pub(crate) fn url(&self) -> String {
        format!("http://clerk:s3cret%25@{}", self.address)
    }

    /// Its URL without any.
    pub(crate) fn url_without_credentials(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The heads of all requests, in lower case.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

async fn tunnel(mut stream: TcpStream, heads: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else {
            return;
        };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let target = head.strip_prefix("connect ");
    let target = target.and_then(|rest| rest.split(' ').next());
    let target = target.map(str::to_owned);
    let is_allowed = head.lines().any(|line| line == CREDENTIALS);
    heads.lock().unwrap().push(head);
    let answer = match (is_allowed, &target) {
        (false, _) => "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
        (true, None) => "HTTP/1.1 405 Method Not Allowed\r\n\r\n",
        (true, Some(_)) => "HTTP/1.1 200 Connection Established\r\n\r\n",
    };
    let mut server = match target {
        Some(target) if is_allowed => Some(TcpStream::connect(target).await.unwrap()),
        _ => None,
    };
    let _ = stream.write_all(answer.as_bytes()).await;
    if let Some(server) = &mut server {
        let _ = copy_bidirectional(&mut stream, server).await;
    }
}
