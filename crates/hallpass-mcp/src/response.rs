//! What comes back.

use std::{
    future::poll_fn,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use hallpass_core::{AuthScheme, Challenge, RequestSecrets, http::Body};
use http::{HeaderMap, StatusCode, header::CONTENT_TYPE, response::Parts};
use url::Url;

use crate::{
    Error, EventStream, Request,
    error::BodyTooLarge,
    request::{EVENT_STREAM, JSON, MCP_SESSION_ID},
};

/// An answer of any status, with all its headers; the body is still on its way.
///
/// A 401 or 403 is an answer like any other: its challenges stand in [`headers`](Self::headers).
#[derive(Debug)]
pub struct Response {
    head: Parts,
    body: Body,
    url: Url,
    /// Whether the request carried a token.
    has_token: bool,
    /// Whether the request was a message of HTTP+SSE.
    is_of_http_sse: bool,
}

/// What kind of body a response says it has, by the media type in `Content-Type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Content {
    /// `application/json`: one JSON-RPC message.
    Json,
    /// `text/event-stream`: messages as they come.
    Events,
    /// Another media type.
    Other,
    /// There is no `Content-Type`.
    Unstated,
}

/// The challenges in the `WWW-Authenticate` headers of an answer with this status. A 401 without one
/// that is understood counts as a challenge for a Bearer token (RFC 6750 §3): some servers send the
/// status alone.
pub fn challenges(status: StatusCode, headers: &HeaderMap) -> Vec<Challenge> {
    let mut challenges = hallpass_discovery::challenges(headers);
    if status == StatusCode::UNAUTHORIZED && challenges.is_empty() {
        challenges.push(Challenge::new(AuthScheme::Bearer));
    }
    challenges
}

impl Response {
    /// The answer to `request`.
    pub(crate) fn new(
        response: http::Response<Body>,
        url: Url,
        request: &Request,
        has_token: bool,
    ) -> Self {
        let (head, body) = response.into_parts();
        Self {
            head,
            body,
            url,
            has_token,
            is_of_http_sse: request.is_of_http_sse,
        }
    }

    /// Whether the request carried a token.
    pub fn has_token(&self) -> bool {
        self.has_token
    }

    /// Whether it answers a [message of HTTP+SSE](crate::SseConnection::post).
    pub fn is_of_http_sse(&self) -> bool {
        self.is_of_http_sse
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.head.status
    }

    /// Every header, in the order of arrival for each name.
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// Where the answer came from, after redirects.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The session that the server names in this answer, when it is text.
    pub fn session_id(&self) -> Option<&str> {
        self.head.headers.get(MCP_SESSION_ID)?.to_str().ok()
    }

    /// What the request carried that this answer's words must not repeat.
    pub fn request_secrets(&self) -> Option<&RequestSecrets> {
        RequestSecrets::from_extensions(&self.head.extensions)
    }

    /// The [`challenges`] of this answer.
    pub fn challenges(&self) -> Vec<Challenge> {
        challenges(self.status(), self.headers())
    }

    /// Whether the server only wants its nonce in the proof, and gives it (RFC 9449 §9).
    pub fn asks_for_dpop_nonce(&self) -> bool {
        let asks = |challenge: &Challenge| {
            challenge.scheme == AuthScheme::Dpop
                && challenge.error.as_deref() == Some("use_dpop_nonce")
        };
        self.status() == StatusCode::UNAUTHORIZED
            && self.headers().contains_key("dpop-nonce")
            && self.challenges().iter().any(asks)
    }

    /// What the body is. Media types are compared without their parameters and without regard to
    /// case (RFC 9110 §8.3.1).
    pub fn content(&self) -> Content {
        let Some(value) = self.head.headers.get(CONTENT_TYPE) else {
            return Content::Unstated;
        };
        let essence = value
            .as_bytes()
            .split(|byte| *byte == b';')
            .next()
            .unwrap_or_default()
            .trim_ascii();
        if essence.eq_ignore_ascii_case(JSON.as_bytes()) {
            Content::Json
        } else if essence.eq_ignore_ascii_case(EVENT_STREAM.as_bytes()) {
            Content::Events
        } else {
            Content::Other
        }
    }

    /// Reads the whole body of at most `cap` bytes.
    ///
    /// # Errors
    ///
    /// When the body is larger, or breaks off.
    pub async fn read(self, cap: usize) -> Result<Bytes, Error> {
        self.read_when(cap, |_, _| Poll::Ready(())).await
    }

    /// As [`read`](Self::read), for a caller that limits how much memory many bodies take together.
    /// Before each read from the network `may_read` is polled with the number of bytes that are held.
    /// While it is pending nothing is read, and HTTP's flow control holds the server back.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub async fn read_when(
        mut self,
        cap: usize,
        mut may_read: impl FnMut(&mut Context<'_>, usize) -> Poll<()>,
    ) -> Result<Bytes, Error> {
        let mut whole = BytesMut::new();
        loop {
            poll_fn(|context| may_read(context, whole.len())).await;
            let Some(chunk) = self.body.chunk().await else {
                break;
            };
            let chunk = chunk?;
            if chunk.len() > cap - whole.len() {
                return Err(Error::BodyTooLarge(BodyTooLarge { cap }));
            }
            if whole.is_empty() {
                // Most answers are one chunk, which needs no copy.
                match chunk.try_into_mut() {
                    Ok(first) => whole = first,
                    Err(shared) => whole.extend_from_slice(&shared),
                }
            } else {
                whole.extend_from_slice(&chunk);
            }
        }
        Ok(whole.freeze())
    }

    /// Reads the first `most` bytes, for a diagnosis, and drops the rest. A body that breaks off
    /// ends there.
    pub async fn read_start(mut self, most: usize) -> Bytes {
        let mut start = BytesMut::new();
        while start.len() < most {
            let Some(Ok(chunk)) = self.body.chunk().await else {
                break;
            };
            let room = most - start.len();
            start.extend_from_slice(&chunk[..chunk.len().min(room)]);
        }
        start.freeze()
    }

    /// Reads the body as events of at most `cap` bytes each.
    pub fn events(self, cap: usize) -> EventStream {
        EventStream::new(self.body, cap)
    }
}
