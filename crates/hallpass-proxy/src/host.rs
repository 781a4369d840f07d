//! The host: its messages come in their order, and each that wants an answer has a task.

use std::{collections::HashSet, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use hallpass_core::Remedy;
use hallpass_mcp::jsonrpc::{Id, Kind, Malformed, Message, Part};
use tokio::{
    io::AsyncRead,
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
};

use crate::{
    MAX_MESSAGE_BYTES, ProxyError,
    connection::ConnectionState,
    exchange::{self, exchange},
    line_reader::{Line, LineReader},
    placeholder::{INVALID_REQUEST, PARSE_ERROR, invalid},
    request_error::ProxyRequestError,
    shared::{Pending, Shared},
};

/// How many requests of the host's are under way at a time.
const MAX_CONCURRENT_REQUESTS: usize = 256;

/// How many bytes of them.
const MAX_PENDING_BYTES: usize = 2 * MAX_MESSAGE_BYTES;

/// How many of its other messages. They have room of their own, since a request may wait for one.
const MAX_CONCURRENT_NOTIFICATIONS: usize = 64;

/// How many messages more wait for others to end. What comes then is refused at once, so that all that the
/// host says is read: cancellations, and its end.
const MAX_WAITING: usize = 1024;

/// How long such a message waits, before it is refused.
const PERMIT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the end waits for answers.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the server may take to hear that the host is ready, before more is sent to it.
const INITIALIZED_TIMEOUT: Duration = Duration::from_secs(10);

/// The host's side.
pub(crate) struct Host {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
    requests: Limit,
    others: Limit,
}

/// How much is under way.
struct Limit {
    count: Arc<Semaphore>,
    /// For those that are under way, and those that wait for them.
    waiting: Arc<Semaphore>,
    room: Arc<Semaphore>,
}

/// The place of a message among those that are under way or wait for them.
struct Place {
    count: Arc<Semaphore>,
    waiting: OwnedSemaphorePermit,
    room: OwnedSemaphorePermit,
}

impl Limit {
    fn new(count: usize) -> Self {
        Self {
            count: Arc::new(Semaphore::new(count)),
            waiting: Arc::new(Semaphore::new(count + MAX_WAITING)),
            room: Arc::new(Semaphore::new(MAX_PENDING_BYTES)),
        }
    }

    /// A place for a message; `None` when none is free.
    fn place(&self, message: &Message) -> Option<Place> {
        let size = u32::try_from(message.bytes.len().min(MAX_PENDING_BYTES)).ok()?;
        Some(Place {
            count: Arc::clone(&self.count),
            waiting: self.waiting.clone().try_acquire_owned().ok()?,
            room: self.room.clone().try_acquire_many_owned(size).ok()?,
        })
    }
}

impl Place {
    /// Waits until the message may be under way. Then it takes of the host's messages what is returned: the
    /// count until its end, and the room. `None` when it is not for too long.
    async fn turn(
        self,
        shared: &Shared,
    ) -> Option<([OwnedSemaphorePermit; 2], OwnedSemaphorePermit)> {
        let count = shared.within(PERMIT_TIMEOUT, self.count.acquire_owned());
        let count = count.await?.ok()?;
        Some(([count, self.waiting], self.room))
    }
}

impl Host {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            tasks: JoinSet::new(),
            requests: Limit::new(MAX_CONCURRENT_REQUESTS),
            others: Limit::new(MAX_CONCURRENT_NOTIFICATIONS),
        }
    }

    /// Takes what the host says until it ends its side.
    pub(crate) async fn serve<R: AsyncRead + Unpin>(
        &mut self,
        mut lines: LineReader<R>,
    ) -> Result<(), ProxyError> {
        while let Some(line) = lines.next().await.map_err(ProxyError::Read)? {
            while self.tasks.try_join_next().is_some() {}
            match line {
                Line::Whole(line) => self.take(line).await,
                Line::TooLong(id) => {
                    let what = format!("a message may have {MAX_MESSAGE_BYTES} bytes at most");
                    self.refuse(id.as_ref(), INVALID_REQUEST, &what).await;
                }
            }
        }
        Ok(())
    }

    async fn refuse(&self, id: Option<&Id>, code: i32, what: &str) {
        // Under the id of another request it would be taken for the answer to that.
        let id = id.filter(|id| !self.shared.pending().contains_key(*id));
        self.shared.outbox.send(invalid(id, code, what)).await;
    }

    async fn refuse_invalid(&self, invalid: &Malformed) {
        if !invalid.is_json {
            return self.refuse(None, PARSE_ERROR, "this is no JSON").await;
        }
        let what = format!("this is no JSON-RPC message: {}", invalid.reason);
        let id = invalid.id.as_ref().filter(|_| !invalid.is_answer);
        self.refuse(id, INVALID_REQUEST, &what).await;
    }

    /// Refuses a message as a whole: each request of it, and what in a batch is none.
    async fn refuse_all(&self, message: &Message, what: &str) {
        let mut refused = HashSet::new();
        for id in message.requests() {
            // One id has one answer.
            let id = refused.insert(id).then_some(id);
            self.refuse(id, INVALID_REQUEST, what).await;
        }
        for invalid in &message.malformed {
            self.refuse_invalid(invalid).await;
        }
    }

    async fn take(&mut self, line: Bytes) {
        let message = match Message::parse(line) {
            Ok(message) => message,
            Err(invalid) => return self.refuse_invalid(&invalid).await,
        };
        if !message.malformed.is_empty() {
            let what = "another message of this batch is no JSON-RPC message";
            return self.refuse_all(&message, what).await;
        }
        let opens = |part: &Part| part.method() == Some("initialize");
        if message.is_batch && message.parts.iter().any(opens) {
            let what = "`initialize` must not be part of a batch";
            return self.refuse_all(&message, what).await;
        }
        if message.requests().next().is_some() {
            return self.request(message).await;
        }
        match message.method() {
            Some("notifications/initialized") => {
                let shared = Arc::clone(&self.shared);
                let told = tokio::spawn(async move { shared.initialized(message).await });
                // What comes next may depend on it.
                let _ = self.shared.within(INITIALIZED_TIMEOUT, told).await;
            }
            Some("notifications/cancelled") => self.cancel(message),
            _ => self.other(message),
        }
    }

    async fn request(&mut self, message: Message) {
        let ids: Vec<Id> = message.requests().cloned().collect();
        let listens = message.method() == Some(exchange::LISTEN);
        let repeated = {
            let mut pending = self.shared.pending();
            let mut seen = HashSet::new();
            let repeated = ids
                .iter()
                .find(|id| pending.contains_key(id) || !seen.insert(*id));
            if repeated.is_none() {
                for id in &ids {
                    let new = Pending {
                        listens,
                        ..Pending::default()
                    };
                    pending.insert(id.clone(), new);
                }
            }
            repeated
        };
        if let Some(id) = repeated {
            let what =
                format!("the request {id} has no answer yet: an id serves for one at a time");
            return self.refuse_all(&message, &what).await;
        }
        let Some(place) = self.requests.place(&message) else {
            return self.shared.fail(&message, &too_many()).await;
        };
        let shared = Arc::clone(&self.shared);
        let opens = matches!(message.method(), Some("initialize" | "server/discover"));
        let opening = opens.then(|| self.shared.begin_opening(&message));
        let task = self.tasks.spawn(async move {
            if let Some(generation) = opening {
                // All others wait for it.
                let _place = place;
                return shared.open(message, generation).await;
            }
            match place.turn(&shared).await {
                Some((_count, room)) => exchange(&shared, message, room).await,
                None => shared.fail(&message, &too_many()).await,
            }
        });
        let task = Arc::new(task);
        let mut pending = self.shared.pending();
        for id in &ids {
            if let Some(pending) = pending.get_mut(id) {
                pending.task = Some(Arc::clone(&task));
            }
        }
    }

    /// A notification, or an answer to the server.
    fn other(&mut self, message: Message) {
        let Some(place) = self.others.place(&message) else {
            return dropped(&message);
        };
        let shared = Arc::clone(&self.shared);
        self.tasks.spawn(async move {
            match place.turn(&shared).await {
                Some((_count, room)) => shared.pass_on(message, room).await,
                None => dropped(&message),
            }
        });
    }

    /// The host wants no answer any more, and gets none. A request that has not been sent is not; where
    /// each request stands for itself the end of its connection says so (MCP 2026-07-28).
    fn cancel(&mut self, message: Message) {
        let stateless = match &*self.shared.state.borrow() {
            ConnectionState::Up(connection) => {
                connection.session.is_none() && connection.is_stateless()
            }
            ConnectionState::Unopened => true,
            ConnectionState::Opening | ConnectionState::Down(_) => false,
        };
        let id = message.single().and_then(cancelled_id);
        // One that is not there has been answered.
        let cancelled = id.and_then(|id| self.shared.pending().remove(&id));
        let Some(cancelled) = cancelled else { return };
        // The task goes on for the others of a batch.
        let task = cancelled.task.and_then(Arc::into_inner);
        let is_told = task.is_none() || cancelled.begun && !stateless;
        if let Some(task) = task {
            task.abort();
        }
        if is_told {
            self.other(message);
        }
    }

    /// Waits a little for answers.
    pub(crate) async fn answered(&mut self) {
        let shared = Arc::clone(&self.shared);
        let answered = async {
            loop {
                // A subscription has no other end than this one.
                let without_end = {
                    let pending = shared.pending();
                    pending.values().filter(|request| request.listens).count()
                };
                if self.tasks.len() <= without_end || self.tasks.join_next().await.is_none() {
                    break;
                }
            }
        };
        let _ = shared.within(SHUTDOWN_TIMEOUT, answered).await;
    }

    /// Ends what is under way, and the session.
    pub(crate) async fn close(&mut self) {
        let shared = Arc::clone(&self.shared);
        self.tasks.shutdown().await;
        let state = shared.state.borrow().clone();
        if let ConnectionState::Up(connection) = state {
            shared.end_session(&connection).await;
        }
    }
}

/// Why a request is refused while others have no answer.
fn too_many() -> ProxyRequestError {
    let what = "too many requests have no answer yet; this one was not sent";
    ProxyRequestError::new(Remedy::Retry, what)
}

fn dropped(message: &Message) {
    tracing::warn!("the server takes nothing: {message:?} is dropped");
}

/// Which request a cancellation is for.
fn cancelled_id(part: &Part) -> Option<Id> {
    debug_assert!(matches!(part.kind, Kind::Notification { .. }));
    part.id_at(&["requestId"])
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").finish_non_exhaustive()
    }
}
