//! Why a message gets no answer from the server, as the host is told.

use std::fmt::Write as _;

use bytes::Bytes;
use hallpass_core::{Diagnostic, Hint, Remedy};
use hallpass_mcp::{
    jsonrpc::{Id, Message},
    with_causes,
};
use serde_json::json;

/// The code of JSON-RPC errors that come from here and not from the server.
const PROXY_ERROR: i32 = -32000;

/// How the program words advice: it has an option for each setting.
pub(crate) type HintText = dyn Fn(&Hint) -> String + Send + Sync;

/// What went wrong, in words and with its remedy.
#[derive(Debug, Clone)]
pub(crate) struct ProxyRequestError {
    text: String,
    hints: Vec<Hint>,
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
    pub(crate) fn from_error(error: &dyn Diagnostic) -> Self {
        let text = with_causes(error);
        let mut told = Self::new(error.remedy(), text);
        told.hints.extend(error.hints());
        told
    }

    /// The server refuses with an error of its own.
    pub(crate) fn answer(answer: Message) -> Self {
        let text = "the server answered with an error";
        Self {
            answer: Some(Box::new(answer)),
            ..Self::new(Remedy::Report, text)
        }
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<Hint>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// With advice in the program's own words.
    pub(crate) fn with_hint_text(mut self, hint_text: &HintText) -> Self {
        for hint in &mut self.hints {
            *hint = Hint::text(hint_text(hint));
        }
        self
    }

    pub(crate) fn remedy(&self) -> Remedy {
        self.remedy
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
        let hints: Vec<_> = self.hints.iter().map(ToString::to_string).collect();
        let error = match self.own_answer().and_then(Message::single) {
            Some(part) => String::from_utf8_lossy(&part.body).into_owned(),
            None => json!({
                "code": PROXY_ERROR,
                "message": self.describe(),
                "data": { "remedy": self.remedy, "hints": hints },
            })
            .to_string(),
        };
        format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#).into()
    }
}

impl<E: Diagnostic> From<E> for ProxyRequestError {
    fn from(error: E) -> Self {
        Self::from_error(&error)
    }
}
