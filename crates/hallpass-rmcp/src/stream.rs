//! Event streams as rmcp reads them.
//!
//! rmcp opens a stream again when it ends, after a pause, and at once when it breaks off: for ever, if
//! the server ends it each time. So a break is an end here, and streams that have ended are kept, since
//! rmcp says of a GET only in which session it is and after which event. [`Reconnection`] says how long
//! that GET waits, and when it is refused.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    task::{Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use hallpass_core::{Diagnostic, Remedy};
use hallpass_mcp::{
    AuthorizedEndpoint, Error, Event, EventStream, InvalidMessage, Reconnection, RequestRefusal,
    Unanswered,
    jsonrpc::{Id, Kind, Message},
};
use rmcp::{model::RequestId, transport::streamable_http_client::SseError};
use serde_json::json;
use sse_stream::Sse;

use crate::{local_error, server_streams::ServerStreams, sessions::Sessions};

/// An event stream, as rmcp takes it.
pub(crate) type SseStream = BoxStream<'static, Result<Sse, SseError>>;

/// The streams that have ended and that rmcp may open again, the newest ones.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClosedStreams(Arc<Mutex<VecDeque<ClosedStream>>>);

/// One of them.
#[derive(Debug)]
pub(crate) struct ClosedStream {
    session: Option<Arc<str>>,
    pub(crate) reconnection: Reconnection,
    pub(crate) awaited: Option<Awaited>,
}

const MAX_CLOSED_STREAMS: usize = 256;

impl ClosedStreams {
    fn add(&self, stream: ClosedStream) {
        let mut streams = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if streams.len() == MAX_CLOSED_STREAMS {
            // Most are of requests that have their answer.
            let for_request = |it: &ClosedStream| it.reconnection.answers_a_request();
            let oldest = streams.iter().position(for_request).unwrap_or_default();
            streams.remove(oldest);
        }
        streams.push_back(stream);
    }

    /// The stream that goes on in this session after this event. Without such an event it is the
    /// server's own.
    pub(crate) fn take(&self, session: Option<&str>, after: Option<&str>) -> Option<ClosedStream> {
        let mut streams = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = streams.iter().position(|it| {
            it.session.as_deref() == session && it.reconnection.last_event_id() == after
        });
        found.and_then(|index| streams.remove(index))
    }
}

/// What is known about a stream besides its events.
#[derive(Debug)]
pub(crate) struct EventSource {
    pub(crate) server: AuthorizedEndpoint,
    pub(crate) session: Option<Arc<str>>,
    pub(crate) reconnection: Reconnection,
    /// The request that it answers; none for the server's own stream.
    pub(crate) awaited: Option<Awaited>,
    pub(crate) ended: ClosedStreams,
    pub(crate) server_streams: ServerStreams,
    pub(crate) sessions: Sessions,
}

impl EventSource {
    /// The stream has ended with this error, if it is one. Returns what rmcp is told in the place of an
    /// answer, where none can come any more.
    fn ended(mut self, error: Option<Error>) -> Option<Sse> {
        if let Some(error) = &error {
            if self.awaited.is_none() && self.reconnection.is_first_warning() {
                tracing::warn!("an event stream ended early: {error}");
            } else {
                tracing::debug!("an event stream ended early: {error}");
            }
        }
        let is_too_large = matches!(error, Some(Error::EventTooLarge(_)));
        if is_too_large {
            // The next event would be the same.
            self.reconnection.give_up();
        }
        if is_too_large || !self.may_resume() {
            let awaited = self.awaited.as_mut().filter(|it| !it.is_answered);
            let told = awaited.map(|awaited| awaited.unanswered(error));
            if told.is_some() {
                return told;
            }
        }
        self.keep_for_resumption(true);
        None
    }

    /// Whether rmcp opens it again: a response to a POST only after an event with an id.
    fn may_resume(&self) -> bool {
        match &self.awaited {
            Some(awaited) => awaited.is_resumed && self.reconnection.last_event_id().is_some(),
            None => true,
        }
    }

    /// Keeps the stream for the GET with which rmcp may open it again, whether or not it was open.
    pub(crate) fn keep_for_resumption(mut self, was_open: bool) {
        if !self.may_resume() {
            return;
        }
        let is_own = !self.reconnection.answers_a_request();
        let now = self.server.session().clock().monotonic();
        self.reconnection.ended(now);
        let pause = self.reconnection.delay(now);
        if let Some(session) = self.session.as_ref().filter(|_| is_own && was_open)
            && pause.is_some_and(|pause| pause <= Reconnection::MIN_DELAY)
        {
            self.server_streams.expect(session);
        }
        self.ended.add(ClosedStream {
            session: self.session,
            reconnection: self.reconnection,
            awaited: self.awaited,
        });
    }
}

/// The request that a stream answers.
#[derive(Debug)]
pub(crate) struct Awaited {
    pub(crate) id: RequestId,
    pub(crate) method: String,
    /// Whether rmcp opens its stream again, as it does not with the first of a connection.
    pub(crate) is_resumed: bool,
    /// Where the stream comes from, to say what is wrong with a message of it.
    pub(crate) source: InvalidMessage,
    /// Why something that came is no answer: told if none comes.
    pub(crate) complaint: Option<InvalidMessage>,
    /// Whether rmcp has its answer, so that the end of the stream means nothing to it.
    pub(crate) is_answered: bool,
    /// An error that came for the answer, and may be for the session.
    pub(crate) refusal: Option<RequestRefusal>,
}

impl Awaited {
    /// What rmcp is told when the stream has ended, with this error if it is one.
    pub(crate) fn unanswered(&mut self, error: Option<Error>) -> Sse {
        if let Some(complaint) = self.complaint.take() {
            return self.failed(&complaint);
        }
        match error {
            None => self.failed(&Unanswered::stream_ended(&self.method)),
            Some(error) if error.remedy() == Remedy::Retry => {
                self.failed(&Unanswered::from_error(&error, &self.method))
            }
            Some(error) => self.failed(&error),
        }
    }

    /// What rmcp is told in the place of an answer.
    pub(crate) fn failed(&self, error: &dyn Diagnostic) -> Sse {
        let answer = local_error::answer(error, self.id.clone());
        message(serde_json::to_string(&answer).unwrap_or_default())
    }

    /// An event as rmcp is to see it: an error is about the request, whatever id the server wrote, and
    /// what is no answer to it is left out, or is the end of it.
    fn check(&mut self, mut event: Event) -> Sse {
        let is_message = event.event.as_deref().is_none_or(|kind| kind == "message");
        let data = event
            .data
            .as_deref()
            .filter(|data| is_message && !data.is_empty());
        let Some(data) = data else {
            return to_sse(event);
        };
        let message = match Message::parse(Bytes::copy_from_slice(data.as_bytes())) {
            Ok(message) => message.without_secrets(self.source.request_secrets()),
            Err(invalid) => {
                let reason = self.source.clone().with_reason(invalid.reason);
                let complaint = reason.with_body(&invalid.bytes);
                if invalid.is_json && invalid.is_answer {
                    return self.failed(&complaint);
                }
                self.complaint.get_or_insert(complaint);
                return to_sse(event);
            }
        };
        let Some(part) = message.single() else {
            return to_sse(event);
        };
        let code = part.raw_at(&["code"]).and_then(|code| code.parse().ok());
        let refusal = RequestRefusal::new(self.source.status(), code);
        self.refusal =
            Some(refusal).filter(|refusal| message.is_error() && refusal.may_be_for_session());
        if message.is_error() {
            event.data = Some(String::from_utf8_lossy(&message.bytes).into_owned());
        }
        match &part.kind {
            Kind::Response { id, is_error } if id.as_ref().is_none_or(|id| !self.is_its(id)) => {
                if *is_error {
                    self.is_answered = true;
                    let (id, error) = (json!(self.id), String::from_utf8_lossy(&part.body));
                    let data = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#);
                    let data = Some(data);
                    return to_sse(Event { data, ..event });
                }
                let other = self
                    .source
                    .clone()
                    .with_reason("it answers another request");
                self.complaint.get_or_insert(other);
                to_sse(Event {
                    data: None,
                    ..event
                })
            }
            Kind::Response { .. } => {
                self.is_answered = true;
                to_sse(event)
            }
            _ => to_sse(event),
        }
    }

    /// Whether an answer with this id is the answer: rmcp reads a number in a text as well.
    fn is_its(&self, id: &Id) -> bool {
        match (id, &self.id) {
            (Id::Text(text), RequestId::String(own)) => **own == *text,
            (Id::Number(text) | Id::Text(text), RequestId::Number(own)) => *text == own.to_string(),
            _ => false,
        }
    }
}

/// The stream that rmcp asks for where none is kept: the server's own without an event to go on after,
/// else one that answers a request.
pub(crate) fn unknown(after: Option<&str>, now: Duration) -> Reconnection {
    let Some(id) = after else {
        return Reconnection::for_server_stream(now);
    };
    let mut reconnection = Reconnection::for_request(now);
    reconnection.received(&Event {
        id: Some(id.to_owned()),
        ..Event::default()
    });
    reconnection
}

/// The events in rmcp's shape.
pub(crate) fn to_rmcp(mut events: EventStream, source: EventSource) -> SseStream {
    let mut source = Some(source);
    stream::poll_fn(move |context| {
        let Some(open) = &mut source else {
            return Poll::Ready(None);
        };
        let told = match ready!(events.poll_next(context)) {
            Some(Ok(event)) => {
                open.reconnection.received(&event);
                Some(match &mut open.awaited {
                    Some(awaited) => {
                        let event = awaited.check(event);
                        if let (Some(refusal), Some(id)) = (awaited.refusal.take(), &open.session) {
                            open.sessions.suspect(id, refusal);
                        }
                        event
                    }
                    None => to_sse(event),
                })
            }
            Some(Err(error)) => source.take().and_then(|it| it.ended(Some(error))),
            None => source.take().and_then(|it| it.ended(None)),
        };
        Poll::Ready(told.map(Ok))
    })
    .boxed()
}

/// A stream of this event alone.
pub(crate) fn of_one(event: Sse) -> SseStream {
    stream::iter([Ok(event)]).boxed()
}

pub(crate) fn message(data: String) -> Sse {
    to_sse(Event {
        data: Some(data),
        ..Event::default()
    })
}

fn to_sse(event: Event) -> Sse {
    let retry = event.retry.map(|pause| {
        let pause = pause.max(Reconnection::MIN_DELAY).as_millis();
        u64::try_from(pause).unwrap_or(u64::MAX)
    });
    Sse {
        event: event.event,
        data: event.data,
        id: event.id,
        retry,
    }
}
