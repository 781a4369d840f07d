//! The endpoint of the server, as it is configured now.

use std::{error::Error, fmt};

use hallpass_core::{BoxFuture, Remedy};
use hallpass_mcp::AuthorizedEndpoint;

/// Gives the endpoint of the server.
///
/// It is asked before each attempt to open the server, and before each look whether the user has
/// signed in: what another process has changed meanwhile, such as the server's settings, is seen
/// without a restart. An [`AuthorizedEndpoint`] is one that never changes.
pub trait Server: Send + Sync + fmt::Debug {
    /// The server's endpoint, with a session on what is saved now. To be the same one for as long as
    /// nothing has changed.
    fn endpoint(&self) -> BoxFuture<'_, Result<AuthorizedEndpoint, NoEndpoint>>;
}

impl Server for AuthorizedEndpoint {
    fn endpoint(&self) -> BoxFuture<'_, Result<AuthorizedEndpoint, NoEndpoint>> {
        Box::pin(async { Ok(self.clone()) })
    }
}

/// The server has no endpoint, as when its credentials can't be opened.
#[derive(Debug)]
pub struct NoEndpoint {
    source: Box<dyn Error + Send + Sync>,
    remedy: Remedy,
    hints: Vec<String>,
}

impl NoEndpoint {
    /// For the reason `source`.
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>, remedy: Remedy) -> Self {
        Self {
            source: source.into(),
            remedy,
            hints: Vec::new(),
        }
    }

    /// Adds advice for the user.
    #[must_use]
    pub fn with_hints(mut self, hints: impl IntoIterator<Item = String>) -> Self {
        self.hints.extend(hints);
        self
    }

    /// What to do about it.
    pub fn remedy(&self) -> Remedy {
        self.remedy
    }

    /// Advice for the user.
    pub fn hints(&self) -> &[String] {
        &self.hints
    }
}

impl fmt::Display for NoEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.source, f)
    }
}

impl Error for NoEndpoint {
    // Transparent: the text is the source's own, so its source comes next.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.source()
    }
}
