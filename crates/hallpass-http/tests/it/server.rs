//! Servers that answer byte for byte what a test says.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};

pub(crate) trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// What a server does once it has read a request.
pub(crate) enum Reply {
    /// Writes this and closes.
    Close(Vec<u8>),
    /// Writes this and waits for the client to close.
    Hold(Vec<u8>),
    /// Writes this and reads the next request on the same connection.
    KeepAlive(Vec<u8>),
    /// Writes the head, then the same bytes for as long as the client reads.
    Forever {
        head: Vec<u8>,
        again: Vec<u8>,
        pause: Duration,
    },
}

impl Reply {
    pub(crate) fn ok(body: &str) -> Self {
        Self::status("200 OK", "", body)
    }

    pub(crate) fn redirect(status: &str, location: &str) -> Self {
        Self::status(status, &format!("location: {location}\r\n"), "")
    }

    pub(crate) fn status(status: &str, headers: &str, body: &str) -> Self {
        let length = body.len();
        Self::Close(
            format!(
                "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\
                 connection: close\r\n\r\n{body}"
            )
            .into_bytes(),
        )
    }

    pub(crate) fn text(text: &str) -> Self {
        Self::Close(text.as_bytes().to_vec())
    }
}

/// A request as it arrived.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recorded {
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Recorded {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(known, _)| known == name);
        found.next().map(|(_, value)| value.as_str())
    }
}

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Recorded>>>,
    connections: Arc<AtomicU64>,
    written: Arc<AtomicU64>,
}

impl Server {
    pub(crate) async fn start(answer: impl Fn(&Recorded) -> Reply + Send + Sync + 'static) -> Self {
        Self::listen(None, answer).await
    }

    pub(crate) async fn start_tls(
        tls: Arc<ServerConfig>,
        answer: impl Fn(&Recorded) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::listen(Some(TlsAcceptor::from(tls)), answer).await
    }

    async fn listen(
        tls: Option<TlsAcceptor>,
        answer: impl Fn(&Recorded) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            seen: Arc::default(),
            connections: Arc::default(),
            written: Arc::default(),
        };
        let this = server.clone();
        let answer = Arc::new(answer);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                this.connections.fetch_add(1, Ordering::SeqCst);
                let (this, answer, tls) = (this.clone(), Arc::clone(&answer), tls.clone());
                tokio::spawn(async move {
                    if let Some(stream) = accept(stream, tls).await {
                        this.serve(stream, &*answer).await;
                    }
                });
            }
        });
        server
    }

    async fn serve(&self, mut stream: Box<dyn Io>, answer: &(dyn Fn(&Recorded) -> Reply + Sync)) {
        let reply = loop {
            let Some(request) = read_request(&mut stream).await else {
                return;
            };
            self.seen.lock().unwrap().push(request.clone());
            match answer(&request) {
                Reply::KeepAlive(bytes) => {
                    let _ = stream.write_all(&bytes).await;
                    let _ = stream.flush().await;
                }
                reply => break reply,
            }
        };
        match reply {
            Reply::KeepAlive(_) => {}
            Reply::Close(bytes) => {
                let _ = stream.write_all(&bytes).await;
                let _ = stream.shutdown().await;
            }
            Reply::Hold(bytes) => {
                let _ = stream.write_all(&bytes).await;
                let _ = stream.flush().await;
                drain(&mut stream).await;
            }
            Reply::Forever { head, again, pause } => {
                let _ = stream.write_all(&head).await;
                while stream.write_all(&again).await.is_ok() {
                    self.written.fetch_add(again.len() as u64, Ordering::SeqCst);
                    if !pause.is_zero() {
                        tokio::time::sleep(pause).await;
                    }
                }
            }
        }
    }

    /// The URL of a path on the server, by address.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The URL of a path on the server, by name.
    pub(crate) fn named(&self, scheme: &str, host: &str, path: &str) -> String {
        format!("{scheme}://{host}:{}{path}", self.address.port())
    }

    pub(crate) fn seen(&self) -> Vec<Recorded> {
        self.seen.lock().unwrap().clone()
    }

    /// How many connections were taken, whatever came of them.
    pub(crate) fn connections(&self) -> u64 {
        self.connections.load(Ordering::SeqCst)
    }

    /// How many bytes the endless body of a reply took.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::SeqCst)
    }
}

async fn accept(stream: TcpStream, tls: Option<TlsAcceptor>) -> Option<Box<dyn Io>> {
    let Some(tls) = tls else {
        return Some(Box::new(stream));
    };
    match tls.accept(stream).into_fallible().await {
        Ok(stream) => Some(Box::new(stream)),
        Err((_, mut stream)) => {
            // The refusal is in the alert; closing with data unread would overtake it.
            drain(&mut stream).await;
            None
        }
    }
}

async fn drain(stream: &mut (impl AsyncRead + Unpin)) {
    let mut rest = [0; 4096];
    while stream.read(&mut rest).await.is_ok_and(|read| read > 0) {}
}

/// Reads a head and the body that its `content-length` announces.
pub(crate) async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<Recorded> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.trim_end().lines();
    let mut request = Recorded {
        line: lines.next()?.to_owned(),
        ..Recorded::default()
    };
    for line in lines {
        let (name, value) = line.split_once(':').unwrap();
        let header = (name.to_ascii_lowercase(), value.trim().to_owned());
        request.headers.push(header);
    }
    let length = request.header("content-length").unwrap_or("0");
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).await.ok()?;
    request.body = String::from_utf8(body).unwrap();
    Some(request)
}
