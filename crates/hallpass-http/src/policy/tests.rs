use std::{collections::HashMap, io, sync::Mutex};

use hallpass_core::{BoxFuture, Diagnostic as _, Hint, block_on};

use super::*;

/// Answers from a table that a test may change.
#[derive(Debug, Default)]
struct Table(Mutex<HashMap<String, Vec<IpAddr>>>);

impl Table {
    fn set(&self, host: &str, addresses: &[&str]) {
        let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
        self.0.lock().unwrap().insert(host.to_owned(), addresses);
    }
}

impl Resolver for Table {
    fn resolve(&self, host: &str) -> BoxFuture<'_, io::Result<Vec<IpAddr>>> {
        let found = self.0.lock().unwrap().get(host).cloned();
        Box::pin(async move { found.ok_or_else(|| io::Error::other("unknown name")) })
    }
}

fn policy(table: &Arc<Table>) -> AddressPolicy {
    AddressPolicy::new(&[], Arc::<Table>::clone(table), Duration::from_secs(10))
}

fn server(url: &str) -> ServerUrl {
    ServerUrl::parse(url).unwrap()
}

/// Whether metadata of `server` may lead to `url`.
fn check(server: &str, url: &str) -> Result<(), AddressRefused> {
    let policy = policy(&Arc::default());
    let reach = block_on(learned(&policy, server));
    reach.judge_url(&Url::parse(url).unwrap())
}

#[test]
fn ip_literal_and_fixed_name_are_judged_by_the_url() {
    let public = "https://93.184.216.34";
    let private = "https://10.0.0.1";
    let loopback = "http://localhost:3000";
    let cases = [
        (public, "https://8.8.8.8/", true),
        (public, "https://as.example/", true),
        (public, "https://10.0.0.5/", false),
        (public, "http://127.0.0.1/", false),
        (public, "http://0x7f.1/", false),
        (public, "http://2130706433/", false),
        (public, "http://localhost/", false),
        (public, "http://a.LOCALHOST./", false),
        (public, "http://[::1]/", false),
        (public, "http://[::ffff:127.0.0.1]/", false),
        (public, "http://[64:ff9b::a00:1]/", false),
        (public, "http://[2002:a00:1::]/", false),
        (private, "https://10.0.0.5/", true),
        (private, "https://192.168.3.4/", true),
        (private, "https://8.8.8.8/", true),
        (private, "http://127.0.0.1/", false),
        (private, "http://169.254.169.254/", false),
        (private, "http://100.100.100.200/", false),
        (loopback, "http://127.0.0.1:9000/", true),
        (loopback, "http://[::1]:9000/", true),
        (loopback, "https://10.0.0.5/", false),
        (loopback, "http://169.254.169.254/", false),
        (loopback, "http://[fe80::1]/", false),
        (loopback, "http://metadata.google.internal/", false),
        (loopback, "http://Metadata.Google.Internal./", false),
        (loopback, "http://0.0.0.0/", false),
    ];
    for (server, url, expected) in cases {
        assert_eq!(check(server, url).is_ok(), expected, "{server} {url}");
    }
}

#[test]
fn address_refusal_has_text_and_hint() {
    let refused = check("https://93.184.216.34", "http://10.0.0.5/x?code=canary").unwrap_err();
    assert_eq!(
        refused.to_string(),
        "`10.0.0.5` is a private address, and the MCP server is not in such a network"
    );
    assert_eq!(
        refused.hints(),
        [Hint::text(
            "if `10.0.0.5` is meant to be used, name its origin in the settings"
        )]
    );
    let refused = check("https://93.184.216.34", "http://169.254.169.254/").unwrap_err();
    assert_eq!(
        refused.to_string(),
        "`169.254.169.254` is a link-local address"
    );
}

#[tokio::test]
async fn private_server_reaches_private_network() {
    let table = Arc::new(Table::default());
    table.set("mcp.corp", &["10.1.1.1"]);
    table.set("sso.corp", &["10.2.2.2", "169.254.169.254"]);
    let policy = policy(&table);
    let allowed = policy.addresses("sso.corp", learned(&policy, "https://mcp.corp").await);
    assert_eq!(
        allowed.await.unwrap(),
        ["10.2.2.2".parse::<IpAddr>().unwrap()]
    );
}

async fn learned(policy: &AddressPolicy, url: &str) -> Reach {
    let target = Origin::parse("https://as.example").unwrap();
    policy.reach(&target, &server(url), false).await
}

#[tokio::test]
async fn server_once_public_stays_public() {
    let table = Arc::new(Table::default());
    table.set("mcp.example", &["93.184.216.34"]);
    table.set("inner.example", &["10.2.2.2"]);
    let policy = policy(&table);
    // Its own requests come first, and are what its class is learned from.
    let own = Origin::parse("https://mcp.example").unwrap();
    let url = server("https://mcp.example/mcp");
    let reach = policy.reach(&own, &url, false).await;
    assert_eq!(reach, Reach::Configured);
    policy.addresses("mcp.example", reach).await.unwrap();
    table.set("mcp.example", &["10.1.1.1"]);
    policy.addresses("mcp.example", reach).await.unwrap();
    let reach = learned(&policy, "https://mcp.example/mcp").await;
    let error = policy.addresses("inner.example", reach).await.unwrap_err();
    let refused = error.downcast::<AddressRefused>().unwrap();
    assert_eq!(refused.class(), AddressClass::Private);
    assert_eq!(refused.address(), Some("10.2.2.2".parse().unwrap()));
    assert_eq!(refused.host(), "inner.example");
}

#[tokio::test]
async fn private_server_that_turns_public_reaches_no_private_network_any_more() {
    let table = Arc::new(Table::default());
    table.set("mcp.example", &["10.1.1.1"]);
    let policy = policy(&table);
    let reach = learned(&policy, "https://mcp.example").await;
    assert_eq!(reach, Reach::Within(AddressClass::Private));
    table.set("mcp.example", &["93.184.216.34"]);
    policy.look_up("mcp.example").await.unwrap();
    let reach = learned(&policy, "https://mcp.example").await;
    assert_eq!(reach, Reach::Within(AddressClass::Public));
}

#[tokio::test]
async fn each_server_of_a_client_has_its_own_class() {
    let table = Arc::new(Table::default());
    table.set("mcp.corp", &["10.1.1.1"]);
    table.set("mcp.example", &["93.184.216.34"]);
    let policy = policy(&table);
    for (url, class) in [
        ("https://mcp.corp", AddressClass::Private),
        ("http://localhost:3000", AddressClass::Loopback),
        ("https://mcp.example", AddressClass::Public),
        ("https://MCP.corp/other", AddressClass::Private),
        ("https://unknown.example", AddressClass::Public),
    ] {
        assert_eq!(learned(&policy, url).await, Reach::Within(class), "{url}");
    }
}

#[tokio::test]
async fn server_with_one_public_address_is_public() {
    let table = Arc::new(Table::default());
    table.set("mcp.example", &["10.1.1.1", "93.184.216.34"]);
    let policy = policy(&table);
    let reach = learned(&policy, "https://mcp.example").await;
    assert_eq!(reach, Reach::Within(AddressClass::Public));
}

#[tokio::test]
async fn server_behind_proxy_or_without_address_is_public() {
    let table = Arc::new(Table::default());
    let target = Origin::parse("https://as.example").unwrap();
    let url = server("https://mcp.example");
    for proxied in [false, true] {
        if proxied {
            table.set("mcp.example", &["10.1.1.1"]);
        }
        let reach = policy(&table).reach(&target, &url, proxied).await;
        assert_eq!(reach, Reach::Within(AddressClass::Public));
    }
}
