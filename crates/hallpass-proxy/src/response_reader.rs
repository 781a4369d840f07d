//! From the server's answers to messages.

use std::time::Duration;

use bytes::Bytes;
use hallpass_mcp::{
    InvalidMessage, Reconnection, RequestRefusal, Response,
    jsonrpc::{Id, Kind, Malformed, Message},
};

use crate::{
    answer_budget::{Meter, ReadError},
    connection::Connection,
    placeholder::ListKind,
    request_error::ProxyRequestError,
    shared::Shared,
};

/// How long a stream that has nothing more to say may take to end, so that its connection can be
/// used again.
pub(crate) const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// How a stream ended.
#[derive(Debug)]
pub(crate) enum StreamEnd {
    /// All that was waited for has come.
    Answered,
    /// The server has ended it.
    Closed,
    /// It broke off, or was not read to its end.
    Failed(ReadError),
}

/// Passes the server's messages on as they come.
pub(crate) struct ResponseReader<'a> {
    shared: &'a Shared,
    /// Whether the protocol version has batches.
    batches: bool,
    /// The request that they answer; none on the server's own stream.
    request: Option<&'a Message>,
    /// Whether all that comes is the answer to that. On a stream that of another request may come too.
    is_whole: bool,
    /// Lists that the host has to ask for again, once its subscription stands.
    owed: Vec<ListKind>,
    /// Why something that came is no answer: told if none comes.
    complaint: Option<ProxyRequestError>,
    /// Whether an error that may be for the session is kept and not passed on.
    keeps_refusal: bool,
    refused: Option<(RequestRefusal, Message)>,
    /// How much came that is no message.
    invalid: u64,
    /// What the message that is read takes of the budget.
    pub(crate) meter: Meter,
}

impl Drop for ResponseReader<'_> {
    /// Says how much of the stream was no message; the first of it has been told.
    fn drop(&mut self) {
        if self.invalid > 1 {
            let invalid = self.invalid;
            tracing::debug!("the server sent {invalid} events that are no JSON-RPC message");
        }
    }
}

impl<'a> ResponseReader<'a> {
    pub(crate) fn new(
        shared: &'a Shared,
        connection: &Connection,
        request: Option<&'a Message>,
    ) -> Self {
        Self {
            shared,
            batches: connection.has_batches(),
            request,
            is_whole: false,
            owed: Vec::new(),
            complaint: None,
            keeps_refusal: false,
            refused: None,
            invalid: 0,
            meter: shared.answers.meter(),
        }
    }

    /// Keeps an error that may be for the session, and passes nothing on after it.
    pub(crate) fn keeping_refusal(mut self, keeps: bool) -> Self {
        self.keeps_refusal = keeps;
        self
    }

    /// The error that was kept.
    pub(crate) fn refused(&mut self) -> Option<(RequestRefusal, Message)> {
        self.keeps_refusal = false;
        self.refused.take()
    }

    /// With these lists to be asked for again.
    pub(crate) fn owing(mut self, owed: Vec<ListKind>) -> Self {
        self.owed = owed;
        self
    }

    /// Whether all that was waited for has come.
    pub(crate) fn is_done(&self) -> bool {
        self.request
            .is_some_and(|request| !self.shared.awaits(request))
    }

    /// Why something that came is no answer.
    pub(crate) fn complaint(&mut self) -> Option<ProxyRequestError> {
        self.complaint.take()
    }

    /// Passes on the message in `bytes`. What is none ends the call that it may be meant to answer, and
    /// no other. `source` says where it comes from.
    pub(crate) async fn take(&mut self, bytes: Bytes, source: &InvalidMessage) {
        match Message::parse(bytes) {
            Ok(message) if message.is_batch && !self.batches => {
                let reason = "it is a batch, which the protocol version of this session has not";
                let batch = Malformed::new(reason, message.bytes);
                self.reject(&batch, source).await;
            }
            Ok(message) => {
                for invalid in &message.malformed {
                    self.reject(invalid, source).await;
                }
                self.pass(message, source).await;
            }
            Err(invalid) => self.reject(&invalid, source).await,
        }
        if self.refused.is_none() {
            // What was passed on has taken its permits along.
            drop(self.meter.take());
        }
    }

    /// The same of a body that is nothing else.
    pub(crate) async fn take_whole(&mut self, bytes: Bytes, source: &InvalidMessage) {
        self.is_whole = true;
        self.take(bytes, source).await;
    }

    /// Whether an answer with this id is one here.
    fn awaits(&self, id: Option<&Id>) -> bool {
        let asked = self.request.filter(|_| self.is_whole);
        is_due(asked, id) && self.shared.awaits_id(id)
    }

    pub(crate) async fn pass(&mut self, message: Message, source: &InvalidMessage) {
        let message = message.without_secrets(source.request_secrets());
        let response = message.single().and_then(|part| match &part.kind {
            Kind::Response { id, is_error } => Some((part, id, *is_error)),
            Kind::Request { .. } | Kind::Notification { .. } => None,
        });
        let asked = self.request.and_then(Message::method);
        if self.keeps_refusal && response.is_some_and(|(_, _, is_error)| is_error) {
            let refusal = RequestRefusal::from_message(source.status(), &message);
            if refusal.may_be_for_session() {
                self.refused = Some((refusal, message));
                return;
            }
        }
        match response {
            // It is about the request, whatever id the server wrote.
            Some((_, id, true)) if self.request.is_some() && !self.awaits(id.as_ref()) => {
                let id = id.clone();
                return self
                    .complain(id.as_ref(), ProxyRequestError::answer(message))
                    .await;
            }
            Some((part, _, false)) if asked == Some("tools/list") => {
                self.shared.tools.learn(&part.body);
            }
            _ => {}
        }
        let is_response = response.is_some();
        let asked = self.request.filter(|_| self.is_whole);
        let is_due = |id: &Id| is_due(asked, Some(id));
        let permits = self.meter.take();
        let passed = self.shared.deliver_if(&message, permits, is_due).await;
        if !passed && is_response {
            let stranger = source.clone().with_reason("it answers another request");
            self.complaint.get_or_insert(stranger.into());
        }
        let subscription = self.request.and_then(|request| request.requests().next());
        for kind in std::mem::take(&mut self.owed) {
            self.shared
                .outbox
                .send(kind.list_changed(subscription))
                .await;
        }
    }

    async fn reject(&mut self, invalid: &Malformed, source: &InvalidMessage) {
        if self.invalid == 0 {
            tracing::warn!("the server sent no JSON-RPC message: {}", invalid.reason);
        }
        self.invalid += 1;
        let error = source
            .clone()
            .with_reason(invalid.reason)
            .with_body(&invalid.bytes);
        if invalid.is_answer && invalid.is_json {
            self.complain(invalid.id.as_ref(), error.into()).await;
        } else {
            self.complaint.get_or_insert(error.into());
        }
    }

    /// Something was meant for an answer, under `id` or to the only request there is, and is none.
    async fn complain(&mut self, id: Option<&Id>, error: ProxyRequestError) {
        let mut asked = self.request.iter().flat_map(|request| request.requests());
        let only = asked.next().filter(|_| asked.next().is_none());
        match id.or(only).filter(|id| self.awaits(Some(*id))) {
            Some(id) => self.shared.fail_one(id, &error).await,
            None => {
                self.complaint.get_or_insert(error);
            }
        }
    }

    /// Passes on what a stream says until it ends. Once all has come it may end soon, and is left
    /// otherwise.
    pub(crate) async fn follow(
        &mut self,
        response: Response,
        stream: &mut Reconnection,
    ) -> StreamEnd {
        let end = self.read_events(response, stream).await;
        if self.refused.is_none() {
            // Of an event that broke off.
            drop(self.meter.take());
        }
        end
    }

    async fn read_events(&mut self, response: Response, stream: &mut Reconnection) -> StreamEnd {
        let source = InvalidMessage::new(&response);
        let mut events = response.events(self.shared.max_message_bytes());
        loop {
            let is_done = self.is_done();
            let next = self.meter.next_event(&mut events);
            let next = if is_done {
                match self.shared.within(DRAIN_TIMEOUT, next).await {
                    Some(Some(Ok(event))) => Some(Ok(event)),
                    _ => return StreamEnd::Answered,
                }
            } else {
                next.await
            };
            let event = match next {
                None => return StreamEnd::Closed,
                Some(Err(error)) => return StreamEnd::Failed(error),
                Some(Ok(event)) => event,
            };
            if stream.received(&event) {
                let data = event.data.unwrap_or_default();
                self.take(data.into(), &source).await;
            }
            if self.refused.is_some() {
                return StreamEnd::Answered;
            }
        }
    }
}

/// Whether an answer with this id is one to `asked`, which is the only request if there is one.
fn is_due(asked: Option<&Message>, id: Option<&Id>) -> bool {
    asked.is_none_or(|asked| asked.requests().any(|asked| Some(asked) == id))
}
