//! How much is kept of what servers are in the middle of saying.
//!
//! Each answer may be large, and many come at a time, so that a server could have all of them grow at
//! once. Beyond a small size an answer needs one of a few places to go on; the others wait, and their
//! server with them. Whoever has a place needs nobody else to come to an end.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hallpass_core::{
    HttpError,
    http::{Body, Chunks},
};
use hallpass_mcp::Response;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::PollSemaphore;

/// What an answer may hold without a place.
const SMALL: usize = 256 * 1024;

/// How many places there are.
const PLACES: usize = 4;

/// The places for large answers.
#[derive(Debug, Clone)]
pub(crate) struct LargeBodyLimit(Arc<Semaphore>);

/// How much of an answer has been read and not been passed on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Held(Arc<AtomicUsize>);

impl LargeBodyLimit {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(PLACES)))
    }

    /// The same response, whose body waits for a place where it grows large.
    pub(crate) fn meter(&self, response: Response) -> (Response, Held) {
        let held = Held::default();
        let response = response.map_body(|body| {
            Body::new(Counted {
                body,
                held: held.clone(),
                places: PollSemaphore::new(Arc::clone(&self.0)),
                place: None,
            })
        });
        (response, held)
    }
}

impl Held {
    /// What was read has been passed on.
    pub(crate) fn release(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

struct Counted {
    body: Body,
    held: Held,
    places: PollSemaphore,
    place: Option<OwnedSemaphorePermit>,
}

impl Chunks for Counted {
    fn poll_chunk(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, HttpError>>> {
        let this = &mut *self;
        if this.held.0.load(Ordering::Relaxed) <= SMALL {
            this.place = None;
        } else if this.place.is_none() {
            this.place = ready!(this.places.poll_acquire(context));
        }
        let chunk = ready!(Pin::new(&mut this.body).poll_chunk(context));
        if let Some(Ok(chunk)) = &chunk {
            this.held.0.fetch_add(chunk.len(), Ordering::Relaxed);
        }
        Poll::Ready(chunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says the same without end.
    struct Endless;

    impl Chunks for Endless {
        fn poll_chunk(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Bytes, HttpError>>> {
            Poll::Ready(Some(Ok(Bytes::from(vec![b'x'; SMALL]))))
        }
    }

    fn polls(body: &mut Counted) -> bool {
        let mut context = Context::from_waker(std::task::Waker::noop());
        Pin::new(body).poll_chunk(&mut context).is_ready()
    }

    #[test]
    fn only_a_few_answers_grow_large_at_a_time() {
        let lane = LargeBodyLimit::new();
        let mut bodies: Vec<_> = (0..PLACES + 2)
            .map(|_| Counted {
                body: Body::new(Endless),
                held: Held::default(),
                places: PollSemaphore::new(Arc::clone(&lane.0)),
                place: None,
            })
            .collect();
        // Small ones all go on, and each grows beyond that.
        for _ in 0..2 {
            assert!(bodies.iter_mut().all(polls));
        }
        let went_on: Vec<_> = bodies.iter_mut().map(polls).collect();
        assert_eq!(went_on, [true, true, true, true, false, false]);
        // One is passed on, and its place is somebody else's.
        bodies[1].held.release();
        assert!(polls(&mut bodies[1]));
        let went_on: Vec<_> = bodies.iter_mut().map(polls).collect();
        assert_eq!(went_on, [true, true, true, true, true, false]);
    }
}
