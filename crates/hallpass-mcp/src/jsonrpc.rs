//! JSON-RPC 2.0 messages, read as far as a program has to know them that passes them on.
//!
//! A [`Message`] keeps its bytes as they came. Only the envelope is read: the id, the method, the kind,
//! and where the parameters or the result stand. [`raw_at`] finds a member in one of those.

mod envelope;

use std::fmt;

use bytes::Bytes;
use hallpass_core::RequestSecrets;
use serde_json::value::RawValue;

pub use self::envelope::Malformed;

/// A message, or a batch of them.
#[derive(Clone)]
#[non_exhaustive]
pub struct Message {
    /// The whole text.
    pub bytes: Bytes,
    /// The message, or the messages of the batch.
    pub parts: Vec<Part>,
    /// Whether it is an array of messages (MCP 2025-03-26).
    pub is_batch: bool,
    /// What in a batch is no message.
    pub malformed: Vec<Malformed>,
}

/// One message, alone or in a batch.
#[derive(Clone)]
#[non_exhaustive]
pub struct Part {
    /// What it is.
    pub kind: Kind,
    /// The whole of it.
    bytes: Bytes,
    /// `params` as it stands in the message; `result` or `error` for a response.
    pub body: Bytes,
}

/// What a message is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A request, which wants an answer.
    Request {
        /// The id of the answer.
        id: Id,
        /// The method.
        method: String,
    },
    /// A notification, which wants none.
    Notification {
        /// The method.
        method: String,
    },
    /// An answer.
    Response {
        /// The id of the request; `None` where the other side could not read it.
        id: Option<Id>,
        /// Whether it holds an `error`, not a `result`.
        is_error: bool,
    },
}

/// The id of a request. Two ids are equal when their values are, however they were written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Id {
    /// A string.
    Text(String),
    /// A number, as it is written.
    Number(String),
}

impl Message {
    /// Parses a message, or a batch of them.
    ///
    /// # Errors
    ///
    /// When the text is no message, or no batch of at most 1024.
    pub fn parse(bytes: Bytes) -> Result<Self, Malformed> {
        let Ok(text) = std::str::from_utf8(&bytes) else {
            return Err(Malformed::not_json(bytes));
        };
        if !text.trim_ascii_start().starts_with('[') {
            let part = envelope::read(bytes.clone(), text)?;
            return Ok(Self {
                bytes,
                parts: vec![part],
                is_batch: false,
                malformed: Vec::new(),
            });
        }
        let (mut parts, mut malformed) = (Vec::new(), Vec::new());
        for text in envelope::batch(text, &bytes)? {
            match envelope::read(bytes.slice_ref(text.as_bytes()), text) {
                Ok(part) => parts.push(part),
                Err(part) => malformed.push(part),
            }
        }
        Ok(Self {
            bytes,
            parts,
            is_batch: true,
            malformed,
        })
    }

    /// The ids that want an answer.
    pub fn requests(&self) -> impl Iterator<Item = &Id> {
        self.parts.iter().filter_map(|part| match &part.kind {
            Kind::Request { id, .. } => Some(id),
            _ => None,
        })
    }

    /// Whether it holds the answer to a request in `asked`.
    pub fn answers(&self, asked: &Message) -> bool {
        self.parts.iter().any(|part| match &part.kind {
            Kind::Response { id: Some(id), .. } => asked.requests().any(|asked| asked == id),
            _ => false,
        })
    }

    /// Whether it says that something went wrong.
    pub fn is_error(&self) -> bool {
        let part = self.single().map(|part| &part.kind);
        matches!(part, Some(Kind::Response { is_error: true, .. }))
    }

    /// The message with errors that do not repeat what the request carried: a host shows them and logs
    /// them. All else stays as it is written.
    #[must_use]
    pub fn without_secrets(self, secrets: Option<&RequestSecrets>) -> Self {
        let Some(secrets) = secrets else {
            return self;
        };
        let errors: Vec<&str> = self.parts.iter().filter_map(Part::error).collect();
        if errors.is_empty() {
            return self;
        }
        let mut clean = Vec::new();
        let mut copied = 0;
        for (error, without) in errors.iter().zip(secrets.remove_from_errors(&errors)) {
            // Where the error stands in the message.
            let begin = error.as_ptr().addr() - self.bytes.as_ptr().addr();
            if let Some(without) = without {
                clean.extend_from_slice(&self.bytes[copied..begin]);
                clean.extend_from_slice(without.as_bytes());
                copied = begin + error.len();
            }
        }
        if copied == 0 {
            return self;
        }
        clean.extend_from_slice(&self.bytes[copied..]);
        Self::parse(clean.into()).unwrap_or(self)
    }

    /// The message's only part, unless it is a batch.
    pub fn single(&self) -> Option<&Part> {
        self.parts.first().filter(|_| !self.is_batch)
    }

    /// The method, unless it is a response or a batch.
    pub fn method(&self) -> Option<&str> {
        self.single().and_then(Part::method)
    }

    /// The text with those parts alone that `keep` accepts; `None` when none is left.
    pub fn retain(&self, keep: impl FnMut(&Part) -> bool) -> Option<Bytes> {
        let kept: Vec<bool> = self.parts.iter().map(keep).collect();
        if !kept.contains(&true) {
            return None;
        }
        if self.malformed.is_empty() && !kept.contains(&false) {
            return Some(self.bytes.clone());
        }
        let kept = self.parts.iter().zip(kept).filter(|(_, kept)| *kept);
        let kept: Vec<&[u8]> = kept.map(|(part, _)| &*part.bytes).collect();
        Some([b"[", &*kept.join(&b','), b"]"].concat().into())
    }
}

impl Part {
    /// The method, unless it is a response.
    pub fn method(&self) -> Option<&str> {
        match &self.kind {
            Kind::Request { method, .. } | Kind::Notification { method } => Some(method),
            Kind::Response { .. } => None,
        }
    }

    /// The JSON text of its error.
    fn error(&self) -> Option<&str> {
        let is_error = matches!(self.kind, Kind::Response { is_error: true, .. });
        let body = is_error.then(|| std::str::from_utf8(&self.body));
        body?.ok()
    }

    /// The JSON text of a member of its parameters, or of its result.
    pub fn raw_at(&self, path: &[&str]) -> Option<&str> {
        raw_at(&self.body, path)
    }

    /// A member that is a string.
    pub fn text_at(&self, path: &[&str]) -> Option<String> {
        text_at(&self.body, path)
    }

    /// A member that is an id.
    pub fn id_at(&self, path: &[&str]) -> Option<Id> {
        Id::parse(self.raw_at(path)?)
    }
}

/// The JSON text of the member at `path` in an object, which is not empty. The other
/// members are skipped.
pub fn raw_at<'a>(object: &'a [u8], path: &[&str]) -> Option<&'a str> {
    let (name, rest) = path.split_first()?;
    let mut found = None;
    let mut reader = serde_json::Deserializer::from_slice(object);
    let find = |member: &str, value| {
        if member == *name {
            found = Some(value);
        }
        Ok(())
    };
    envelope::each_member(&mut reader, find).ok()?;
    let found: &RawValue = found?;
    let found = found.get();
    if rest.is_empty() {
        Some(found)
    } else {
        raw_at(found.as_bytes(), rest)
    }
}

/// Gives `visit` the name and the JSON text of each member of an object, which is read once. Of a text
/// that is no object it gets those before the fault.
pub fn each_member<'a>(object: &'a str, mut visit: impl FnMut(&str, &'a str)) {
    let mut reader = serde_json::Deserializer::from_str(object);
    let visit = |name: &str, value: &'a RawValue| {
        visit(name, value.get());
        Ok(())
    };
    let _ = envelope::each_member(&mut reader, visit);
}

/// Gives `visit` the JSON text of each element of an array, as [`each_member`] does.
pub fn each_element<'a>(array: &'a str, mut visit: impl FnMut(&'a str)) {
    let mut reader = serde_json::Deserializer::from_str(array);
    let visit = |element: &'a RawValue| {
        visit(element.get());
        Ok(())
    };
    let _ = envelope::each_element(&mut reader, visit);
}

/// The string at `path` in an object.
pub fn text_at(object: &[u8], path: &[&str]) -> Option<String> {
    serde_json::from_str(raw_at(object, path)?).ok()
}

impl Id {
    /// The id of a text that breaks off somewhere after it.
    pub fn from_fragment(text: &[u8]) -> Option<Self> {
        envelope::id_of_fragment(text)
    }

    /// The id as it stands in a message; `None` for null and what can't be one.
    fn parse(text: &str) -> Option<Self> {
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

impl fmt::Debug for Part {
    /// Shows how long it is: what it says is between the client and the server.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part")
            .field("kind", &self.kind)
            .field("len", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Message {
    /// Shows how long it is: what it says is between the client and the server.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let methods: Vec<_> = self.parts.iter().map(Part::method).collect();
        f.debug_struct("Message")
            .field("len", &self.bytes.len())
            .field("methods", &methods)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
