//! The `NO_PROXY` list.

use std::net::IpAddr;

use url::{Host, Url};

/// What is reached without the proxy.
///
/// An entry is `*` (everything), a host name (itself and every name below it; a leading `.` or
/// `*.` changes nothing), an IP address or a network (`10.0.0.0/8`), each with an optional `:port`.
/// Entries that are none of these match nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NoProxy(Vec<Entry>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    what: NoProxyReason,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum NoProxyReason {
    Everything,
    Name(String),
    Network(IpAddr, u8),
}

impl NoProxy {
    /// Reads a list separated by commas or white space.
    pub fn parse(list: &str) -> Self {
        let mut all = Self::default();
        all.add(list);
        all
    }

    /// This machine: `localhost`, 127.0.0.0/8 and `::1`.
    pub fn loopback() -> Self {
        Self::parse("localhost, 127.0.0.0/8, ::1")
    }

    /// Adds the entries of another list.
    pub fn add(&mut self, list: &str) {
        let entries = list
            .split(|character: char| character == ',' || character.is_whitespace())
            .filter(|entry| !entry.is_empty());
        self.0.extend(entries.filter_map(read_entry));
    }

    /// Whether `url` is reached directly.
    pub fn matches(&self, url: &Url) -> bool {
        let Some(host) = url.host() else {
            return false;
        };
        let address = match &host {
            Host::Ipv4(address) => Some(IpAddr::from(*address)),
            Host::Ipv6(address) => Some(IpAddr::from(*address)),
            Host::Domain(_) => None,
        };
        let name = host.to_string().to_ascii_lowercase();
        let name = name.strip_suffix('.').unwrap_or(&name);
        self.0.iter().any(|entry| {
            let same_port = entry
                .port
                .is_none_or(|port| url.port_or_known_default() == Some(port));
            same_port
                && match (&entry.what, address) {
                    (NoProxyReason::Everything, _) => true,
                    (NoProxyReason::Name(suffix), None) => name
                        .strip_suffix(suffix.as_str())
                        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.')),
                    (NoProxyReason::Network(network, bits), Some(address)) => {
                        in_network(address, *network, *bits)
                    }
                    _ => false,
                }
        })
    }
}

fn read_entry(text: &str) -> Option<Entry> {
    if let Some(what) = read_address(text) {
        return Some(Entry { what, port: None });
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok()?)),
        None => (text, None),
    };
    if let Some(what) = read_address(host) {
        return Some(Entry { what, port });
    }
    if host == "*" {
        let what = NoProxyReason::Everything;
        return Some(Entry { what, port });
    }
    let name = host.strip_prefix('*').unwrap_or(host);
    let name = name.strip_prefix('.').unwrap_or(name);
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    (!name.is_empty()).then_some(Entry {
        what: NoProxyReason::Name(name),
        port,
    })
}

/// `10.1.2.3`, `10.0.0.0/8`, `::1`, `[::1]`, `fd00::/8`.
fn read_address(text: &str) -> Option<NoProxyReason> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits.parse().ok()?)),
        None => (text, None),
    };
    let bare = address
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(address);
    let address: IpAddr = bare.parse().ok()?;
    let width = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.unwrap_or(width);
    (bits <= width).then_some(NoProxyReason::Network(address, bits))
}

fn in_network(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let same_head = |left: u128, right: u128, width: u32| {
        let tail = width - u32::from(bits);
        left.checked_shr(tail).unwrap_or(0) == right.checked_shr(tail).unwrap_or(0)
    };
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => same_head(
            u128::from(address.to_bits()),
            u128::from(network.to_bits()),
            32,
        ),
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            same_head(address.to_bits(), network.to_bits(), 128)
        }
        _ => false,
    }
}
