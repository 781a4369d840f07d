//! One message of the host's on its way, and the answer on its way back.
//!
//! A request is sent again only if the server can't have seen it, if it does nothing but read, or if
//! the server said that it knows the session no more. Otherwise a connection that breaks off is told
//! to the host: nothing is done twice.

use std::{sync::Arc, time::Duration};

use hallpass_core::Remedy;
use hallpass_mcp::{
    Content, Error, InvalidMessage, Reconnection, RequestError, Response, StreamResponse,
    UnexpectedStatus, jsonrpc::Message,
};
use http::StatusCode;
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    MAX_MESSAGE_BYTES,
    connection::{Connection, ConnectionState},
    listening::NO_STREAM,
    placeholder::{self, Listed},
    request_error::ProxyRequestError,
    response_reader::{End, ResponseReader},
    routing,
    shared::Shared,
};

/// How often a request is sent that the server can't have seen, or that may be repeated.
const MAX_SENT: u32 = 4;

/// The first pause before something is tried again.
const PAUSE: Duration = Duration::from_millis(250);

/// How long a call waits for a server that is being opened, and how long a list.
const CALL: Duration = Duration::from_secs(45);
const LIST: Duration = Duration::from_secs(3);

/// Sends the request (or batch) and sees to its answer. `room` is given back once the message need
/// not be kept any more.
pub(crate) async fn exchange(shared: &Arc<Shared>, message: Message, room: OwnedSemaphorePermit) {
    let method = message.method().unwrap_or_default().to_owned();
    let list = Listed::by(&method);
    let patience = if list.is_some() { LIST } else { CALL };
    let listens = method == LISTEN;
    let mut owed = Vec::new();
    let connection = loop {
        let ready = shared.within(patience, shared.connection()).await;
        match ready {
            Some(Ok(connection)) => break connection,
            // It is for what comes later, and waits for that.
            _ if listens => {
                owed.clone_from(&shared.known().promised);
                shared.clock.sleep(PAUSE * 4).await;
            }
            Some(Err(trouble)) => return stand_in(shared, &message, &method, trouble).await,
            None => {
                let trouble =
                    ProxyRequestError::new(Remedy::Retry, "the server has not answered yet");
                return stand_in(shared, &message, &method, trouble).await;
            }
        }
    };
    if shared.refuses_batch(&message, &connection).await {
        return;
    }
    if let (Some((listed, _)), [id]) = (list, &message.requests().collect::<Vec<_>>()[..]) {
        let promised = shared.known().promised.contains(&listed);
        if promised
            && !connection.offers(listed)
            && let Some(result) = empty(&message, &method)
        {
            return shared.respond(id, &result).await;
        }
    }
    let mut sending = Sending {
        shared,
        message: &message,
        connection,
        room: Some(room),
        owed,
    };
    if let Err(trouble) = sending.run().await {
        shared.fail(&message, &shared.advised(trouble)).await;
    }
}

pub(crate) const LISTEN: &str = "subscriptions/listen";

fn empty(message: &Message, method: &str) -> Option<bytes::Bytes> {
    placeholder::empty_list(method, routing::own_version(message).is_some())
}

/// Answers in the server's place: a list is empty, a ping is answered, and a call fails.
async fn stand_in(
    shared: &Arc<Shared>,
    message: &Message,
    method: &str,
    trouble: ProxyRequestError,
) {
    let result = match method {
        "ping" => Some(bytes::Bytes::from_static(b"{}")),
        _ if shared.known().promised.is_empty() => None,
        _ => empty(message, method),
    };
    match (message.requests().next(), result) {
        (Some(id), Some(result)) => shared.respond(id, &result).await,
        _ => shared.fail(message, &shared.advised(trouble)).await,
    }
}

struct Sending<'a> {
    shared: &'a Arc<Shared>,
    message: &'a Message,
    connection: Arc<Connection>,
    room: Option<OwnedSemaphorePermit>,
    /// Lists that a subscription to their changes came too late for.
    owed: Vec<Listed>,
}

impl Sending<'_> {
    async fn run(&mut self) -> Result<(), ProxyRequestError> {
        let mut sent = 0;
        let mut reopened = false;
        loop {
            let request = routing::post(self.message, &self.connection, &self.shared.tools)?;
            let (stream, clock) = (&self.connection.own_stream, self.shared.clock.as_ref());
            let method = self.message.method().unwrap_or_default();
            stream.before(method, clock).await;
            for id in self.message.requests() {
                if let Some(pending) = self.shared.pending().get_mut(id) {
                    pending.begun = true;
                }
            }
            sent += 1;
            let stream = Reconnection::of_request(self.shared.clock.monotonic());
            let lost = match self.shared.send(&request).await? {
                Ok(response)
                    if response.status() == StatusCode::NOT_FOUND
                        && self.connection.session.is_some()
                        && !reopened =>
                {
                    reopened = true;
                    self.connection = self.shared.another(self.connection.number).await?;
                    continue;
                }
                Ok(response) => {
                    drop(request);
                    self.room = None;
                    match self.read(response, stream).await? {
                        None => return Ok(()),
                        Some(lost) => lost,
                    }
                }
                Err(stop) => LostAnswer::sending(&stop)?,
            };
            let again = lost.unseen || only_reads(self.message) && !lost.would_repeat;
            if !again || sent == MAX_SENT {
                return Err(lost.trouble(only_reads(self.message)));
            }
            tracing::debug!("a request is sent again: {}", lost.text);
            self.shared.clock.sleep(PAUSE * (1 << sent)).await;
        }
    }

    /// Reads the answer; what is given back was lost on the way.
    async fn read(
        &mut self,
        response: Response,
        mut stream: Reconnection,
    ) -> Result<Option<LostAnswer>, ProxyRequestError> {
        match response.status() {
            StatusCode::ACCEPTED | StatusCode::NO_CONTENT => {
                let invalid = InvalidMessage::new(&response);
                return self.accepted(invalid).await.map(|()| None);
            }
            status if status.is_success() => {}
            _ => return self.refused(response).await.map(|()| None),
        }
        let owed = std::mem::take(&mut self.owed);
        let mut reading =
            ResponseReader::new(self.shared, &self.connection, Some(self.message)).owing(owed);
        match response.content() {
            Content::Events => {
                let end = reading.follow(response, &mut stream).await;
                let lost = self.resume(end, stream, &mut reading).await?;
                match reading.complaint() {
                    Some(trouble) if lost.is_some() => Err(trouble),
                    _ => Ok(lost),
                }
            }
            Content::Json => {
                let source = InvalidMessage::new(&response);
                let (response, _) = self.shared.lane.meter(response);
                let body = response.read(MAX_MESSAGE_BYTES).await;
                let body = match body {
                    Ok(body) => body,
                    Err(error) => return LostAnswer::reading(error).map(Some),
                };
                reading.take_whole(body, &source).await;
                if reading.is_done() {
                    return Ok(None);
                }
                let none = || source.because("it is no answer to the request").into();
                Err(reading.complaint().unwrap_or_else(none))
            }
            Content::Other | Content::Unstated => Err(self.shared.other_media_type(response).await),
        }
    }

    /// The answer comes on the server's own stream, if it has one. Once that is not listened to any
    /// more, the request fails.
    async fn accepted(&self, invalid: InvalidMessage) -> Result<(), ProxyRequestError> {
        let connection = &self.connection;
        // Before it is known whether the proxy listens: whoever ends that looks for what was accepted.
        for id in self.message.requests() {
            if let Some(pending) = self.shared.pending().get_mut(id) {
                pending.accepted = Some((connection.number, invalid.clone()));
            }
        }
        connection.own_stream.before("", &*self.shared.clock).await;
        if connection.listens() {
            return Ok(());
        }
        Err(invalid.because(NO_STREAM).into())
    }

    /// Goes on after an answer that broke off, where the server can.
    async fn resume(
        &self,
        mut end: End,
        mut stream: Reconnection,
        reading: &mut ResponseReader<'_>,
    ) -> Result<Option<LostAnswer>, ProxyRequestError> {
        let clock = &self.shared.clock;
        loop {
            let broken = match end {
                End::Done => return Ok(None),
                End::Broken(error @ Error::EventTooLarge(_)) => return Err(error.into()),
                End::Broken(error) => Some(error),
                End::Closed => None,
            };
            stream.ended(clock.monotonic());
            let after = stream.last_event_id().map(str::to_owned);
            let (Some(after), Some(pause)) = (after, stream.delay(clock.monotonic())) else {
                return match broken {
                    _ if stream.said_nothing() => Ok(Some(LostAnswer::without_a_message())),
                    Some(error) => LostAnswer::reading(error).map(Some),
                    None => Ok(Some(LostAnswer::ended())),
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
                    StreamResponse::Open => reading.follow(response, &mut stream).await,
                    StreamResponse::Retry => End::Closed,
                    StreamResponse::NotFound | StreamResponse::Unavailable => {
                        return Ok(Some(LostAnswer::ended()));
                    }
                },
                Err(stop) => match stop.into_error() {
                    error @ (Error::Session(_) | Error::TooManyChallenges(_)) => {
                        return Err(error.into());
                    }
                    error => End::Broken(error),
                },
            };
        }
    }

    /// The server does not do it: in words of its own, if it has some.
    async fn refused(&self, response: Response) -> Result<(), ProxyRequestError> {
        let answer = self.shared.refusal(response).await?;
        if !answer.answers(self.message) {
            return Err(ProxyRequestError::answer(answer));
        }
        self.shared.deliver(&answer).await;
        Ok(())
    }
}

impl Shared {
    /// Sends a message that has no answer, once.
    pub(crate) async fn post_once(
        &self,
        message: &Message,
        connection: &Connection,
    ) -> Result<(), ProxyRequestError> {
        let request = routing::post(message, connection, &self.tools)?;
        // It is the host's, but nobody waits for it.
        let sent = self.send_aside(&request).await?;
        let response = sent.map_err(|stop| ProxyRequestError::from(&stop))?;
        if response.status().is_success() {
            return Ok(());
        }
        Err(UnexpectedStatus::new(&response).into())
    }

    /// Passes on a notification, or an answer to the server.
    pub(crate) async fn pass_on(self: &Arc<Self>, message: Message, _room: OwnedSemaphorePermit) {
        let phase = self.phase.borrow().clone();
        let connection = match phase {
            ConnectionState::Up(connection) => connection,
            ConnectionState::Unopened => Arc::default(),
            ConnectionState::Opening | ConnectionState::Down(_) => {
                tracing::debug!("nobody is there for {message:?}");
                return;
            }
        };
        if self.refuses_batch(&message, &connection).await {
            return;
        }
        if let Err(trouble) = self.post_once(&message, &connection).await {
            tracing::warn!("{message:?} was not passed on: {}", trouble.in_words());
        }
    }
}

/// An answer that did not come.
struct LostAnswer {
    text: String,
    /// Whether the server can't have seen the request.
    unseen: bool,
    /// Whether sending it again would lead to the same.
    would_repeat: bool,
}

impl LostAnswer {
    fn sending(stop: &RequestError) -> Result<Self, ProxyRequestError> {
        match stop.error() {
            Error::Http(error) if error.remedy() == Remedy::Retry => Ok(Self {
                text: ProxyRequestError::of(stop, Remedy::Retry, None).in_words(),
                unseen: !error.may_have_been_sent(),
                would_repeat: false,
            }),
            _ => Err(ProxyRequestError::from(stop)),
        }
    }

    fn reading(error: Error) -> Result<Self, ProxyRequestError> {
        if error.remedy() != Remedy::Retry {
            return Err(error.into());
        }
        Ok(Self {
            text: ProxyRequestError::from(error).in_words(),
            unseen: false,
            would_repeat: false,
        })
    }

    fn ended() -> Self {
        Self {
            text: "the server ended the stream without an answer".to_owned(),
            unseen: false,
            would_repeat: false,
        }
    }

    fn without_a_message() -> Self {
        Self {
            text: "the server ended the stream again and again without a message".to_owned(),
            unseen: false,
            would_repeat: true,
        }
    }

    fn trouble(self, only_reads: bool) -> ProxyRequestError {
        let hint = "it is not known whether the server did what was asked; it was not asked again";
        let hint = (!self.unseen && !only_reads).then(|| hint.to_owned());
        ProxyRequestError::new(Remedy::Retry, self.text).hint(hint)
    }
}

/// Whether asking twice does no more than asking once.
fn only_reads(message: &Message) -> bool {
    matches!(
        message.method(),
        Some(
            "completion/complete"
                | "ping"
                | "prompts/get"
                | "prompts/list"
                | "resources/list"
                | "resources/read"
                | "resources/templates/list"
                | "server/discover"
                | "tools/list"
        )
    )
}
