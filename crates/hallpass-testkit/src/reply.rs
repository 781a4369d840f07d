//! Answers, as the servers make them.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::body::{Body, Frame};
use serde_json::{Value, json};

use crate::recorder::{RecordedAnswer, RecordedBody, header_pairs};

/// The body of any answer.
pub(crate) type ReplyBody = BoxBody<Bytes, Infallible>;

/// An answer, and its body once more for the record.
#[derive(Debug)]
pub(crate) struct Reply {
    response: Response<ReplyBody>,
    body: RecordedBody,
}

impl Reply {
    pub(crate) fn empty(status: StatusCode) -> Self {
        Self::whole(status, None, Bytes::new())
    }

    pub(crate) fn json(status: StatusCode, value: &Value) -> Self {
        Self::whole(status, Some("application/json"), value.to_string())
            .with(header::CACHE_CONTROL, "no-store")
    }

    pub(crate) fn html(status: StatusCode, page: String) -> Self {
        Self::whole(status, Some("text/html; charset=utf-8"), page)
            .with(header::CACHE_CONTROL, "no-store")
    }

    pub(crate) fn text(status: StatusCode, text: impl Into<String>) -> Self {
        Self::whole(status, Some("text/plain; charset=utf-8"), text.into())
    }

    /// An error of the kind that most endpoints answer with (RFC 6749 §5.2, RFC 7591 §3.2.2).
    pub(crate) fn error(status: StatusCode, code: &str, description: &str) -> Self {
        let body = json!({ "error": code, "error_description": description });
        Self::json(status, &body)
    }

    /// An answer with these exact bytes.
    pub(crate) fn exactly(status: StatusCode, headers: &[(String, String)], body: String) -> Self {
        let mut reply = Self::whole(status, None, body);
        for (name, value) in headers {
            if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
                reply = reply.with(name, value);
            }
        }
        reply
    }

    /// One gigabyte that begins like JSON.
    pub(crate) fn endless() -> Self {
        let mut response = Response::new(EndlessBody { left: 1 << 30 }.boxed());
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        Self::streaming(response)
    }

    /// An answer whose body is not looked at.
    pub(crate) fn streaming(response: Response<ReplyBody>) -> Self {
        Self {
            response,
            body: RecordedBody::Unread,
        }
    }

    /// Adds a header field; a value that can't stand in one is left out.
    pub(crate) fn with(mut self, name: HeaderName, value: impl AsRef<str>) -> Self {
        if let Ok(value) = HeaderValue::from_str(value.as_ref()) {
            self.response.headers_mut().append(name, value);
        }
        self
    }

    pub(crate) fn into_response(self) -> Response<ReplyBody> {
        self.response
    }

    pub(crate) fn record(&self) -> RecordedAnswer {
        RecordedAnswer {
            status: self.response.status().as_u16(),
            headers: header_pairs(self.response.headers()),
            body: self.body.clone(),
        }
    }

    fn whole(status: StatusCode, kind: Option<&'static str>, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let recorded = RecordedBody::read(&HeaderMap::new(), &body);
        let mut response = Response::new(Full::new(body).boxed());
        *response.status_mut() = status;
        if let Some(kind) = kind {
            let kind = HeaderValue::from_static(kind);
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
        }
        Self {
            response,
            body: recorded,
        }
    }
}

/// A body of `left` more bytes, mostly white space.
struct EndlessBody {
    left: usize,
}

impl Body for EndlessBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        static CHUNK: [u8; 4096] = [b' '; 4096];
        let size = self.left.min(CHUNK.len());
        if size == 0 {
            return Poll::Ready(None);
        }
        self.left -= size;
        let chunk = CHUNK.get(..size).unwrap_or_default();
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(chunk)))))
    }
}
