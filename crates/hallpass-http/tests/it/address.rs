//! The address policy on direct connections.

use std::{
    io,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use hallpass_core::{
    BoxFuture, Remedy,
    http::{ExchangePolicy, HttpErrorKind},
};
use hallpass_http::{AddressClass, AddressRefused, Client, HttpConfig, Resolver};
use http::Request;

use crate::{
    Names, chain, get, origin, post, send,
    server::{Reply, Server},
};

fn client(servers: &[&str], configured: &[&str], names: &Arc<Names>) -> Client {
    Client::new(HttpConfig {
        servers: servers.iter().map(|url| origin(url)).collect(),
        configured_origins: configured.iter().map(|url| origin(url)).collect(),
        resolver: Arc::<Names>::clone(names),
        ..HttpConfig::default()
    })
    .unwrap()
}

#[tokio::test]
async fn a_public_server_can_not_name_this_machine() {
    let inner = Server::start(|_| Reply::ok("secret")).await;
    let names = Names::of(&[("as.test", "127.0.0.1"), ("mcp.test", "93.184.216.34")]);
    let client = client(&["https://mcp.test"], &[], &names);
    let by_name = inner.named("http", "as.test", "/token?code=canary");
    for target in [
        by_name.clone(),
        inner.url("/"),
        inner.named("http", "localhost", "/"),
    ] {
        let error = post(&client, &target, "grant").await.unwrap_err();
        assert_eq!(
            error.kind(),
            HttpErrorKind::AddressRefused,
            "{}",
            chain(&error)
        );
        assert_eq!(error.remedy(), Remedy::Configure);
        assert!(!error.may_have_been_sent());
    }
    assert_eq!(inner.connections(), 0);

    let error = get(&client, &by_name).await.unwrap_err();
    let refused = std::error::Error::source(&error).unwrap();
    let refused = refused.downcast_ref::<AddressRefused>().unwrap();
    assert_eq!(refused.class(), AddressClass::Loopback);
    assert_eq!(
        refused.to_string(),
        "`as.test` resolves to 127.0.0.1, which is a loopback address, and no configured server \
         is on such a one"
    );
    assert!(!format!("{} {error:?}", chain(&error)).contains("canary"));
}

#[tokio::test]
async fn an_answer_that_changes_gains_nothing() {
    let inner = Server::start(|_| Reply::ok("secret")).await;
    let names = Names::of(&[("as.test", "93.184.216.34"), ("mcp.test", "93.184.216.34")]);
    let client = client(&["https://mcp.test"], &[], &names);
    // The first answer is public and leads nowhere from here; the second is this machine.
    names.set("as.test", "127.0.0.1");
    for _ in 0..2 {
        let error = get(&client, &inner.named("http", "as.test", "/"))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), HttpErrorKind::AddressRefused);
    }
    // Each connection asks once: what was judged is what is connected to.
    assert_eq!(
        names
            .asked()
            .iter()
            .filter(|name| *name == "as.test")
            .count(),
        2
    );
    assert_eq!(inner.connections(), 0);
}

/// Says 127.0.0.1 to every other question and a cloud's metadata address to the rest.
#[derive(Debug, Default)]
struct Flipping(AtomicUsize);

impl Resolver for Flipping {
    fn resolve(&self, _: &str) -> BoxFuture<'_, io::Result<Vec<IpAddr>>> {
        let asked = self.0.fetch_add(1, Ordering::SeqCst);
        let answer = ["127.0.0.1", "169.254.169.254"][asked % 2];
        Box::pin(async move { Ok(vec![answer.parse().unwrap()]) })
    }
}

#[tokio::test]
async fn what_was_judged_is_what_is_connected_to() {
    let other = Server::start(|_| Reply::ok("here")).await;
    let names = Arc::new(Flipping::default());
    let client = Client::new(HttpConfig {
        servers: vec![origin("http://127.0.0.1:3000")],
        resolver: Arc::<Flipping>::clone(&names),
        ..HttpConfig::default()
    })
    .unwrap();
    let url = other.named("http", "as.test", "/");
    // A second look at the name between judging and connecting would turn these around.
    for round in 0..4 {
        let answer = get(&client, &url).await;
        assert_eq!(answer.is_ok(), round % 2 == 0, "{round}");
        if let Err(error) = answer {
            assert_eq!(error.kind(), HttpErrorKind::AddressRefused);
        }
    }
    assert_eq!(names.0.load(Ordering::SeqCst), 4);
    assert_eq!(other.connections(), 2);
}

#[tokio::test]
async fn a_server_on_this_machine_names_others_on_it() {
    let other = Server::start(|_| Reply::ok("here")).await;
    let names = Names::of(&[("as.test", "127.0.0.1"), ("link.test", "169.254.169.254")]);
    for server in [
        "http://127.0.0.1:3000",
        "http://localhost:3000",
        "https://[::1]:3000",
    ] {
        let client = client(&[server], &[], &names);
        get(&client, &other.url("/")).await.unwrap();
        get(&client, &other.named("http", "as.test", "/"))
            .await
            .unwrap();
        for target in [
            "http://link.test/",
            "http://169.254.169.254/",
            "http://10.0.0.1/",
        ] {
            let error = get(&client, target).await.unwrap_err();
            assert_eq!(error.kind(), HttpErrorKind::AddressRefused, "{target}");
        }
    }
}

#[tokio::test]
async fn a_configured_origin_is_allowed_and_vouches_for_nobody() {
    let chosen = Server::start(|_| Reply::ok("chosen")).await;
    let other = Server::start(|_| Reply::ok("other")).await;
    let names = Names::of(&[("sso.test", "127.0.0.1"), ("mcp.test", "93.184.216.34")]);
    let sso = chosen.named("http", "sso.test", "/");
    let client = client(&["https://mcp.test"], &[&sso], &names);
    assert_eq!(get(&client, &sso).await.unwrap().body(), "chosen");
    // The same host on another port is another origin.
    for target in [
        other.named("http", "sso.test", "/"),
        other.url("/"),
        chosen.url("/"),
    ] {
        let error = get(&client, &target).await.unwrap_err();
        assert_eq!(error.kind(), HttpErrorKind::AddressRefused, "{target}");
    }
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn mcp_requests_go_where_the_person_said() {
    let server = Server::start(|_| Reply::ok("mcp")).await;
    let client = client(&[], &[], &Names::of(&[]));
    let request = Request::get(server.url("/")).body(Bytes::new()).unwrap();
    let answer = send(&client, request, ExchangePolicy::mcp()).await.unwrap();
    assert_eq!(answer.body(), "mcp");
    let error = get(&client, &server.url("/")).await.unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::AddressRefused);
}

#[tokio::test]
async fn a_redirect_is_judged_like_a_url() {
    // The only redirects that are followed keep host and port, so the judgement holds for them;
    // one to an address is refused as another origin before it is looked at.
    let server = Server::start(|_| Reply::redirect("302 Found", "http://169.254.169.254/")).await;
    let client = crate::client_for(&server.url("/"));
    let error = get(&client, &server.url("/")).await.unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::Redirect);
}
