//! Sessions that the server knows no more.
//!
//! MCP has one word for that: 404. Servers say it in others too: 400, 409, or a JSON-RPC error that
//! also stands for a request that is at fault. A `ping` of the same session tells them apart: one that
//! is refused in the same way was refused for its session.

use std::{error::Error as StdError, fmt, time::Duration};

use hallpass_core::{Diagnostic, Hint, Remedy};
use http::StatusCode;

use crate::{
    AuthorizedEndpoint, Content, Interactivity, Request, Response,
    jsonrpc::{Kind, Message},
};

/// How a server refused a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestRefusal {
    status: StatusCode,
    code: Option<i64>,
}

/// The codes by which servers refuse a session that they don't know, among other things.
const CODES: [i64; 2] = [INVALID_REQUEST, SERVER_ERROR];
const INVALID_REQUEST: i64 = -32600;
const SERVER_ERROR: i64 = -32000;

/// How much of the answer to a `ping` is read.
const MAX_PING_BODY: usize = 64 * 1024;

/// How long a `ping` may take.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

impl RequestRefusal {
    /// A refusal with this status and this code of a JSON-RPC error, if there is one.
    pub fn new(status: StatusCode, code: Option<i64>) -> Self {
        Self { status, code }
    }

    /// A refusal by `message`, in a response with this status.
    pub fn from_message(status: StatusCode, message: &Message) -> Self {
        let part = message.single();
        let error = part.filter(|part| matches!(part.kind, Kind::Response { is_error: true, .. }));
        let code = error.and_then(|error| error.raw_at(&["code"])?.parse().ok());
        Self { status, code }
    }

    /// Whether it may be said for a session that the server knows no more. A 404 is no question.
    pub fn may_be_for_session(&self) -> bool {
        matches!(self.status, StatusCode::BAD_REQUEST | StatusCode::CONFLICT)
            || self.code.is_some_and(|code| CODES.contains(&code))
    }

    /// Whether the server may have done what was asked before it said this: not where it refused the
    /// request as such.
    pub fn may_have_run(&self) -> bool {
        self.status.is_success() && self.code != Some(INVALID_REQUEST)
    }

    async fn from_response(response: Response) -> Self {
        let status = response.status();
        let body = match response.content() {
            Content::Events => {
                let mut events = response.events(MAX_PING_BODY);
                loop {
                    match events.next().await {
                        Some(Ok(event)) => {
                            if let Some(data) = event.data.filter(|data| !data.is_empty()) {
                                break data.into();
                            }
                        }
                        Some(Err(_)) | None => break bytes::Bytes::new(),
                    }
                }
            }
            Content::Json | Content::Other | Content::Unstated => {
                response.read_start(MAX_PING_BODY).await
            }
        };
        match Message::parse(body) {
            Ok(message) => Self::from_message(status, &message),
            Err(_) => Self::new(status, None),
        }
    }
}

impl AuthorizedEndpoint {
    /// Whether `ping`, which is in the same session as a request that was refused with `refusal`, is
    /// refused in the same way. Then the session is lost.
    pub async fn refuses_ping(&self, ping: &Request, refusal: RequestRefusal) -> bool {
        let asked = async {
            let response = self.send(ping, Interactivity::Background).await.ok()?;
            Some(RequestRefusal::from_response(response).await)
        };
        tokio::select! {
            biased;
            answer = asked => answer == Some(refusal),
            () = self.session().clock().sleep(PING_TIMEOUT) => false,
        }
    }
}

/// When another session was opened in the place of one that was refused by other words than 404: no
/// more than one a minute, so that a misunderstanding costs little.
#[derive(Debug, Default)]
pub struct SessionRenewals {
    last: Option<Duration>,
}

impl SessionRenewals {
    /// The time between two of them.
    pub const MIN_INTERVAL: Duration = Duration::from_secs(60);

    /// How long it is at `now`, by a monotonic clock, until another session may be opened.
    pub fn delay(&self, now: Duration) -> Duration {
        let Some(last) = self.last else {
            return Duration::ZERO;
        };
        Self::MIN_INTERVAL.saturating_sub(now.saturating_sub(last))
    }

    /// Another one is opened at `now`.
    pub fn begin(&mut self, now: Duration) {
        self.last = Some(now);
    }
}

/// The session of a call was lost, and the call was not sent again in another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLost {
    may_have_run: bool,
}

impl SessionLost {
    /// Of a call that was refused with `refusal`, as a `ping` was after it.
    pub fn new(refusal: RequestRefusal) -> Self {
        Self {
            may_have_run: refusal.may_have_run(),
        }
    }

    /// Whether the server may have done what was asked.
    pub fn may_have_run(&self) -> bool {
        self.may_have_run
    }
}

impl Diagnostic for SessionLost {
    fn remedy(&self) -> Remedy {
        Remedy::Retry
    }

    fn hints(&self) -> Vec<Hint> {
        let hint = if self.may_have_run {
            "look whether the server did what was asked before you call again; the next call opens \
             another session"
        } else {
            "call again: the next call opens another session"
        };
        vec![Hint::text(hint)]
    }
}

impl fmt::Display for SessionLost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server has lost the session, and the call was not sent again: ")?;
        f.write_str(if self.may_have_run {
            "it may have run"
        } else {
            "the server refused it as it refuses a ping, so it has not run"
        })
    }
}

impl StdError for SessionLost {}
