//! What the URLs that keep their text have in common.

use crate::{Diagnostic, Remedy, quote};

/// Why a URL is refused whose text and parsed form mean different things.
pub(crate) const READS_OTHERWISE: &str =
    "it reads otherwise once it is parsed: dot segments, backslashes or an odd host (RFC 3986 §6)";

/// A text that can't be the URL that it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not {expected}: {reason}", quote(text))]
pub struct UrlError {
    text: String,
    expected: &'static str,
    reason: String,
}

impl UrlError {
    /// `text` is shown and must hold no password. `expected` and `reason` complete the sentence.
    pub(crate) fn new(text: &str, expected: &'static str, reason: impl Into<String>) -> Self {
        Self {
            text: text.to_owned(),
            expected,
            reason: reason.into(),
        }
    }

    /// Whether the text is such a URL, and reads otherwise once it is parsed.
    pub fn reads_otherwise(&self) -> bool {
        self.reason == READS_OTHERWISE
    }
}

impl Diagnostic for UrlError {
    /// The value has to be changed where it is published or configured.
    fn remedy(&self) -> Remedy {
        Remedy::Configure
    }
}

/// Whether a text holds only characters that a URL can hold (RFC 3986 §2). `Url::parse` also accepts
/// white space, control characters and other alphabets.
pub(crate) fn has_url_characters(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Shows and reads a type with the field `text` and a function `parse`. `$shown` makes of the text what users
/// and logs may see.
macro_rules! url_text {
    ($type:ident, $shown:path) => {
        impl $type {
            /// The exact text.
            pub fn as_str(&self) -> &str {
                &self.text
            }
        }

        impl std::fmt::Display for $type {
            /// For users and logs. The exact text is [`as_str`](Self::as_str).
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&$shown(&self.text))
            }
        }

        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($type), "({})"), self)
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::UrlError;

            fn from_str(text: &str) -> Result<Self, $crate::UrlError> {
                Self::parse(text)
            }
        }
    };
}

pub(crate) use url_text;
