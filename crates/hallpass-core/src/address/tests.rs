use super::*;

#[test]
fn every_address_has_a_class() {
    use AddressClass::{CloudMetadata, LinkLocal, Loopback, Private, Public, Reserved};
    let cases = [
        ("8.8.8.8", Public),
        ("1.1.1.1", Public),
        ("172.15.255.255", Public),
        ("172.16.0.1", Private),
        ("172.31.255.255", Private),
        ("172.32.0.1", Public),
        ("10.1.2.3", Private),
        ("192.168.0.1", Private),
        ("100.63.255.255", Public),
        ("100.64.0.1", Private),
        ("100.127.0.1", Private),
        ("100.128.0.1", Public),
        ("198.18.0.5", Private),
        ("198.20.0.5", Public),
        ("127.0.0.1", Loopback),
        ("127.255.255.254", Loopback),
        ("169.254.169.254", LinkLocal),
        ("169.254.0.1", LinkLocal),
        ("168.63.129.16", CloudMetadata),
        ("100.100.100.200", CloudMetadata),
        ("192.0.0.192", CloudMetadata),
        ("0.0.0.0", Reserved),
        ("192.0.0.1", Reserved),
        ("192.0.2.1", Reserved),
        ("192.0.1.1", Public),
        ("192.88.99.1", Reserved),
        ("198.51.100.1", Reserved),
        ("203.0.113.1", Reserved),
        ("224.0.0.1", Reserved),
        ("255.255.255.255", Reserved),
        ("::", Reserved),
        ("::1", Loopback),
        ("2606:4700::1111", Public),
        ("2a00:1450::1", Public),
        ("fc00::1", Private),
        ("fd12:3456::1", Private),
        ("fec0::1", Private),
        ("fe80::1", LinkLocal),
        ("fd00:ec2::254", CloudMetadata),
        ("fd20:ce::254", CloudMetadata),
        ("ff02::1", Reserved),
        ("2001:db8::1", Reserved),
        ("2001::1", Reserved),
        ("3fff::1", Reserved),
        ("100::1", Reserved),
        ("4000::1", Reserved),
        // An IPv4 address in an IPv6 coat.
        ("::ffff:127.0.0.1", Loopback),
        ("::ffff:169.254.169.254", LinkLocal),
        ("::ffff:10.0.0.1", Private),
        ("::ffff:8.8.8.8", Public),
        ("::7f00:1", Loopback),
        ("::ffff:0:10.0.0.1", Private),
        ("64:ff9b::127.0.0.1", Loopback),
        ("64:ff9b::a9fe:a9fe", LinkLocal),
        ("64:ff9b::8.8.8.8", Public),
        ("64:ff9b:1::10.0.0.1", Private),
        ("64:ff9b:1::169.254.169.254", LinkLocal),
        ("64:ff9b:1:a9fe:a9:fe00::", LinkLocal),
        ("64:ff9b:1::8.8.8.8", Private),
        ("2002:7f00:1::1", Loopback),
        ("2002:a9fe:a9fe::1", LinkLocal),
        ("2002:a00:1::1", Private),
        ("2002:808:808::1", Public),
        ("2606:4700::5efe:127.0.0.1", Loopback),
        ("2606:4700::200:5efe:a9fe:a9fe", LinkLocal),
        ("2606:4700:1:2:0:5efe:a00:1", Private),
        ("2606:4700::5efe:8.8.8.8", Public),
        ("fd00::5efe:8.8.8.8", Private),
        ("fe80::5efe:8.8.8.8", LinkLocal),
    ];
    for (text, expected) in cases {
        let address: IpAddr = text.parse().unwrap();
        assert_eq!(AddressClass::from_ip(address), expected, "{text}");
    }
}

/// Whether a browser may be sent to `url` for a server whose network is of `class`.
#[track_caller]
fn check_navigation(class: AddressClass, server: &str, url: &str, expected: bool) {
    let parsed = Url::parse(url).unwrap();
    let server_url = ServerUrl::parse(server).unwrap();
    let judged = class.check_navigation(&parsed, &server_url);
    assert_eq!(judged.is_ok(), expected, "{server} ({class}): {url}");
}

#[test]
fn browser_is_sent_to_no_private_network_for_a_public_server() {
    for url in INTERNAL {
        check_navigation(AddressClass::Public, "https://mcp.example/mcp", url, false);
    }
    for url in [
        "https://as.example/authorize",
        "https://8.8.8.8/",
        "https://[2606:4700::1111]/",
        // Public names, with a part that looks private.
        "https://localhost.example/",
        "https://local.example/",
        "https://internal.example/",
        "https://mylan.example/",
        "https://notfritz.box/",
    ] {
        check_navigation(AddressClass::Public, "https://mcp.example/mcp", url, true);
    }
}

#[test]
fn browser_is_sent_where_the_server_is() {
    use AddressClass::{Loopback, Private, Public};
    // A name that led to a private network.
    check_navigation(Private, "https://mcp.example", "https://10.0.0.5/", true);
    check_navigation(Private, "https://mcp.example", "https://sso.corp/", true);
    check_navigation(Private, "https://mcp.example", "https://sso/", true);
    check_navigation(Private, "https://mcp.example", "http://127.0.0.1/", false);
    check_navigation(
        Private,
        "https://mcp.example",
        "https://169.254.169.254/",
        false,
    );
    // A name that tells it, where a proxy looks names up.
    check_navigation(
        Public,
        "https://mcp.internal",
        "https://sso.internal/",
        true,
    );
    check_navigation(Public, "https://mcp", "https://192.168.1.5/", true);
    check_navigation(Public, "https://mcp", "https://metadata/", false);
    check_navigation(
        Loopback,
        "http://localhost:3000",
        "http://[::1]:9000/",
        true,
    );
    check_navigation(
        Loopback,
        "http://127.0.0.1:3000",
        "https://10.0.0.1/",
        false,
    );
    // Its own origin is the user's choice.
    check_navigation(
        Public,
        "https://169.254.1.1/mcp",
        "https://169.254.1.1/a",
        true,
    );
    check_navigation(
        Public,
        "https://169.254.1.1/mcp",
        "https://169.254.1.2/a",
        false,
    );
}

/// Where no public server may send a browser.
const INTERNAL: &[&str] = &[
    "https://127.0.0.1/authorize",
    "http://127.0.0.1:8080/",
    "https://127.1/",
    "https://2130706433/",
    "https://0x7f.1/",
    "https://017700000001/",
    "https://127.000.000.001/",
    "https://１２７.0.0.1/",
    "https://0.0.0.0/",
    "https://[::1]/",
    "https://[::]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[::127.0.0.1]/",
    "https://[64:ff9b::10.0.0.1]/",
    "https://[64:ff9b:1::a9fe:a9fe]/",
    "https://[2002:a00:1::]/",
    "https://[fe80::1]/",
    "https://[fd00::1]/",
    "https://[fec0::1]/",
    "https://[ff02::1]/",
    "https://10.0.0.5/",
    "https://172.16.0.1/",
    "https://192.168.0.1/",
    "https://192.168.178.1/",
    "https://100.64.0.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://100.100.100.200/",
    "https://168.63.129.16/",
    "https://[fd00:ec2::254]/",
    "https://localhost/",
    "http://localhost:6379/",
    "https://LOCALHOST./",
    "https://app.localhost/",
    "https://printer.local/",
    "https://sso.internal/",
    "https://metadata.google.internal/",
    "https://Metadata.Google.Internal./",
    "https://metadata/",
    "https://metadata.tencentyun.com/",
    "https://localhost../",
    "https://router../",
    "https://as..example/",
    "https://kubernetes.default.svc/",
    "https://as.test/",
    "https://sso.intra/",
    "https://instance-data/",
    "https://router/",
    "https://intranet./",
    "https://nas.home.arpa/",
    "https://nas.lan/",
    "https://nas.home/",
    "https://wiki.corp/",
    "https://fritz.box/",
    "https://www.routerlogin.net/",
    "https://tplinkwifi.net/",
    "https://router.asus.com/",
    "https://%6cocalhost/",
    "https://ⓛocalhost/",
];
