//! How MCP begins with a server: by `initialize`, or where that is refused, without a handshake, or over
//! HTTP+SSE.

use hallpass_core::{Clock, redacted_url};
use hallpass_mcp::{
    Authorization, Content, Endpoint, Request, Response, SseConnection, TransportKind, probe,
};
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::{
    Code, Finding, ResponsibleParty, Severity,
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
    /// It answers, and no way leads in.
    Failed(Vec<Finding>),
    /// A status that is no success.
    Status(StatusCode, HeaderMap),
}

impl InitializeOutcome {
    /// The request that a server of this transport is first sent.
    pub(crate) fn request(transport: TransportKind) -> Request {
        match transport {
            TransportKind::HttpSse => Request::stream(),
            _ => probe::initialize(),
        }
    }

    /// Goes on from the answer to [`request`](Self::request), as a call does.
    pub(crate) async fn after(
        answer: Response,
        server: &Endpoint,
        authorization: &dyn Authorization,
        (transport, clock): (TransportKind, &dyn Clock),
    ) -> Self {
        if transport == TransportKind::HttpSse {
            let (status, headers) = (answer.status(), answer.headers().clone());
            return match Self::on_stream(answer, server, authorization, clock).await {
                Some(outcome) => outcome,
                None if status.is_success() => Self::Failed(vec![no_http_sse(server, status)]),
                None => Self::Status(status, headers),
            };
        }
        let status = answer.status();
        let outcome = Self::of_streamable_http(answer, server, authorization).await;
        let refusal = match &outcome {
            Self::Account { .. } => return outcome,
            Self::Failed(_) => status,
            Self::Status(status, _) => *status,
        };
        if !transport.falls_back_after(refusal) {
            return outcome;
        }
        let old = Self::of_http_sse(server, authorization, clock).await;
        match (old, outcome) {
            // It speaks JSON-RPC by POST, so a challenge to a GET is not about HTTP+SSE.
            (Some(Self::Status(..)) | None, outcome @ Self::Failed(_)) => outcome,
            (old, outcome) => old.unwrap_or(outcome),
        }
    }

    async fn of_streamable_http(
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
            Err(finding) if status.is_success() => return Self::Failed(vec![finding]),
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
            (Some(Reply::Error(error)), refusal) => Self::Failed(vec![reply::refused(format!(
                "neither way to begin leads in: `initialize` was answered with {}, and \
                 `server/discover`, which MCP 2026-07-28 has in its place, with {error}",
                words(status, refusal)
            ))]),
            (None, Some(refusal)) if is_mcp => Self::Failed(vec![reply::refused(format!(
                "`initialize` was answered with {}",
                words(status, Some(refusal))
            ))]),
            (None, _) => Self::Status(status, headers),
        }
    }

    /// Initializes a server that refuses a POST of `initialize` over HTTP+SSE. `None` where it does not
    /// speak that.
    async fn of_http_sse(
        server: &Endpoint,
        authorization: &dyn Authorization,
        clock: &dyn Clock,
    ) -> Option<Self> {
        let answer = server.send(&Request::stream(), authorization).await.ok()?;
        Self::on_stream(answer, server, authorization, clock).await
    }

    /// The same from the answer to a request for the stream.
    async fn on_stream(
        answer: Response,
        server: &Endpoint,
        authorization: &dyn Authorization,
        clock: &dyn Clock,
    ) -> Option<Self> {
        if answer.status() == StatusCode::UNAUTHORIZED {
            return Some(Self::Status(answer.status(), answer.headers().clone()));
        }
        let opened = SseConnection::from_response(answer, server.server(), reply::CAP, clock).await;
        let mut stream = match opened {
            Ok(stream) => stream,
            Err(error) if error.is_of_http_sse() => {
                let found = sse_fails(server, "names an endpoint for messages that can't be used");
                return Some(Self::of_failing_sse(
                    server,
                    found.with_causes(Some(&error)),
                ));
            }
            Err(_) => return None,
        };
        let request = SseConnection::post(stream.endpoint(), probe::initialize().body().clone());
        let answer = match server.send(&request, authorization).await {
            Ok(answer) => answer,
            Err(error) => {
                let found = sse_fails(server, "does not take messages");
                return Some(Self::of_failing_sse(
                    server,
                    found.with_causes(Some(&error)),
                ));
            }
        };
        let status = answer.status();
        if status == StatusCode::UNAUTHORIZED {
            return Some(Self::Status(status, answer.headers().clone()));
        }
        if !status.is_success() {
            let what = format!(
                "its endpoint for messages, {}, answers a POST with {}",
                redacted_url(stream.endpoint()),
                status.as_u16()
            );
            let found = sse_fails(server, &what);
            return Some(Self::of_failing_sse(server, found));
        }
        drop(answer);
        Some(match Reply::read_on(&mut stream, INITIALIZE).await {
            Ok(Reply::Result(account)) => {
                let lifecycle = Lifecycle::of_http_sse(&account, stream);
                Self::Account { account, lifecycle }
            }
            Ok(Reply::Error(error)) => {
                let what = format!("`initialize` was answered with {error}");
                Self::of_failing_sse(server, reply::refused(what))
            }
            Err(finding) => {
                let found = sse_fails(server, "does not answer `initialize` on its stream");
                Self::of_failing_sse(server, found.with_cause(finding.message))
            }
        })
    }

    /// That the server speaks the old transport is one thing, and how that fails another.
    fn of_failing_sse(server: &Endpoint, fault: Finding) -> Self {
        let old = sse_only(server).with_severity(Severity::Warning);
        let advice = "ask the server's operator for streamable HTTP, mostly at /mcp";
        Self::Failed(vec![fault, old.text(advice)])
    }

    fn account(account: Value, session: Option<String>) -> Self {
        let lifecycle = Lifecycle::of(&account, session);
        Self::Account { account, lifecycle }
    }
}

/// A server of the old transport that can't be used.
fn sse_fails(server: &Endpoint, what: &str) -> Finding {
    let url = redacted_url(server.server().url());
    let what = format!("{url} opens the stream of HTTP+SSE, and {what}");
    Finding::new(Code::SseFails, what).text("ask the server's operator to repair it")
}

/// A server that speaks nothing but the old transport.
pub(crate) fn sse_only(server: &Endpoint) -> Finding {
    let what = format!(
        "{} refuses streamable HTTP: it speaks HTTP+SSE, the old transport of MCP 2024-11-05",
        redacted_url(server.server().url())
    );
    Finding::new(Code::SseOnly, what)
}

/// A server that does not speak HTTP+SSE, where nothing else is allowed.
pub(crate) fn no_http_sse(server: &Endpoint, status: StatusCode) -> Finding {
    let url = redacted_url(server.server().url());
    let what = format!(
        "{url} answers a GET with {}, and not with the stream of HTTP+SSE, the old transport of MCP \
         2024-11-05: by the options given, nothing else is tried",
        status.as_u16()
    );
    let found = Finding::new(Code::SseFails, what).with_party(ResponsibleParty::Here);
    found.text("leave out that transport: streamable HTTP is tried first then")
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
