//! Where requests may go: what the user configured, and from there only to networks of the same
//! class.
//!
//! Metadata is written by the other side. Without a check, a hostile server could name
//! `http://127.0.0.1:6379/` or a cloud's metadata address as its token endpoint and have this
//! machine post to it. The check is on the address that the connection then uses, so that a name
//! whose answer changes between check and use (DNS rebinding) gains nothing.
//!
//! The class is that of the server that the request is for, and of no other: a client may be shared
//! by servers on this machine and on the public internet.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hallpass_core::{AddressClass, AddressRefused, ServerUrl, canonical_host_name};
use tokio::time::timeout;
use url::Url;

use crate::{Origin, Resolver};

/// The policy of one client.
#[derive(Debug)]
pub(crate) struct AddressPolicy {
    configured: Vec<Origin>,
    resolver: Arc<dyn Resolver>,
    /// How long the lookup of a server's name may take.
    lookup_timeout: Duration,
    /// The class of each server's name, once it was looked up.
    learned: Mutex<HashMap<String, Option<AddressClass>>>,
}

/// How far one request may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Anywhere: the user chose the origin.
    Configured,
    /// To the public internet and to networks of this class: metadata named the origin.
    Within(AddressClass),
}

impl Reach {
    fn covers(self, class: AddressClass) -> bool {
        match self {
            Self::Configured => true,
            Self::Within(own) => {
                class == AddressClass::Public || class == own && !class.is_never_allowed()
            }
        }
    }

    /// Judges what the URL alone tells: IP literals and names with a fixed meaning.
    pub(crate) fn judge_url(self, url: &Url) -> Result<(), AddressRefused> {
        match AddressClass::from_url(url) {
            Some(class) if !self.covers(class) => {
                let host = url.host_str().unwrap_or_default();
                Err(AddressRefused::new(host, None, class))
            }
            _ => Ok(()),
        }
    }
}

impl AddressPolicy {
    pub(crate) fn new(
        configured: &[Origin],
        resolver: Arc<dyn Resolver>,
        lookup_timeout: Duration,
    ) -> Self {
        Self {
            configured: configured.to_vec(),
            resolver,
            lookup_timeout,
            learned: Mutex::default(),
        }
    }

    /// How far a request to `target` may go that is for `server`, which a proxy resolves the name of
    /// or not.
    pub(crate) async fn reach(
        &self,
        target: &Origin,
        server: &ServerUrl,
        is_proxied: bool,
    ) -> Reach {
        // Before the first connection to the server: what its name leads to is noted from then on.
        let class = self.known_class(server.url(), is_proxied);
        let is_own = Origin::from_url(server.url()).as_ref() == Some(target);
        if is_own || self.configured.contains(target) {
            return Reach::Configured;
        }
        Reach::Within(match class {
            Ok(class) => class,
            Err(name) => self.learn(&name).await,
        })
    }

    /// Judges whether a user's browser may be sent to `url`, which `server` or its metadata names. The
    /// server's class is what its own requests have shown so far.
    pub(crate) fn check_navigation(
        &self,
        url: &Url,
        server: &ServerUrl,
        is_proxied: bool,
    ) -> Result<(), AddressRefused> {
        let origin = Origin::from_url(url);
        if origin.is_some_and(|origin| self.configured.contains(&origin)) {
            return Ok(());
        }
        let class = self.known_class(server.url(), is_proxied);
        class
            .unwrap_or(AddressClass::Public)
            .check_navigation(url, server)
    }

    /// The class of a server's network, or the name that has to be looked up for it.
    fn known_class(&self, server: &Url, is_proxied: bool) -> Result<AddressClass, String> {
        if let Some(class) = AddressClass::from_url(server) {
            return Ok(class);
        }
        // The proxy knows where the name leads.
        if is_proxied {
            return Ok(AddressClass::Public);
        }
        let name = canonical_host_name(server.host_str().unwrap_or_default());
        let mut learned = self.learned();
        match learned.get(&name) {
            Some(Some(class)) => Ok(*class),
            Some(None) => Err(name),
            None => {
                learned.insert(name.clone(), None);
                Err(name)
            }
        }
    }

    /// Looks a server's name up. A warm start: its token endpoint is asked before the server ever
    /// was. A name that does not resolve vouches for nothing.
    async fn learn(&self, name: &str) -> AddressClass {
        let _ = timeout(self.lookup_timeout, self.look_up(name)).await;
        let class = self.learned().get(name).copied().flatten();
        class.unwrap_or(AddressClass::Public)
    }

    /// The addresses of `host` that may be connected to.
    pub(crate) async fn addresses(
        &self,
        host: &str,
        reach: Reach,
    ) -> Result<Vec<IpAddr>, Box<dyn std::error::Error + Send + Sync>> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let found = match bare.parse() {
            Ok(address) => vec![address],
            Err(_) => self.look_up(host).await?,
        };
        let mut allowed = Vec::with_capacity(found.len());
        let mut refused = None;
        for address in found {
            let class = AddressClass::from_ip(address);
            if reach.covers(class) {
                allowed.push(address);
            } else {
                refused.get_or_insert((address, class));
            }
        }
        match refused {
            Some((address, class)) if allowed.is_empty() => {
                Err(AddressRefused::new(host, Some(address), class).into())
            }
            _ => Ok(allowed),
        }
    }

    /// Looks `host` up, and notes what it says about a server of that name. One that was ever seen on
    /// the public internet stays public, or it could widen what its own metadata may name by changing
    /// its address.
    async fn look_up(&self, host: &str) -> std::io::Result<Vec<IpAddr>> {
        let found = self.resolver.resolve(host).await?;
        if found.is_empty() {
            return Err(std::io::Error::other("the name has no address"));
        }
        let seen = common_class(&found);
        if let Some(class) = self.learned().get_mut(&canonical_host_name(host)) {
            *class = Some(match *class {
                Some(before) if before != seen => AddressClass::Public,
                _ => seen,
            });
        }
        Ok(found)
    }

    fn learned(&self) -> MutexGuard<'_, HashMap<String, Option<AddressClass>>> {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One name's addresses count as private or loopback when all of them are.
fn common_class(addresses: &[IpAddr]) -> AddressClass {
    let all = |wanted| {
        addresses
            .iter()
            .all(|address| AddressClass::from_ip(*address) == wanted)
    };
    [AddressClass::Loopback, AddressClass::Private]
        .into_iter()
        .find(|class| all(*class))
        .unwrap_or(AddressClass::Public)
}

/// Stands for a proxy that leads nowhere; RFC 6761 §6.4 keeps the name free.
pub(crate) const OTHER_ORIGIN: &str = "another-origin.invalid";

/// The resolver that one connection pool uses.
pub(crate) struct PolicyResolver {
    pub(crate) policy: Arc<AddressPolicy>,
    /// How far the pool's requests may go.
    pub(crate) reach: Reach,
    /// The host of the pool's proxy, which the user configured.
    pub(crate) proxy_host: Option<String>,
}

impl reqwest::dns::Resolve for PolicyResolver {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let policy = Arc::clone(&self.policy);
        let is_proxy = self.proxy_host.as_deref() == Some(name.as_str());
        let reach = if is_proxy {
            Reach::Configured
        } else {
            self.reach
        };
        Box::pin(async move {
            if name.as_str() == OTHER_ORIGIN {
                return Err("this client is for one origin, and the request is for another".into());
            }
            let found = policy.addresses(name.as_str(), reach).await?;
            // Port 0 stands for the URL's own.
            let found = found.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(found) as reqwest::dns::Addrs)
        })
    }
}

#[cfg(test)]
mod tests;
