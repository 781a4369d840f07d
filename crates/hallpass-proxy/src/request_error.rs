//! Why a message gets no answer from the server, as the host is told.

use std::{error::Error, fmt::Write as _};

use bytes::Bytes;
use hallpass_core::Remedy;
use hallpass_mcp::{
    InvalidMessage, RequestError, UnexpectedStatus,
    jsonrpc::{Id, Message},
};
use serde_json::json;

use crate::NoEndpoint;

/// The code of JSON-RPC errors that come from here and not from the server.
const PROXY_ERROR: i32 = -32000;

/// What went wrong, in words and with its remedy.
#[derive(Debug, Clone)]
pub(crate) struct ProxyRequestError {
    text: String,
    hints: Vec<String>,
    remedy: Remedy,
    /// The server's own JSON-RPC error, when that is the error.
    answer: Option<Box<Message>>,
}

impl ProxyRequestError {
    pub(crate) fn new(remedy: Remedy, text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            hints: Vec::new(),
            remedy,
            answer: None,
        }
    }

    /// An error and its causes.
    pub(crate) fn from_error(error: &dyn Error, remedy: Remedy, hint: Option<String>) -> Self {
        let mut text = error.to_string();
        let mut next = error.source();
        while let Some(cause) = next {
            let _ = write!(text, ": {cause}");
            next = cause.source();
        }
        Self::new(remedy, text).hint(hint)
    }

    /// The server refuses with an error of its own.
    pub(crate) fn answer(answer: Message) -> Self {
        let text = "the server answered with an error";
        Self {
            answer: Some(Box::new(answer)),
            ..Self::new(Remedy::Report, text)
        }
    }

    pub(crate) fn hint(mut self, hint: Option<String>) -> Self {
        self.hints.extend(hint);
        self
    }

    pub(crate) fn wants_sign_in(&self) -> bool {
        self.remedy == Remedy::SignIn
    }

    /// The server's own answer.
    pub(crate) fn own_answer(&self) -> Option<&Message> {
        self.answer.as_deref()
    }

    /// What went wrong and what to do about it.
    pub(crate) fn describe(&self) -> String {
        let mut words = self.text.clone();
        for hint in &self.hints {
            let _ = write!(words, "; {hint}");
        }
        words
    }

    /// The answer to the request `id`.
    pub(crate) fn to_error(&self, id: &Id) -> Bytes {
        let remedy = match self.remedy {
            Remedy::Retry => "retry",
            Remedy::SignIn => "sign-in",
            Remedy::Configure => "configure",
            Remedy::Report => "report",
        };
        let error = match self.own_answer().and_then(Message::single) {
            Some(part) => String::from_utf8_lossy(&part.body).into_owned(),
            None => json!({
                "code": PROXY_ERROR,
                "message": self.describe(),
                "data": { "remedy": remedy, "hints": self.hints },
            })
            .to_string(),
        };
        format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#).into()
    }
}

impl From<NoEndpoint> for ProxyRequestError {
    fn from(error: NoEndpoint) -> Self {
        let mut told = Self::from_error(&error, error.remedy(), None);
        told.hints.extend_from_slice(error.hints());
        told
    }
}

impl From<&RequestError> for ProxyRequestError {
    fn from(error: &RequestError) -> Self {
        Self::from_error(error, error.remedy(), error.hint())
    }
}

impl From<hallpass_mcp::Error> for ProxyRequestError {
    fn from(error: hallpass_mcp::Error) -> Self {
        Self::from_error(&error, error.remedy(), error.hint())
    }
}

impl From<InvalidMessage> for ProxyRequestError {
    fn from(invalid: InvalidMessage) -> Self {
        Self::from_error(&invalid, invalid.remedy(), invalid.hint())
    }
}

impl From<UnexpectedStatus> for ProxyRequestError {
    fn from(status: UnexpectedStatus) -> Self {
        Self::from_error(&status, status.remedy(), status.hint())
    }
}
