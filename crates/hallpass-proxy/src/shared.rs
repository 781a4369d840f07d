//! What the tasks of one proxy share.

use std::{
    collections::HashMap,
    convert::Infallible,
    fmt,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicBool},
    time::Duration,
};

use bytes::Bytes;
use hallpass_core::{BoxFuture, Clock, Diagnostic as _, Remedy};
use hallpass_mcp::{
    AttemptBudget, AuthorizedEndpoint, DEFAULT_MAX_MESSAGE_BYTES, Interactivity, InvalidMessage,
    Request, RequestError, Response,
    jsonrpc::{Id, Kind, Message},
};
use tokio::{
    sync::{oneshot, watch},
    task::AbortHandle,
};
use tokio_util::sync::CancellationToken;

use crate::{
    Server,
    answer_budget::{AnswerBudget, Permits},
    capability_cache::CapabilityCache,
    connection::{Connection, ConnectionState, Handshake},
    outbox::Outbox,
    placeholder::{self, INVALID_REQUEST},
    request_error::{HintText, ProxyRequestError},
    tool_headers::ToolHeaders,
};

pub(crate) struct Shared {
    configured: Arc<dyn Server>,
    /// What it said last.
    endpoint: Mutex<Option<AuthorizedEndpoint>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) cache: Arc<dyn CapabilityCache>,
    pub(crate) sign_in_hint: String,
    hint_text: Arc<HintText>,
    /// Whether a sign-in may be begun, which takes as long as the user does.
    pub(crate) is_interactive: bool,
    pub(crate) outbox: Outbox,
    pub(crate) tools: ToolHeaders,
    pub(crate) answers: AnswerBudget,
    pub(crate) state: watch::Sender<ConnectionState>,
    pub(crate) closing: CancellationToken,
    /// Whether the server has been spoken to by HTTP+SSE, which is tried first then.
    pub(crate) is_http_sse: AtomicBool,
    handshake: Mutex<Handshake>,
    pending: Mutex<HashMap<Id, Pending>>,
}

/// A request of the host's that has no answer yet.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// What sees to it, shared by the requests of a batch.
    pub(crate) task: Option<Arc<AbortHandle>>,
    /// Whether the server may have seen it.
    pub(crate) begun: bool,
    /// A `subscriptions/listen`, whose answer is its end.
    pub(crate) listens: bool,
    /// The connection whose server accepted it without an answer, and the response.
    pub(crate) accepted: Option<(u64, InvalidMessage)>,
    /// Is dropped with the request when that is answered.
    pub(crate) waiter: Option<oneshot::Sender<Infallible>>,
}

impl Shared {
    pub(crate) fn new(
        configured: Arc<dyn Server>,
        clock: Arc<dyn Clock>,
        cache: Arc<dyn CapabilityCache>,
        sign_in_hint: String,
        hint_text: Arc<HintText>,
        is_interactive: bool,
        outbox: Outbox,
    ) -> Self {
        Self {
            configured,
            endpoint: Mutex::default(),
            answers: AnswerBudget::new(Arc::clone(&clock)),
            clock,
            cache,
            sign_in_hint,
            hint_text,
            is_interactive,
            outbox,
            tools: ToolHeaders::default(),
            state: watch::Sender::new(ConnectionState::Unopened),
            closing: CancellationToken::new(),
            is_http_sse: AtomicBool::new(false),
            handshake: Mutex::default(),
            pending: Mutex::default(),
        }
    }

    /// The server's endpoint.
    pub(crate) async fn server(&self) -> Result<AuthorizedEndpoint, ProxyRequestError> {
        let handshake = self.endpoint().clone();
        match handshake {
            Some(endpoint) => Ok(endpoint),
            None => self.reload_server().await,
        }
    }

    /// The server's endpoint, as it is configured now.
    pub(crate) async fn reload_server(&self) -> Result<AuthorizedEndpoint, ProxyRequestError> {
        let endpoint = self.configured.endpoint().await?;
        *self.endpoint() = Some(endpoint.clone());
        Ok(endpoint)
    }

    fn endpoint(&self) -> MutexGuard<'_, Option<AuthorizedEndpoint>> {
        self.endpoint.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many bytes a message of the server may have.
    pub(crate) fn max_message_bytes(&self) -> usize {
        let endpoint = self.endpoint();
        let endpoint = endpoint.as_ref();
        endpoint.map_or(
            DEFAULT_MAX_MESSAGE_BYTES,
            AuthorizedEndpoint::max_message_bytes,
        )
    }

    /// Sends a request of the host's.
    pub(crate) async fn send(
        &self,
        request: &Request,
    ) -> Result<Result<Response, RequestError>, ProxyRequestError> {
        let sent = self
            .server()
            .await?
            .send(request, Interactivity::Interactive)
            .await;
        if sent
            .as_ref()
            .is_err_and(|error| error.remedy() == Remedy::SignIn)
        {
            // A sign-in by another process may change the settings as well.
            *self.endpoint() = None;
        }
        Ok(sent)
    }

    /// Sends a request that no user waits for: it leads to no sign-in.
    pub(crate) async fn send_in_background(
        &self,
        request: &Request,
    ) -> Result<Result<Response, RequestError>, ProxyRequestError> {
        self.send_for_stream(request, &mut AttemptBudget::default())
            .await
    }

    /// The same for an event stream, all of whose requests share their `budget`.
    pub(crate) async fn send_for_stream(
        &self,
        request: &Request,
        budget: &mut AttemptBudget,
    ) -> Result<Result<Response, RequestError>, ProxyRequestError> {
        let server = self.server().await?;
        Ok(server
            .send_within(request, Interactivity::Background, budget)
            .await)
    }

    pub(crate) fn handshake(&self) -> MutexGuard<'_, Handshake> {
        self.handshake
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn pending(&self) -> MutexGuard<'_, HashMap<Id, Pending>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether any of the requests in `message` still wants its answer.
    pub(crate) fn awaits(&self, message: &Message) -> bool {
        let pending = self.pending();
        message.requests().any(|id| pending.contains_key(id))
    }

    /// Whether the request `id` still wants its answer.
    pub(crate) fn awaits_id(&self, id: Option<&Id>) -> bool {
        id.is_some_and(|id| self.pending().contains_key(id))
    }

    /// The output of `future`, if it ends within `limit`.
    pub(crate) async fn within<F: Future>(&self, limit: Duration, future: F) -> Option<F::Output> {
        tokio::select! {
            biased;
            output = future => Some(output),
            () = self.clock.sleep(limit) => None,
        }
    }

    /// Runs `work` in a task that the end of the proxy ends.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let closing = self.closing.clone();
        // Boxed, all work is one type of task, which is compiled once.
        let work: BoxFuture<'static, ()> = Box::pin(work);
        tokio::spawn(async move {
            tokio::select! {
                () = closing.cancelled() => {}
                () = work => {}
            }
        });
    }

    /// Passes a message of the server's on, which takes `permits`. An answer to no request that still waits for one, because
    /// it came before on another stream or because the host has cancelled it, is left out. Says whether
    /// anything was passed on.
    pub(crate) async fn deliver(&self, message: &Message, permits: Permits) -> bool {
        self.deliver_if(message, permits, |_| true).await
    }

    /// As [`deliver`](Self::deliver), with those answers alone that `is_due` says.
    pub(crate) async fn deliver_if(
        &self,
        message: &Message,
        permits: Permits,
        is_due: impl Fn(&Id) -> bool + Send,
    ) -> bool {
        // Before anything is removed: a cancellation may end this task while it waits.
        let room = self.outbox.reserve(message.bytes.len(), permits).await;
        let news = {
            let mut pending = self.pending();
            message.retain(|part| match &part.kind {
                Kind::Response { id: Some(id), .. } => is_due(id) && pending.remove(id).is_some(),
                Kind::Response { id: None, .. } => false,
                Kind::Request { .. } | Kind::Notification { .. } => true,
            })
        };
        if let Some(news) = news {
            room.send(&news);
            true
        } else {
            tracing::debug!("an answer to no request that waits is not passed on");
            false
        }
    }

    /// Fails the requests in `message`.
    pub(crate) async fn fail(&self, message: &Message, error: &ProxyRequestError) {
        for id in message.requests() {
            self.fail_one(id, error).await;
        }
    }

    /// Fails the request `id`, unless it has been answered.
    pub(crate) async fn fail_one(&self, id: &Id, error: &ProxyRequestError) {
        let error = error.clone().with_hint_text(&*self.hint_text);
        self.answer(id, &error.to_error(id)).await;
    }

    /// Fails the requests that the server of this connection accepted, whose answers come no more.
    pub(crate) async fn fail_accepted(&self, connection: u64, reason: &'static str) {
        let accepted = |pending: &Pending| {
            let (number, response) = pending.accepted.as_ref()?;
            (*number == connection).then(|| response.clone())
        };
        loop {
            let next = {
                let pending = self.pending();
                let mut all = pending.iter();
                all.find_map(|(id, pending)| Some((id.clone(), accepted(pending)?)))
            };
            let Some((id, response)) = next else { return };
            let error = ProxyRequestError::from(response.with_reason(reason)).to_error(&id);
            let room = self.outbox.reserve(error.len(), Permits::default()).await;
            let mut pending = self.pending();
            // It may have been answered meanwhile, and its id used again.
            if pending.get(&id).and_then(accepted).is_some() {
                pending.remove(&id);
                room.send(&error);
            }
        }
    }

    /// Answers the request `id` with `message`, unless it has been answered.
    async fn answer(&self, id: &Id, message: &Bytes) {
        // Before the request is removed: a cancellation may end this task while it waits.
        let room = self.outbox.reserve(message.len(), Permits::default()).await;
        if self.pending().remove(id).is_some() {
            room.send(message);
        }
    }

    /// Refuses a batch where the protocol version has none. Says whether it did.
    pub(crate) async fn refuses_batch(&self, message: &Message, connection: &Connection) -> bool {
        if !message.is_batch || connection.has_batches() {
            return false;
        }
        let what = "the protocol version of this session has no batches";
        let ids: Vec<_> = message.requests().cloned().collect();
        if ids.is_empty() {
            let refusal = placeholder::invalid(None, INVALID_REQUEST, what);
            self.outbox.send(refusal).await;
        }
        for id in ids {
            let refusal = placeholder::invalid(Some(&id), INVALID_REQUEST, what);
            self.answer(&id, &refusal).await;
        }
        true
    }

    /// Answers the request `id` with `result`, unless it has been answered.
    pub(crate) async fn respond(&self, id: &Id, result: &[u8]) {
        self.answer(id, &placeholder::response(id, result)).await;
    }

    /// With the advice how to sign in, where that is what is missing.
    pub(crate) fn advised(&self, error: ProxyRequestError) -> ProxyRequestError {
        let error = error.with_hint_text(&*self.hint_text);
        if error.wants_sign_in() {
            error.with_hint(self.sign_in_hint.clone())
        } else {
            error
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("server", &self.configured)
            .finish_non_exhaustive()
    }
}
