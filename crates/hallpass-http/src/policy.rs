//! Where requests may go: what a person configured, and from there only to networks of the same
//! class.
//!
//! Metadata is written by the other side. Without a check, a hostile server could name
//! `http://127.0.0.1:6379/` or a cloud's metadata address as its token endpoint and have this
//! machine post to it. The check is on the address that the connection then uses, so that a name
//! whose answer changes between check and use (DNS rebinding) gains nothing.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use hallpass_core::http::Leg;
use url::{Host, Url};

use crate::{AddressClass, Origin, Resolver};

/// Names that lead to a cloud's instance metadata. A proxy would resolve them for us.
const METADATA_NAMES: [&str; 5] = [
    "metadata.google.internal",
    "metadata.goog",
    "metadata",
    "instance-data",
    "instance-data.ec2.internal",
];

/// The policy of one client.
#[derive(Debug)]
pub(crate) struct AddressPolicy {
    servers: Vec<Server>,
    configured: Vec<Origin>,
    resolver: Arc<dyn Resolver>,
}

/// A server that a person configured, and the class of network it turned out to be in.
#[derive(Debug)]
struct Server {
    origin: Origin,
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// The URL says it.
    Known(AddressClass),
    /// The name decides; a server that was ever seen on the public internet stays public, or it
    /// could widen what its own metadata may name by changing its address.
    Learned { name: String, class: AtomicU8 },
    /// A proxy resolves the name.
    BehindProxy,
}

const UNKNOWN: u8 = 0;
const PUBLIC: u8 = 1;
const PRIVATE: u8 = 2;
const LOOPBACK: u8 = 3;

impl AddressPolicy {
    pub(crate) fn new(
        servers: &[Origin],
        configured: &[Origin],
        resolver: Arc<dyn Resolver>,
        is_proxied: impl Fn(&Url) -> bool,
    ) -> Self {
        let servers = servers.iter().map(|origin| Server {
            origin: origin.clone(),
            place: match origin.root() {
                None => Place::BehindProxy,
                Some(url) => match class_by_text(&url) {
                    Some(class) => Place::Known(class),
                    None if is_proxied(&url) => Place::BehindProxy,
                    None => Place::Learned {
                        name: plain_name(origin.host()),
                        class: AtomicU8::new(UNKNOWN),
                    },
                },
            },
        });
        Self {
            servers: servers.collect(),
            configured: configured.to_vec(),
            resolver,
        }
    }

    /// Whether a person chose where this request goes. MCP requests always go where they said.
    pub(crate) fn is_configured(&self, origin: &Origin, leg: Leg) -> bool {
        leg == Leg::Mcp
            || self.configured.contains(origin)
            || self.servers.iter().any(|server| server.origin == *origin)
    }

    /// Judges what the URL alone tells: IP literals and names with a fixed meaning.
    pub(crate) async fn judge_url(&self, url: &Url) -> Result<(), AddressRefused> {
        let Some(class) = class_by_text(url) else {
            return Ok(());
        };
        if self.allows(class).await {
            return Ok(());
        }
        Err(AddressRefused {
            host: url.host_str().unwrap_or_default().to_owned(),
            address: None,
            class,
        })
    }

    /// The addresses of `host` that may be connected to, for `checked` requests; all of them else.
    pub(crate) async fn addresses(
        &self,
        host: &str,
        checked: bool,
    ) -> Result<Vec<IpAddr>, Box<dyn std::error::Error + Send + Sync>> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let found = match bare.parse() {
            Ok(address) => vec![address],
            Err(_) => self.look_up(host).await?,
        };
        if !checked {
            return Ok(found);
        }
        let mut allowed = Vec::with_capacity(found.len());
        let mut refused = None;
        for address in found {
            let class = AddressClass::of(address);
            if self.allows(class).await {
                allowed.push(address);
            } else {
                refused.get_or_insert((address, class));
            }
        }
        match refused {
            Some((address, class)) if allowed.is_empty() => Err(AddressRefused {
                host: host.to_owned(),
                address: Some(address),
                class,
            }
            .into()),
            _ => Ok(allowed),
        }
    }

    /// Looks `host` up, and notes what it says about a server of that name.
    async fn look_up(&self, host: &str) -> std::io::Result<Vec<IpAddr>> {
        let found = self.resolver.resolve(host).await?;
        if found.is_empty() {
            return Err(std::io::Error::other("the name has no address"));
        }
        let seen = common_class(&found);
        let host = plain_name(host);
        for server in &self.servers {
            if let Place::Learned { name, class } = &server.place
                && *name == host
            {
                // Fails never: the closure always gives a value.
                let _ = class.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |before| {
                    Some(match before {
                        UNKNOWN => seen,
                        same if same == seen => seen,
                        _ => PUBLIC,
                    })
                });
            }
        }
        Ok(found)
    }

    /// Whether metadata may name a target of this class.
    async fn allows(&self, class: AddressClass) -> bool {
        if class == AddressClass::Public {
            return true;
        }
        if class.is_never_allowed() {
            return false;
        }
        for server in &self.servers {
            let own = match &server.place {
                Place::Known(class) => *class,
                Place::BehindProxy => AddressClass::Public,
                Place::Learned { name, class } => {
                    if class.load(Ordering::Relaxed) == UNKNOWN {
                        // A warm start: the token endpoint is asked before the server ever was.
                        // A name that does not resolve vouches for nothing.
                        let _ = self.look_up(name).await;
                    }
                    match class.load(Ordering::Relaxed) {
                        PRIVATE => AddressClass::Private,
                        LOOPBACK => AddressClass::Loopback,
                        _ => AddressClass::Public,
                    }
                }
            };
            if own == class {
                return true;
            }
        }
        false
    }
}

/// One name's addresses count as private or loopback when all of them are.
fn common_class(addresses: &[IpAddr]) -> u8 {
    let all = |wanted| {
        addresses
            .iter()
            .all(|address| AddressClass::of(*address) == wanted)
    };
    if all(AddressClass::Loopback) {
        LOOPBACK
    } else if all(AddressClass::Private) {
        PRIVATE
    } else {
        PUBLIC
    }
}

/// The class of a host that needs no lookup.
fn class_by_text(url: &Url) -> Option<AddressClass> {
    if hallpass_core::is_loopback(url) {
        return Some(AddressClass::Loopback);
    }
    match url.host()? {
        Host::Ipv4(address) => Some(AddressClass::of(address.into())),
        Host::Ipv6(address) => Some(AddressClass::of(address.into())),
        Host::Domain(name) => METADATA_NAMES
            .contains(&plain_name(name).as_str())
            .then_some(AddressClass::CloudMetadata),
    }
}

fn plain_name(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

/// Stands for a proxy that leads nowhere; RFC 6761 §6.4 keeps the name free.
pub(crate) const OTHER_ORIGIN: &str = "another-origin.invalid";

/// The resolver that one connection pool uses.
pub(crate) struct PolicyResolver {
    pub(crate) policy: Arc<AddressPolicy>,
    /// Whether the pool's requests go to targets that metadata named.
    pub(crate) checked: bool,
    /// The host of the pool's proxy, which a person configured.
    pub(crate) proxy_host: Option<String>,
}

impl reqwest::dns::Resolve for PolicyResolver {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let policy = Arc::clone(&self.policy);
        let is_proxy = self.proxy_host.as_deref() == Some(name.as_str());
        let checked = self.checked && !is_proxy;
        Box::pin(async move {
            if name.as_str() == OTHER_ORIGIN {
                return Err("this client is for one origin, and the request is for another".into());
            }
            let found = policy.addresses(name.as_str(), checked).await?;
            // Port 0 stands for the URL's own.
            let found = found.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(found) as reqwest::dns::Addrs)
        })
    }
}

/// A target that the address policy refuses.
///
/// It is the [source](std::error::Error::source) of an [`HttpError`](hallpass_core::HttpError) of
/// kind `AddressRefused`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressRefused {
    pub(crate) host: String,
    pub(crate) address: Option<IpAddr>,
    pub(crate) class: AddressClass,
}

impl AddressRefused {
    /// The host as the URL names it.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The address that the host's name led to; `None` when the host itself decides.
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// Which kind of network it would have led into.
    pub fn class(&self) -> AddressClass {
        self.class
    }

    /// What the person can do when the target is right.
    pub fn hint(&self) -> String {
        format!(
            "if `{}` is meant to be used, name its origin in the settings",
            self.host
        )
    }
}

impl fmt::Display for AddressRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ", self.host)?;
        if let Some(address) = self.address {
            write!(f, "resolves to {address}, which ")?;
        }
        write!(f, "is a {} address", self.class)?;
        if !self.class.is_never_allowed() {
            f.write_str(", and no configured server is on such a one")?;
        }
        Ok(())
    }
}

impl std::error::Error for AddressRefused {}

#[cfg(test)]
mod tests;
