//! Sessions: whether the server still knows one, another one where it does not, and the end of one.
//!
//! A 404 to the GET of a session says one of two things: that the session is lost (MCP, streamable HTTP,
//! session management), or, of many servers, that there is no such route. A `ping` in the session tells
//! them apart. So it does with the other words that servers have for a lost session.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use hallpass_mcp::{Request, RequestRefusal, jsonrpc::Message, probe};
use http::StatusCode;

use crate::{connection::Connection, routing, shared::Shared};

/// How long the server may take to answer a DELETE.
const DELETE_TIMEOUT: Duration = Duration::from_secs(2);

impl Shared {
    /// A `ping` in the session of `connection`.
    fn ping(&self, connection: &Connection) -> Option<Request> {
        let ping = Message::parse(Bytes::from_static(probe::PING.as_bytes())).ok()?;
        routing::post(&ping, connection, &self.tools).ok()
    }

    /// Whether `refusal`, of a request in the session of `connection`, was for that session. Another one
    /// may be opened then.
    pub(crate) async fn has_lost_session(
        &self,
        connection: &Connection,
        refusal: RequestRefusal,
    ) -> bool {
        if !self.is_current(connection) {
            return true;
        }
        let now = || self.clock.monotonic();
        if !self.handshake().renewals.delay(now()).is_zero() {
            return false;
        }
        let (Some(ping), Ok(server)) = (self.ping(connection), self.server().await) else {
            return false;
        };
        let is_lost = server.refuses_ping(&ping, refusal).await;
        if is_lost {
            self.handshake().renewals.begin(now());
        }
        is_lost
    }

    /// Whether the server knows the session of `connection`; `None` when it does not say.
    pub(crate) async fn knows_session(&self, connection: &Connection) -> Option<bool> {
        let request = self.ping(connection)?;
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
        let pause = self.handshake().renewals.delay(self.clock.monotonic());
        if !pause.is_zero() {
            self.clock.sleep(pause).await;
        }
        if self.is_current(connection) {
            self.handshake().renewals.begin(self.clock.monotonic());
            // The next call sees the outcome.
            let _ = self.reopen(connection.number).await;
        }
    }

    /// Ends the session of `connection`, if it has one (MCP, streamable HTTP, session management). A
    /// server that does not answer ends it by itself.
    pub(crate) async fn end_session(&self, connection: &Connection) {
        if let Some(session) = &connection.http_sse {
            return session.ended.cancel();
        }
        let Some(delete) = routing::delete(connection) else {
            return;
        };
        let deleted = self.send_in_background(&delete);
        let _ = self.within(DELETE_TIMEOUT, deleted).await;
    }
}
