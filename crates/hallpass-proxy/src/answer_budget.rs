//! How much is kept of answers that have not come whole.
//!
//! Each answer may be large, and many come at a time, so that a server could have all of them grow at
//! once. Beyond a small size an answer needs one of a few permits to go on; the others wait, and their
//! server with them. An answer with a permit waits for no other one.

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

/// What an answer may hold without a permit.
const MAX_SMALL_BODY: usize = 256 * 1024;

/// How many permits there are.
const MAX_LARGE_BODIES: usize = 4;

/// The permits for large answers.
#[derive(Debug, Clone)]
pub(crate) struct LargeBodyLimit(Arc<Semaphore>);

/// How much of an answer has been read and not been passed on.
#[derive(Debug, Clone, Default)]
pub(crate) struct HeldBytes(Arc<AtomicUsize>);

impl LargeBodyLimit {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(MAX_LARGE_BODIES)))
    }

    /// The same response, whose body waits for a permit where it grows large.
    pub(crate) fn meter(&self, response: Response) -> (Response, HeldBytes) {
        let held = HeldBytes::default();
        let response = response.map_body(|body| {
            Body::new(Counted {
                body,
                held: held.clone(),
                permits: PollSemaphore::new(Arc::clone(&self.0)),
                permit: None,
            })
        });
        (response, held)
    }
}

impl HeldBytes {
    /// What was read has been passed on.
    pub(crate) fn release(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

struct Counted {
    body: Body,
    held: HeldBytes,
    permits: PollSemaphore,
    permit: Option<OwnedSemaphorePermit>,
}

impl Chunks for Counted {
    fn poll_chunk(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, HttpError>>> {
        let this = self.get_mut();
        if this.held.0.load(Ordering::Relaxed) <= MAX_SMALL_BODY {
            this.permit = None;
        } else if this.permit.is_none() {
            this.permit = ready!(this.permits.poll_acquire(context));
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
            Poll::Ready(Some(Ok(Bytes::from(vec![b'x'; MAX_SMALL_BODY]))))
        }
    }

    fn polls(body: &mut Counted) -> bool {
        let mut context = Context::from_waker(std::task::Waker::noop());
        Pin::new(body).poll_chunk(&mut context).is_ready()
    }

    #[test]
    fn only_four_answers_grow_large_at_once() {
        let large_bodies = LargeBodyLimit::new();
        let mut bodies: Vec<_> = (0..MAX_LARGE_BODIES + 2)
            .map(|_| Counted {
                body: Body::new(Endless),
                held: HeldBytes::default(),
                permits: PollSemaphore::new(Arc::clone(&large_bodies.0)),
                permit: None,
            })
            .collect();
        // Small ones all go on, and each grows beyond that.
        for _ in 0..2 {
            assert!(bodies.iter_mut().all(polls));
        }
        let went_on: Vec<_> = bodies.iter_mut().map(polls).collect();
        assert_eq!(went_on, [true, true, true, true, false, false]);
        // One is passed on, and another one gets its permit.
        bodies[1].held.release();
        assert!(polls(&mut bodies[1]));
        let went_on: Vec<_> = bodies.iter_mut().map(polls).collect();
        assert_eq!(went_on, [true, true, true, true, true, false]);
    }
}
