//! Why a message gets no answer from the server, as the host is told.

use std::fmt::Write as _;

use bytes::Bytes;
use hallpass_core::{Diagnostic, Hint, Remedy};
use hallpass_mcp::{
    jsonrpc::{Id, Kind, Message},
    with_causes,
};
use serde_json::{Value, json};

/// The code of JSON-RPC errors that come from here and not from the server.
const PROXY_ERROR: i32 = -32000;

/// How large an error of the server is kept whole, and how much of its message otherwise.
const MAX_KEPT_ERROR: usize = 64 * 1024;
const MAX_BEGINNING_CHARS: usize = 4 * 1024;

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

    /// The server refuses with an error of its own. It may be kept for long, so a large one is kept
    /// without its `data`.
    pub(crate) fn answer(answer: Message) -> Self {
        let text = "the server answered with an error";
        let short = (answer.bytes.len() > MAX_KEPT_ERROR).then(|| without_data(&answer));
        Self {
            answer: Some(Box::new(short.flatten().unwrap_or(answer))),
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

/// The same error with its code and its message alone; of a long message the beginning.
fn without_data(answer: &Message) -> Option<Message> {
    let part = answer.single()?;
    let Kind::Response { id, .. } = &part.kind else {
        return None;
    };
    let id = id.as_ref().map_or("null".to_owned(), Id::to_string);
    let code = part.raw_at(&["code"])?;
    let mut message = part.raw_at(&["message"])?.to_owned();
    if message.len() > MAX_KEPT_ERROR {
        let text = part.text_at(&["message"]).unwrap_or_default();
        let beginning: String = text.chars().take(MAX_BEGINNING_CHARS).collect();
        message = Value::from(beginning + "…").to_string();
    }
    let error =
        format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":{message}}}}}"#);
    Message::parse(error.into()).ok()
}

impl<E: Diagnostic> From<E> for ProxyRequestError {
    fn from(error: E) -> Self {
        Self::from_error(&error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_error_of_the_server_is_kept_without_its_data() {
        let large = "x".repeat(MAX_KEPT_ERROR);
        let kept = |error: &str| {
            let answer = format!(r#"{{"jsonrpc":"2.0","id":"a","error":{error}}}"#);
            let answer = Message::parse(answer.into()).unwrap();
            let error = ProxyRequestError::answer(answer);
            let own = String::from_utf8(error.own_answer().unwrap().bytes.to_vec()).unwrap();
            let told = error.to_error(&Id::Number("7".to_owned()));
            assert_eq!(own.replace("\"a\"", "7"), told);
            own
        };
        assert_eq!(
            kept(&format!(r#"{{"code":-1,"message":"no","data":"{large}"}}"#)),
            r#"{"jsonrpc":"2.0","id":"a","error":{"code":-1,"message":"no"}}"#
        );
        let beginning = kept(&format!(r#"{{"code":-1,"message":"{large}"}}"#));
        assert!(beginning.len() < MAX_KEPT_ERROR, "{}", beginning.len());
        assert!(
            beginning.contains(r#""message":"xxxxxxxxxx"#),
            "{beginning:.100}"
        );
        assert!(kept(r#"{"code":-1,"message":"no","data":1}"#).contains("data"));
    }
}
