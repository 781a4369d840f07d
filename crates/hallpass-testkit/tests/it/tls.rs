//! https with certificates of the test authority.

use std::sync::Arc;

use hallpass_testkit::{
    AuthorizationServer, AuthorizationServerOptions, Identity, ListenOptions, LoopbackHost, Person,
    ServerTls, TestCa,
};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use url::Url;

async fn start(tls: impl Into<ServerTls>, host: LoopbackHost) -> AuthorizationServer {
    let mut listen = ListenOptions::new("issuer").over_tls(tls);
    listen.host = host;
    let options = AuthorizationServerOptions {
        listen,
        ..Default::default()
    };
    AuthorizationServer::start(options).await.unwrap()
}

/// Whether a user who trusts an authority reaches the server.
async fn reached(issuer: &AuthorizationServer, trusting: &str) -> bool {
    let url = format!("{}/.well-known/oauth-authorization-server", issuer.issuer());
    let visit = Person::new()
        .trusting(trusting)
        .visit(&Url::parse(&url).unwrap())
        .await;
    match visit {
        Ok(visit) => {
            assert!(visit.page.contains(issuer.issuer()), "{}", visit.page);
            true
        }
        Err(_) => false,
    }
}

#[tokio::test]
async fn loopback_names_are_valid_with_the_authority_trusted() {
    let (ca, other) = (TestCa::new().unwrap(), TestCa::new().unwrap());
    for (host, origin) in [
        (LoopbackHost::Ipv4, "https://127.0.0.1:"),
        (LoopbackHost::Ipv6, "https://[::1]:"),
        (LoopbackHost::Localhost, "https://localhost:"),
    ] {
        // Some containers have no IPv6 at all, not even to themselves.
        if host == LoopbackHost::Ipv6 && TcpListener::bind("[::1]:0").await.is_err() {
            continue;
        }
        let issuer = start(ca.server().unwrap(), host).await;
        assert!(issuer.issuer().starts_with(origin));
        assert!(reached(&issuer, &ca.pem()).await, "{host:?}");
        assert!(!reached(&issuer, &other.pem()).await, "{host:?}");
    }
}

#[tokio::test]
async fn expired_or_misnamed_certificate_is_rejected() {
    let ca = TestCa::new().unwrap();
    for identity in [
        ca.expired_server().unwrap(),
        ca.server_named(&["wrong.example"]).unwrap(),
        ca.client("no server").unwrap(),
    ] {
        let issuer = start(identity, LoopbackHost::Ipv4).await;
        assert!(!reached(&issuer, &ca.pem()).await);
    }
    let named = ca.server_named(&["127.0.0.1"]).unwrap();
    let issuer = start(named, LoopbackHost::Ipv4).await;
    assert!(reached(&issuer, &ca.pem()).await);
}

/// What a server answers to a client that shows this certificate; empty when it hangs up.
async fn answer(issuer: &AuthorizationServer, ca: &TestCa, identity: Option<&Identity>) -> String {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(ca.pem().as_bytes()).unwrap();
    roots.add(authority).unwrap();
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let chain = CertificateDer::from_pem_slice(identity.certificate_pem().as_bytes());
            let key = PrivateKeyDer::from_pem_slice(identity.key_pem().as_bytes());
            builder
                .with_client_auth_cert(vec![chain.unwrap()], key.unwrap())
                .unwrap()
        }
    };
    let stream = TcpStream::connect(("127.0.0.1", issuer.port()))
        .await
        .unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let mut stream = connector.connect(name, stream).await.unwrap();
    let request = "GET /nowhere HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let mut text = String::new();
    if stream.write_all(request.as_bytes()).await.is_ok() {
        let _ = stream.read_to_string(&mut text).await;
    }
    text
}

#[tokio::test]
async fn connection_without_the_client_certificate_is_rejected() {
    let (ca, other) = (TestCa::new().unwrap(), TestCa::new().unwrap());
    let tls = ServerTls {
        identity: ca.server().unwrap(),
        client_ca_pem: Some(ca.pem()),
    };
    let issuer = start(tls, LoopbackHost::Ipv4).await;
    let (known, stranger) = (ca.client("host").unwrap(), other.client("host").unwrap());
    let good = answer(&issuer, &ca, Some(&known)).await;
    assert!(good.starts_with("HTTP/1.1 404"), "{good}");
    assert_eq!(answer(&issuer, &ca, Some(&stranger)).await, "");
    assert_eq!(answer(&issuer, &ca, None).await, "");
    assert!(!format!("{known:?}").contains("KEY"));
    assert!(!reached(&issuer, &ca.pem()).await);
    let url = format!("{}/.well-known/oauth-authorization-server", issuer.issuer());
    let person = Person::new().trusting(ca.pem()).showing(known);
    let visit = person.visit(&Url::parse(&url).unwrap()).await.unwrap();
    assert_eq!(visit.status, 200);
}
