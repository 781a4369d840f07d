//! As much of a JSON-RPC message as has to be known to pass it on.
//!
//! A message is never written anew: its bytes go through as they came. Read are only the id, the
//! method, what kind it is, and where its parameters and its result stand. What is no JSON-RPC goes no
//! further.

mod envelope;

use std::fmt;

use bytes::Bytes;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use self::envelope::Name;
pub(crate) use self::envelope::{Invalid, id_of_fragment};

/// One line of the host's, or one message of the server's: its bytes, and what is in them.
#[derive(Clone)]
pub(crate) struct Message {
    pub(crate) bytes: Bytes,
    pub(crate) parts: Vec<Part>,
    /// Whether it is an array of messages (MCP 2025-03-26).
    pub(crate) is_batch: bool,
    /// What in a batch is no message.
    pub(crate) invalid: Vec<Invalid>,
}

/// One JSON-RPC message.
#[derive(Clone)]
pub(crate) struct Part {
    pub(crate) kind: Kind,
    /// The whole of it.
    bytes: Bytes,
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
    /// Reads a message, or a batch of them.
    pub(crate) fn read(bytes: Bytes) -> Result<Self, Invalid> {
        let Ok(text) = std::str::from_utf8(&bytes) else {
            return Err(Invalid::not_json(bytes));
        };
        if !text.trim_ascii_start().starts_with('[') {
            let part = envelope::read(bytes.clone(), text)?;
            return Ok(Self {
                bytes,
                parts: vec![part],
                is_batch: false,
                invalid: Vec::new(),
            });
        }
        let (mut parts, mut invalid) = (Vec::new(), Vec::new());
        for text in envelope::batch(text, &bytes)? {
            match envelope::read(bytes.slice_ref(text.as_bytes()), text) {
                Ok(part) => parts.push(part),
                Err(part) => invalid.push(part),
            }
        }
        Ok(Self {
            bytes,
            parts,
            is_batch: true,
            invalid,
        })
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
        self.parts.first().filter(|_| !self.is_batch)
    }

    /// The method, unless it is a response or a batch.
    pub(crate) fn method(&self) -> Option<&str> {
        self.single().and_then(Part::method)
    }

    /// What is left of it with those parts alone that `keep` says; `None` when that is nothing.
    pub(crate) fn retain(&self, keep: impl FnMut(&Part) -> bool) -> Option<Bytes> {
        let kept: Vec<bool> = self.parts.iter().map(keep).collect();
        if !kept.contains(&true) {
            return None;
        }
        if self.invalid.is_empty() && !kept.contains(&false) {
            return Some(self.bytes.clone());
        }
        let kept = self.parts.iter().zip(kept).filter(|(_, kept)| *kept);
        let kept: Vec<&[u8]> = kept.map(|(part, _)| &*part.bytes).collect();
        Some([b"[", &*kept.join(&b','), b"]"].concat().into())
    }
}

impl Part {
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
            .filter(|value| value.fract() == 0.0 && value.abs() < MAX_EXACT);
        Some(Self::Number(match whole {
            Some(value) if !number.is_i64() && !number.is_u64() => format!("{value:.0}"),
            _ => text.to_owned(),
        }))
    }
}

/// Beyond this a double does not tell whole numbers apart.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

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
            .finish_non_exhaustive()
    }
}

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
