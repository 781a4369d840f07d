//! One message of the host, and its answer.
//!
//! A request is sent again only if the server can't have seen it, if its method only reads, or if the
//! server has ended the session. Any other break of the connection is an error for the host: nothing
//! is done twice.

use std::{sync::Arc, time::Duration};

use hallpass_core::{Diagnostic as _, Remedy};
use hallpass_mcp::{
    Content, Error, InvalidMessage, Reconnection, RequestError, RequestRefusal, Response,
    SessionLost, StreamResponse, Unanswered, UnexpectedStatus, jsonrpc::Message, only_reads,
};
use http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::{
    answer_budget::{ReadError, STALLED},
    connection::{Connection, ConnectionState},
    listening::NO_STREAM,
    placeholder::{self, ListKind},
    request_error::ProxyRequestError,
    response_reader::{ResponseReader, StreamEnd},
    routing,
    shared::Shared,
    sse_session::SseSession,
};

/// How often a request is sent that the server can't have seen, or that may be repeated.
const MAX_ATTEMPTS: u32 = 4;

/// The first pause before something is tried again.
const RETRY_DELAY: Duration = Duration::from_millis(250);

/// How long a call waits for a server that is being opened, and how long a list.
const CALL_TIMEOUT: Duration = Duration::from_secs(45);
const LIST_TIMEOUT: Duration = Duration::from_secs(3);

/// Sends the request (or batch) and passes on its answer. `room` is released once the message need
/// not be kept.
pub(crate) async fn exchange(shared: &Arc<Shared>, message: Message, room: OwnedSemaphorePermit) {
    let method = message.method().unwrap_or_default().to_owned();
    let list = ListKind::for_method(&method);
    let timeout = if list.is_some() {
        LIST_TIMEOUT
    } else {
        CALL_TIMEOUT
    };
    let listens = method == LISTEN;
    // What a subscription came too late for.
    let mut owed = Vec::new();
    let mut ready = shared.within(timeout, shared.connection()).await;
    if listens && !matches!(ready, Some(Ok(_))) {
        // It is for what comes later, and waits for that.
        ready = Some(Ok(shared.opened().await));
        owed.clone_from(&shared.handshake().promised);
    }
    let ready = ready.unwrap_or_else(|| {
        let text = "the server has not answered yet";
        Err(ProxyRequestError::new(Remedy::Retry, text))
    });
    let connection = match ready {
        Ok(connection) => connection,
        Err(error) => return answer_in_place(shared, &message, &method, error).await,
    };
    if shared.refuses_batch(&message, &connection).await {
        return;
    }
    if let (Some((kind, _)), [id]) = (list, &message.requests().collect::<Vec<_>>()[..]) {
        let promised = shared.handshake().promised.contains(&kind);
        if promised
            && !connection.offers(kind)
            && let Some(result) = empty(&message, &method)
        {
            return shared.respond(id, &result).await;
        }
    }
    let mut attempt = Exchange {
        shared,
        message: &message,
        connection,
        room: Some(room),
        owed,
    };
    if let Err(error) = attempt.run().await {
        shared.fail(&message, &shared.advised(error)).await;
    }
}

pub(crate) const LISTEN: &str = "subscriptions/listen";

fn empty(message: &Message, method: &str) -> Option<bytes::Bytes> {
    placeholder::empty_list(method, routing::own_version(message).is_some())
}

/// Answers in the server's place: a list is empty, a ping is answered, and a call fails.
async fn answer_in_place(
    shared: &Arc<Shared>,
    message: &Message,
    method: &str,
    error: ProxyRequestError,
) {
    let result = match method {
        "ping" => Some(bytes::Bytes::from_static(b"{}")),
        _ if shared.handshake().promised.is_empty() => None,
        _ => empty(message, method),
    };
    match (message.requests().next(), result) {
        (Some(id), Some(result)) => shared.respond(id, &result).await,
        _ => shared.fail(message, &shared.advised(error)).await,
    }
}

struct Exchange<'a> {
    shared: &'a Arc<Shared>,
    message: &'a Message,
    connection: Arc<Connection>,
    room: Option<OwnedSemaphorePermit>,
    /// Lists that a subscription to their changes came too late for.
    owed: Vec<ListKind>,
}

impl Exchange<'_> {
    async fn run(&mut self) -> Result<(), ProxyRequestError> {
        let method = self.message.method().unwrap_or_default();
        let mut sent = 0;
        let mut reopened = false;
        loop {
            if !reopened
                && let Some(session) = &self.connection.http_sse
                && session.ended.is_cancelled()
            {
                reopened = true;
                self.connection = self.shared.reopen(self.connection.number).await?;
            }
            let request = routing::post(self.message, &self.connection, &self.shared.tools)?;
            let (stream, clock) = (&self.connection.server_stream, self.shared.clock.as_ref());
            stream.before(method, clock).await;
            for id in self.message.requests() {
                if let Some(pending) = self.shared.pending().get_mut(id) {
                    pending.begun = true;
                }
            }
            sent += 1;
            let stream = Reconnection::for_request(self.shared.clock.monotonic());
            let failed = match self.shared.send(&request).await? {
                Ok(response)
                    if response.status() == StatusCode::NOT_FOUND
                        && self.connection.has_session()
                        && !reopened =>
                {
                    reopened = true;
                    self.connection = self.shared.reopen(self.connection.number).await?;
                    continue;
                }
                Ok(response) => {
                    let may_reopen = !reopened && !self.message.is_batch;
                    drop(request);
                    match self.read(response, stream, may_reopen).await? {
                        Outcome::Answered => return Ok(()),
                        Outcome::SessionLost => {
                            reopened = true;
                            self.connection = self.shared.reopen(self.connection.number).await?;
                            continue;
                        }
                        Outcome::Failed(failed) => failed,
                    }
                }
                Err(error) => FailedAttempt::from_send(&error)?,
            };
            let again = failed.not_sent || only_reads(method) && !failed.would_repeat;
            if !again || sent == MAX_ATTEMPTS {
                return Err(failed.into_error(method));
            }
            tracing::debug!("a request is sent again: {}", failed.text);
            self.shared.clock.sleep(RETRY_DELAY * (1 << sent)).await;
        }
    }

    /// Reads the answer, or returns how this attempt failed. `may_reopen`: a refusal may lead to another
    /// session.
    async fn read(
        &mut self,
        response: Response,
        mut stream: Reconnection,
        may_reopen: bool,
    ) -> Result<Outcome, ProxyRequestError> {
        let may_reopen = may_reopen && self.connection.has_session();
        let source = InvalidMessage::new(&response);
        if let Some(session) = self.connection.http_sse.clone()
            && response.status().is_success()
            && response.content() != Content::Json
        {
            drop(response);
            return self.answer_on_stream(&session, may_reopen).await;
        }
        match response.status() {
            StatusCode::ACCEPTED | StatusCode::NO_CONTENT => {
                self.room = None;
                return self.accepted(source).await.map(|()| Outcome::Answered);
            }
            status if status.is_success() => {}
            _ => return self.refused(response, may_reopen).await,
        }
        self.room = self.room.take().filter(|_| may_reopen);
        let owed = std::mem::take(&mut self.owed);
        let mut reader = ResponseReader::new(self.shared, &self.connection, Some(self.message))
            .owing(owed)
            .keeping_refusal(may_reopen);
        match response.content() {
            Content::Events => {
                let end = reader.follow(response, &mut stream).await;
                let failed = self.resume(end, stream, &mut reader).await?;
                if self.kept_refusal(&mut reader, &source, may_reopen).await? {
                    return Ok(Outcome::SessionLost);
                }
                match (reader.complaint(), failed) {
                    (_, None) => Ok(Outcome::Answered),
                    (Some(error), Some(_)) => Err(error),
                    (None, Some(failed)) => Ok(Outcome::Failed(failed)),
                }
            }
            Content::Json => {
                let max = self.shared.max_message_bytes();
                let body = match reader.meter.read(response, max).await {
                    Ok(body) => body,
                    Err(error) => return FailedAttempt::from_read(error).map(Outcome::Failed),
                };
                reader.take_whole(body, &source).await;
                if self.kept_refusal(&mut reader, &source, may_reopen).await? {
                    return Ok(Outcome::SessionLost);
                }
                if reader.is_done() {
                    return Ok(Outcome::Answered);
                }
                let none = || source.with_reason("it is no answer to the request").into();
                Err(reader.complaint().unwrap_or_else(none))
            }
            Content::Other | Content::Unstated => Err(self.shared.other_media_type(response).await),
        }
    }

    /// Whether the error that the reader kept was for the session. One that was not is passed on.
    async fn kept_refusal(
        &self,
        reader: &mut ResponseReader<'_>,
        source: &InvalidMessage,
        may_reopen: bool,
    ) -> Result<bool, ProxyRequestError> {
        let Some((refusal, message)) = reader.refused() else {
            return Ok(false);
        };
        let is_lost = self.has_lost_session(refusal, may_reopen).await?;
        if !is_lost {
            reader.pass(message, source).await;
        }
        Ok(is_lost)
    }

    /// Whether the server refused the message for its session. A call is not sent again then: that is an
    /// error, and the next request has another session.
    async fn has_lost_session(
        &self,
        refusal: RequestRefusal,
        may_reopen: bool,
    ) -> Result<bool, ProxyRequestError> {
        let is_lost = may_reopen
            && refusal.may_be_for_session()
            && self
                .shared
                .has_lost_session(&self.connection, refusal)
                .await;
        if is_lost && self.message.method() == Some("tools/call") {
            let (shared, number) = (Arc::clone(self.shared), self.connection.number);
            self.shared.spawn(async move {
                // The next request sees the outcome.
                let _ = shared.reopen(number).await;
            });
            return Err(SessionLost::new(refusal).into());
        }
        Ok(is_lost)
    }

    /// The answer comes on the event stream of HTTP+SSE. When that ends before, a request that is no call
    /// is sent again in another session.
    async fn answer_on_stream(
        &mut self,
        session: &SseSession,
        may_reopen: bool,
    ) -> Result<Outcome, ProxyRequestError> {
        let Some(id) = self.message.requests().next() else {
            return Ok(Outcome::Answered);
        };
        let (waiter, answered) = oneshot::channel();
        match self.shared.pending().get_mut(id) {
            Some(pending) => pending.waiter = Some(waiter),
            None => return Ok(Outcome::Answered),
        }
        let method = self.message.method().unwrap_or_default();
        let may_repeat = may_reopen && method != "tools/call";
        if !may_repeat {
            self.room = None;
        }
        tokio::select! {
            biased;
            // The request has been answered, or cancelled.
            _ = answered => Ok(Outcome::Answered),
            () = session.ended.cancelled() => {
                if may_repeat {
                    Ok(Outcome::SessionLost)
                } else {
                    Err(session.unanswered(method))
                }
            }
        }
    }

    /// The answer comes on the server's own stream, if it has one. Once that is not listened to any
    /// more, the request fails.
    async fn accepted(&self, invalid: InvalidMessage) -> Result<(), ProxyRequestError> {
        let connection = &self.connection;
        // Before `listens` is read: the task that listens fails what was accepted when it ends.
        for id in self.message.requests() {
            if let Some(pending) = self.shared.pending().get_mut(id) {
                pending.accepted = Some((connection.number, invalid.clone()));
            }
        }
        connection
            .server_stream
            .before("", &*self.shared.clock)
            .await;
        if connection.listens() {
            return Ok(());
        }
        Err(invalid.with_reason(NO_STREAM).into())
    }

    /// Goes on after an answer that broke off, where the server can.
    async fn resume(
        &self,
        mut end: StreamEnd,
        mut stream: Reconnection,
        reader: &mut ResponseReader<'_>,
    ) -> Result<Option<FailedAttempt>, ProxyRequestError> {
        let clock = &self.shared.clock;
        loop {
            let broken = match end {
                StreamEnd::Answered => return Ok(None),
                StreamEnd::Failed(ReadError::Failed(error @ Error::EventTooLarge(_))) => {
                    return Err(error.into());
                }
                StreamEnd::Failed(ReadError::Failed(error)) => Some(error),
                StreamEnd::Failed(ReadError::Stalled) => return Ok(Some(FailedAttempt::stalled())),
                StreamEnd::Closed => None,
            };
            stream.ended(clock.monotonic());
            let after = stream.last_event_id().map(str::to_owned);
            let (Some(after), Some(pause)) = (after, stream.delay(clock.monotonic())) else {
                return match broken {
                    _ if stream.had_no_message() => Ok(Some(FailedAttempt::no_message())),
                    Some(error) => FailedAttempt::from_error(error).map(Some),
                    None => Ok(Some(FailedAttempt::stream_ended())),
                };
            };
            clock.sleep(pause).await;
            stream.opened(clock.monotonic());
            let request = routing::stream(&self.connection, Some(&after))?;
            let again = self
                .shared
                .send_for_stream(&request, stream.budget())
                .await?;
            end = match again {
                Ok(response) => match StreamResponse::new(&response) {
                    StreamResponse::Open => reader.follow(response, &mut stream).await,
                    StreamResponse::Retry => StreamEnd::Closed,
                    StreamResponse::NotFound | StreamResponse::Unavailable => {
                        return Ok(Some(FailedAttempt::stream_ended()));
                    }
                },
                Err(error) => match error.into_error() {
                    error @ (Error::Session(_) | Error::TooManyChallenges(_)) => {
                        return Err(error.into());
                    }
                    error => StreamEnd::Failed(ReadError::Failed(error)),
                },
            };
        }
    }

    /// The server does not do it: in words of its own, if it has some.
    async fn refused(
        &self,
        response: Response,
        may_reopen: bool,
    ) -> Result<Outcome, ProxyRequestError> {
        let status = response.status();
        let mut meter = self.shared.answers.meter();
        let answer = self.shared.refusal(response, &mut meter).await;
        let refusal = match &answer {
            Ok(answer) => RequestRefusal::from_message(status, answer),
            Err(_) => RequestRefusal::new(status, None),
        };
        if self.has_lost_session(refusal, may_reopen).await? {
            return Ok(Outcome::SessionLost);
        }
        let answer = answer?;
        if !answer.answers(self.message) {
            return Err(ProxyRequestError::answer(answer));
        }
        self.shared.deliver(&answer, meter.take()).await;
        Ok(Outcome::Answered)
    }
}

/// What one attempt came to.
enum Outcome {
    Answered,
    /// The server knows the session no more, and the message may be sent in another one.
    SessionLost,
    Failed(FailedAttempt),
}

impl Shared {
    /// Sends a message that has no answer, once.
    pub(crate) async fn post_once(
        &self,
        message: &Message,
        connection: &Connection,
    ) -> Result<(), ProxyRequestError> {
        let request = routing::post(message, connection, &self.tools)?;
        // It is the host's, but no caller waits for it.
        let sent = self.send_in_background(&request).await?;
        let response = sent.map_err(|error| ProxyRequestError::from_error(&error))?;
        if response.status().is_success() {
            return Ok(());
        }
        Err(UnexpectedStatus::new(&response).into())
    }

    /// Passes on a notification, or an answer to the server.
    pub(crate) async fn pass_on(self: &Arc<Self>, message: Message, _room: OwnedSemaphorePermit) {
        let state = self.state.borrow().clone();
        let connection = match state {
            ConnectionState::Up(connection) => connection,
            ConnectionState::Unopened => Arc::default(),
            ConnectionState::Opening | ConnectionState::Down(_) => {
                tracing::debug!("no connection for {message:?}");
                return;
            }
        };
        if self.refuses_batch(&message, &connection).await {
            return;
        }
        if let Err(error) = self.post_once(&message, &connection).await {
            tracing::warn!("{message:?} was not passed on: {}", error.describe());
        }
    }
}

/// An answer that did not come.
struct FailedAttempt {
    text: String,
    /// Whether the server can't have seen the request.
    not_sent: bool,
    /// Whether sending it again would lead to the same.
    would_repeat: bool,
}

impl FailedAttempt {
    fn from_send(error: &RequestError) -> Result<Self, ProxyRequestError> {
        match error.error() {
            Error::Http(error) if error.remedy() == Remedy::Retry => Ok(Self {
                text: ProxyRequestError::from_error(error).describe(),
                not_sent: !error.may_have_been_sent(),
                would_repeat: false,
            }),
            _ => Err(ProxyRequestError::from_error(error)),
        }
    }

    fn from_read(error: ReadError) -> Result<Self, ProxyRequestError> {
        match error {
            ReadError::Failed(error) => Self::from_error(error),
            ReadError::Stalled => Ok(Self::stalled()),
        }
    }

    fn from_error(error: Error) -> Result<Self, ProxyRequestError> {
        if error.remedy() != Remedy::Retry {
            return Err(error.into());
        }
        Ok(Self {
            text: ProxyRequestError::from(error).describe(),
            not_sent: false,
            would_repeat: false,
        })
    }

    fn stalled() -> Self {
        Self {
            text: STALLED.to_owned(),
            not_sent: false,
            would_repeat: true,
        }
    }

    fn stream_ended() -> Self {
        Self {
            text: Unanswered::stream_ended("").to_string(),
            not_sent: false,
            would_repeat: false,
        }
    }

    fn no_message() -> Self {
        Self {
            text: Unanswered::no_message("").to_string(),
            not_sent: false,
            would_repeat: true,
        }
    }

    fn into_error(self, method: &str) -> ProxyRequestError {
        if self.not_sent {
            return ProxyRequestError::new(Remedy::Retry, self.text);
        }
        Unanswered::new(self.text, method).into()
    }
}
