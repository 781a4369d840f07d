//! How MCP begins with a server: by `initialize`, or where that is refused, without a handshake.

use hallpass_mcp::{Authorization, Content, Endpoint, Response};
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::{
    Finding,
    lifecycle::{DISCOVER, INITIALIZE, Lifecycle},
    reply::{self, Reply},
};

/// The outcome of `initialize`.
#[derive(Debug)]
pub(crate) enum InitializeOutcome {
    /// The server says what it is, and MCP can go on.
    Account {
        account: Value,
        lifecycle: Lifecycle,
    },
    /// It answers, and neither way leads in.
    Barred(Finding),
    /// A status that is no success.
    Status(StatusCode, HeaderMap),
}

impl InitializeOutcome {
    /// Goes on from the answer to `initialize`.
    pub(crate) async fn after(
        answer: Response,
        server: &Endpoint,
        authorization: &dyn Authorization,
    ) -> Self {
        let (status, headers) = (answer.status(), answer.headers().clone());
        if !status.is_success() && !refuses_the_message(&answer) {
            return Self::Status(status, headers);
        }
        let session = answer.session_id().map(str::to_owned);
        let refusal = match Reply::read(answer, INITIALIZE).await {
            Ok(Reply::Result(account)) if status.is_success() => {
                return Self::account(account, session);
            }
            Err(finding) if status.is_success() => return Self::Barred(finding),
            Ok(Reply::Error(error)) => Some(error),
            _ => None,
        };
        let other = discover(server, authorization).await;
        let other = match other {
            Some(other) if is_challenge(other.status()) => {
                return Self::Status(other.status(), other.headers().clone());
            }
            Some(other) if other.status().is_success() => Reply::read(other, DISCOVER).await.ok(),
            _ => None,
        };
        let is_mcp = status.is_success() || status == StatusCode::BAD_REQUEST;
        match (other, refusal) {
            (Some(Reply::Result(account)), _) => Self::account(account, None),
            (Some(Reply::Error(error)), refusal) => Self::Barred(reply::refused(format!(
                "neither way to begin leads in: `initialize` was answered with {}, and \
                 `server/discover`, which MCP 2026-07-28 has in its place, with {error}",
                words(status, refusal)
            ))),
            (None, Some(refusal)) if is_mcp => Self::Barred(reply::refused(format!(
                "`initialize` was answered with {}",
                words(status, Some(refusal))
            ))),
            (None, _) => Self::Status(status, headers),
        }
    }

    fn account(account: Value, session: Option<String>) -> Self {
        let lifecycle = Lifecycle::of(&account, session);
        Self::Account { account, lifecycle }
    }
}

/// Whether a server refuses `initialize` as one without a handshake does.
fn refuses_the_message(answer: &Response) -> bool {
    let status = matches!(
        answer.status(),
        StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::NOT_IMPLEMENTED
    );
    status && answer.content() == Content::Json
}

/// Asks a server without a handshake what it is.
async fn discover(server: &Endpoint, authorization: &dyn Authorization) -> Option<Response> {
    let question = Lifecycle::Stateless.request(DISCOVER).ok()?;
    server.send(&question, authorization).await.ok()
}

fn is_challenge(status: StatusCode) -> bool {
    matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
}

fn words(status: StatusCode, refusal: Option<String>) -> String {
    let number = status.as_u16();
    match refusal {
        Some(error) if status.is_success() => error,
        Some(error) => format!("{number} and {error}"),
        None => number.to_string(),
    }
}
