//! The session of a server of HTTP+SSE.

use std::sync::{Mutex, PoisonError};

use hallpass_mcp::{SseConnection, Unanswered};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::request_error::ProxyRequestError;

/// One event stream, which is a session.
#[derive(Debug)]
pub(crate) struct SseSession {
    /// Where messages are posted to.
    pub(crate) endpoint: Url,
    /// The stream, until a task reads it.
    stream: Mutex<Option<SseConnection>>,
    /// Ends when the stream does, or when it is not wanted any more.
    pub(crate) ended: CancellationToken,
    /// Why it can't go on, where that is worth telling.
    failure: Mutex<Option<ProxyRequestError>>,
}

impl SseSession {
    pub(crate) fn new(endpoint: Url) -> Self {
        Self {
            endpoint,
            stream: Mutex::default(),
            ended: CancellationToken::new(),
            failure: Mutex::default(),
        }
    }

    /// Leaves the stream for the task that reads it.
    pub(crate) fn put(&self, stream: SseConnection) {
        *self.stream.lock().unwrap_or_else(PoisonError::into_inner) = Some(stream);
    }

    /// The stream, if no task reads it yet.
    pub(crate) fn take(&self) -> Option<SseConnection> {
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        stream.take()
    }

    /// Says why the stream can't go on.
    pub(crate) fn fail(&self, failure: ProxyRequestError) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
    }

    /// Why a request with this method is not answered any more.
    pub(crate) fn unanswered(&self, method: &str) -> ProxyRequestError {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        let failure = failure.clone();
        failure.unwrap_or_else(|| Unanswered::stream_ended(method).into())
    }
}
