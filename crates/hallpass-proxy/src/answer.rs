//! Answers that are read to their end before anything is done about them: refusals by status, and the
//! answer to an opening.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use hallpass_core::Remedy;
use hallpass_mcp::{
    Content, EventStream, InvalidMessage, Response, SseConnection, UnexpectedStatus,
    jsonrpc::{Kind, Message},
};

use crate::{
    answer_budget::{FREE_BYTES, Meter},
    request_error::ProxyRequestError,
    response_reader::DRAIN_TIMEOUT,
    shared::Shared,
};

/// How long a refusal is read, so that a server that never ends it does not keep its call.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(5);

/// How much of a body is read for the words in it, without a permit.
const MAX_ERROR_BODY: usize = FREE_BYTES;

impl Shared {
    /// The server's own JSON-RPC error in an answer whose status is one, else the status with what the
    /// server says beside it.
    pub(crate) async fn refusal(
        &self,
        response: Response,
        meter: &mut Meter,
    ) -> Result<Message, ProxyRequestError> {
        let secrets = response.request_secrets().cloned();
        let status = UnexpectedStatus::new(&response);
        let body = match response.content() {
            Content::Events => return Err(status.into()),
            Content::Json => {
                let max = self.max_message_bytes();
                let body = meter.read_within(REFUSAL_TIMEOUT, response, max).await;
                body.unwrap_or_default()
            }
            Content::Other | Content::Unstated => {
                return Err(status.with_body(&self.start_of(response).await).into());
            }
        };
        match Message::parse(body.clone()) {
            Ok(message) if message.is_error() => Ok(message.without_secrets(secrets.as_ref())),
            _ => Err(status.with_body(&body).into()),
        }
    }

    /// That the response is neither JSON nor an event stream, with what the server says.
    pub(crate) async fn other_media_type(&self, response: Response) -> ProxyRequestError {
        let invalid = InvalidMessage::new(&response);
        let body = self.start_of(response).await;
        invalid.with_body(&body).into()
    }

    async fn start_of(&self, response: Response) -> Bytes {
        let start = response.read_start(MAX_ERROR_BODY);
        self.within(REFUSAL_TIMEOUT, start)
            .await
            .unwrap_or_default()
    }

    /// The answer to `opening` in a response of either kind. An error is one, whatever its id. It is kept
    /// with the connection without a permit: there is one connection, and it is one message.
    pub(crate) async fn answer_to(
        &self,
        opening: &Message,
        response: Response,
    ) -> Result<Message, ProxyRequestError> {
        let source = InvalidMessage::new(&response);
        let mut meter = self.answers.meter();
        let mut events = match response.content() {
            Content::Events => response.events(self.max_message_bytes()),
            Content::Json => {
                let body = meter.read(response, self.max_message_bytes()).await?;
                return match opening_answer(opening, body, &source)? {
                    OpeningAnswer::Complete(message) => Ok(message),
                    OpeningAnswer::Other(_, error) => Err(error),
                };
            }
            Content::Other | Content::Unstated => {
                return Err(self.other_media_type(response).await);
            }
        };
        let mut complaint = None;
        while let Some(event) = meter.next_event(&mut events).await {
            let data = event?.data.unwrap_or_default();
            if data.is_empty() {
                continue;
            }
            let data = data.into();
            let answer = self.opening_answer_in(opening, data, &source, &mut meter, &mut complaint);
            if let Some(answer) = answer.await? {
                self.drain(events);
                return Ok(answer);
            }
        }
        Err(complaint.unwrap_or_else(incomplete))
    }

    /// Reads what comes after the answer of an opening, so that its connection can be used again. A stream
    /// that does not end soon, or has a large event, is closed.
    fn drain(&self, mut events: EventStream) {
        let clock = Arc::clone(&self.clock);
        self.spawn(async move {
            let is_small = |_: &mut Context<'_>, held| match held {
                0..=MAX_ERROR_BODY => Poll::Ready(()),
                _ => Poll::Pending,
            };
            let rest = async {
                while let Some(Ok(_)) = poll_fn(|it| events.poll_next_when(it, is_small)).await {}
            };
            tokio::select! {
                () = rest => {}
                () = clock.sleep(DRAIN_TIMEOUT) => {}
            }
        });
    }

    /// The same on the event stream of HTTP+SSE, which goes on after it.
    pub(crate) async fn answer_on(
        &self,
        opening: &Message,
        stream: &mut SseConnection,
    ) -> Result<Message, ProxyRequestError> {
        let source = stream.source().clone();
        let mut meter = self.answers.meter();
        let mut complaint = None;
        while let Some(data) = meter.next_message(stream).await {
            let data = data?.into();
            let answer = self.opening_answer_in(opening, data, &source, &mut meter, &mut complaint);
            match answer.await? {
                Some(answer) if answer.is_error() => {
                    return Err(ProxyRequestError::answer(about(answer, opening)));
                }
                Some(answer) => return Ok(answer),
                None => {}
            }
        }
        Err(complaint.unwrap_or_else(incomplete))
    }

    /// The answer to `opening`, if `data` is it. Another message is passed on, and `complaint` keeps what
    /// to say if nothing more comes.
    async fn opening_answer_in(
        &self,
        opening: &Message,
        data: Bytes,
        source: &InvalidMessage,
        meter: &mut Meter,
        complaint: &mut Option<ProxyRequestError>,
    ) -> Result<Option<Message>, ProxyRequestError> {
        let permits = meter.take();
        let (message, error) = match opening_answer(opening, data, source)? {
            OpeningAnswer::Complete(answer) => return Ok(Some(answer)),
            OpeningAnswer::Other(message, error) => (message, error),
        };
        complaint.get_or_insert(error);
        if let Some(message) = message {
            self.deliver(&message, permits).await;
        }
        Ok(None)
    }
}

fn incomplete() -> ProxyRequestError {
    let what = "the server ended its answer to the opening before it was complete";
    ProxyRequestError::new(Remedy::Retry, what)
}

/// What a message means to an opening.
enum OpeningAnswer {
    Complete(Message),
    /// Something else, if it is a message at all, and what to say if nothing more comes.
    Other(Option<Message>, ProxyRequestError),
}

/// What is in `bytes`; an error when that was meant for the answer and is none.
fn opening_answer(
    opening: &Message,
    bytes: Bytes,
    source: &InvalidMessage,
) -> Result<OpeningAnswer, ProxyRequestError> {
    let message = match Message::parse(bytes) {
        Ok(message) => message.without_secrets(source.request_secrets()),
        Err(invalid) => {
            let why = source
                .clone()
                .with_reason(invalid.reason)
                .with_body(&invalid.bytes);
            let is_its_id = |id| opening.requests().any(|asked| asked == id);
            let is_meant = invalid.is_json && invalid.is_answer;
            if is_meant && invalid.id.as_ref().is_none_or(is_its_id) {
                return Err(why.into());
            }
            return Ok(OpeningAnswer::Other(None, why.into()));
        }
    };
    let Some(part) = message.single() else {
        let reason = "it is a batch, which no opening is answered with";
        return Err(source.clone().with_reason(reason).into());
    };
    match &part.kind {
        Kind::Response { is_error, .. } if *is_error || message.answers(opening) => {
            Ok(OpeningAnswer::Complete(message))
        }
        Kind::Response { .. } => {
            let why = source.clone().with_reason("it answers another request");
            Ok(OpeningAnswer::Other(Some(message), why.into()))
        }
        Kind::Request { .. } | Kind::Notification { .. } => {
            let why = source.clone().with_reason("it is no answer to the request");
            Ok(OpeningAnswer::Other(Some(message), why.into()))
        }
    }
}

/// A refusal is about the request, whatever id the server wrote.
pub(crate) fn about(answer: Message, opening: &Message) -> Message {
    match opening.requests().next() {
        Some(id) if !answer.answers(opening) => {
            let error = ProxyRequestError::answer(answer.clone()).to_error(id);
            Message::parse(error).unwrap_or(answer)
        }
        _ => answer,
    }
}
