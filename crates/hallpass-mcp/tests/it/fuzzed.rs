//! What has to hold for whatever bytes a server sends as an event stream or as a message: the entries of
//! the fuzz targets in `fuzz/`, which include this file. `corpus.rs` runs them over the inputs that were
//! kept.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use hallpass_core::{
    AccessToken, BoxFuture, Clock, CredentialKey, FixedToken, HttpClient, HttpError,
    ServerSettings, ServerUrl, Timestamp,
    http::{Body, RequestOptions},
};
use hallpass_mcp::{
    AuthorizedEndpoint, Event, EventParser, EventTooLarge, Interactivity, SseConnection,
    jsonrpc::{Id, Kind, Malformed, Message, Part},
};
use hallpass_session::Session;
use hallpass_store::MemoryStore;
use http::{HeaderValue, Request, Response, header};
use serde_json::Value;

/// How much an event may be.
const CAP: usize = 64;

/// Where the stream is cut makes no difference, no event is larger than the cap, and an event that is
/// written down reads back as it was.
pub(crate) fn events(data: &[u8]) {
    let whole = read(data, data.len().max(1), CAP);
    for size in [1, 2, 7] {
        assert_eq!(read(data, size, CAP), whole, "cut every {size} bytes");
    }
    let without_cap = read(data, data.len().max(1), usize::MAX);
    for (position, one) in whole.iter().enumerate() {
        match one {
            Ok(event) => {
                assert_eq!(without_cap.get(position), Some(one));
                // An invalid byte becomes three; no field is more than was read of the event.
                assert!(size(event) <= CAP * 3, "{event:?}");
            }
            Err(error) => {
                assert_eq!(error.cap(), CAP);
                assert_eq!(
                    position + 1,
                    whole.len(),
                    "nothing follows what is too large"
                );
            }
        }
    }
    for event in without_cap.iter().flatten() {
        let again = read(written(event).as_bytes(), usize::MAX, usize::MAX);
        assert_eq!(again, [Ok(event.clone())]);
        if let Some(data) = event.data.as_ref().filter(|data| data.len() > 8) {
            assert!(!format!("{event:?}").contains(&**data) || names(event).contains(&**data));
        }
    }
}

/// The events of a stream that comes in pieces of one size.
fn read(data: &[u8], size: usize, cap: usize) -> Vec<Result<Event, EventTooLarge>> {
    let mut parser = EventParser::new(cap);
    let mut events = Vec::new();
    for piece in data.chunks(size) {
        let mut piece = Bytes::copy_from_slice(piece);
        while let Some(event) = parser.next(&mut piece) {
            events.push(event);
        }
        assert!(piece.is_empty(), "the parser left bytes behind");
    }
    events.extend(parser.finish().map(Ok));
    events
}

/// An event as a server would send it.
fn written(event: &Event) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| text.extend([name, ": ", value, "\n"]);
    if let Some(name) = &event.event {
        line("event", name);
    }
    for part in event.data.iter().flat_map(|data| data.split('\n')) {
        line("data", part);
    }
    if let Some(id) = &event.id {
        line("id", id);
    }
    if let Some(retry) = event.retry {
        line("retry", &retry.as_millis().to_string());
    }
    text + "\n"
}

/// What `Debug` may show.
fn names(event: &Event) -> String {
    [&event.event, &event.id]
        .map(|name| name.clone().unwrap_or_default())
        .join(" ")
}

fn size(event: &Event) -> usize {
    let data = event.data.as_ref().map_or(0, String::len);
    names(event).len() + data
}

/// A JSON-RPC message, or a batch: its bytes stay as they came, and its kind is what an independent
/// reading finds.
pub(crate) fn json_rpc(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    let message = match Message::parse(bytes.clone()) {
        Ok(message) => message,
        Err(malformed) => {
            assert_eq!(malformed.bytes, bytes);
            is_explained(&malformed);
            let _ = Id::from_fragment(data);
            return;
        }
    };
    assert_eq!(message.bytes, bytes);
    assert!((1..=1024).contains(&(message.parts.len() + message.malformed.len())));
    message.malformed.iter().for_each(is_explained);
    for part in &message.parts {
        is_consistent(part);
    }
    // A number may be one that this reader does not hold.
    let value: Value = serde_json::from_slice(data).unwrap_or_default();
    match (&value, message.single()) {
        (Value::Object(_), Some(part)) => is_of_kind(part, &value),
        (Value::Object(_), None) => assert!(!message.is_batch, "an object is no batch"),
        (Value::Array(values), None) => {
            let all = message.parts.len() + message.malformed.len();
            assert_eq!(values.len(), all);
        }
        _ => {}
    }
    match message.retain(|_| true) {
        Some(kept) => {
            let again = Message::parse(kept).unwrap();
            let kinds = |message: &Message| -> Vec<Kind> {
                message.parts.iter().map(|part| part.kind.clone()).collect()
            };
            assert_eq!(kinds(&again), kinds(&message));
            assert!(again.malformed.is_empty());
        }
        None => assert!(message.parts.is_empty()),
    }
    assert!(message.retain(|_| false).is_none());
}

fn is_explained(malformed: &Malformed) {
    assert!(!malformed.reason.is_empty());
    assert!(!malformed.reason.contains(char::is_control));
    if let Some(id) = &malformed.id {
        is_repeated(id);
    }
}

fn is_consistent(part: &Part) {
    match &part.kind {
        Kind::Request { id, .. } | Kind::Response { id: Some(id), .. } => is_repeated(id),
        Kind::Notification { .. } | Kind::Response { id: None, .. } => {}
    }
    for path in [
        &["a"][..],
        &["message"],
        &["_meta", "progressToken"],
        &["data", "a", "b"],
    ] {
        let (text, id) = (part.text_at(path), part.id_at(path));
        assert!(part.raw_at(path).is_some() || text.is_none() && id.is_none());
    }
}

/// An id that is written into an answer is the same id there.
fn is_repeated(id: &Id) {
    let answer = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#);
    let answer = Message::parse(answer.into()).unwrap();
    let expected = Kind::Response {
        id: Some(id.clone()),
        is_error: false,
    };
    assert_eq!(answer.parts[0].kind, expected);
}

fn is_of_kind(part: &Part, value: &Value) {
    assert_eq!(value["jsonrpc"], "2.0");
    let has = |name: &str| value.get(name).is_some();
    match &part.kind {
        Kind::Request { method, .. } => {
            assert!(has("id") && value["method"] == **method);
            assert!(value["id"].is_string() || value["id"].is_number());
        }
        Kind::Notification { method } => assert!(!has("id") && value["method"] == **method),
        Kind::Response { is_error, .. } => {
            assert!(!has("method") && has("result") != has("error"));
            assert_eq!(*is_error, has("error"));
        }
    }
}

/// An event stream of HTTP+SSE: messages are posted to the server's own origin, or nowhere.
pub(crate) fn http_sse(data: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let http = Arc::new(OneStream(Bytes::copy_from_slice(data)));
        let server = ServerUrl::parse(SERVER).unwrap();
        let key = CredentialKey::new(server);
        let token = FixedToken::new(AccessToken::new("a-token"), "a constant");
        let store = Arc::new(MemoryStore::new());
        let session = Session::builder(key, ServerSettings::default(), store, http.clone())
            .token_source(Arc::new(token))
            .clock(http.clone())
            .build()
            .unwrap();
        let server = AuthorizedEndpoint::new(session, http);
        match SseConnection::open(&server, Interactivity::Background).await {
            Ok(mut connection) => {
                let endpoint = connection.endpoint();
                assert_eq!(
                    endpoint.origin().ascii_serialization(),
                    "https://mcp.example"
                );
                assert!(endpoint.username().is_empty() && endpoint.password().is_none());
                assert!(endpoint.fragment().is_none());
                while let Some(Ok(message)) = connection.next().await {
                    assert!(!message.is_empty());
                }
            }
            Err(error) => {
                let text = error.to_string();
                assert!(text.len() < 4 << 10, "{text}");
                assert!(!text.contains(char::is_control), "{text:?}");
            }
        }
    });
}

const SERVER: &str = "https://mcp.example/sse";

/// A server that answers each request with one event stream, and a clock that stands still.
#[derive(Debug)]
struct OneStream(Bytes);

impl HttpClient for OneStream {
    fn open(
        &self,
        _: Request<Bytes>,
        _: RequestOptions,
    ) -> BoxFuture<'_, Result<Response<Body>, HttpError>> {
        let mut response = Response::new(Body::whole(self.0.clone()));
        let kind = HeaderValue::from_static("text/event-stream");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        Box::pin(async { Ok(response) })
    }
}

impl Clock for OneStream {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_seconds(0)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}
