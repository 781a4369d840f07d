//! The HTTP+SSE transport of MCP 2024-11-05: a GET opens a stream, whose first event says where
//! messages are posted to; each answer comes on the stream.

use std::{
    collections::HashMap,
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame};
use rmcp::ServiceExt;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, WriteHalf},
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;

use super::tools::Tools;
use crate::{exchange::Received, reply::Reply};

/// The path that messages are posted to.
pub(super) const MESSAGES: &str = "/messages";

/// How much may be on its way to or from one session.
const BUFFER: usize = 1 << 20;

/// The sessions of a server of this transport.
#[derive(Debug)]
pub(super) struct HttpSse {
    /// The status of a POST to the URL of the stream.
    post_status: u16,
    /// The endpoint that is named in the place of the real one.
    endpoint: Option<String>,
    everything: bool,
    sessions: Arc<Mutex<HashMap<u64, Session>>>,
    next: AtomicU64,
}

#[derive(Debug)]
struct Session {
    input: Arc<tokio::sync::Mutex<WriteHalf<DuplexStream>>>,
    end: CancellationToken,
}

impl HttpSse {
    pub(super) fn new(post_status: u16, endpoint: Option<String>, everything: bool) -> Self {
        Self {
            post_status,
            endpoint,
            everything,
            sessions: Arc::default(),
            next: AtomicU64::new(1),
        }
    }

    /// What a client of streamable HTTP is told.
    pub(super) fn refusal(&self) -> Reply {
        let status = StatusCode::from_u16(self.post_status).unwrap_or(StatusCode::BAD_REQUEST);
        Reply::text(status, "open the stream first").with(header::ALLOW, "GET")
    }

    /// Opens a stream, which is a session.
    pub(super) fn stream(&self) -> Reply {
        let id = self.next.fetch_add(1, Ordering::SeqCst);
        let (ours, theirs) = tokio::io::duplex(BUFFER);
        let (output, input) = tokio::io::split(ours);
        let (events, body) = mpsc::unbounded_channel();
        let end = CancellationToken::new();
        let session = Session {
            input: Arc::new(tokio::sync::Mutex::new(input)),
            end: end.clone(),
        };
        self.sessions().insert(id, session);
        let tools = Tools::new(self.everything);
        tokio::spawn(end.clone().run_until_cancelled_owned(async move {
            if let Ok(service) = tools.serve(theirs).await {
                let _ = service.waiting().await;
            }
        }));
        let endpoint = self.endpoint.clone();
        let endpoint = endpoint.unwrap_or_else(|| format!("{MESSAGES}?session_id={id}"));
        let _ = events.send(Bytes::from(format!(
            "event: endpoint\ndata: {endpoint}\n\n"
        )));
        let sessions = Arc::clone(&self.sessions);
        tokio::spawn(async move {
            let mut lines = BufReader::new(output).lines();
            let pass_on = async {
                while let Ok(Some(line)) = lines.next_line().await {
                    let event = Bytes::from(format!("event: message\ndata: {line}\n\n"));
                    if events.send(event).is_err() {
                        break;
                    }
                }
            };
            tokio::select! {
                () = pass_on => {}
                () = events.closed() => {}
                () = end.cancelled() => {}
            }
            end.cancel();
            sessions
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&id);
        });
        let mut response = Response::new(Events(body).boxed());
        let kind = HeaderValue::from_static("text/event-stream");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        Reply::streaming(response)
    }

    /// Takes a message.
    pub(super) async fn post(&self, request: &Received) -> Reply {
        let id = request.query.iter().find(|(name, _)| name == "session_id");
        let input = id.and_then(|(_, id)| {
            let sessions = self.sessions();
            Some(Arc::clone(&sessions.get(&id.parse().ok()?)?.input))
        });
        let Some(input) = input else {
            return Reply::text(StatusCode::NOT_FOUND, "no such session");
        };
        let line = [&*request.body, b"\n"].concat();
        match input.lock().await.write_all(&line).await {
            Ok(()) => Reply::text(StatusCode::ACCEPTED, "Accepted"),
            Err(_) => Reply::text(StatusCode::NOT_FOUND, "the session has ended"),
        }
    }

    /// Ends every stream, and its session with it.
    pub(super) fn end_streams(&self) {
        for (_, session) in self.sessions().drain() {
            session.end.cancel();
        }
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<u64, Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The events of one stream, as they come.
struct Events(mpsc::UnboundedReceiver<Bytes>);

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0
            .poll_recv(context)
            .map(|event| event.map(|event| Ok(Frame::data(event))))
    }
}
