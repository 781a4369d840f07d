//! Requests without an answer.

use std::{
    error::Error as StdError,
    fmt::{self, Write as _},
};

use hallpass_core::{Diagnostic, Hint, Remedy};

/// A request that was sent, and whose answer does not come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unanswered {
    reason: String,
    may_have_run: bool,
}

impl Unanswered {
    /// The server ended the stream that was to bring the answer to a request with this method.
    pub fn stream_ended(method: &str) -> Self {
        Self::new("the server ended the stream without an answer", method)
    }

    /// The same, again and again, with events that hold no message.
    pub fn no_message(method: &str) -> Self {
        let reason = "the server ended the stream again and again without a message";
        Self::new(reason, method)
    }

    /// The connection broke off with `error`.
    pub fn from_error(error: &dyn StdError, method: &str) -> Self {
        Self::new(with_causes(error), method)
    }

    /// For another reason.
    pub fn new(reason: impl Into<String>, method: &str) -> Self {
        Self {
            reason: reason.into(),
            may_have_run: !only_reads(method),
        }
    }

    /// Whether the server may have done what was asked. A method that only reads does nothing.
    pub fn may_have_run(&self) -> bool {
        self.may_have_run
    }
}

impl Diagnostic for Unanswered {
    fn remedy(&self) -> Remedy {
        Remedy::Retry
    }

    fn hints(&self) -> Vec<Hint> {
        let hint = "it is not known whether the server did what was asked; it was not asked again";
        let hint = self.may_have_run.then(|| Hint::text(hint));
        hint.into_iter().collect()
    }
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl StdError for Unanswered {}

/// An error and its causes, in one text.
pub fn with_causes(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let _ = write!(text, ": {cause}");
        next = cause.source();
    }
    text
}

/// Whether a request with this method does no more when it is sent twice than when it is sent once.
pub fn only_reads(method: &str) -> bool {
    matches!(
        method,
        "completion/complete"
            | "ping"
            | "prompts/get"
            | "prompts/list"
            | "resources/list"
            | "resources/read"
            | "resources/templates/list"
            | "server/discover"
            | "tools/list"
    )
}
