//! As much of a JSON-RPC message as has to be known to pass it on.
//!
//! A message is never written anew: its bytes go through as they came. Read are only the id, the
//! method, what kind it is, and where its parameters and its result stand.

use std::{borrow::Cow, fmt};

use bytes::Bytes;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// One line of the host's, or one message of the server's: its bytes, and what is in them. More than
/// one part is a batch (MCP 2025-03-26).
#[derive(Clone)]
pub(crate) struct Message {
    pub(crate) bytes: Bytes,
    pub(crate) parts: Vec<Part>,
}

/// One JSON-RPC message.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) kind: Kind,
    /// `params` as it stands in the message; `result` or `error` for a response.
    pub(crate) body: Bytes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Request { id: Id, method: String },
    Notification { method: String },
    Response { id: Option<Id>, is_error: bool },
}

/// The id of a request, comparable however it was written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Id {
    Text(String),
    Number(String),
}

impl Message {
    /// Reads a message.
    pub(crate) fn read(bytes: Bytes) -> Result<Self, serde_json::Error> {
        let is_batch = bytes.trim_ascii_start().first() == Some(&b'[');
        let parts = if is_batch {
            let raws: Vec<&RawValue> = serde_json::from_slice(&bytes)?;
            raws.into_iter()
                .map(|raw| Part::read(&bytes, raw.get().as_bytes()))
                .collect::<Result<_, _>>()?
        } else {
            vec![Part::read(&bytes, &bytes)?]
        };
        Ok(Self { bytes, parts })
    }

    /// The ids that want an answer.
    pub(crate) fn requests(&self) -> impl Iterator<Item = &Id> {
        self.parts.iter().filter_map(|part| match &part.kind {
            Kind::Request { id, .. } => Some(id),
            _ => None,
        })
    }

    /// Whether it holds the answer to a request in `asked`.
    pub(crate) fn answers(&self, asked: &Message) -> bool {
        self.parts.iter().any(|part| match &part.kind {
            Kind::Response { id: Some(id), .. } => asked.requests().any(|asked| asked == id),
            _ => false,
        })
    }

    /// Whether it says that something went wrong.
    pub(crate) fn is_error(&self) -> bool {
        let part = self.single().map(|part| &part.kind);
        matches!(part, Some(Kind::Response { is_error: true, .. }))
    }

    /// The message's only part, unless it is a batch.
    pub(crate) fn single(&self) -> Option<&Part> {
        match self.parts.as_slice() {
            [part] => Some(part),
            _ => None,
        }
    }

    /// The method, unless it is a response or a batch.
    pub(crate) fn method(&self) -> Option<&str> {
        self.single().and_then(Part::method)
    }

    /// Its bytes on one line. A JSON text holds line ends between its tokens only.
    pub(crate) fn line(self) -> Bytes {
        let text = self.bytes.trim_ascii();
        if !text.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
            return self.bytes.slice_ref(text);
        }
        let flat = |byte: &u8| match byte {
            b'\n' | b'\r' => b' ',
            byte => *byte,
        };
        text.iter().map(flat).collect()
    }
}

impl Part {
    fn read(whole: &Bytes, text: &[u8]) -> Result<Self, serde_json::Error> {
        let mut fields = Fields::default();
        let mut reader = serde_json::Deserializer::from_slice(text);
        Into(&mut fields).deserialize(&mut reader)?;
        reader.end()?;
        let body = fields.result.or(fields.error).or(fields.params);
        let body = body.map_or_else(Bytes::new, |raw| whole.slice_ref(raw.get().as_bytes()));
        let id = fields.id.and_then(Id::read);
        let kind = match (fields.method, id) {
            (Some(method), Some(id)) => Kind::Request {
                id,
                method: method.into_owned(),
            },
            (Some(method), None) => Kind::Notification {
                method: method.into_owned(),
            },
            (None, id) if fields.result.is_some() || fields.error.is_some() => Kind::Response {
                id,
                is_error: fields.error.is_some(),
            },
            (None, _) => return Err(serde::de::Error::custom("no JSON-RPC message")),
        };
        Ok(Self { kind, body })
    }

    pub(crate) fn method(&self) -> Option<&str> {
        match &self.kind {
            Kind::Request { method, .. } | Kind::Notification { method } => Some(method),
            Kind::Response { .. } => None,
        }
    }

    /// A field of its parameters, or of its result.
    pub(crate) fn field<'a, T: Deserialize<'a>>(&'a self, path: &[&str]) -> Option<T> {
        field(&self.body, path)
    }
}

/// What stands at `path` in an object. What lies around it is passed over.
pub(crate) fn field<'a, T: Deserialize<'a>>(object: &'a [u8], path: &[&str]) -> Option<T> {
    let Some((name, rest)) = path.split_first() else {
        return serde_json::from_slice(object).ok();
    };
    let mut found = None;
    let mut reader = serde_json::Deserializer::from_slice(object);
    Named {
        name,
        found: &mut found,
    }
    .deserialize(&mut reader)
    .ok()?;
    field(found?.get().as_bytes(), rest)
}

impl Id {
    /// The id as it stands in a message; `None` for null and what can't be one.
    pub(crate) fn read(raw: &RawValue) -> Option<Self> {
        let text = raw.get();
        if text.starts_with('"') {
            return serde_json::from_str(text).ok().map(Self::Text);
        }
        let number: serde_json::Number = serde_json::from_str(text).ok()?;
        // A server that reads 1.0 as a double writes 1.
        let whole = number
            .as_f64()
            .filter(|value| value.fract() == 0.0 && value.abs() < MOST_EXACT);
        Some(Self::Number(match whole {
            Some(value) if !number.is_i64() && !number.is_u64() => format!("{value:.0}"),
            _ => text.to_owned(),
        }))
    }
}

/// Beyond this a double does not tell whole numbers apart.
const MOST_EXACT: f64 = 9_007_199_254_740_992.0;

impl fmt::Display for Id {
    /// As JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => fmt::Display::fmt(&serde_json::Value::from(text.as_str()), f),
            Self::Number(text) => f.write_str(text),
        }
    }
}

impl fmt::Debug for Message {
    /// Shows how long it is: what it says is between the host and the server.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let methods: Vec<_> = self.parts.iter().map(Part::method).collect();
        f.debug_struct("Message")
            .field("len", &self.bytes.len())
            .field("methods", &methods)
            .finish()
    }
}

/// The id of a request that breaks off somewhere: as far as it was said before.
pub(crate) fn id_of_fragment(text: &[u8]) -> Option<Id> {
    let mut fields = Fields::default();
    let mut reader = serde_json::Deserializer::from_slice(text);
    // It breaks off; what counts is what came before.
    let _ = Into(&mut fields).deserialize(&mut reader);
    fields.id.and_then(Id::read)
}

/// The top level of a message, filled as it is read.
#[derive(Default)]
struct Fields<'a> {
    id: Option<&'a RawValue>,
    method: Option<Cow<'a, str>>,
    params: Option<&'a RawValue>,
    result: Option<&'a RawValue>,
    error: Option<&'a RawValue>,
}

struct Into<'f, 'a>(&'f mut Fields<'a>);

impl<'a> DeserializeSeed<'a> for Into<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for Into<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON-RPC message")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Name(name)) = map.next_key()? {
            match &*name {
                "id" => self.0.id = Some(map.next_value()?),
                "method" => self.0.method = Some(map.next_value::<Name>()?.0),
                "params" => self.0.params = Some(map.next_value()?),
                "result" => self.0.result = Some(map.next_value()?),
                "error" => self.0.error = Some(map.next_value()?),
                _ => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(())
    }
}

/// A text that is borrowed where it has no escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

struct Named<'f, 'n, 'a> {
    name: &'n str,
    found: &'f mut Option<&'a RawValue>,
}

impl<'a> DeserializeSeed<'a> for Named<'_, '_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for Named<'_, '_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Name(name)) = map.next_key()? {
            if name == self.name {
                *self.found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
