//! The answer to a request, read from JSON or from a stream of events (JSON-RPC 2.0 §5).

use hallpass_mcp::{Content, Response, SseConnection};
use serde_json::Value;

use crate::{Code, Finding, endpoint, lifecycle::Question};

/// The largest message that is read.
pub(crate) const CAP: usize = 4 << 20;

/// How many characters of a server's own words are shown.
pub(crate) const MAX_WORDS: usize = 200;

/// What a server answered to a question.
#[derive(Debug)]
pub(crate) enum Reply {
    Result(Value),
    /// The error in words: its code, and what the server says of it.
    Error(String),
}

impl Reply {
    /// Reads the answer to `question`; what is none is a finding.
    pub(crate) async fn read(response: Response, question: Question) -> Result<Self, Finding> {
        match response.content() {
            Content::Json => {
                let body = response.read(CAP).await;
                let body =
                    body.map_err(|error| Finding::from_error(Code::McpUnreadable, &error))?;
                let message = serde_json::from_slice(&body).map_err(|_| {
                    unreadable(format!(
                        "an answer of {} bytes is no JSON, though it says so",
                        body.len()
                    ))
                })?;
                Self::of(&message, question)
            }
            Content::Events => {
                let mut events = response.events(CAP);
                while let Some(event) = events.next().await {
                    let event =
                        event.map_err(|error| Finding::from_error(Code::McpUnreadable, &error))?;
                    let message = event.data.and_then(|data| serde_json::from_str(&data).ok());
                    // Other messages may come before it.
                    if let Some(Ok(reply)) = message.map(|message| Self::of(&message, question)) {
                        return Ok(reply);
                    }
                }
                Err(unreadable(
                    "the event stream ended without the answer".to_owned(),
                ))
            }
            _ => Err(endpoint::no_answer_of_mcp(response).await),
        }
    }

    /// Waits for the answer to `question` on the stream of HTTP+SSE.
    pub(crate) async fn read_on(
        stream: &mut SseConnection,
        question: Question,
    ) -> Result<Self, Finding> {
        while let Some(data) = stream.next().await {
            let data = data.map_err(|error| Finding::from_error(Code::McpUnreadable, &error))?;
            let message = serde_json::from_str(&data).ok();
            // Other messages may come before it.
            if let Some(Ok(reply)) = message.map(|message| Self::of(&message, question)) {
                return Ok(reply);
            }
        }
        Err(unreadable(
            "the event stream ended without the answer".to_owned(),
        ))
    }

    fn of(message: &Value, question: Question) -> Result<Self, Finding> {
        let Question { method, id } = question;
        let member = |name| message.get(name).filter(|value| !value.is_null());
        let reply = match (member("result"), member("error")) {
            (Some(result), None) => Some(Self::Result(result.clone())),
            (None, Some(error)) => describe_error(error).map(Self::Error),
            _ => None,
        };
        let Some(reply) = reply else {
            return Err(unreadable(format!(
                "the answer to `{method}` is JSON, and no JSON-RPC response"
            )));
        };
        let answered = message.get("id").unwrap_or(&Value::Null);
        // Who could not read the question does not know its `id`.
        let may_lack_it = matches!(reply, Self::Error(_));
        if *answered == id || may_lack_it && answered.is_null() {
            return Ok(reply);
        }
        Err(unreadable(format!(
            "the answer to `{method}` has another `id` than the request, which had {id}"
        )))
    }
}

/// The finding that a question was answered with an error, which [`Reply::Error`] has in words.
pub(crate) fn refused(message: String) -> Finding {
    Finding::new(Code::McpError, message).contact_operator("the MCP server")
}

fn unreadable(message: String) -> Finding {
    Finding::new(Code::McpUnreadable, message).contact_operator("the MCP server")
}

/// The error of a response; `None` when it is that of something else than JSON-RPC.
fn describe_error(error: &Value) -> Option<String> {
    let code = error.get("code")?.as_i64()?;
    let message = text(error.get("message")).unwrap_or_default();
    Some(format!("the error {code}: {message}"))
}

/// A server's own words, short.
pub(crate) fn text(value: Option<&Value>) -> Option<String> {
    let text = value?.as_str()?;
    Some(text.chars().take(MAX_WORDS).collect())
}
