//! A response body read as events.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hallpass_core::http::{Body, Chunks};

use crate::{Error, Event, EventParser};

/// The events of one response, as they arrive.
///
/// It holds the connection and nothing else: no lock, no token. Dropping it ends the exchange.
pub struct EventStream {
    body: Body,
    chunk: Bytes,
    parser: EventParser,
    ended: bool,
}

impl EventStream {
    /// Reads `body` as events of at most `cap` bytes each.
    pub fn new(body: Body, cap: usize) -> Self {
        Self {
            body,
            chunk: Bytes::new(),
            parser: EventParser::new(cap),
            ended: false,
        }
    }

    /// The next event; `None` at the end, and for ever after an error.
    ///
    /// Nothing is lost when the returned future is dropped.
    ///
    /// # Errors
    ///
    /// When the body breaks off, or an event is larger than the cap.
    pub async fn next(&mut self) -> Option<Result<Event, Error>> {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }

    /// As [`next`](Self::next), for implementing a `Stream`.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Event, Error>>> {
        self.poll_next_when(context, |_, _| Poll::Ready(()))
    }

    /// As [`poll_next`](Self::poll_next), for a caller that limits how much memory many streams take
    /// together, as [`Response::read_when`](crate::Response::read_when) does: `may_read` is polled with
    /// the number of bytes that are held of the next event.
    pub fn poll_next_when(
        &mut self,
        context: &mut Context<'_>,
        mut may_read: impl FnMut(&mut Context<'_>, usize) -> Poll<()>,
    ) -> Poll<Option<Result<Event, Error>>> {
        loop {
            if let Some(read) = self.parser.next(&mut self.chunk) {
                if read.is_err() {
                    self.end();
                }
                return Poll::Ready(Some(read.map_err(Error::from)));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            ready!(may_read(context, self.parser.held()));
            match ready!(Pin::new(&mut self.body).poll_chunk(context)) {
                Some(Ok(chunk)) => self.chunk = chunk,
                Some(Err(error)) => {
                    self.end();
                    return Poll::Ready(Some(Err(error.into())));
                }
                None => {
                    self.end();
                    return Poll::Ready(self.parser.finish().map(Ok));
                }
            }
        }
    }

    /// Lets go of the connection, also while the reader keeps the stream.
    fn end(&mut self) {
        self.ended = true;
        self.body = Body::whole(Bytes::new());
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream")
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}
