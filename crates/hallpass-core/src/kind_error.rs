//! The error that most operations of the stack return.

use std::{error::Error, fmt};

use crate::{AuthorizeError, Diagnostic, Hint, Remedy};

/// An error of any type.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// What failed, by kind. The kind decides what a host can do, unless the error says otherwise.
pub trait ErrorKind: fmt::Debug + Copy + Send + Sync + 'static {
    /// What a host can do about it.
    fn remedy(self) -> Remedy;
}

/// An error for which the remedy is all there is to tell apart.
impl ErrorKind for Remedy {
    fn remedy(self) -> Remedy {
        self
    }
}

/// An error of a kind, with what failed on what, advice, and the cause.
///
/// `Display` says what failed. The cause is in [`source`](Error::source).
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct KindError<K: ErrorKind> {
    kind: K,
    remedy: Remedy,
    what: String,
    hints: Vec<Hint>,
    source: Option<BoxError>,
}

impl<K: ErrorKind> KindError<K> {
    /// An error of `kind`; `what` says what failed on what, in lower case and without a full stop.
    pub fn new(kind: K, what: impl Into<String>) -> Self {
        Self {
            kind,
            remedy: kind.remedy(),
            what: what.into(),
            hints: Vec::new(),
            source: None,
        }
    }

    /// Sets what a host can do, where that is something else than for other errors of the kind.
    #[must_use]
    pub fn with_remedy(mut self, remedy: Remedy) -> Self {
        self.remedy = remedy;
        self
    }

    /// Adds advice for the user.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<Hint>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds pieces of advice, such as those of the cause.
    #[must_use]
    pub fn with_hints(mut self, hints: impl IntoIterator<Item = impl Into<Hint>>) -> Self {
        self.hints.extend(hints.into_iter().map(Into::into));
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds the cause, whose remedy and advice become those of this error.
    #[must_use]
    pub fn with_cause(self, cause: impl Diagnostic + Send + Sync + 'static) -> Self {
        self.with_remedy(cause.remedy())
            .with_hints(cause.hints())
            .with_source(cause)
    }

    /// The kind.
    pub fn kind(&self) -> K {
        self.kind
    }

    /// What a host can do.
    pub fn remedy(&self) -> Remedy {
        self.remedy
    }

    /// Advice for the user, the likeliest first.
    pub fn hints(&self) -> &[Hint] {
        &self.hints
    }
}

impl<K: ErrorKind> Diagnostic for KindError<K> {
    fn remedy(&self) -> Remedy {
        self.remedy
    }

    fn hints(&self) -> Vec<Hint> {
        self.hints.clone()
    }
}

impl<K: ErrorKind> From<KindError<K>> for AuthorizeError {
    fn from(error: KindError<K>) -> Self {
        Self {
            remedy: error.remedy,
            hints: error.hints.clone(),
            source: error.into(),
        }
    }
}
