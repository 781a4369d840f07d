//! A response's body within its limits.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_core::Stream;
use hallpass_core::{
    HttpError,
    http::{Chunks, HttpErrorKind, RequestOptions},
};
use tokio::time::{Instant, Sleep, sleep_until};
use url::Url;

use crate::failure;

type Incoming = Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>;

/// Counts what arrives after decompression and watches the clock.
///
/// After an error nothing more is read, and the connection goes with the body.
pub(crate) struct LimitedBody {
    incoming: Option<Incoming>,
    policy: RequestOptions,
    url: Url,
    /// What the head announced, where it did.
    announced: Option<u64>,
    received: u64,
    total: Option<Pin<Box<Sleep>>>,
    idle: Option<Pin<Box<Sleep>>>,
}

impl LimitedBody {
    pub(crate) fn new(
        response: reqwest::Response,
        policy: RequestOptions,
        total: Option<Instant>,
        url: Url,
    ) -> Self {
        let idle = policy
            .idle_timeout
            .and_then(|limit| Instant::now().checked_add(limit));
        Self {
            announced: response.content_length(),
            incoming: Some(Box::pin(response.bytes_stream())),
            policy,
            url,
            received: 0,
            total: total.map(|deadline| Box::pin(sleep_until(deadline))),
            idle: idle.map(|deadline| Box::pin(sleep_until(deadline))),
        }
    }

    fn fail(&mut self, kind: HttpErrorKind) -> Poll<Option<Result<Bytes, HttpError>>> {
        self.incoming = None;
        let error = HttpError::new(kind, self.policy.target, &self.url);
        Poll::Ready(Some(Err(error)))
    }
}

impl Chunks for LimitedBody {
    fn poll_chunk(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, HttpError>>> {
        let this = &mut *self;
        let Some(incoming) = &mut this.incoming else {
            return Poll::Ready(None);
        };
        // Looked at before the body, or one that never pauses would never be out of time.
        if let Some(total) = &mut this.total
            && total.as_mut().poll(context).is_ready()
        {
            return this.fail(HttpErrorKind::Timeout);
        }
        let next = loop {
            match incoming.as_mut().poll_next(context) {
                // An empty chunk would look like an end to a careless reader.
                Poll::Ready(Some(Ok(chunk))) if chunk.is_empty() => {}
                other => break other,
            }
        };
        match next {
            Poll::Ready(Some(Ok(chunk))) => {
                this.received = this.received.saturating_add(chunk.len() as u64);
                // What was announced beyond the cap is not waited for.
                let size = this.announced.unwrap_or(0).max(this.received);
                if size > this.policy.body_cap {
                    return this.fail(HttpErrorKind::BodyTooLarge);
                }
                if let (Some(idle), Some(limit)) = (&mut this.idle, this.policy.idle_timeout)
                    && let Some(deadline) = Instant::now().checked_add(limit)
                {
                    idle.as_mut().reset(deadline);
                }
                Poll::Ready(Some(Ok(chunk)))
            }
            Poll::Ready(Some(Err(error))) => {
                this.incoming = None;
                let error = failure::from_body(error, this.policy.target, &this.url);
                Poll::Ready(Some(Err(error)))
            }
            Poll::Ready(None) => {
                this.incoming = None;
                Poll::Ready(None)
            }
            Poll::Pending => {
                if let Some(idle) = &mut this.idle
                    && idle.as_mut().poll(context).is_ready()
                {
                    return this.fail(HttpErrorKind::Timeout);
                }
                Poll::Pending
            }
        }
    }
}
