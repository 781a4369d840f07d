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
use tokio::time::{Instant, Sleep, sleep, sleep_until};
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
    /// While the reader waits for a chunk. A reader that asks for none keeps no server from its time.
    idle: Option<Pin<Box<Sleep>>>,
}

impl LimitedBody {
    pub(crate) fn new(
        response: reqwest::Response,
        policy: RequestOptions,
        total: Option<Instant>,
        url: Url,
    ) -> Self {
        Self {
            announced: response.content_length(),
            incoming: Some(Box::pin(response.bytes_stream())),
            policy,
            url,
            received: 0,
            total: total.map(|deadline| Box::pin(sleep_until(deadline))),
            idle: None,
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
                this.idle = None;
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
                if let Some(limit) = this.policy.idle_timeout {
                    let idle = this.idle.get_or_insert_with(|| Box::pin(sleep(limit)));
                    if idle.as_mut().poll(context).is_ready() {
                        return this.fail(HttpErrorKind::Timeout);
                    }
                }
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, time::Duration};

    use hallpass_core::{ServerUrl, http::Body};
    use tokio::sync::mpsc;

    use super::*;

    /// What a test sends.
    struct Pieces(mpsc::Receiver<&'static str>);

    impl Stream for Pieces {
        type Item = Result<&'static str, Infallible>;

        fn poll_next(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Self::Item>> {
            self.0.poll_recv(context).map(|piece| piece.map(Ok))
        }
    }

    #[tokio::test]
    async fn time_in_which_the_reader_pauses_is_not_idle() {
        let idle = Duration::from_millis(100);
        let (server, pieces) = mpsc::channel(1);
        let response = http::Response::new(reqwest::Body::wrap_stream(Pieces(pieces)));
        let mcp = ServerUrl::parse("https://mcp.test").unwrap();
        let options = RequestOptions {
            idle_timeout: Some(idle),
            ..RequestOptions::mcp(&mcp)
        };
        let body = LimitedBody::new(response.into(), options, None, mcp.url().clone());
        let mut body = Body::new(body);
        server.send("one").await.unwrap();
        assert_eq!(body.chunk().await.unwrap().unwrap(), "one");
        tokio::time::sleep(2 * idle).await;
        // The reader asks before the server says more.
        let (chunk, sent) = tokio::join!(body.chunk(), server.send("two"));
        sent.unwrap();
        assert_eq!(chunk.unwrap().unwrap(), "two");
        let error = body.chunk().await.unwrap().unwrap_err();
        assert_eq!(error.kind(), HttpErrorKind::Timeout);
    }
}
