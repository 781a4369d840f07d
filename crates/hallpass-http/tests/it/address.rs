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
    BoxFuture, Diagnostic as _, Remedy,
    http::{HttpErrorKind, RequestOptions},
};
use hallpass_http::{AddressClass, AddressRefused, Client, HttpConfig, Resolver};
use http::Request;

use crate::{
    Names, chain, get, get_for, origin, post_for, send,
    server::{Reply, Server},
    server_at,
};

const PUBLIC: &str = "https://mcp.test";
const LOOPBACK: &str = "http://127.0.0.1:3000";

fn client(configured: &[&str], names: &Arc<Names>) -> Client {
    Client::new(
        HttpConfig::default()
            .with_configured_origins(configured.iter().map(|url| origin(url)).collect())
            .with_resolver(Arc::<Names>::clone(names)),
    )
    .unwrap()
}

#[tokio::test]
async fn public_server_does_not_reach_loopback() {
    let inner = Server::start(|_| Reply::ok("secret")).await;
    let names = Names::new(&[("as.test", "127.0.0.1"), ("mcp.test", "93.184.216.34")]);
    let client = client(&[], &names);
    let by_name = inner.named("http", "as.test", "/token?code=canary");
    for target in [
        by_name.clone(),
        inner.url("/"),
        inner.named("http", "localhost", "/"),
    ] {
        let error = post_for(&client, PUBLIC, &target, "grant")
            .await
            .unwrap_err();
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

    let error = get_for(&client, PUBLIC, &by_name).await.unwrap_err();
    let refused = std::error::Error::source(&error).unwrap();
    let refused = refused.downcast_ref::<AddressRefused>().unwrap();
    assert_eq!(refused.class(), AddressClass::Loopback);
    assert_eq!(
        refused.to_string(),
        "`as.test` resolves to 127.0.0.1, which is a loopback address, and the MCP server \
         is not in such a network"
    );
    assert!(!format!("{} {error:?}", chain(&error)).contains("canary"));
}

#[tokio::test]
async fn name_rebound_to_loopback_is_refused() {
    let inner = Server::start(|_| Reply::ok("secret")).await;
    let names = Names::new(&[("as.test", "93.184.216.34"), ("mcp.test", "93.184.216.34")]);
    let client = client(&[], &names);
    // The first answer is public and leads nowhere from here; the second is this machine.
    names.set("as.test", "127.0.0.1");
    for _ in 0..2 {
        let error = get_for(&client, PUBLIC, &inner.named("http", "as.test", "/"))
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
async fn judged_address_is_the_one_connected_to() {
    let other = Server::start(|_| Reply::ok("here")).await;
    let names = Arc::new(Flipping::default());
    let client =
        Client::new(HttpConfig::default().with_resolver(Arc::<Flipping>::clone(&names))).unwrap();
    let url = other.named("http", "as.test", "/");
    // A second look at the name between judging and connecting would turn these around.
    for round in 0..4 {
        let answer = get_for(&client, LOOPBACK, &url).await;
        assert_eq!(answer.is_ok(), round % 2 == 0, "{round}");
        if let Err(error) = answer {
            assert_eq!(error.kind(), HttpErrorKind::AddressRefused);
        }
    }
    assert_eq!(names.0.load(Ordering::SeqCst), 4);
    assert_eq!(other.connections(), 2);
}

#[tokio::test]
async fn loopback_server_reaches_loopback() {
    let other = Server::start(|_| Reply::ok("here")).await;
    let names = Names::new(&[("as.test", "127.0.0.1"), ("link.test", "169.254.169.254")]);
    for server in [
        "http://127.0.0.1:3000",
        "http://localhost:3000",
        "https://[::1]:3000",
    ] {
        let client = client(&[], &names);
        get_for(&client, server, &other.url("/")).await.unwrap();
        get_for(&client, server, &other.named("http", "as.test", "/"))
            .await
            .unwrap();
        for target in [
            "http://link.test/",
            "http://169.254.169.254/",
            "http://10.0.0.1/",
        ] {
            let error = get_for(&client, server, target).await.unwrap_err();
            assert_eq!(error.kind(), HttpErrorKind::AddressRefused, "{target}");
        }
    }
}

#[tokio::test]
async fn configured_origin_is_allowed_and_vouches_for_no_other() {
    let chosen = Server::start(|_| Reply::ok("chosen")).await;
    let other = Server::start(|_| Reply::ok("other")).await;
    let names = Names::new(&[("sso.test", "127.0.0.1"), ("mcp.test", "93.184.216.34")]);
    let sso = chosen.named("http", "sso.test", "/");
    let client = client(&[&sso], &names);
    assert_eq!(
        get_for(&client, PUBLIC, &sso).await.unwrap().body(),
        "chosen"
    );
    // The same host on another port is another origin.
    for target in [
        other.named("http", "sso.test", "/"),
        other.url("/"),
        chosen.url("/"),
    ] {
        let error = get_for(&client, PUBLIC, &target).await.unwrap_err();
        assert_eq!(error.kind(), HttpErrorKind::AddressRefused, "{target}");
    }
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn server_itself_is_reached_on_any_network() {
    let server = Server::start(|_| Reply::ok("mcp")).await;
    let client = client(&[], &Names::new(&[]));
    let mcp = |of: &str| {
        let request = Request::get(server.url("/")).body(Bytes::new()).unwrap();
        (request, RequestOptions::mcp(&server_at(of)))
    };
    let (request, policy) = mcp(&server.url("/mcp"));
    let answer = send(&client, request, policy).await.unwrap();
    assert_eq!(answer.body(), "mcp");
    let answer = get(&client, &server.url("/.well-known/x")).await.unwrap();
    assert_eq!(answer.body(), "mcp");
    let (request, policy) = mcp(PUBLIC);
    let error = send(&client, request, policy).await.unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::AddressRefused);
}

#[tokio::test]
async fn public_server_beside_a_loopback_one_does_not_reach_loopback() {
    let inner = Server::start(|_| Reply::ok("secret")).await;
    let names = Names::new(&[("mcp.test", "93.184.216.34"), ("as.test", "127.0.0.1")]);
    let client = client(&[], &names);
    // The loopback server's own endpoint, an authorization server beside it, and one by its name.
    let (loopback, named) = (inner.url("/mcp"), inner.named("http", "as.test", "/token"));
    for round in 0..2 {
        for target in [&loopback, &inner.url("/token"), &named] {
            let refused = [
                get_for(&client, PUBLIC, target).await.unwrap_err(),
                post_for(&client, PUBLIC, target, "grant")
                    .await
                    .unwrap_err(),
            ];
            for error in refused {
                let kind = HttpErrorKind::AddressRefused;
                assert_eq!(error.kind(), kind, "{round} {target}");
            }
            get_for(&client, &loopback, target).await.unwrap();
            post_for(&client, &loopback, target, "grant").await.unwrap();
        }
    }
    assert_eq!(inner.seen().len(), 12);
}

#[tokio::test]
async fn connection_of_a_loopback_server_is_not_used_for_a_public_one() {
    let kept = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let inner = Server::start(move |_| Reply::KeepAlive(kept.as_bytes().to_vec())).await;
    let names = Names::new(&[("mcp.test", "93.184.216.34"), ("as.test", "127.0.0.1")]);
    let client = client(&[], &names);
    let target = inner.named("http", "as.test", "/token");
    // A connection goes back into its pool a moment after the body has been read.
    let is_kept = || inner.connections() < inner.seen().len() as u64;
    while !is_kept() {
        get_for(&client, LOOPBACK, &target).await.unwrap();
        tokio::task::yield_now().await;
        assert!(inner.seen().len() < 20, "no connection is kept");
    }
    let seen = inner.seen().len();
    let error = get_for(&client, PUBLIC, &target).await.unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::AddressRefused);
    assert_eq!(inner.seen().len(), seen);
}

#[tokio::test]
async fn redirect_is_followed_as_far_as_the_server_reaches() {
    let inner = Server::start(|request| {
        if request.line.contains("/moved") {
            Reply::ok("arrived")
        } else {
            Reply::redirect("302 Found", "/moved")
        }
    })
    .await;
    let names = Names::new(&[("mcp.test", "93.184.216.34"), ("as.test", "127.0.0.1")]);
    let client = client(&[], &names);
    let target = inner.named("http", "as.test", "/document");
    let answer = get_for(&client, LOOPBACK, &target).await.unwrap();
    assert_eq!(answer.body(), "arrived");
    let error = get_for(&client, PUBLIC, &target).await.unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::AddressRefused);
    assert_eq!(inner.seen().len(), 2);
}

#[tokio::test]
async fn redirect_target_is_judged_by_address_policy() {
    // The only redirects that are followed keep host and port, so the judgement holds for them;
    // one to an address is refused as another origin before it is looked at.
    let server = Server::start(|_| Reply::redirect("302 Found", "http://169.254.169.254/")).await;
    let client = crate::client();
    let error = get(&client, &server.url("/")).await.unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::Redirect);
}
