//! The endpoint of the server, as it is configured now.

use std::fmt;

use hallpass_core::{BoxFuture, KindError, Remedy};
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
pub type NoEndpoint = KindError<Remedy>;
