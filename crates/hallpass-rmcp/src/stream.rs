//! Event streams as rmcp reads them.
//!
//! rmcp opens a stream again when it ends, after a pause, and at once when it breaks off: for ever,
//! if the server breaks off each time. So a break is an end here, and a place in a stream that can't
//! be passed, because the event there is too large, is remembered: opening the stream there again
//! is refused.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use hallpass_mcp_http::{Error, Event, EventStream};
use rmcp::transport::streamable_http_client::SseError;
use sse_stream::Sse;

/// Where a stream goes on: in which session, after which event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    session: Option<Arc<str>>,
    after: Option<String>,
}

impl Place {
    pub(crate) fn new(session: Option<Arc<str>>, after: Option<String>) -> Self {
        Self { session, after }
    }

    pub(crate) fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    pub(crate) fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }
}

/// The places that can't be passed, the newest ones.
#[derive(Debug, Clone, Default)]
pub(crate) struct DeadEnds(Arc<Mutex<VecDeque<Place>>>);

const MOST_DEAD_ENDS: usize = 32;

impl DeadEnds {
    pub(crate) fn contains(&self, place: &Place) -> bool {
        let places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.contains(place)
    }

    fn add(&self, place: Place) {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() == MOST_DEAD_ENDS {
            places.pop_front();
        }
        places.push_back(place);
    }
}

/// What is known about a stream besides its events.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) place: Place,
    pub(crate) opened_by_get: bool,
    /// Whether rmcp shows an error of the stream to somebody, instead of opening it again.
    pub(crate) tells_errors: bool,
    pub(crate) dead_ends: DeadEnds,
}

impl Source {
    fn broke(&mut self, error: Error) -> Option<Result<Sse, SseError>> {
        if matches!(error, Error::EventTooLarge(_)) {
            // A response to a POST is opened again only after an event with an id.
            if self.opened_by_get || self.place.after.is_some() {
                self.dead_ends.add(self.place.clone());
            }
        }
        if self.tells_errors {
            return Some(Err(SseError::Body(Box::new(error))));
        }
        tracing::warn!("an event stream ended early: {error}");
        None
    }

    fn passed(&mut self, event: &Event) {
        if let Some(id) = &event.id {
            self.place.after = (!id.is_empty()).then(|| id.clone());
        }
    }
}

/// The events in rmcp's shape.
pub(crate) fn to_rmcp(
    mut events: EventStream,
    mut source: Source,
) -> BoxStream<'static, Result<Sse, SseError>> {
    stream::poll_fn(move |context| {
        events.poll_next(context).map(|next| match next? {
            Ok(event) => {
                source.passed(&event);
                Some(Ok(one(event)))
            }
            Err(error) => source.broke(error),
        })
    })
    .boxed()
}

fn one(event: Event) -> Sse {
    Sse {
        event: event.event,
        data: event.data,
        id: event.id,
        retry: event
            .retry
            .map(|pause| u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)),
    }
}
