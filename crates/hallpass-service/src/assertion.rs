//! Where assertions come from. Platforms replace them every few minutes.

use std::{fmt, path::PathBuf};

use hallpass_core::{BoxFuture, KindError, Remedy};
use secrecy::{ExposeSecret, SecretString};

use crate::secret_source;

/// A JWT that another party signed. `Debug` does not show it; the memory is wiped on drop.
#[derive(Clone)]
pub struct Assertion(SecretString);

impl Assertion {
    /// Takes an assertion, without the space around it.
    pub fn new(assertion: impl AsRef<str>) -> Self {
        Self(SecretString::from(assertion.as_ref().trim()))
    }

    /// The secret text.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl PartialEq for Assertion {
    /// Compares within this process, where timing tells an attacker nothing.
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for Assertion {}

impl fmt::Debug for Assertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Assertion(redacted)")
    }
}

/// Gives the current assertion.
///
/// An [`Assertion`] is a source of itself; [`AssertionFile`] reads a file and
/// [`CommandSource`](crate::CommandSource) runs a command. A host that reads a metadata
/// service implements its own.
pub trait AssertionSource: Send + Sync + fmt::Debug {
    /// The current assertion. Called for each token request; nothing of it is kept.
    fn read(&self) -> BoxFuture<'_, Result<Assertion, AssertionError>>;
}

impl AssertionSource for Assertion {
    fn read(&self) -> BoxFuture<'_, Result<Assertion, AssertionError>> {
        let assertion = self.clone();
        Box::pin(async move { Ok(assertion) })
    }
}

/// A file into which a platform writes an assertion, and replaces it before it expires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssertionFile {
    path: PathBuf,
}

impl AssertionFile {
    /// The file at `path`. Nothing is read yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }
}

impl AssertionSource for AssertionFile {
    fn read(&self) -> BoxFuture<'_, Result<Assertion, AssertionError>> {
        Box::pin(async move {
            let text = secret_source::read_file(&self.path).await?;
            Ok(Assertion::new(text.expose_secret()))
        })
    }
}

/// There is no assertion to send: configure where it is, or retry after a timeout.
pub type AssertionError = KindError<Remedy>;
