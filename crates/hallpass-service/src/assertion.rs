//! Where assertions come from: whoever signs them hands out a new one every few minutes.

use std::{error::Error, fmt, path::PathBuf};

use hallpass_core::{BoxFuture, Remedy};
use secrecy::{ExposeSecret, SecretString};

use crate::secret_source::{self, SecretReason};

/// A JWT that somebody else signed. `Debug` does not show it; the memory is wiped on drop.
#[derive(Clone)]
pub struct Assertion(SecretString);

impl Assertion {
    /// Takes an assertion in. Space around it is none of it.
    pub fn new(assertion: impl AsRef<str>) -> Self {
        Self(SecretString::from(assertion.as_ref().trim()))
    }

    /// Opens it.
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

/// Hands out the assertion that is good now.
///
/// An [`Assertion`] is a source of itself; [`AssertionFile`] reads a file and
/// [`CommandSource`](crate::CommandSource) runs a command. A host that asks a metadata service
/// implements its own.
pub trait AssertionSource: Send + Sync + fmt::Debug {
    /// The present assertion. Called for each token request, and nothing of it is kept.
    fn read(&self) -> BoxFuture<'_, Result<Assertion, AssertionError>>;
}

impl AssertionSource for Assertion {
    fn read(&self) -> BoxFuture<'_, Result<Assertion, AssertionError>> {
        let assertion = self.clone();
        Box::pin(async move { Ok(assertion) })
    }
}

/// A file that a platform writes an assertion into, and replaces before it ends.
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

/// There is no assertion to send.
#[derive(Debug)]
pub struct AssertionError {
    remedy: Remedy,
    doing: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl AssertionError {
    /// Says in what: `doing` goes on from "no assertion was had by", in lower case and without a
    /// full stop.
    pub fn new(doing: impl Into<String>) -> Self {
        Self {
            remedy: Remedy::Configure,
            doing: doing.into(),
            source: None,
        }
    }

    /// Adds what caused it.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What to do about it: say where the assertion is, or ask again whoever did not answer in time.
    pub fn remedy(&self) -> Remedy {
        self.remedy
    }
}

impl From<SecretReason> for AssertionError {
    fn from(trouble: SecretReason) -> Self {
        Self {
            remedy: trouble.remedy(),
            ..Self::new("reading what the platform hands out").with_source(trouble)
        }
    }
}

impl fmt::Display for AssertionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no assertion was had by {}", self.doing)
    }
}

impl Error for AssertionError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
