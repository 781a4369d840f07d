//! How names become addresses.

use std::{fmt, io, net::IpAddr};

use hallpass_core::BoxFuture;

/// Finds the addresses of a host.
///
/// The address policy judges what this returns, and the connection goes to exactly what was
/// judged: the name is not looked up a second time.
pub trait Resolver: Send + Sync + fmt::Debug {
    /// The addresses of `host`, in the order in which they should be tried. No answer is an error.
    fn resolve(&self, host: &str) -> BoxFuture<'_, io::Result<Vec<IpAddr>>>;
}

/// The operating system's resolver (`getaddrinfo`), on tokio's blocking threads.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolver for SystemResolver {
    fn resolve(&self, host: &str) -> BoxFuture<'_, io::Result<Vec<IpAddr>>> {
        let host = host.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}
