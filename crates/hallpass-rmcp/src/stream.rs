//! Event streams as rmcp reads them.
//!
//! rmcp opens a stream again when it ends, after a pause, and at once when it breaks off: for ever, if
//! the server ends it each time. So a break is an end here, and streams that have ended are kept, since
//! rmcp says of a GET only in which session it is and after which event. [`Reconnection`] says how long
//! that GET waits, and when it is refused.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use hallpass_mcp::{AuthorizedEndpoint, Error, Event, EventStream, Reconnection};
use rmcp::transport::streamable_http_client::SseError;
use sse_stream::Sse;

use crate::server_streams::ServerStreams;

/// An event stream, as rmcp takes it.
pub(crate) type SseStream = BoxStream<'static, Result<Sse, SseError>>;

/// The streams that have ended and that rmcp may open again, the newest ones.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClosedStreams(Arc<Mutex<VecDeque<ClosedStream>>>);

#[derive(Debug)]
struct ClosedStream {
    session: Option<Arc<str>>,
    reconnection: Reconnection,
}

const MAX_CLOSED_STREAMS: usize = 256;

impl ClosedStreams {
    fn add(&self, session: Option<Arc<str>>, reconnection: Reconnection) {
        let mut streams = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if streams.len() == MAX_CLOSED_STREAMS {
            // Most are of requests that have their answer.
            let for_request = |it: &ClosedStream| it.reconnection.answers_a_request();
            let oldest = streams.iter().position(for_request).unwrap_or_default();
            streams.remove(oldest);
        }
        streams.push_back(ClosedStream {
            session,
            reconnection,
        });
    }

    /// The stream that goes on in this session after this event. Without such an event it is the
    /// server's own.
    pub(crate) fn take(&self, session: Option<&str>, after: Option<&str>) -> Option<Reconnection> {
        let mut streams = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = streams.iter().position(|it| {
            it.session.as_deref() == session && it.reconnection.last_event_id() == after
        });
        found
            .and_then(|index| streams.remove(index))
            .map(|it| it.reconnection)
    }
}

/// What is known about a stream besides its events.
#[derive(Debug)]
pub(crate) struct EventSource {
    pub(crate) server: AuthorizedEndpoint,
    pub(crate) session: Option<Arc<str>>,
    pub(crate) reconnection: Reconnection,
    /// Whether rmcp reports an error of the stream to its caller, instead of opening it again.
    pub(crate) tells_errors: bool,
    pub(crate) ended: ClosedStreams,
    pub(crate) server_streams: ServerStreams,
}

impl EventSource {
    /// The stream has ended with this error, if it is one.
    fn ended(mut self, error: Option<Error>) -> Option<Result<Sse, SseError>> {
        let Some(error) = error else {
            self.keep_for_resumption(true);
            return None;
        };
        if self.tells_errors {
            return Some(Err(SseError::Body(Box::new(error))));
        }
        if self.reconnection.is_first_warning() {
            tracing::warn!("an event stream ended early: {error}");
        } else {
            tracing::debug!("an event stream ended early again: {error}");
        }
        if matches!(error, Error::EventTooLarge(_)) {
            // The next event would be the same.
            self.reconnection.give_up();
        }
        self.keep_for_resumption(true);
        None
    }

    /// Keeps the stream for the GET with which rmcp may open it again, whether or not it was open.
    pub(crate) fn keep_for_resumption(mut self, was_open: bool) {
        let is_own = !self.reconnection.answers_a_request();
        // A response to a POST is opened again only after an event with an id.
        if self.tells_errors || !is_own && self.reconnection.last_event_id().is_none() {
            return;
        }
        let now = self.server.session().clock().monotonic();
        self.reconnection.ended(now);
        let pause = self.reconnection.delay(now);
        if let Some(session) = self.session.as_ref().filter(|_| is_own && was_open)
            && pause.is_some_and(|pause| pause <= Reconnection::MIN_DELAY)
        {
            self.server_streams.expect(session);
        }
        self.ended.add(self.session, self.reconnection);
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
        events.poll_next(context).map(|next| match next {
            Some(Ok(event)) => {
                if let Some(source) = &mut source {
                    source.reconnection.received(&event);
                }
                Some(Ok(to_sse(event)))
            }
            Some(Err(error)) => source.take()?.ended(Some(error)),
            None => source.take()?.ended(None),
        })
    })
    .boxed()
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
