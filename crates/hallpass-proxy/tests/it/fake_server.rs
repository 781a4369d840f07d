//! A server on a raw socket, which says exactly what a test tells it to.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use hallpass_testkit::Gate;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Whether it is a message with this method.
    pub(crate) fn is(&self, method: &str) -> bool {
        self.body.contains(&format!("\"method\":\"{method}\""))
    }

    /// The number that is the message's id.
    pub(crate) fn id(&self) -> String {
        self.id_text().unwrap()
    }

    /// The message's id as it is written, if it has one.
    pub(crate) fn id_text(&self) -> Option<String> {
        let (_, after) = self.body.split_once("\"id\":")?;
        Some(after.split([',', '}']).next()?.trim().to_owned())
    }
}

/// What the server does about a request.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    pieces: Vec<Piece>,
    held: Option<Gate>,
}

#[derive(Debug, Clone)]
enum Piece {
    Chunk(Vec<u8>),
    Wait(Gate),
    /// So many times the same.
    Repeat(Vec<u8>, usize),
    UntilClosed(Gate),
    Break,
}

impl Reply {
    pub(crate) fn status(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            pieces: Vec::new(),
            held: None,
        }
    }

    pub(crate) fn json(body: impl Into<Vec<u8>>) -> Self {
        Self::status(200)
            .header("content-type", "application/json")
            .chunk(body)
    }

    pub(crate) fn events(events: impl Into<Vec<u8>>) -> Self {
        Self::status(200)
            .header("content-type", "text/event-stream")
            .chunk(events)
    }

    /// No answer at all.
    pub(crate) fn hang_up() -> Self {
        Self::status(0)
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn chunk(mut self, chunk: impl Into<Vec<u8>>) -> Self {
        self.pieces.push(Piece::Chunk(chunk.into()));
        self
    }

    /// Nothing at all comes before the gate opens.
    pub(crate) fn held(mut self, gate: &Gate) -> Self {
        self.held = Some(gate.clone());
        self
    }

    /// Nothing more comes before the gate opens.
    pub(crate) fn wait(mut self, gate: &Gate) -> Self {
        self.pieces.push(Piece::Wait(gate.clone()));
        self
    }

    /// The same again and again, for as long as it is taken.
    pub(crate) fn flood(self, chunk: impl Into<Vec<u8>>) -> Self {
        self.repeat(chunk, usize::MAX)
    }

    /// The same so many times.
    pub(crate) fn repeat(mut self, chunk: impl Into<Vec<u8>>, times: usize) -> Self {
        self.pieces.push(Piece::Repeat(chunk.into(), times));
        self
    }

    /// Nothing more comes, and the gate opens when the client has closed its side.
    pub(crate) fn until_closed(mut self, closed: &Gate) -> Self {
        self.pieces.push(Piece::UntilClosed(closed.clone()));
        self
    }

    /// The connection breaks off here.
    pub(crate) fn breaks(mut self) -> Self {
        self.pieces.push(Piece::Break);
        self
    }
}

type Answering = Box<dyn FnMut(&Seen) -> Reply + Send>;

pub(crate) struct FakeServer {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    /// How many bytes of what is repeated were taken.
    pub(crate) flooded: Arc<Mutex<usize>>,
    _stop: DropGuard,
}

impl FakeServer {
    pub(crate) async fn start(answer: impl FnMut(&Seen) -> Reply + Send + 'static) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(socket, answer)
    }

    pub(crate) fn on(
        socket: TcpListener,
        answer: impl FnMut(&Seen) -> Reply + Send + 'static,
    ) -> Self {
        let url = format!("http://{}/mcp", socket.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let flooded: Arc<Mutex<usize>> = Arc::default();
        let answer: Arc<Mutex<Answering>> = Arc::new(Mutex::new(Box::new(answer)));
        let stop = CancellationToken::new();
        let (record, count, stopped) = (seen.clone(), flooded.clone(), stop.clone());
        tokio::spawn(stopped.run_until_cancelled_owned(async move {
            loop {
                let (stream, _) = socket.accept().await.unwrap();
                let (record, answer, count) = (record.clone(), answer.clone(), count.clone());
                tokio::spawn(async move {
                    let _ = serve(stream, &record, &answer, &count).await;
                });
            }
        }));
        Self {
            url,
            seen,
            flooded,
            _stop: stop.drop_guard(),
        }
    }

    /// Every request so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Ends once such a request has come.
    pub(crate) async fn until(&self, wanted: impl Fn(&Seen) -> bool) {
        let came = async {
            while !self.seen().iter().any(&wanted) {
                tokio::task::yield_now().await;
            }
        };
        let soon = std::time::Duration::from_secs(10);
        tokio::time::timeout(soon, came).await.unwrap();
    }

    /// How many messages with this method came.
    pub(crate) fn count(&self, method: &str) -> usize {
        self.seen().iter().filter(|seen| seen.is(method)).count()
    }
}

async fn serve(
    mut stream: TcpStream,
    record: &Mutex<Vec<Seen>>,
    answer: &Mutex<Answering>,
    flooded: &Mutex<usize>,
) -> std::io::Result<()> {
    let mut read = Vec::new();
    let head = loop {
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut read).await? == 0 {
            return Ok(());
        }
    };
    let text = String::from_utf8(read[..head].to_vec()).unwrap();
    let mut lines = text.lines();
    let method = lines.next().unwrap().split(' ').next().unwrap().to_owned();
    let headers: HashMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers
        .get("content-length")
        .map_or(0, |it| it.parse().unwrap());
    let mut body = read.split_off(head + 4);
    while body.len() < length {
        stream.read_buf(&mut body).await?;
    }
    let seen = Seen {
        method,
        headers,
        body: String::from_utf8(body).unwrap(),
    };
    record.lock().unwrap().push(seen.clone());
    let reply = (answer.lock().unwrap())(&seen);
    if let Some(gate) = &reply.held {
        gate.pass().await;
    }
    if reply.status == 0 {
        return Ok(());
    }
    let mut head = format!("HTTP/1.1 {} X\r\nconnection: close\r\n", reply.status);
    for (name, value) in &reply.headers {
        head = format!("{head}{name}: {value}\r\n");
    }
    head += "transfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await?;
    for piece in reply.pieces {
        match piece {
            Piece::Chunk(chunk) if chunk.is_empty() => {}
            Piece::Chunk(chunk) => write(&mut stream, &chunk).await?,
            Piece::Wait(gate) => gate.pass().await,
            Piece::UntilClosed(closed) => {
                while stream.read(&mut [0; 64]).await? != 0 {}
                closed.open();
                return Ok(());
            }
            Piece::Break => return Ok(()),
            Piece::Repeat(chunk, times) => {
                for _ in 0..times {
                    write(&mut stream, &chunk).await?;
                    *flooded.lock().unwrap() += chunk.len();
                }
            }
        }
    }
    stream.write_all(b"0\r\n\r\n").await?;
    // The other side closes it.
    let _ = stream.read(&mut [0]).await;
    Ok(())
}

async fn write(stream: &mut TcpStream, chunk: &[u8]) -> std::io::Result<()> {
    // An empty chunk would be the last one.
    if chunk.is_empty() {
        return Ok(());
    }
    let size = format!("{:x}\r\n", chunk.len());
    stream
        .write_all(&[size.as_bytes(), chunk, b"\r\n"].concat())
        .await
}

/// One event, with an id if there is one.
pub(crate) fn event(id: &str, data: &str) -> String {
    if id.is_empty() {
        format!("data: {data}\n\n")
    } else {
        format!("id: {id}\ndata: {data}\n\n")
    }
}

/// The usual server's answers to the handshake, with the session `s1`; none to anything else.
pub(crate) fn handshake(seen: &Seen) -> Option<Reply> {
    handshake_of("2025-06-18", seen)
}

/// The answer to a `ping` in a session that the server knows.
pub(crate) fn pong(seen: &Seen) -> Option<Reply> {
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":{},"result":{{}}}}"#,
        seen.id_text()?
    );
    seen.is("ping").then(|| Reply::json(body))
}

/// The same of a server with this protocol version.
pub(crate) fn handshake_of(version: &str, seen: &Seen) -> Option<Reply> {
    if seen.is("initialize") {
        let result = r#""capabilities":{"tools":{}},"serverInfo":{"name":"double","version":"1"}"#;
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{},"result":{{"protocolVersion":"{version}",{result}}}}}"#,
            seen.id()
        );
        return Some(Reply::json(body).header("mcp-session-id", "s1"));
    }
    if seen.is("notifications/initialized") {
        return Some(Reply::status(202));
    }
    (seen.method != "POST").then(|| Reply::status(405))
}
