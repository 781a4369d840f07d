//! Whom the client believes, over TLS 1.2 and 1.3.

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use hallpass_core::{Diagnostic as _, Remedy, http::HttpErrorKind};
use hallpass_http::{
    CaBundle, CertificateFault, CertificateRefused, Client, CryptoProvider, HandshakeLog,
    HttpConfig, Trust,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{
    LazyConfigAcceptor,
    rustls::{
        ServerConfig, SupportedProtocolVersion,
        crypto::{GetRandomFailed, SecureRandom, ring},
        server::Acceptor,
        version,
    },
};

use crate::{
    Names, advice,
    authority::{Authority, Issued},
    chain, get,
    server::{Reply, Server, read_request},
};

const VERSIONS: [&SupportedProtocolVersion; 2] = [&version::TLS12, &version::TLS13];

/// Asks a server with this certificate, called `mcp.test`, under this trust.
async fn ask(
    certificate: &Issued,
    version: &'static SupportedProtocolVersion,
    trust: Trust,
) -> Result<(), hallpass_core::HttpError> {
    let server = Server::start_tls(certificate.server(version, None), |_| Reply::ok("here")).await;
    let url = server.named("https", "mcp.test", "/x?code=canary");
    let client = Client::new(
        HttpConfig::default()
            .with_trust(trust)
            .with_resolver(Names::new(&[("mcp.test", "127.0.0.1")])),
    )
    .unwrap();
    let result = get(&client, &url).await;
    assert_eq!(server.connections(), 1);
    assert_eq!(server.seen().len(), usize::from(result.is_ok()));
    result.map(|answer| assert_eq!(answer.body(), "here"))
}

/// Why the certificate was refused.
async fn refusal(
    certificate: &Issued,
    version: &'static SupportedProtocolVersion,
    trust: Trust,
) -> (String, CertificateRefused) {
    let error = ask(certificate, version, trust).await.unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::Tls, "{}", chain(&error));
    assert!(!error.may_have_been_sent());
    assert_eq!(error.remedy(), Remedy::Configure);
    let text = format!("{} {error:?}", chain(&error));
    assert!(!text.contains("canary"), "{text}");
    let source = error.source().unwrap().downcast_ref::<CertificateRefused>();
    (chain(&error), source.unwrap().clone())
}

#[tokio::test]
async fn configured_private_authority_is_trusted() {
    let authority = Authority::new("Corp Root");
    let certificate = authority.issue("mcp.test");
    let bundle = CaBundle::from_pem(authority.pem()).unwrap();
    for version in VERSIONS {
        for trust in [
            Trust::PlatformPlus(bundle.clone()),
            Trust::Only(bundle.clone()),
        ] {
            ask(&certificate, version, trust).await.unwrap();
        }
    }
}

/// Random numbers of `ring`, counted.
#[derive(Debug)]
struct Counted;

static COUNT: AtomicUsize = AtomicUsize::new(0);

impl SecureRandom for Counted {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
        COUNT.fetch_add(1, Ordering::Relaxed);
        ring::default_provider().secure_random.fill(bytes)
    }
}

#[tokio::test]
async fn configured_crypto_provider_is_used() {
    let authority = Authority::new("Corp Root");
    let certificate = authority.issue("mcp.test");
    let bundle = CaBundle::from_pem(authority.pem()).unwrap();
    let config = || {
        HttpConfig::default()
            .with_trust(Trust::Only(bundle.clone()))
            .with_resolver(Names::new(&[("mcp.test", "127.0.0.1")]))
    };
    let server = Server::start_tls(certificate.server(&version::TLS13, None), |_| {
        Reply::ok("here")
    })
    .await;
    let url = server.named("https", "mcp.test", "/");
    let counted = CryptoProvider {
        secure_random: &Counted,
        ..ring::default_provider()
    };
    let client = Client::new(config().with_crypto_provider(Arc::new(counted))).unwrap();
    get(&client, &url).await.unwrap();
    assert!(COUNT.load(Ordering::Relaxed) > 0);

    let useless = CryptoProvider {
        cipher_suites: Vec::new(),
        ..ring::default_provider()
    };
    let error = Client::new(config().with_crypto_provider(Arc::new(useless))).unwrap_err();
    assert_eq!(error.to_string(), "the TLS provider can't be used");
}

#[tokio::test]
async fn unknown_authority_is_refused_with_anchor_and_chain() {
    let authority = Authority::new("Corp Root");
    let other = CaBundle::from_pem(Authority::new("Other Root").pem()).unwrap();
    let certificate = authority.issue("mcp.test");
    for version in VERSIONS {
        for trust in [Trust::Platform, Trust::Only(other.clone())] {
            let (text, refused) = refusal(&certificate, version, trust).await;
            assert_eq!(refused.host(), "mcp.test");
            assert_eq!(refused.missing_anchor(), Some("CN=Corp Root"));
            assert_eq!(refused.presented().len(), 2);
            assert_eq!(refused.presented()[0].subject(), "CN=mcp.test");
            assert_eq!(refused.presented()[0].issuer(), "CN=Corp Root");
            assert!(
                text.ends_with(
                    "the certificate of `mcp.test` leads to `CN=Corp Root`, which is not trusted; \
                     presented: `CN=mcp.test` signed by `CN=Corp Root`, `CN=Corp Root` signed by \
                     itself"
                ),
                "{text}"
            );
        }
    }
    let (_, refused) = refusal(&certificate, VERSIONS[0], Trust::Only(other)).await;
    assert_eq!(
        advice(&refused),
        "trusted were the 1 certificate authority of the given bundle; if this network inspects \
         TLS or has an authority of its own, add that authority's certificate"
    );
}

#[tokio::test]
async fn expired_certificate_and_another_host_are_refused() {
    let authority = Authority::new("Corp Root");
    let trust = || Trust::Only(CaBundle::from_pem(authority.pem()).unwrap());
    for version in VERSIONS {
        let expired = authority.issue_expired("mcp.test");
        let (text, refused) = refusal(&expired, version, trust()).await;
        assert!(text.contains("`mcp.test` has expired; presented"), "{text}");
        assert!(advice(&refused).contains("clock"));
        assert_eq!(refused.missing_anchor(), None);
        assert_eq!(refused.fault(), CertificateFault::Expired);

        let misnamed = authority.issue("other.test");
        let (text, refused) = refusal(&misnamed, version, trust()).await;
        assert!(text.contains("is for another host (other.test)"), "{text}");
        assert!(advice(&refused).contains("host in the URL"));
        assert_eq!(refused.fault(), CertificateFault::AnotherHost);
    }
}

#[tokio::test]
async fn http2_is_offered_and_http1_is_accepted() {
    let authority = Authority::new("Corp Root");
    let certificate = authority.issue("mcp.test");
    let mut tls = ServerConfig::clone(&certificate.server(&version::TLS13, None));
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let start = LazyConfigAcceptor::new(Acceptor::default(), stream);
        let start = start.await.unwrap();
        let hello = start.client_hello();
        let offered: Vec<_> = hello.alpn().unwrap().map(<[u8]>::to_vec).collect();
        let mut stream = start.into_stream(tls.into()).await.unwrap();
        read_request(&mut stream).await.unwrap();
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nhere";
        stream.write_all(answer).await.unwrap();
        stream.flush().await.unwrap();
        offered
    });
    let url = format!("https://mcp.test:{port}/");
    let client = Client::new(
        HttpConfig::default()
            .with_trust(Trust::Only(CaBundle::from_pem(authority.pem()).unwrap()))
            .with_resolver(Names::new(&[("mcp.test", "127.0.0.1")])),
    )
    .unwrap();
    assert_eq!(get(&client, &url).await.unwrap().body(), "here");
    assert_eq!(
        server.await.unwrap(),
        [b"h2".to_vec(), b"http/1.1".to_vec()]
    );
}

#[tokio::test]
async fn endless_handshake_ends_at_connect_timeout() {
    let server = Server::start(|_| Reply::ok("")).await;
    // The server waits for a request line that never ends; the client must not wait for it.
    let url = server.named("https", "127.0.0.1", "/");
    let client = Client::new(
        HttpConfig::default().with_connect_timeout(std::time::Duration::from_millis(200)),
    )
    .unwrap();
    let error = get(&client, &url).await.unwrap_err();
    assert_eq!(
        error.kind(),
        HttpErrorKind::ConnectTimeout,
        "{}",
        chain(&error)
    );
    assert!(!error.may_have_been_sent());
}

#[tokio::test]
async fn answer_that_is_not_tls_is_a_tls_error() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let answer = b"HTTP/1.1 400 The plain HTTP request was sent to a TLS port\r\n\r\n";
        stream.write_all(answer).await.unwrap();
        // Closing with data unread would overtake the answer.
        let _ = stream.read_to_end(&mut Vec::new()).await;
    });
    let error = get(&crate::client(), &url).await.unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::Tls, "{}", chain(&error));
    assert!(!error.may_have_been_sent());
}

#[tokio::test]
async fn handshake_is_logged_with_its_trust_anchor() {
    let authority = Authority::new("Corp Root");
    let certificate = authority.issue("mcp.test");
    let bundle = || CaBundle::from_pem(authority.pem()).unwrap();
    let other = CaBundle::from_pem(Authority::new("Other Root").pem()).unwrap();
    let cases = [
        (Trust::PlatformPlus(bundle()), Some("CN=Corp Root")),
        (Trust::Only(bundle()), Some("CN=Corp Root")),
        (Trust::Only(other), None),
        (Trust::Platform, None),
    ];
    for (trust, expected) in cases {
        let server =
            Server::start_tls(certificate.server(VERSIONS[1], None), |_| Reply::ok("here")).await;
        let url = server.named("https", "mcp.test", "/");
        let handshakes = HandshakeLog::new();
        let client = Client::new(
            HttpConfig::default()
                .with_trust(trust)
                .with_resolver(Names::new(&[("mcp.test", "127.0.0.1")]))
                .with_handshakes(handshakes.clone()),
        )
        .unwrap();
        assert_eq!(get(&client, &url).await.is_ok(), expected.is_some());
        let noted = handshakes.all();
        assert_eq!(noted.len(), 1);
        assert_eq!(noted[0].host, "mcp.test");
        assert_eq!(noted[0].is_accepted, expected.is_some());
        assert_eq!(noted[0].presented[0].names(), ["mcp.test"]);
        let anchor = noted[0].anchor.as_ref();
        assert_eq!(anchor.map(|it| it.certificate.subject()), expected);
        assert!(anchor.is_none_or(|it| it.is_added && it.origin == "the given bundle"));
    }
}

/// An empty SETTINGS frame (RFC 9113 §6.5), which is how a connection begins.
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

#[tokio::test]
async fn dead_http2_connection_ends_after_keep_alive() {
    let authority = Authority::new("Corp Root");
    let mut tls = ServerConfig::clone(&authority.issue("mcp.test").server(&version::TLS13, None));
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "https://mcp.test:{}/",
        listener.local_addr().unwrap().port()
    );
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let accepted = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(tls)).accept(stream);
        let mut stream = accepted.await.unwrap();
        stream.write_all(SETTINGS).await.unwrap();
        stream.flush().await.unwrap();
        // It takes everything and says nothing any more.
        let _ = stream.read_to_end(&mut Vec::new()).await;
    });
    let client = Client::new(
        HttpConfig::default()
            .with_trust(Trust::Only(CaBundle::from_pem(authority.pem()).unwrap()))
            .with_resolver(Names::new(&[("mcp.test", "127.0.0.1")]))
            .with_keep_alive(std::time::Duration::from_millis(100)),
    )
    .unwrap();
    let error = get(&client, &url).await.unwrap_err();
    // Not the time limit of the request, which is half a minute.
    assert!(chain(&error).contains("keep-alive"), "{}", chain(&error));
    assert_eq!(error.kind(), HttpErrorKind::Timeout);
    assert!(error.may_have_been_sent());
}
