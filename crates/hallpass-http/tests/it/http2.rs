//! HTTP/2 servers that flood, stall, or reset: each request ends, and what it took is bounded.

use std::{
    collections::HashMap,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use hallpass_core::{
    HttpClient, HttpError,
    http::{HttpErrorKind, RequestOptions},
};
use hallpass_http::{CaBundle, Client, HttpConfig, Trust};
use http::Request;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, version},
    server::TlsStream,
};

use crate::{Names, authority::Authority, chain, send, server_at};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
/// A type of frame that there is not.
const UNKNOWN: u8 = 0xFA;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// `:status: 200` and `:status: 103` (RFC 7541).
const OK: &[u8] = &[0x88];
const EARLY_HINTS: &[u8] = &[0x08, 3, b'1', b'0', b'3'];

/// The time limit of a request whose server would go on for ever.
const SHORT: Duration = Duration::from_millis(300);

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [&head, payload].concat()
}

/// A frame as it came.
struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

/// The server's side of a connection, after the preface.
struct Connection {
    stream: TlsStream<TcpStream>,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    connections: AtomicU64,
    requests: AtomicU64,
    /// How many bytes of frames were written.
    written: AtomicU64,
}

impl Connection {
    /// Whether the client has taken it.
    async fn write(&mut self, frames: &[u8]) -> bool {
        let written = self.stream.write_all(frames).await.is_ok();
        let written = written && self.stream.flush().await.is_ok();
        if written {
            self.counts
                .written
                .fetch_add(frames.len() as u64, Ordering::SeqCst);
        }
        written
    }

    async fn read(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        self.stream.read_exact(&mut payload).await.ok()?;
        let frame = Frame {
            kind: head[3],
            flags: head[4],
            stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
            payload,
        };
        if frame.kind == HEADERS {
            self.counts.requests.fetch_add(1, Ordering::SeqCst);
        }
        Some(frame)
    }

    /// The stream of the next request.
    async fn request(&mut self) -> Option<u32> {
        loop {
            let frame = self.read().await?;
            if frame.kind == HEADERS {
                return Some(frame.stream);
            }
        }
    }

    /// Writes the same for as long as the client takes it, and reads what the client says.
    async fn flood(self, frames: Vec<u8>) {
        let Self { stream, counts } = self;
        let (mut read, mut write) = tokio::io::split(stream);
        // Some at a time, so that the time is not spent in TLS records of a few bytes.
        let many = frames.repeat((16 * 1024 / frames.len()).max(1));
        let writing = async {
            while write.write_all(&many).await.is_ok() && write.flush().await.is_ok() {
                counts
                    .written
                    .fetch_add(many.len() as u64, Ordering::SeqCst);
            }
        };
        let reading = async {
            let mut rest = vec![0; 64 * 1024];
            while read.read(&mut rest).await.is_ok_and(|read| read > 0) {}
        };
        tokio::select! {
            () = writing => {}
            () = reading => {}
        }
    }
}

/// A server that does this with each connection, and a client that trusts it.
struct Server {
    client: Client,
    url: String,
    counts: Arc<Counts>,
}

impl Server {
    async fn start<F: Future<Output = ()> + Send + 'static>(
        serve: impl Fn(Connection) -> F + Send + Sync + 'static,
    ) -> Self {
        let authority = Authority::new("Corp Root");
        let issued = authority.issue("mcp.test");
        let mut tls = ServerConfig::clone(&issued.server(&version::TLS13, None));
        tls.alpn_protocols = vec![b"h2".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!(
            "https://mcp.test:{}/",
            listener.local_addr().unwrap().port()
        );
        let counts = Arc::new(Counts::default());
        let counted = Arc::clone(&counts);
        let serve = Arc::new(serve);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.connections.fetch_add(1, Ordering::SeqCst);
                let accepted = acceptor.accept(stream);
                let (counts, serve) = (Arc::clone(&counted), Arc::clone(&serve));
                tokio::spawn(async move {
                    let mut stream = accepted.await.unwrap();
                    let mut preface = [0; 24];
                    if stream.read_exact(&mut preface).await.is_ok() {
                        let mut connection = Connection { stream, counts };
                        connection.write(&frame(SETTINGS, 0, 0, &[])).await;
                        serve(connection).await;
                    }
                });
            }
        });
        let client = Client::new(
            HttpConfig::default()
                .with_trust(Trust::Only(CaBundle::from_pem(authority.pem()).unwrap()))
                .with_resolver(Names::new(&[("mcp.test", "127.0.0.1")])),
        );
        Self {
            client: client.unwrap(),
            url,
            counts,
        }
    }

    /// A server that answers the first request of each connection with these frames again and again.
    async fn flooding(frames: impl Fn(u32) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let frames = Arc::new(frames);
        Self::start(move |mut connection| {
            let frames = Arc::clone(&frames);
            async move {
                if let Some(stream) = connection.request().await {
                    connection.flood(frames(stream)).await;
                }
            }
        })
        .await
    }

    /// Why a request to it fails, within this time.
    async fn failure(&self, timeout: Duration, body: Bytes) -> HttpError {
        let mut options = RequestOptions::metadata(&server_at(&self.url));
        options.timeout = Some(timeout);
        let request = Request::post(&self.url).body(body).unwrap();
        let failed = send(&self.client, request, options);
        let failed = tokio::time::timeout(Duration::from_secs(15), failed);
        failed.await.unwrap().unwrap_err()
    }

    /// Checks that the request ends by itself, soon and without many requests.
    async fn check_end(&self, what: &str) {
        let error = self.failure(Duration::from_secs(10), Bytes::new()).await;
        let kind = error.kind();
        assert_ne!(kind, HttpErrorKind::Timeout, "{what}: {}", chain(&error));
        let requests = self.counts.requests.load(Ordering::SeqCst);
        assert!(requests <= 4, "{what}: {requests} requests");
        let written = self.counts.written.load(Ordering::SeqCst);
        // What the sockets hold is in it.
        assert!(written < 16 << 20, "{what}: {written} bytes");
    }
}

/// Header fields whose list is this large, and that HPACK's tables don't shorten.
fn fields(bytes: usize) -> Vec<u8> {
    let one = [&[0_u8, 1, b'a', 100], &[b'x'; 100][..]].concat();
    // Each counts 32 bytes more (RFC 9113 §6.5.2).
    one.repeat(bytes / 133 + 1)
}

#[tokio::test]
async fn header_list_that_is_too_large_ends_the_request() {
    // A little too large: the request ends. Far too large: the connection does.
    for bytes in [17 * 1024, 80 * 1024, 1024 * 1024] {
        let server = Server::start(move |mut connection| async move {
            while let Some(stream) = connection.request().await {
                let list = [OK, &fields(bytes)].concat();
                let mut pieces = list.chunks(16 * 1024).peekable();
                let mut kind = HEADERS;
                while let Some(piece) = pieces.next() {
                    let flags = if pieces.peek().is_none() {
                        END_HEADERS
                    } else {
                        0
                    };
                    if !connection.write(&frame(kind, flags, stream, piece)).await {
                        return;
                    }
                    kind = CONTINUATION;
                }
            }
        })
        .await;
        server.check_end(&format!("{bytes} bytes")).await;
    }
}

#[tokio::test]
async fn continuation_flood_ends_the_connection() {
    for piece in [Vec::new(), vec![0, 1, b'a', 1, b'x'], fields(12 * 1024)] {
        let server = Server::start(move |mut connection| {
            let piece = piece.clone();
            async move {
                if let Some(stream) = connection.request().await {
                    connection.write(&frame(HEADERS, 0, stream, OK)).await;
                    connection
                        .flood(frame(CONTINUATION, 0, stream, &piece))
                        .await;
                }
            }
        })
        .await;
        server.check_end("CONTINUATION").await;
    }
}

#[tokio::test]
async fn requests_that_are_reset_each_time_are_not_sent_for_ever() {
    // CANCEL, REFUSED_STREAM and ENHANCE_YOUR_CALM (RFC 9113 §7).
    for code in [8, 7, 11_u32] {
        let server = Server::start(move |mut connection| async move {
            while let Some(stream) = connection.request().await {
                let reset = frame(RST_STREAM, 0, stream, &code.to_be_bytes());
                connection.write(&reset).await;
            }
        })
        .await;
        for _ in 0..3 {
            let error = server.failure(Duration::from_secs(10), Bytes::new()).await;
            assert_ne!(error.kind(), HttpErrorKind::Timeout, "{}", chain(&error));
        }
        let requests = server.counts.requests.load(Ordering::SeqCst);
        assert!(requests <= 12, "{code}: {requests} requests");
        let connections = server.counts.connections.load(Ordering::SeqCst);
        assert!(connections <= 3, "{code}: {connections} connections");
    }
}

#[tokio::test]
async fn frames_that_no_server_sends_end_the_connection() {
    let cancel = 8_u32.to_be_bytes();
    // The stream is another than the request's.
    let reset = Server::flooding(move |stream| frame(RST_STREAM, 0, stream + 100, &cancel));
    reset.await.check_end("RST_STREAM of no request").await;
    let reset = Server::flooding(move |stream| frame(RST_STREAM, 0, stream, &cancel));
    reset.await.check_end("RST_STREAM").await;
    let push = Server::flooding(|stream| {
        let promise = [&2_u32.to_be_bytes()[..], OK].concat();
        frame(PUSH_PROMISE, END_HEADERS, stream, &promise)
    });
    push.await.check_end("PUSH_PROMISE").await;
    let acknowledged = Server::flooding(|_| frame(SETTINGS, 1, 0, &[]));
    acknowledged.await.check_end("SETTINGS ACK").await;
    let window = Server::flooding(|_| frame(WINDOW_UPDATE, 0, 0, &0x7FFF_FFFF_u32.to_be_bytes()));
    window.await.check_end("WINDOW_UPDATE").await;
}

#[tokio::test]
async fn flood_of_empty_data_ends_the_connection() {
    let server = Server::start(|mut connection| async move {
        if let Some(stream) = connection.request().await {
            connection
                .write(&frame(HEADERS, END_HEADERS, stream, OK))
                .await;
            connection.flood(frame(DATA, 0, stream, &[])).await;
        }
    })
    .await;
    server.check_end("DATA").await;
}

/// The library answers or skips these frames however many come: what ends the request is its own limit.
#[tokio::test]
async fn flood_that_the_library_allows_ends_at_the_timeout() {
    type Frames = fn(u32) -> Vec<u8>;
    let floods: [(&str, Frames); 6] = [
        ("PING", |_| frame(PING, 0, 0, &[0; 8])),
        ("PING ACK", |_| frame(PING, 1, 0, &[0; 8])),
        ("SETTINGS", |_| frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0])),
        ("PRIORITY", |stream| {
            frame(PRIORITY, 0, stream, &[0, 0, 0, 0, 1])
        }),
        ("unknown", |_| frame(UNKNOWN, 0, 0, &[0; 64])),
        ("103", |stream| {
            frame(HEADERS, END_HEADERS, stream, EARLY_HINTS)
        }),
    ];
    for (what, frames) in floods {
        let server = Server::flooding(frames).await;
        let error = server.failure(SHORT, Bytes::new()).await;
        assert_eq!(
            error.kind(),
            HttpErrorKind::Timeout,
            "{what}: {}",
            chain(&error)
        );
    }
}

#[tokio::test]
async fn flood_whose_answers_the_server_does_not_read_is_not_read_either() {
    for flood in [frame(PING, 0, 0, &[0; 8]), frame(SETTINGS, 0, 0, &[])] {
        let server = Server::start(move |mut connection| {
            let many = flood.repeat(1000);
            async move {
                connection.request().await;
                // Nothing is read from here on.
                while connection.write(&many).await {}
            }
        })
        .await;
        let error = server.failure(Duration::from_secs(2), Bytes::new()).await;
        assert_eq!(error.kind(), HttpErrorKind::Timeout, "{}", chain(&error));
        // What the sockets hold, in both directions.
        let written = server.counts.written.load(Ordering::SeqCst);
        assert!(written < 32 << 20, "{written} bytes");
    }
}

#[tokio::test]
async fn server_that_takes_no_body_ends_the_request_at_the_timeout() {
    // No window at all, and one that grows by a byte at a time.
    for grows in [false, true] {
        let server = Server::start(move |mut connection| async move {
            connection
                .write(&frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]))
                .await;
            let Some(stream) = connection.request().await else {
                return;
            };
            let update = frame(WINDOW_UPDATE, 0, stream, &1_u32.to_be_bytes());
            while connection.read().await.is_some() {
                if grows {
                    connection.write(&update).await;
                }
            }
        })
        .await;
        let body = Bytes::from(vec![b'x'; 8 << 20]);
        let error = server.failure(SHORT, body).await;
        assert_eq!(error.kind(), HttpErrorKind::Timeout, "{}", chain(&error));
    }
}

/// How many streams a client may leave unread: more than `hallpass proxy` has under way at a time.
const PAUSED: u32 = 300;

/// Answers the first requests with as much as the client's windows allow, and the next one with a word.
async fn fill_windows(mut connection: Connection) {
    let (mut window, mut initial) = (65_535_i64, 65_535_i64);
    let mut streams: HashMap<u32, i64> = HashMap::new();
    let mut last = None;
    let number = |bytes: &[u8]| i64::from(u32::from_be_bytes(bytes.try_into().unwrap()));
    while let Some(read) = connection.read().await {
        match read.kind {
            SETTINGS if read.flags == 0 => {
                for setting in read.payload.chunks(6) {
                    if setting[..2] == [0, 4] {
                        initial = number(&setting[2..]);
                    }
                }
                connection.write(&frame(SETTINGS, 1, 0, &[])).await;
            }
            WINDOW_UPDATE if read.stream == 0 => window += number(&read.payload),
            WINDOW_UPDATE => {
                *streams.entry(read.stream).or_default() += number(&read.payload);
            }
            HEADERS => {
                let head = frame(HEADERS, END_HEADERS, read.stream, OK);
                connection.write(&head).await;
                if streams.len() < PAUSED as usize {
                    streams.insert(read.stream, initial);
                } else {
                    last = Some(read.stream);
                }
            }
            _ => {}
        }
        for (stream, left) in &mut streams {
            while let size @ 1.. = window.min(*left).min(16 * 1024) {
                let data = vec![b'x'; usize::try_from(size).unwrap()];
                connection.write(&frame(DATA, 0, *stream, &data)).await;
                window -= size;
                *left -= size;
            }
        }
        if let Some(stream) = last.filter(|_| window >= 4) {
            connection
                .write(&frame(DATA, END_STREAM, stream, b"here"))
                .await;
            last = None;
        }
    }
}

#[tokio::test]
async fn http2_streams_that_are_not_read_do_not_stop_another() {
    let server = Server::start(fill_windows).await;
    let client: &dyn HttpClient = &server.client;
    let request = || Request::get(&server.url).body(Bytes::new()).unwrap();
    let options = RequestOptions::mcp(&server_at(&server.url));
    let mut paused = Vec::new();
    for _ in 0..PAUSED {
        paused.push(client.open(request(), options.clone()).await.unwrap());
    }
    let answer = client.fetch(request(), options);
    let answer = tokio::time::timeout(Duration::from_secs(15), answer);
    assert_eq!(answer.await.unwrap().unwrap().body(), "here");
    assert_eq!(server.counts.connections.load(Ordering::SeqCst), 1);
    // Nothing of the paused ones is lost.
    let mut body = paused.swap_remove(0).into_body();
    assert!(!body.chunk().await.unwrap().unwrap().is_empty());
}
