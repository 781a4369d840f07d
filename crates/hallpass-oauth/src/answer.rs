//! The body of an authorization server's answer, as an object whatever it was written in.

use std::time::Duration;

use bytes::Bytes;
use hallpass_core::Scopes;
use http::{Response, header};
use serde_json::{Map, Value};

/// The parameters of an answer; no members when the body is no object.
pub(crate) struct Answer {
    members: Option<Map<String, Value>>,
    is_json: bool,
}

impl Answer {
    /// Reads the body as JSON, or as a form when it says that it is one: GitHub's servers answer so
    /// when they don't find their `Accept` header.
    pub(crate) fn read(response: &Response<Bytes>) -> Self {
        let body = response.body();
        let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
        let content_type = response.headers().get(header::CONTENT_TYPE);
        let is_form = content_type.is_some_and(|value| {
            let value = value.as_bytes();
            let head = value.get(..FORM.len()).unwrap_or_default();
            head.eq_ignore_ascii_case(FORM)
        });
        if let Ok(Value::Object(map)) = serde_json::from_slice(body) {
            return Self {
                members: Some(map),
                is_json: true,
            };
        }
        let pairs = || form_urlencoded::parse(body);
        let members = is_form.then(|| {
            pairs()
                .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
                .collect()
        });
        Self {
            members,
            is_json: false,
        }
    }

    pub(crate) fn is_object(&self) -> bool {
        self.members.is_some()
    }

    /// Whether it is an object of JSON, and no form.
    pub(crate) fn is_json(&self) -> bool {
        self.is_json
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.members.as_ref()?.get(name)
    }

    /// A text that is not empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str().filter(|text| !text.is_empty())
    }

    /// The texts of an array; `None` when it is no array of texts.
    pub(crate) fn texts(&self, name: &str) -> Option<Vec<String>> {
        let values = self.get(name)?.as_array()?.iter();
        values
            .map(|value| value.as_str().map(str::to_owned))
            .collect()
    }

    /// A set of scopes: a text, or an array of texts as some servers write it. An empty one is no
    /// value of the grammar (RFC 6749 §3.3), so it says nothing.
    pub(crate) fn scopes(&self, name: &str) -> Option<Scopes> {
        let scopes = match self.get(name)? {
            Value::String(text) => Scopes::from_server(text),
            Value::Array(tokens) => tokens.iter().filter_map(Value::as_str).collect(),
            _ => return None,
        };
        Some(scopes).filter(|scopes| !scopes.is_empty())
    }

    /// Seconds as an integer, a fraction or a string of either. A negative number is how some
    /// servers say that they set no end; it is as good as nothing said.
    pub(crate) fn duration(&self, name: &str) -> Option<Duration> {
        let seconds = match self.get(name)? {
            Value::Number(number) => number.as_f64()?,
            Value::String(text) => text.trim().parse().ok()?,
            _ => return None,
        };
        Duration::try_from_secs_f64(seconds).ok()
    }
}

const FORM: &[u8] = b"application/x-www-form-urlencoded";
