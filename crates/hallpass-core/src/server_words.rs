//! What a server says about an error, made fit to be shown.
//!
//! Only texts that are meant for users are read: the members of JSON that say what went wrong, the
//! title of a page, the first line of plain text. The secrets of the request are removed from them.
//! Where the request is not known, ordinary words alone are left.

use std::fmt;

use serde_json::Value;

use crate::{RequestSecrets, redact::redact_text};

/// The most characters that are kept.
const MAX_SHOWN: usize = 500;
/// A longer body is no message for users.
const MAX_BODY: usize = 64 * 1024;

/// A server's own words about an error: one line of at most 500 characters, without control characters
/// and without the secrets of the request.
///
/// They are the source of the error that they belong to, so that they stand on a line of their own and
/// are not taken for Hallpass's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerWords(String);

impl ServerWords {
    /// The most bytes of a body that are read.
    pub const MAX_BODY: usize = MAX_BODY;

    /// The words of a text, where the request had these secrets.
    pub fn in_text(text: &str, secrets: Option<&RequestSecrets>) -> Option<Self> {
        Self::clean(text, secrets, None)
    }

    /// The words in the body of an answer: of a JSON object those of the member that says what went
    /// wrong, of an HTML page its title, else the first line.
    pub fn in_body(body: &[u8], secrets: Option<&RequestSecrets>) -> Option<Self> {
        // The end of a longer one is not there, and may be the half of a secret.
        if body.len() >= MAX_BODY {
            return None;
        }
        let body = String::from_utf8_lossy(body);
        let text = body.trim_start_matches('\u{feff}').trim_start();
        if let Ok(value) = serde_json::from_str::<Value>(text) {
            return Self::clean(error_text(&value)?, secrets, Some(&value));
        }
        if text.starts_with(['{', '[', '<']) {
            // Broken JSON, or a page: nothing of it is a sentence but the title.
            return Self::clean(title(text)?, secrets, None);
        }
        let line = text.lines().next().filter(|line| !line.contains('\0'))?;
        Self::clean(line, secrets, None)
    }

    /// Words without secrets: those of the request were removed before.
    pub fn cleaned(text: &str) -> Option<Self> {
        let text = crate::sanitize_line(text);
        (!text.is_empty()).then_some(Self(text))
    }

    /// The words.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn clean(text: &str, secrets: Option<&RequestSecrets>, answer: Option<&Value>) -> Option<Self> {
        let Some(secrets) = secrets else {
            return redact_text(text).map(Self);
        };
        let clean = secrets.remove_from(text, answer)?;
        let mut shown: String = clean.chars().take(MAX_SHOWN).collect();
        if shown.len() < clean.len() {
            shown.push('…');
        }
        Some(Self(shown))
    }
}

impl fmt::Display for ServerWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server says: \"{}\"", self.0)
    }
}

impl std::error::Error for ServerWords {}

/// The members that say what went wrong, the most telling first: those of OAuth, of MCP, of RFC 9457
/// and of usual frameworks.
const MESSAGE_MEMBERS: [&str; 7] = [
    "error_description",
    "message",
    "detail",
    "msg",
    "error",
    "errors",
    "title",
];

fn error_text(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        Value::Array(values) => error_text(values.first()?),
        Value::Object(members) => MESSAGE_MEMBERS
            .iter()
            .find_map(|name| members.get(*name).and_then(error_text)),
        _ => None,
    }
}

fn title(page: &str) -> Option<&str> {
    // Lengths stay the same, so that places in one are places in the other.
    let lower = page.to_ascii_lowercase();
    let tag = lower.find("<title")?;
    let begin = tag + lower[tag..].find('>')? + 1;
    let end = begin + lower[begin..].find("</title")?;
    Some(&page[begin..end])
}

#[cfg(test)]
mod tests;
