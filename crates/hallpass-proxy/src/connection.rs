//! Where the proxy stands with the server.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hallpass_mcp::{
    ServerStream, SessionRenewals,
    jsonrpc::Message,
    protocol_version::{STATELESS, WITH_BATCHES},
};

use crate::{placeholder::ListKind, request_error::ProxyRequestError, sse_session::SseSession};

/// What the server agreed to when it was opened. One without a number is for requests that say for
/// themselves what they are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Connection {
    /// Counts from 1.
    pub(crate) number: u64,
    pub(crate) version: Option<String>,
    pub(crate) session: Option<String>,
    /// The lists that the server has; none where it said nothing about itself.
    pub(crate) offered: Option<Vec<ListKind>>,
    /// The server's own stream.
    pub(crate) server_stream: ServerStream,
    /// Whether the proxy listens to it.
    pub(crate) listens: Arc<AtomicBool>,
    /// The event stream of a server of HTTP+SSE.
    pub(crate) http_sse: Option<Arc<SseSession>>,
}

impl Connection {
    /// Whether its requests stand for themselves.
    pub(crate) fn is_stateless(&self) -> bool {
        self.version
            .as_deref()
            .is_some_and(|version| version >= STATELESS)
    }

    /// Whether several messages may come as one.
    pub(crate) fn has_batches(&self) -> bool {
        self.version.as_deref() == Some(WITH_BATCHES)
    }

    /// Takes over what the answer to the opening says.
    pub(crate) fn learn(&mut self, answer: &Message) {
        let Some(part) = answer.single() else { return };
        let version = part.text_at(&["protocolVersion"]);
        self.version = version.or(self.version.take());
        self.offered = Some(ListKind::offered_in(&part.body));
    }

    /// Notes that the server's own stream is looked after from now on, or no more.
    pub(crate) fn listening(&self, listens: bool) {
        self.listens.store(listens, Ordering::Relaxed);
    }

    /// Whether an answer may come on the server's own stream.
    pub(crate) fn listens(&self) -> bool {
        self.listens.load(Ordering::Relaxed)
    }

    /// Whether the server knows it by a session.
    pub(crate) fn has_session(&self) -> bool {
        self.session.is_some() || self.http_sse.is_some()
    }

    /// Lets calls wait for the server's own stream, if it may have one.
    pub(crate) fn expect_stream(&self) -> bool {
        if self.is_stateless() || self.http_sse.is_some() {
            return false;
        }
        self.server_stream.due();
        true
    }

    /// Whether the server has this list. One that said nothing about itself may have any.
    pub(crate) fn offers(&self, kind: ListKind) -> bool {
        self.offered
            .as_ref()
            .is_none_or(|offered| offered.contains(&kind))
    }
}

/// The state of the connection to the server.
#[derive(Debug, Clone)]
pub(crate) enum ConnectionState {
    /// The host has sent no opening.
    Unopened,
    /// The server is being asked.
    Opening,
    /// It has answered.
    Up(Arc<Connection>),
    /// It could not be asked, or did not answer as it should.
    Down(ProxyRequestError),
}

/// The handshake with the server. The state of the connection changes only while this is locked.
#[derive(Debug, Default)]
pub(crate) struct Handshake {
    /// `initialize` or `server/discover`, as the host sent it.
    pub(crate) opening: Option<Message>,
    /// Whether the host waits for the answer to that.
    pub(crate) wants_answer: bool,
    /// The server's answer to it, until the host has it.
    pub(crate) answer: Option<Message>,
    /// The host's `notifications/initialized`.
    pub(crate) initialized: Option<Message>,
    /// The last connection whose server knows of it.
    pub(crate) initialized_on: u64,
    /// Grows with each opening that the host sends, and when one is forgotten.
    pub(crate) generation: u64,
    /// How many connections there have been.
    pub(crate) connections: u64,
    /// The lists that the host was promised in the server's place.
    pub(crate) promised: Vec<ListKind>,
    /// Whether the host has to be told when those lists are there.
    pub(crate) list_changed_due: bool,
    /// When the last attempt ended, by the monotonic clock.
    pub(crate) last_attempt: Duration,
    /// How many attempts in a row failed.
    pub(crate) failures: u32,
    /// Whether a task tries to recover a connection that is down.
    pub(crate) recovering: bool,
    /// The sessions that were opened in the place of others without a 404 to a request.
    pub(crate) renewals: SessionRenewals,
}

impl Handshake {
    /// Counts a connection that this opening led to: its number, and the `notifications/initialized`
    /// that its server does not know yet. `None` when the host has replaced the opening.
    pub(crate) fn begin_connection(&mut self, generation: u64) -> Option<(u64, Option<Message>)> {
        if self.generation != generation {
            return None;
        }
        self.connections += 1;
        self.failures = 0;
        if self.initialized.is_some() {
            self.initialized_on = self.connections;
        }
        Some((self.connections, self.initialized.clone()))
    }

    /// The server's answer to the opening, which the host gets now.
    pub(crate) fn take_answer(&mut self) -> Option<Message> {
        self.wants_answer = false;
        self.answer.take()
    }

    /// The host was given `result` in the server's place.
    pub(crate) fn promise(&mut self, result: &[u8]) {
        self.wants_answer = false;
        self.promised = ListKind::offered_in(result);
        self.list_changed_due = true;
    }
}
