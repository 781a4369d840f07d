//! rmcp opens the server's own stream beside the first calls; here it comes before them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use hallpass_core::Clock;
use hallpass_mcp::ServerStream;
use rmcp::model::{ClientJsonRpcMessage, ClientNotification};

/// The streams that rmcp is about to open, by session.
#[derive(Debug, Clone, Default)]
pub(crate) struct ServerStreams {
    due: Arc<Mutex<HashMap<Arc<str>, ServerStream>>>,
    /// The session whose stream the server refused last.
    refused: Arc<Mutex<Option<Arc<str>>>>,
}

impl ServerStreams {
    /// The server has taken `message`. After `notifications/initialized` rmcp sends the GET.
    pub(crate) fn after(&self, message: &ClientJsonRpcMessage, session: &Arc<str>) {
        if let ClientJsonRpcMessage::Notification(notification) = message
            && let ClientNotification::InitializedNotification(_) = notification.notification
        {
            self.expect(session);
        }
    }

    /// The GET is the next thing that rmcp sends.
    pub(crate) fn expect(&self, session: &Arc<str>) {
        let stream = ServerStream::new();
        stream.due();
        self.due().insert(session.clone(), stream);
    }

    /// The GET is sent: calls wait no longer than this lives.
    pub(crate) fn asked<'a>(&'a self, session: &'a str) -> PendingGet<'a> {
        PendingGet {
            streams: self,
            session,
        }
    }

    /// Ends when `message` may be sent.
    pub(crate) async fn before(
        &self,
        message: &ClientJsonRpcMessage,
        session: &str,
        clock: &dyn Clock,
    ) {
        let ClientJsonRpcMessage::Request(request) = message else {
            return;
        };
        let stream = self.due().get(session).cloned();
        if let Some(stream) = stream {
            stream.before(request.request.method(), clock).await;
        }
    }

    /// The server has no stream of its own in this session.
    pub(crate) fn refused(&self, session: &Arc<str>) {
        *self.last_refused() = Some(session.clone());
    }

    /// Whether the answer to a request that was accepted without one may come on the server's own
    /// stream, which there is in a session alone.
    pub(crate) async fn may_answer(&self, session: Option<&Arc<str>>, clock: &dyn Clock) -> bool {
        let Some(session) = session else { return false };
        let stream = self.due().get(session).cloned();
        if let Some(stream) = stream {
            // As before a call: the server's answer to the GET decides.
            stream.before("tools/call", clock).await;
        }
        self.last_refused().as_ref() != Some(session)
    }

    fn last_refused(&self) -> MutexGuard<'_, Option<Arc<str>>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn due(&self) -> MutexGuard<'_, HashMap<Arc<str>, ServerStream>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A GET under way. Dropping this ends the wait of calls, also where rmcp gives the GET up.
#[must_use]
pub(crate) struct PendingGet<'a> {
    streams: &'a ServerStreams,
    session: &'a str,
}

impl Drop for PendingGet<'_> {
    fn drop(&mut self) {
        if let Some(stream) = self.streams.due().remove(self.session) {
            stream.settled();
        }
    }
}
