//! Which class an IP address belongs to, looked at as a connection would use it.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

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
    /// RFC 6052, 6to4 of RFC 3056) are judged by the IPv4 address, since that is where the
    /// connection ends.
    pub fn from_ip(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => of_v6(address),
        }
    }

    /// Whether no configuration of another origin makes such an address acceptable.
    pub(crate) fn is_never_allowed(self) -> bool {
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

fn of_v4(address: Ipv4Addr) -> AddressClass {
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

fn of_v6(address: Ipv6Addr) -> AddressClass {
    // AWS and Google Cloud answer instance metadata here.
    const AWS: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    const GOOGLE: Ipv6Addr = Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254);

    let octets = address.octets();
    let v4 = |at: [usize; 4]| of_v4(Ipv4Addr::from(at.map(|index| octets[index])));
    match address.segments() {
        _ if address == AWS || address == GOOGLE => AddressClass::CloudMetadata,
        // Unspecified; Teredo, ORCHID, benchmarking (2001::/23); documentation.
        [0, 0, 0, 0, 0, 0, 0, 0] | [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => {
            AddressClass::Reserved
        }
        [0, 0, 0, 0, 0, 0, 0, 1] => AddressClass::Loopback,
        // IPv4-mapped and IPv4-compatible (RFC 4291 §2.5.5), IPv4-translated (RFC 2765), and
        // NAT64's well-known prefix (RFC 6052 §2.1).
        [0, 0, 0, 0, 0, 0 | 0xffff, ..]
        | [0, 0, 0, 0, 0xffff, 0, ..]
        | [0x64, 0xff9b, 0, 0, 0, 0, ..] => v4([12, 13, 14, 15]),
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

#[cfg(test)]
mod tests;
