//! Whether the server still knows a session, and another session where it does not.
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
const BETWEEN_SESSIONS: Duration = Duration::from_secs(60);

impl Shared {
    /// Whether the server knows the session of `connection`; `None` when it does not say.
    pub(crate) async fn knows_session(&self, connection: &Connection) -> Option<bool> {
        let ping = Message::parse(Bytes::from_static(PING)).ok()?;
        let request = routing::post(&ping, connection, &self.tools).ok()?;
        // What the answer says makes no difference: there is one.
        match self.send_aside(&request).await.ok()?.ok()?.status() {
            StatusCode::NOT_FOUND => Some(false),
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => None,
            status => (!status.is_server_error()).then_some(true),
        }
    }

    /// Opens another session than that of `connection`, which the server knows no more. No request of
    /// the host's asks for it, so this waits until the last such session is a minute ago; a request that
    /// comes meanwhile opens one at once.
    pub(crate) async fn renew_session(self: &Arc<Self>, connection: &Connection) {
        let last = self.known().last_renewal;
        if let Some(last) = last {
            let since = self.clock.monotonic().saturating_sub(last);
            let pause = BETWEEN_SESSIONS.saturating_sub(since);
            self.clock.sleep(pause).await;
        }
        if self.is_current(connection) {
            self.known().last_renewal = Some(self.clock.monotonic());
            // What comes of it is for the next call to see.
            let _ = self.another(connection.number).await;
        }
    }
}
