//! Which kind of network an address leads into, and what metadata of the other side may name.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use url::{Host, Url};

use crate::{
    Diagnostic, Hint, Remedy, ServerUrl, canonical_host_name, is_loopback, is_within_domain,
};

/// Names that lead to a cloud's instance metadata.
const METADATA_NAMES: [&str; 6] = [
    "metadata.google.internal",
    "metadata.goog",
    "metadata",
    "instance-data",
    "instance-data.ec2.internal",
    "metadata.tencentyun.com",
];

/// Names that, with those below them, belong to the network that the user is in: reserved (RFC 6762 §3,
/// RFC 8375 §3, RFC 6761 §6.2, ICANN's `internal`), in use and not delegated (RFC 6762 appendix G, `svc` of
/// Kubernetes), or a router's.
const PRIVATE_NAMES: [&str; 18] = [
    "local",
    "home.arpa",
    "internal",
    "intra",
    "intranet",
    "private",
    "corp",
    "home",
    "lan",
    "localdomain",
    "svc",
    "test",
    "fritz.box",
    "orbilogin.com",
    "router.asus.com",
    "routerlogin.com",
    "routerlogin.net",
    "tplinkwifi.net",
];

/// What kind of network an address leads into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AddressClass {
    /// The public internet.
    Public,
    /// A private network: RFC 1918, RFC 4193, the shared space of RFC 6598, the benchmarking
    /// space of RFC 2544 (which VPN programs hand out), site-local IPv6.
    Private,
    /// This machine: 127.0.0.0/8 and `::1`.
    Loopback,
    /// The link (169.254.0.0/16, `fe80::/10`), where clouds also serve their metadata.
    LinkLocal,
    /// An address outside link-local where a cloud serves its metadata.
    CloudMetadata,
    /// Nothing that a server has: unspecified, multicast, documentation, reserved.
    Reserved,
}

impl AddressClass {
    /// The class of `address`. IPv4 addresses inside IPv6 ones (mapped, compatible, NAT64 of
    /// RFC 6052, 6to4 of RFC 3056, ISATAP of RFC 5214) are judged by the IPv4 address, since that is where the
    /// connection ends.
    pub fn from_ip(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => from_v4(address),
            IpAddr::V6(address) => from_v6(address),
        }
    }

    /// The class of a URL's host where its text alone tells it: an address, a name of this machine, a
    /// cloud's name for its metadata, a name with an empty part. `None` for a name that has to be looked up.
    pub fn from_url(url: &Url) -> Option<Self> {
        if is_loopback(url) {
            return Some(Self::Loopback);
        }
        match url.host()? {
            Host::Ipv4(address) => Some(Self::from_ip(address.into())),
            Host::Ipv6(address) => Some(Self::from_ip(address.into())),
            Host::Domain(name) => {
                let name = canonical_host_name(name);
                if name.split('.').any(str::is_empty) {
                    return Some(Self::Reserved);
                }
                METADATA_NAMES
                    .contains(&name.as_str())
                    .then_some(Self::CloudMetadata)
            }
        }
    }

    /// Judges whether a user's browser may be sent to `url`, which `server` or its metadata names. `self`
    /// is the class of the server's network.
    ///
    /// The URL must be public, or lead where the server is. Nothing is resolved: the browser does that
    /// itself, perhaps through a proxy, and another answer here would prove nothing. So a public name is
    /// taken for public, and a name that is kept for private networks for private.
    ///
    /// # Errors
    ///
    /// When the URL leads into another network than the server's.
    pub fn check_navigation(self, url: &Url, server: &ServerUrl) -> Result<(), AddressRefused> {
        let class = Self::from_text(url);
        let is_servers = class == self || class == Self::from_text(server.url());
        if class == Self::Public
            || is_servers && !class.is_never_allowed()
            || server.same_origin(url)
        {
            return Ok(());
        }
        Err(AddressRefused::new(
            url.host_str().unwrap_or_default(),
            None,
            class,
        ))
    }

    /// The class of a URL's host as a user's browser sees it.
    fn from_text(url: &Url) -> Self {
        let is_private = || url.domain().is_some_and(is_private_name);
        let class = Self::from_url(url).or_else(|| is_private().then_some(Self::Private));
        class.unwrap_or(Self::Public)
    }

    /// Whether no server's own class makes such an address acceptable.
    pub fn is_never_allowed(self) -> bool {
        matches!(self, Self::LinkLocal | Self::CloudMetadata | Self::Reserved)
    }
}

impl fmt::Display for AddressClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "public",
            Self::Private => "private",
            Self::Loopback => "loopback",
            Self::LinkLocal => "link-local",
            Self::CloudMetadata => "cloud metadata",
            Self::Reserved => "reserved",
        })
    }
}

fn from_v4(address: Ipv4Addr) -> AddressClass {
    match address.octets() {
        // Oracle, Azure and Alibaba Cloud answer instance metadata here.
        [192, 0, 0, 192] | [168, 63, 129, 16] | [100, 100, 100, 200] => AddressClass::CloudMetadata,
        [127, ..] => AddressClass::Loopback,
        [169, 254, ..] => AddressClass::LinkLocal,
        [10, ..] | [192, 168, ..] | [198, 18 | 19, ..] => AddressClass::Private,
        [172, second, ..] if second & 0xf0 == 16 => AddressClass::Private,
        [100, second, ..] if second & 0xc0 == 64 => AddressClass::Private,
        // RFC 6890 and its registry.
        [0 | 224..=255, ..]
        | [192, 0, 0 | 2, _]
        | [192, 88, 99, _]
        | [198, 51, 100, _]
        | [203, 0, 113, _] => AddressClass::Reserved,
        _ => AddressClass::Public,
    }
}

fn from_v6(address: Ipv6Addr) -> AddressClass {
    // AWS and Google Cloud answer instance metadata here.
    const AWS: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    const GOOGLE: Ipv6Addr = Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254);

    let octets = address.octets();
    let v4 = |at: [usize; 4]| from_v4(Ipv4Addr::from(at.map(|index| octets[index])));
    match address.segments() {
        _ if address == AWS || address == GOOGLE => AddressClass::CloudMetadata,
        // Unspecified; Teredo, ORCHID, benchmarking (2001::/23); documentation.
        [0, 0, 0, 0, 0, 0, 0, 0] | [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => {
            AddressClass::Reserved
        }
        [0, 0, 0, 0, 0, 0, 0, 1] => AddressClass::Loopback,
        // IPv4-mapped and IPv4-compatible (RFC 4291 §2.5.5), IPv4-translated (RFC 2765), NAT64's
        // well-known prefix (RFC 6052 §2.1), and ISATAP (RFC 5214 §6.1).
        [0, 0, 0, 0, 0, 0 | 0xffff, ..]
        | [0, 0, 0, 0, 0xffff, 0, ..]
        | [0x64, 0xff9b, 0, 0, 0, 0, ..]
        | [
            0x2000 | 0x2001 | 0x2003..=0x3fff,
            _,
            _,
            _,
            0 | 0x200,
            0x5efe,
            ..,
        ] => v4([12, 13, 14, 15]),
        // NAT64's local prefix (RFC 8215): the network decides where in it the address stands, so
        // each place of RFC 6052 §2.2 is looked at.
        [0x64, 0xff9b, 1, ..] => [
            [6, 7, 9, 10],
            [7, 9, 10, 11],
            [9, 10, 11, 12],
            [12, 13, 14, 15],
        ]
        .into_iter()
        .map(v4)
        .find(|class| matches!(class, AddressClass::LinkLocal | AddressClass::CloudMetadata))
        .unwrap_or(AddressClass::Private),
        // 6to4 (RFC 3056 §2).
        [0x2002, ..] => v4([2, 3, 4, 5]),
        [first, ..] => match first {
            0xfc00..=0xfdff | 0xfec0..=0xfeff => AddressClass::Private,
            0xfe80..=0xfebf => AddressClass::LinkLocal,
            // Global unicast (RFC 4291 §2.4, as allotted so far).
            0x2000..=0x3fff => AddressClass::Public,
            _ => AddressClass::Reserved,
        },
    }
}

/// Whether a name is kept for private networks. One without a dot is looked up there (RFC 1535).
fn is_private_name(name: &str) -> bool {
    let is_below = |private: &&str| is_within_domain(name, private);
    !name.trim_end_matches('.').contains('.') || PRIVATE_NAMES.iter().any(is_below)
}

/// A target that the address policy refuses.
///
/// It is the [source](std::error::Error::source) of an [`HttpError`](crate::HttpError) of kind
/// `AddressRefused`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{host}` {}is a {class} address{}",
    .address.map(|address| format!("resolves to {address}, which ")).unwrap_or_default(),
    if .class.is_never_allowed() { "" } else { ", and the MCP server is not in such a network" },
)]
pub struct AddressRefused {
    host: String,
    address: Option<IpAddr>,
    class: AddressClass,
}

impl AddressRefused {
    /// A host that is refused for its class, and the address that its name led to; `None` where the
    /// host itself decides.
    pub fn new(host: impl Into<String>, address: Option<IpAddr>, class: AddressClass) -> Self {
        Self {
            host: host.into(),
            address,
            class,
        }
    }

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
}

impl Diagnostic for AddressRefused {
    fn remedy(&self) -> Remedy {
        Remedy::Configure
    }

    fn hints(&self) -> Vec<Hint> {
        vec![Hint::text(format!(
            "if `{}` is meant to be used, name its origin in the settings",
            self.host
        ))]
    }
}

#[cfg(test)]
mod tests;
