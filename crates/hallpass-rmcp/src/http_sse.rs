//! HTTP+SSE of MCP 2024-11-05, as rmcp's streamable HTTP client sees it.
//!
//! rmcp knows no such transport any more. So the event stream is a session here, with an id that no
//! server sees: each request waits until its answer has come on the stream, and what the server says
//! unasked is the session's own stream. When the stream ends the session is lost, and rmcp opens another
//! one with the next request.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use hallpass_mcp::{
    Error, EventTooLarge, InvalidMessage, SseConnection, Unanswered, jsonrpc::Message, with_causes,
};
use rmcp::{
    model::{RequestId, ServerJsonRpcMessage},
    transport::streamable_http_client::StreamableHttpError,
};
use sse_stream::Sse;
use tokio::{
    sync::{mpsc, oneshot},
    task::AbortHandle,
};
use url::Url;

use crate::{
    answer::without_secrets,
    error::RmcpError,
    outgoing::Outgoing,
    sessions::Sessions,
    stream::{self as events, SseStream},
};

/// How many messages that answer no request wait for rmcp.
const MAX_UNASKED: usize = 1024;

/// The connection of a client, if its server speaks this transport.
#[derive(Debug, Clone, Default)]
pub(crate) struct HttpSse(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Whether the server has been spoken to so before.
    is_known: bool,
    opened: u64,
    current: Option<Arc<Connection>>,
}

/// One event stream.
pub(crate) struct Connection {
    /// What rmcp takes for the id of a session.
    id: Arc<str>,
    endpoint: Url,
    waiting: Arc<Mutex<Waiting>>,
    unasked: Mutex<Option<mpsc::Receiver<Sse>>>,
    reader: AbortHandle,
}

/// The requests that wait for their answers.
#[derive(Default)]
struct Waiting {
    answers: HashMap<RequestId, oneshot::Sender<Result<ServerJsonRpcMessage, InvalidMessage>>>,
    end: Option<End>,
}

/// How the stream ended.
#[derive(Debug, Clone)]
enum End {
    Closed,
    Broken(String),
    TooLarge(EventTooLarge),
}

/// The answer to one request, once it has come.
pub(crate) struct Answer<'a> {
    connection: &'a Connection,
    id: RequestId,
    came: oneshot::Receiver<Result<ServerJsonRpcMessage, InvalidMessage>>,
}

impl HttpSse {
    /// Whether the server has been spoken to so before, so that it is the first thing to try.
    pub(crate) fn is_known(&self) -> bool {
        self.state().is_known
    }

    /// The server speaks it no more.
    pub(crate) fn forget(&self) {
        self.state().is_known = false;
    }

    /// Begins to read an open stream.
    pub(crate) fn begin(&self, connection: SseConnection) -> Arc<Connection> {
        let (unasked, unasked_messages) = mpsc::channel(MAX_UNASKED);
        let waiting = Arc::<Mutex<Waiting>>::default();
        let endpoint = connection.endpoint().clone();
        let reader = tokio::spawn(read(connection, Arc::clone(&waiting), unasked));
        let mut state = self.state();
        state.is_known = true;
        state.opened += 1;
        let connection = Arc::new(Connection {
            id: format!("hallpass-http-sse-{}", state.opened).into(),
            endpoint,
            waiting,
            unasked: Mutex::new(Some(unasked_messages)),
            reader: reader.abort_handle(),
        });
        state.current = Some(Arc::clone(&connection));
        connection
    }

    /// The connection that rmcp knows as this session.
    pub(crate) fn session(&self, id: Option<&Arc<str>>) -> Option<Arc<Connection>> {
        let state = self.state();
        state.current.clone().filter(|it| Some(&it.id) == id)
    }

    /// Ends the connection that rmcp knows as this session. Says whether there was one.
    pub(crate) fn end(&self, id: &Arc<str>) -> bool {
        let mut state = self.state();
        let is_current = state.current.as_ref().is_some_and(|it| it.id == *id);
        if is_current {
            state.current = None;
        }
        is_current
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Where messages are posted to.
    pub(crate) fn endpoint(&self) -> &Url {
        &self.endpoint
    }

    /// Expects the answer to the request `id`, which is not sent yet. Where the stream has ended another
    /// one is needed first.
    pub(crate) fn expect(&self, id: &RequestId) -> Result<Answer<'_>, RmcpError> {
        let (answer, came) = oneshot::channel();
        let mut waiting = lock(&self.waiting);
        if waiting.end.is_some() {
            return Err(StreamableHttpError::SessionExpired);
        }
        waiting.answers.insert(id.clone(), answer);
        Ok(Answer {
            connection: self,
            id: id.clone(),
            came,
        })
    }

    /// What the server says unasked, once.
    pub(crate) fn unasked(&self) -> Option<SseStream> {
        let unasked = self.unasked.lock();
        let mut unasked = unasked.unwrap_or_else(PoisonError::into_inner).take()?;
        let events = stream::poll_fn(move |context| match unasked.poll_recv(context) {
            Poll::Ready(event) => Poll::Ready(event.map(Ok)),
            Poll::Pending => Poll::Pending,
        });
        Some(events.boxed())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Answer<'_> {
    /// Waits for it. A request that is no call is sent again where the stream ends before, once.
    pub(crate) async fn wait(
        mut self,
        outgoing: &Outgoing,
        sessions: &Sessions,
    ) -> Result<ServerJsonRpcMessage, RmcpError> {
        use crate::Error as Ours;
        let ours = |error| Err(StreamableHttpError::Client(error));
        match (&mut self.came).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(invalid)) => return ours(Ours::InvalidMessage(invalid)),
            Err(_) => {}
        }
        let end = lock(&self.connection.waiting).end.clone();
        let end = end.unwrap_or(End::Closed);
        if let End::TooLarge(error) = end {
            return ours(Ours::Http(Error::EventTooLarge(error)));
        }
        let may_repeat = !outgoing.is_call() && !outgoing.starts_a_lifecycle();
        if may_repeat && sessions.may_repeat(outgoing.id()) {
            return Err(StreamableHttpError::SessionExpired);
        }
        ours(Ours::Unanswered(match end {
            End::Broken(text) => Unanswered::new(text, outgoing.method()),
            End::Closed | End::TooLarge(_) => Unanswered::stream_ended(outgoing.method()),
        }))
    }
}

impl Drop for Answer<'_> {
    fn drop(&mut self) {
        lock(&self.connection.waiting).answers.remove(&self.id);
    }
}

/// Reads the stream to its end.
async fn read(
    mut connection: SseConnection,
    waiting: Arc<Mutex<Waiting>>,
    unasked: mpsc::Sender<Sse>,
) {
    let source = connection.source().clone();
    let end = loop {
        let data = match connection.next().await {
            Some(Ok(data)) => data,
            None => break End::Closed,
            Some(Err(Error::EventTooLarge(error))) => break End::TooLarge(error),
            Some(Err(error)) => break End::Broken(with_causes(&error)),
        };
        let Ok(message) = serde_json::from_str::<ServerJsonRpcMessage>(&data) else {
            reject(&data, &source, &waiting);
            continue;
        };
        let id = match &message {
            ServerJsonRpcMessage::Response(answer) => Some(answer.id.clone()),
            ServerJsonRpcMessage::Error(error) => error.id.clone(),
            _ => None,
        };
        match message {
            ServerJsonRpcMessage::Response(_) | ServerJsonRpcMessage::Error(_) => {
                let is_error = matches!(message, ServerJsonRpcMessage::Error(_));
                let Some((id, answer)) = take(&waiting, id, is_error) else {
                    tracing::debug!("an answer to no request that waits is left out");
                    continue;
                };
                let message = match message {
                    ServerJsonRpcMessage::Error(error) => {
                        ServerJsonRpcMessage::error(error.error, Some(id))
                    }
                    message => message,
                };
                let message = without_secrets(message, source.request_secrets());
                let _ = answer.send(Ok(message));
            }
            _ => {
                if unasked.try_send(events::message(data)).is_err() {
                    tracing::warn!("a message of the server is left out: too many wait");
                }
            }
        }
    };
    tracing::debug!("the event stream ended: {end:?}");
    let mut waiting = lock(&waiting);
    waiting.end = Some(end);
    waiting.answers.clear();
}

/// Something that is no message rmcp knows. What is meant for the answer to a request ends that.
fn reject(data: &str, source: &InvalidMessage, waiting: &Mutex<Waiting>) {
    let (reason, id) = match Message::parse(Bytes::copy_from_slice(data.as_bytes())) {
        Ok(_) => ("it is no JSON-RPC message that rmcp knows", None),
        Err(invalid) => (invalid.reason, invalid.id),
    };
    tracing::warn!("the server sent no JSON-RPC message: {reason}");
    let id = id.and_then(|id| serde_json::from_str(&id.to_string()).ok());
    if let Some((_, answer)) = take(waiting, id, false) {
        let invalid = source.clone().with_reason(reason);
        let _ = answer.send(Err(invalid.with_body(data.as_bytes())));
    }
}

type Waiter = oneshot::Sender<Result<ServerJsonRpcMessage, InvalidMessage>>;

/// The request that an answer with this id is for. An error without an id of a request that waits is
/// about the only one there is.
fn take(
    waiting: &Mutex<Waiting>,
    id: Option<RequestId>,
    is_error: bool,
) -> Option<(RequestId, Waiter)> {
    let mut waiting = lock(waiting);
    let answers = &mut waiting.answers;
    let number = match &id {
        Some(RequestId::String(text)) => text.parse().ok().map(RequestId::Number),
        _ => None,
    };
    let known = [id, number]
        .into_iter()
        .flatten()
        .find(|id| answers.contains_key(id));
    let only = || {
        answers
            .keys()
            .next()
            .cloned()
            .filter(|_| is_error && answers.len() == 1)
    };
    let id = known.or_else(only)?;
    let answer = answers.remove(&id)?;
    Some((id, answer))
}

fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Connection {
    /// The endpoint holds what is enough to join the session.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
