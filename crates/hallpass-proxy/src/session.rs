//! Sessions: whether the server still knows one, another one where it does not, and the end of one.
//!
//! A 404 to the GET of a session says one of two things: that the session is lost (MCP, streamable HTTP,
//! session management), or, of many servers, that there is no such route. A `ping` in the session tells
//! them apart.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::StatusCode;

use crate::{connection::Connection, routing, shared::Shared};
use hallpass_mcp::jsonrpc::Message;

const PING: &[u8] = br#"{"jsonrpc":"2.0","id":"hallpass-ping","method":"ping"}"#;

/// The time between two sessions that no request of the host's asked for.
const MIN_SESSION_INTERVAL: Duration = Duration::from_secs(60);

/// How long the server may take to answer a DELETE.
const DELETE_TIMEOUT: Duration = Duration::from_secs(2);

impl Shared {
    /// Whether the server knows the session of `connection`; `None` when it does not say.
    pub(crate) async fn knows_session(&self, connection: &Connection) -> Option<bool> {
        let ping = Message::parse(Bytes::from_static(PING)).ok()?;
        let request = routing::post(&ping, connection, &self.tools).ok()?;
        // What the answer says makes no difference: there is one.
        match self.send_in_background(&request).await.ok()?.ok()?.status() {
            StatusCode::NOT_FOUND => Some(false),
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => None,
            status => (!status.is_server_error()).then_some(true),
        }
    }

    /// Opens another session than that of `connection`, which the server knows no more. No request of
    /// the host's asks for it, so this waits until the last such session is a minute ago; a request that
    /// comes meanwhile opens one at once.
    pub(crate) async fn renew_session(self: &Arc<Self>, connection: &Connection) {
        let last = self.handshake().last_renewal;
        if let Some(last) = last {
            let since = self.clock.monotonic().saturating_sub(last);
            let pause = MIN_SESSION_INTERVAL.saturating_sub(since);
            self.clock.sleep(pause).await;
        }
        if self.is_current(connection) {
            self.handshake().last_renewal = Some(self.clock.monotonic());
            // The next call sees the outcome.
            let _ = self.reopen(connection.number).await;
        }
    }

    /// Ends the session of `connection`, if it has one (MCP, streamable HTTP, session management). A
    /// server that does not answer ends it by itself.
    pub(crate) async fn end_session(&self, connection: &Connection) {
        let Some(delete) = routing::delete(connection) else {
            return;
        };
        let deleted = self.send_in_background(&delete);
        let _ = self.within(DELETE_TIMEOUT, deleted).await;
    }
}
