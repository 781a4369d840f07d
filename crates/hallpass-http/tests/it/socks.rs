//! SOCKS5 (RFC 1928, RFC 1929).

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use hallpass_core::http::HttpErrorKind;
use hallpass_http::{CaBundle, Client, HttpConfig, Proxy, ProxyConfig, Trust};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::rustls::version;

use crate::{
    Names,
    authority::Authority,
    chain, get_for,
    server::{Reply, Server},
};

/// What a client asked the proxy for: its credentials and the target.
type Asked = Arc<Mutex<Vec<(String, String)>>>;

/// A SOCKS5 proxy that wants credentials and leads every connection to `backend`.
async fn socks(backend: SocketAddr) -> (SocketAddr, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Asked::default();
    let record = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut methods = vec![0; usize::from(start(&mut stream).await)];
            stream.read_exact(&mut methods).await.unwrap();
            stream.write_all(&[5, 2]).await.unwrap();
            assert_eq!(stream.read_u8().await.unwrap(), 1);
            let user = text(&mut stream).await;
            let password = text(&mut stream).await;
            let refused = u8::from(user == "unknown");
            stream.write_all(&[1, refused]).await.unwrap();
            if refused != 0 {
                continue;
            }
            let mut request = [0; 4];
            stream.read_exact(&mut request).await.unwrap();
            let target = match request[3] {
                1 => {
                    let mut address = [0; 4];
                    stream.read_exact(&mut address).await.unwrap();
                    std::net::Ipv4Addr::from(address).to_string()
                }
                4 => {
                    let mut address = [0; 16];
                    stream.read_exact(&mut address).await.unwrap();
                    std::net::Ipv6Addr::from(address).to_string()
                }
                _ => text(&mut stream).await,
            };
            stream.read_u16().await.unwrap();
            let credentials = format!("{user}:{password}");
            record.lock().unwrap().push((credentials, target));
            let mut backend = TcpStream::connect(backend).await.unwrap();
            let granted = [5, 0, 0, 1, 0, 0, 0, 0, 0, 0];
            stream.write_all(&granted).await.unwrap();
            tokio::spawn(async move { copy_bidirectional(&mut stream, &mut backend).await });
        }
    });
    (address, asked)
}

async fn start(stream: &mut TcpStream) -> u8 {
    assert_eq!(stream.read_u8().await.unwrap(), 5);
    stream.read_u8().await.unwrap()
}

async fn text(stream: &mut TcpStream) -> String {
    let mut text = vec![0; usize::from(stream.read_u8().await.unwrap())];
    stream.read_exact(&mut text).await.unwrap();
    String::from_utf8(text).unwrap()
}

fn client(proxy: &str, names: &Arc<Names>) -> Client {
    Client::new(
        HttpConfig::default()
            .with_proxy(ProxyConfig::all(Proxy::parse(proxy).unwrap()))
            .with_resolver(Arc::<Names>::clone(names)),
    )
    .unwrap()
}

#[tokio::test]
async fn socks5h_proxy_gets_the_name() {
    let server = Server::start(|_| Reply::ok("here")).await;
    let (proxy, asked) = socks(server.address).await;
    let names = Names::new(&[("proxy.test", "127.0.0.1")]);
    let url = format!("socks5h://us%20er:p%25ss%40rd@proxy.test:{}", proxy.port());
    let client = client(&url, &names);
    for target in ["http://mcp.test/", "http://as.test/"] {
        let answer = get_for(&client, "https://mcp.test", target).await;
        assert_eq!(
            answer
                .unwrap_or_else(|error| panic!("{}", chain(&error)))
                .body(),
            "here"
        );
    }
    let credentials = "us er:p%ss@rd".to_owned();
    let expected = [
        (credentials.clone(), "mcp.test".to_owned()),
        (credentials, "as.test".to_owned()),
    ];
    assert_eq!(*asked.lock().unwrap(), expected);
    assert!(names.asked().iter().all(|name| name == "proxy.test"));
    for target in [
        "http://169.254.169.254/",
        "http://localhost/",
        "http://10.0.0.1/",
    ] {
        let error = get_for(&client, "https://mcp.test", target)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), HttpErrorKind::AddressRefused, "{target}");
    }
}

#[tokio::test]
async fn socks5_proxy_gets_the_judged_address() {
    let server = Server::start(|_| Reply::ok("here")).await;
    let (proxy, asked) = socks(server.address).await;
    let names = Names::new(&[
        ("proxy.test", "127.0.0.1"),
        ("mcp.test", "93.184.216.34"),
        ("as.test", "93.184.216.35"),
        ("inner.test", "10.0.0.7"),
        ("link.test", "169.254.169.254"),
    ]);
    let url = format!("socks5://user:secret@proxy.test:{}", proxy.port());
    let client = client(&url, &names);
    for target in ["http://mcp.test/", "http://as.test/"] {
        get_for(&client, "https://mcp.test", target).await.unwrap();
    }
    for target in [
        "http://inner.test/",
        "http://link.test/",
        "http://10.0.0.7/",
        // The proxy's own name is exempt from the policy as the proxy, not as a target.
        "http://proxy.test/",
    ] {
        let error = get_for(&client, "https://mcp.test", target)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), HttpErrorKind::AddressRefused, "{target}");
    }
    let asked = asked.lock().unwrap();
    let targets: Vec<_> = asked.iter().map(|(_, target)| target.as_str()).collect();
    assert_eq!(targets, ["93.184.216.34", "93.184.216.35"]);
}

#[tokio::test]
async fn socks_proxy_carries_tls_to_the_server() {
    let authority = Authority::new("Corp Root");
    for version in [&version::TLS12, &version::TLS13] {
        let tls = authority.issue("mcp.test").server(version, None);
        let server = Server::start_tls(tls, |_| Reply::ok("here")).await;
        let (proxy, asked) = socks(server.address).await;
        let config = |trust| {
            HttpConfig::default()
                .with_trust(trust)
                .with_proxy(ProxyConfig::all(
                    Proxy::parse(&format!("socks5h://u:p@{proxy}")).unwrap(),
                ))
        };
        let bundle = CaBundle::from_pem(authority.pem()).unwrap();
        let client = Client::new(config(Trust::Only(bundle))).unwrap();
        let answer = get_for(&client, "https://mcp.test", "https://mcp.test/")
            .await
            .unwrap();
        assert_eq!(answer.body(), "here");
        assert_eq!(asked.lock().unwrap()[0].1, "mcp.test");

        let client = Client::new(config(Trust::Platform)).unwrap();
        let error = get_for(&client, "https://mcp.test", "https://mcp.test/")
            .await
            .unwrap_err();
        assert_eq!(error.kind(), HttpErrorKind::Tls, "{}", chain(&error));
        assert!(chain(&error).contains("leads to `CN=Corp Root`"));
    }
}

#[tokio::test]
async fn socks_request_for_ipv6_sends_the_address() {
    let server = Server::start(|_| Reply::ok("here")).await;
    let (proxy, asked) = socks(server.address).await;
    for scheme in ["socks5", "socks5h"] {
        let url = format!("{scheme}://user:secret@{proxy}");
        let client = client(&url, &Names::new(&[]));
        get_for(&client, "https://mcp.test", "http://[2606:4700::1111]/")
            .await
            .unwrap();
        let error = get_for(&client, "https://mcp.test", "https://[2606:4700::1111]/")
            .await
            .unwrap_err();
        assert_eq!(error.kind(), HttpErrorKind::InvalidRequest);
    }
    for (_, target) in &*asked.lock().unwrap() {
        assert_eq!(target, "2606:4700::1111");
    }
}

#[tokio::test]
async fn socks_refusal_of_credentials_differs_from_closed_proxy() {
    let (proxy, asked) = socks("127.0.0.1:9".parse().unwrap()).await;
    for scheme in ["socks5", "socks5h"] {
        let url = format!("{scheme}://unknown:canary@{proxy}");
        let client = client(&url, &Names::new(&[]));
        let error = get_for(&client, "https://mcp.test", "http://93.184.216.34/")
            .await
            .unwrap_err();
        let kind = HttpErrorKind::ProxyAuthentication;
        assert_eq!(error.kind(), kind, "{}", chain(&error));
        assert!(!format!("{} {error:?}", chain(&error)).contains("canary"));
    }
    assert!(asked.lock().unwrap().is_empty());
    let client = client("socks5://127.0.0.1:1", &Names::new(&[]));
    let error = get_for(&client, "https://mcp.test", "http://93.184.216.34/")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::Connect, "{}", chain(&error));
}

/// RFC 1928 §3: the proxy demands credentials, or takes none.
#[tokio::test]
async fn socks_proxy_that_accepts_no_method_is_proxy_authentication() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut methods = vec![0; usize::from(start(&mut stream).await)];
            stream.read_exact(&mut methods).await.unwrap();
            stream.write_all(&[5, 0xff]).await.unwrap();
        }
    });
    for credentials in ["", "user:canary@"] {
        let client = client(&format!("socks5h://{credentials}{proxy}"), &Names::new(&[]));
        let error = get_for(&client, "https://mcp.test", "http://93.184.216.34/")
            .await
            .unwrap_err();
        let kind = HttpErrorKind::ProxyAuthentication;
        assert_eq!(error.kind(), kind, "{}", chain(&error));
        assert!(!error.may_have_been_sent());
    }
}
