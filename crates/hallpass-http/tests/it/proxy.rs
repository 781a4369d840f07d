//! HTTP proxies: tunnels, credentials, and the address policy behind them.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use hallpass_core::{Diagnostic as _, Remedy, http::HttpErrorKind};
use hallpass_http::{
    CaBundle, Client, ClientIdentity, HttpConfig, NoProxy, OriginHeaders, Proxy, ProxyConfig,
    ProxyRefused, Trust,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use rcgen::KeyPair;
use tokio::{
    io::{AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, version},
};

use crate::{
    Names, advice,
    authority::Authority,
    chain, get, get_for, origin, post_for,
    server::{Io, Recorded, Reply, Server, read_request},
};

/// `user:p%ss@rd` in base64.
const CREDENTIALS: &str = "Basic dXNlcjpwJXNzQHJk";

type Seen = Arc<Mutex<Vec<Recorded>>>;

/// A CONNECT proxy that leads every tunnel to `backend`, for a client that knows the password.
async fn tunnel(backend: SocketAddr, tls: Option<Arc<ServerConfig>>) -> (SocketAddr, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Seen::default();
    let record = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream: Box<dyn Io> = match &tls {
                None => Box::new(stream),
                Some(tls) => {
                    let acceptor = TlsAcceptor::from(Arc::clone(tls));
                    Box::new(acceptor.accept(stream).await.unwrap())
                }
            };
            let request = read_request(&mut stream).await.unwrap();
            record.lock().unwrap().push(request.clone());
            if request.header("proxy-authorization") != Some(CREDENTIALS) {
                let refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n";
                stream.write_all(refusal).await.unwrap();
                continue;
            }
            let mut backend = TcpStream::connect(backend).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            stream.flush().await.unwrap();
            tokio::spawn(async move { copy_bidirectional(&mut stream, &mut backend).await });
        }
    });
    (address, seen)
}

fn proxied(proxy: &str, resolver: Arc<Names>, trust: Trust) -> Client {
    Client::new(
        HttpConfig::default()
            .with_proxy(ProxyConfig::all(Proxy::parse(proxy).unwrap()))
            .with_resolver(resolver)
            .with_trust(trust),
    )
    .unwrap()
}

#[tokio::test]
async fn proxy_tunnel_carries_tls_and_its_own_credentials() {
    let authority = Authority::new("Corp Root");
    let tls = authority.issue("mcp.test").server(&version::TLS13, None);
    let server = Server::start_tls(tls, |_| Reply::ok("here")).await;
    let (proxy, seen) = tunnel(server.address, None).await;
    // The proxy has a private address and a name of its own; neither is an obstacle.
    let names = Names::new(&[("proxy.test", "127.0.0.1")]);
    let url = format!("http://user:p%25ss%40rd@proxy.test:{}", proxy.port());
    let trust = Trust::Only(CaBundle::from_pem(authority.pem()).unwrap());
    let client = proxied(&url, Arc::clone(&names), trust);
    // One target that the user configured, and one that metadata named.
    for target in ["https://mcp.test/a", "https://mcp.test:8443/b"] {
        assert_eq!(
            get_for(&client, "https://mcp.test", target)
                .await
                .unwrap()
                .body(),
            "here"
        );
    }
    assert_eq!(names.asked(), ["proxy.test", "proxy.test"]);
    let seen = seen.lock().unwrap();
    assert_eq!(seen[0].line, "CONNECT mcp.test:443 HTTP/1.1");
    assert_eq!(seen[1].line, "CONNECT mcp.test:8443 HTTP/1.1");
    for connect in &*seen {
        assert!(
            connect
                .header("user-agent")
                .unwrap()
                .starts_with("hallpass/")
        );
    }
    for request in server.seen() {
        assert_eq!(request.header("proxy-authorization"), None);
    }
    assert!(!format!("{client:?}").contains("p%25ss"));
}

/// A corporate network: everything goes through a TLS proxy with a password that puts its own
/// certificates in place of the servers', and the servers ask for client certificates and a header.
#[tokio::test]
async fn tls_proxy_client_certificate_and_headers_work_together() {
    let authority = Authority::new("Corp Root");
    let tls = authority.issue("mcp.test");
    let server = Server::start_tls(tls.server(&version::TLS12, Some(&authority)), |_| {
        Reply::ok("here")
    })
    .await;
    let proxy_tls = authority.issue("proxy.test").server(&version::TLS13, None);
    let (proxy, seen) = tunnel(server.address, Some(proxy_tls)).await;
    let own = authority.issue_client(KeyPair::generate().unwrap());
    let config = |trust| {
        HttpConfig::default()
            .with_trust(trust)
            .with_client_identity(
                ClientIdentity::from_pem(&own.pem, own.key.serialize_pem()).unwrap(),
            )
            .with_proxy(
                ProxyConfig::from_environment_values(|name| {
                    let url = format!("https://user:p%25ss%40rd@proxy.test:{}", proxy.port());
                    (name == "HTTPS_PROXY").then_some(url)
                })
                .unwrap(),
            )
            .with_headers(vec![OriginHeaders {
                origin: origin("https://mcp.test"),
                headers: HeaderMap::from_iter([(
                    HeaderName::from_static("x-gateway"),
                    HeaderValue::from_static("g"),
                )]),
            }])
            .with_resolver(Names::new(&[("proxy.test", "127.0.0.1")]))
    };
    let bundle = CaBundle::from_pem(authority.pem()).unwrap();
    let client = Client::new(config(Trust::PlatformPlus(bundle))).unwrap();
    get(&client, "https://mcp.test/metadata").await.unwrap();
    post_for(
        &client,
        "https://mcp.test",
        "https://mcp.test/token",
        "grant",
    )
    .await
    .unwrap();
    for request in server.seen() {
        assert_eq!(request.header("x-gateway"), Some("g"));
    }
    assert_eq!(server.seen()[1].body, "grant");
    for connect in &*seen.lock().unwrap() {
        assert_eq!(connect.line, "CONNECT mcp.test:443 HTTP/1.1");
        assert_eq!(connect.header("x-gateway"), None);
    }

    // Through a proxy too, the certificate that is not trusted is shown.
    let (proxy, _) = tunnel(server.address, None).await;
    let mut config = config(Trust::Platform);
    let url = format!("http://user:p%25ss%40rd@{proxy}");
    config.proxy = ProxyConfig::all(Proxy::parse(&url).unwrap());
    let client = Client::new(config).unwrap();
    let error = get(&client, "https://mcp.test/").await.unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::Tls);
    assert!(
        chain(&error).contains("leads to `CN=Corp Root`"),
        "{}",
        chain(&error)
    );
}

#[tokio::test]
async fn proxy_that_refuses_credentials_is_named() {
    let (proxy, _) = tunnel("127.0.0.1:9".parse().unwrap(), None).await;
    let forwarder = Server::start(|_| {
        let challenge = "proxy-authenticate: Basic realm=\"corp\"\r\n";
        Reply::status("407 Proxy Authentication Required", challenge, "")
    })
    .await;
    for (credentials, text) in [
        (
            "user:canary@",
            "does not take the credentials that are configured",
        ),
        ("", "wants credentials, and none are configured"),
    ] {
        for (proxy, target) in [
            (proxy, "https://mcp.test/?code=canary"),
            (forwarder.address, "http://mcp.test/?code=canary"),
        ] {
            let url = format!("http://{credentials}{proxy}");
            let client = proxied(&url, Names::new(&[]), Trust::Platform);
            let error = get_for(&client, "https://mcp.test", target)
                .await
                .unwrap_err();
            let kind = HttpErrorKind::ProxyAuthentication;
            assert_eq!(error.kind(), kind, "{}", chain(&error));
            assert_eq!(error.remedy(), Remedy::Configure);
            assert!(!error.may_have_been_sent());
            let source = std::error::Error::source(&error).unwrap();
            let refused = source.downcast_ref::<ProxyRefused>().unwrap();
            assert_eq!(
                refused.to_string(),
                format!("the proxy http://{proxy} {text}")
            );
            assert_eq!(refused.had_credentials(), !credentials.is_empty());
            assert!(advice(refused).contains("user name"));
            let text = format!("{} {error:?}", chain(&error));
            assert!(!text.contains("canary"), "{text}");
        }
    }
}

#[tokio::test]
async fn status_407_without_proxy_is_the_servers_answer() {
    let server = Server::start(|_| Reply::status("407 Odd", "", "")).await;
    let client = crate::client();
    assert_eq!(get(&client, &server.url("/")).await.unwrap().status(), 407);
}

#[tokio::test]
async fn ipv6_address_behind_proxy_is_reached_by_http_alone() {
    let proxy = Server::start(|_| Reply::ok("forwarded")).await;
    let client = proxied(&proxy.url(""), Names::new(&[]), Trust::Platform);
    let answer = get(&client, "http://[2606:4700::1111]/x").await.unwrap();
    assert_eq!(answer.body(), "forwarded");
    assert_eq!(
        proxy.seen()[0].line,
        "GET http://[2606:4700::1111]/x HTTP/1.1"
    );
    let error = get(&client, "https://[2606:4700::1111]/x")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::InvalidRequest);
    assert_eq!(error.remedy(), Remedy::Configure);
    assert!(!error.may_have_been_sent());
    assert!(
        chain(&error).ends_with(
            "an IPv6 address is not reached by https through a proxy: use the server's name, or \
             reach the address directly"
        ),
        "{}",
        chain(&error)
    );
    assert_eq!(proxy.connections(), 1);
}

#[tokio::test]
async fn plain_http_is_forwarded_with_proxy_credentials() {
    let proxy = Server::start(|_| Reply::ok("forwarded")).await;
    let url = format!("http://user:p%25ss%40rd@{}", proxy.address);
    let client = proxied(&url, Names::new(&[]), Trust::Platform);
    let answer = get(&client, "http://mcp.test/x").await.unwrap();
    assert_eq!(answer.body(), "forwarded");
    let seen = &proxy.seen()[0];
    assert_eq!(seen.line, "GET http://mcp.test/x HTTP/1.1");
    assert_eq!(seen.header("proxy-authorization"), Some(CREDENTIALS));
}

#[tokio::test]
async fn ip_literal_and_special_name_are_refused_before_the_proxy() {
    let proxy = Server::start(|_| Reply::ok("forwarded")).await;
    let url = proxy.url("");
    let client = proxied(&url, Names::new(&[]), Trust::Platform);
    for target in [
        "http://169.254.169.254/latest",
        "http://127.0.0.1/",
        "http://localhost/",
        "http://10.0.0.1/",
        "http://[::ffff:10.0.0.1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://metadata.google.internal/",
        "https://127.0.0.1/",
    ] {
        let error = get_for(&client, "https://mcp.test", target)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), HttpErrorKind::AddressRefused, "{target}");
        assert!(!error.may_have_been_sent());
    }
    assert_eq!(proxy.connections(), 0);
    // Any other name is the proxy's to judge.
    get_for(&client, "https://mcp.test", "http://as.test/")
        .await
        .unwrap();
    assert_eq!(proxy.connections(), 1);
}

#[tokio::test]
async fn no_proxy_host_is_reached_directly_and_judged_here() {
    let proxy = Server::start(|_| Reply::ok("forwarded")).await;
    let server = Server::start(|_| Reply::ok("direct")).await;
    let names = Names::new(&[("as.test", "127.0.0.1"), ("mcp.test", "127.0.0.1")]);
    let mut config = ProxyConfig::all(Proxy::parse(&proxy.url("")).unwrap());
    config.no_proxy = NoProxy::parse("as.test,mcp.test");
    let client = Client::new(
        HttpConfig::default()
            .with_proxy(config)
            .with_resolver(Arc::<Names>::clone(&names)),
    )
    .unwrap();
    let named = server.named("http", "as.test", "/");
    let open = get_for(&client, "https://mcp.test", &named).await;
    assert_eq!(open.unwrap().body(), "direct");
    let closed = get_for(&client, "https://93.184.216.34", &named).await;
    assert_eq!(closed.unwrap_err().kind(), HttpErrorKind::AddressRefused);
    assert_eq!(proxy.connections(), 0);
}

#[tokio::test]
async fn unknown_name_of_a_proxy_is_not_said_of_the_server() {
    for (proxy, kind) in [
        ("nowhere.test:3128", HttpErrorKind::Connect),
        ("socks5h://nowhere.test", HttpErrorKind::Connect),
        // It is asked for an address, so either name may be unknown here.
        ("socks5://nowhere.test", HttpErrorKind::Resolve),
    ] {
        let client = proxied(proxy, Names::new(&[]), Trust::default());
        let error = get(&client, "https://mcp.test/x").await.unwrap_err();
        assert_eq!(error.kind(), kind, "{proxy}: {}", chain(&error));
        let named = "the connection goes through the proxy";
        assert!(chain(&error).contains(named), "{}", chain(&error));
        assert!(!error.may_have_been_sent());
    }
}
