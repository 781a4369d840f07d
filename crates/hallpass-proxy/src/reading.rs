//! From the server's answers to messages.

use std::time::Duration;

use bytes::Bytes;
use hallpass_core::Remedy;
use hallpass_mcp_http::{Content, Error, Response};
use hallpass_transport::Reconnection;

use crate::{
    MOST_MESSAGE,
    message::{Kind, Message},
    shared::Shared,
    standing_in::Listed,
    trouble::Trouble,
};

/// How long a stream that has nothing more to say may take to end, so that its connection can be
/// used again.
const LINGER: Duration = Duration::from_secs(1);

/// How a stream ended.
#[derive(Debug)]
pub(crate) enum End {
    /// All that was waited for has come.
    Done,
    /// The server has ended it.
    Closed,
    /// It broke off.
    Broken(Error),
}

/// Passes the server's messages on as they come.
pub(crate) struct Reading<'a> {
    shared: &'a Shared,
    /// The request that they answer; none on the server's own stream.
    request: Option<&'a Message>,
    /// Lists that the host has to ask for again, once its subscription stands.
    owed: Vec<Listed>,
}

impl<'a> Reading<'a> {
    pub(crate) fn new(shared: &'a Shared, request: Option<&'a Message>) -> Self {
        Self {
            shared,
            request,
            owed: Vec::new(),
        }
    }

    /// With these lists to be asked for again.
    pub(crate) fn owing(mut self, owed: Vec<Listed>) -> Self {
        self.owed = owed;
        self
    }

    /// Whether all that was waited for has come.
    pub(crate) fn is_done(&self) -> bool {
        self.request
            .is_some_and(|request| !self.shared.awaits(request))
    }

    pub(crate) async fn pass(&mut self, message: Message) {
        let asked = self.request.and_then(Message::method);
        if asked == Some("tools/list")
            && let Some(part) = message.single()
            && matches!(
                part.kind,
                Kind::Response {
                    is_error: false,
                    ..
                }
            )
        {
            self.shared.tools.learn(&part.body);
        }
        self.shared.deliver(message).await;
        let subscription = self.request.and_then(|request| request.requests().next());
        for listed in std::mem::take(&mut self.owed) {
            self.shared.outbox.send(listed.changed(subscription)).await;
        }
    }

    /// Passes on what a stream says until it ends. Once all has come it may end soon, and is left
    /// otherwise.
    pub(crate) async fn follow(&mut self, response: Response, stream: &mut Reconnection) -> End {
        let (response, held) = self.shared.lane.meter(response);
        let mut events = response.events(MOST_MESSAGE);
        loop {
            let next = if self.is_done() {
                match self.shared.within(LINGER, events.next()).await {
                    Some(Some(Ok(event))) => Some(Ok(event)),
                    _ => return End::Done,
                }
            } else {
                events.next().await
            };
            let event = match next {
                None => return End::Closed,
                Some(Err(error)) => return End::Broken(error),
                Some(Ok(event)) => event,
            };
            if stream.received(&event) {
                match Message::read(Bytes::from(event.data.unwrap_or_default())) {
                    Ok(message) => self.pass(message).await,
                    Err(error) => tracing::warn!("an event is {}", told(&error)),
                }
            }
            held.let_go();
        }
    }
}

/// The message in a JSON body.
pub(crate) async fn body(response: Response) -> Result<Message, Trouble> {
    let body = response.read(MOST_MESSAGE).await?;
    let size = body.len();
    Message::read(body).map_err(|error| {
        let what = format!("the server's answer of {size} bytes is {}", told(&error));
        Trouble::new(Remedy::Report, what)
    })
}

/// The server's JSON-RPC error in an answer whose status is one.
pub(crate) async fn error_in(response: Response) -> Option<Message> {
    if response.content() != Content::Json {
        return None;
    }
    let message = body(response).await.ok()?;
    message.is_error().then_some(message)
}

/// What is wrong with a text, without repeating any of it.
fn told(error: &serde_json::Error) -> &'static str {
    if error.is_data() {
        "no JSON-RPC message"
    } else {
        "no JSON"
    }
}
