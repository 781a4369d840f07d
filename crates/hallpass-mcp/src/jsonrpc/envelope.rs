//! The envelope of a message: whether it is JSON-RPC 2.0 (§4, §5), and of which kind.
//!
//! A message is read once and borrowed: no tree is built, and what is not the envelope's is skipped.

use std::{borrow::Cow, fmt};

use bytes::Bytes;
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{Id, Kind, Part, raw_at};

const TWICE: &str = "a member occurs twice";

/// How many messages a batch may have.
pub(super) const MAX_BATCH: usize = 1024;

/// A text that is no JSON-RPC message.
#[derive(Clone)]
#[non_exhaustive]
pub struct Malformed {
    /// What is wrong with it.
    pub reason: &'static str,
    /// Whether it is JSON at least.
    pub is_json: bool,
    /// Whether it may have been meant for an answer: it has no method.
    pub is_answer: bool,
    /// Its id, where that can be told.
    pub id: Option<Id>,
    /// The text itself.
    pub bytes: Bytes,
}

impl Malformed {
    /// A text that is JSON, and no message for this reason.
    pub fn new(reason: &'static str, bytes: Bytes) -> Self {
        Self {
            reason,
            is_json: true,
            is_answer: true,
            id: None,
            bytes,
        }
    }

    pub(super) fn not_json(bytes: Bytes) -> Self {
        Self {
            is_json: false,
            ..Self::new("it is no JSON", bytes)
        }
    }

    fn from_error(error: &serde_json::Error, reason: &'static str, bytes: Bytes) -> Self {
        if error.is_data() {
            Self::new(reason, bytes)
        } else {
            Self::not_json(bytes)
        }
    }
}

impl fmt::Debug for Malformed {
    /// Shows why it is none: what it says is between the client and the server.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Malformed")
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

/// Reads the one message in `bytes`, whose text is `text`.
pub(super) fn read(bytes: Bytes, text: &str) -> Result<Part, Malformed> {
    let mut fields = Fields::default();
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = each_member(&mut reader, |name, value| fields.set(name, value));
    let read = read.and_then(|()| reader.end());
    let id = fields.id.and_then(|id| Id::parse(id.get()));
    let is_answer = fields.method.is_none();
    let kind = match read {
        Err(error) => {
            let reason = if fields.twice {
                TWICE
            } else {
                "it is no JSON object"
            };
            Err(Malformed::from_error(&error, reason, bytes.clone()))
        }
        Ok(()) => kind(&fields, id.clone()).map_err(|reason| Malformed::new(reason, bytes.clone())),
    };
    let kind = kind.map_err(|invalid| Malformed {
        is_answer,
        id,
        ..invalid
    })?;
    let body = fields.result.or(fields.error).or(fields.params);
    let body = body.map_or_else(Bytes::new, |raw| bytes.slice_ref(raw.get().as_bytes()));
    Ok(Part { kind, bytes, body })
}

/// What kind it is; `id` is its id, where that can be one.
fn kind(fields: &Fields<'_>, id: Option<Id>) -> Result<Kind, &'static str> {
    const NO_ID: &str = "its `id` is neither a text nor a finite number";
    if fields.jsonrpc.and_then(text).as_deref() != Some("2.0") {
        return Err("its `jsonrpc` is not \"2.0\"");
    }
    match (fields.method, fields.result, fields.error) {
        (Some(method), None, None) => {
            let method = text(method).ok_or("its `method` is no text")?.into_owned();
            if fields
                .params
                .is_some_and(|it| !it.get().starts_with(['{', '[']))
            {
                return Err("its `params` is neither an object nor an array");
            }
            if fields.id.is_none() {
                return Ok(Kind::Notification { method });
            }
            let id = id.ok_or(NO_ID)?;
            Ok(Kind::Request { id, method })
        }
        (None, Some(_), None) => Ok(Kind::Response {
            id: Some(id.ok_or(NO_ID)?),
            is_error: false,
        }),
        (None, None, Some(error)) => {
            if !is_error_object(error) {
                return Err("its `error` is no object with an integer `code` and a text `message`");
            }
            // Without an id it is about a request whose id the other side could not read.
            if id.is_none() && fields.id.is_some_and(|id| id.get() != "null") {
                return Err(NO_ID);
            }
            Ok(Kind::Response { id, is_error: true })
        }
        (None, None, None) => Err("it has none of `method`, `result` and `error`"),
        _ => Err("it has more than one of `method`, `result` and `error`"),
    }
}

fn text<'a>(raw: &'a RawValue) -> Option<Cow<'a, str>> {
    let name: Name<'a> = serde_json::from_str(raw.get()).ok()?;
    Some(name.0)
}

fn is_error_object(raw: &RawValue) -> bool {
    let member = |name: &str| raw_at(raw.get().as_bytes(), &[name]);
    let code = member("code").is_some_and(|code| code.parse::<i64>().is_ok());
    code && member("message").is_some_and(|message| message.starts_with('"'))
}

/// The id of a request that breaks off somewhere: as far as it was said before.
pub(super) fn id_of_fragment(text: &[u8]) -> Option<Id> {
    let mut fields = Fields::default();
    let mut reader = serde_json::Deserializer::from_slice(text);
    // It breaks off; what counts is what came before.
    let _ = each_member(&mut reader, |name, value| fields.set(name, value));
    fields.id.and_then(|id| Id::parse(id.get()))
}

/// What stands in the batch in `bytes`, whose text is `text`.
pub(super) fn batch<'a>(text: &'a str, bytes: &Bytes) -> Result<Vec<&'a str>, Malformed> {
    let mut parts = Vec::new();
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = each_element(&mut reader, |part| {
        if parts.len() == MAX_BATCH {
            return Err("too many messages");
        }
        parts.push(part.get());
        Ok(())
    });
    match read.and_then(|()| reader.end()) {
        Ok(()) if parts.is_empty() => Err(Malformed::new("it is an empty batch", bytes.clone())),
        Ok(()) => Ok(parts),
        Err(error) => {
            let reason = "it is a batch of too many messages";
            Err(Malformed::from_error(&error, reason, bytes.clone()))
        }
    }
}

/// The top level of a message, filled as it is read.
#[derive(Default)]
struct Fields<'a> {
    jsonrpc: Option<&'a RawValue>,
    id: Option<&'a RawValue>,
    method: Option<&'a RawValue>,
    params: Option<&'a RawValue>,
    result: Option<&'a RawValue>,
    error: Option<&'a RawValue>,
    /// Whether one of them is there twice: readers don't agree on which of the two counts.
    twice: bool,
}

impl<'a> Fields<'a> {
    fn set(&mut self, name: &str, value: &'a RawValue) -> Result<(), &'static str> {
        let field = match name {
            "jsonrpc" => &mut self.jsonrpc,
            "id" => &mut self.id,
            "method" => &mut self.method,
            "params" => &mut self.params,
            "result" => &mut self.result,
            "error" => &mut self.error,
            _ => return Ok(()),
        };
        self.twice = field.replace(value).is_some();
        if self.twice { Err(TWICE) } else { Ok(()) }
    }
}

/// Gives `visit` the name and the text of each member of the object that `reader` is at.
pub(super) fn each_member<'a, D: Deserializer<'a>>(
    reader: D,
    visit: impl FnMut(&str, &'a RawValue) -> Result<(), &'static str>,
) -> Result<(), D::Error> {
    reader.deserialize_map(Members(visit))
}

struct Members<F>(F);

impl<'a, F: FnMut(&str, &'a RawValue) -> Result<(), &'static str>> Visitor<'a> for Members<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some((Name(name), value)) = map.next_entry()? {
            (self.0)(&name, value).map_err(A::Error::custom)?;
        }
        Ok(())
    }
}

/// Gives `visit` the text of each element of the array that `reader` is at.
pub(super) fn each_element<'a, D: Deserializer<'a>>(
    reader: D,
    visit: impl FnMut(&'a RawValue) -> Result<(), &'static str>,
) -> Result<(), D::Error> {
    reader.deserialize_seq(Elements(visit))
}

struct Elements<F>(F);

impl<'a, F: FnMut(&'a RawValue) -> Result<(), &'static str>> Visitor<'a> for Elements<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'a>>(mut self, mut seq: A) -> Result<(), A::Error> {
        while let Some(element) = seq.next_element()? {
            (self.0)(element).map_err(A::Error::custom)?;
        }
        Ok(())
    }
}

/// A text that is borrowed where it has no escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
