//! Client certificates.

use std::error::Error as _;

use base64::{Engine, engine::general_purpose::STANDARD};
use hallpass_core::http::HttpErrorKind;
use hallpass_http::{
    CaBundle, Client, ClientIdentity, HandshakeError, HandshakeFault, HttpConfig, Trust,
};
use rcgen::{KeyPair, PKCS_RSA_SHA256};
use tokio_rustls::rustls::version;

use crate::{
    Names, advice,
    authority::Authority,
    chain, get,
    server::{Reply, Server},
};

const RSA_KEY: &str = "-----BEGIN PRIVATE KEY-----
MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQD3HHzfwpE4uQDe
azMdL8JKREOcWJGbqOr1bZzI4Pl4Z/v7lmTA58gEqig/pTqOk5YavIJJcMdYz/4a
B9a0JvrukoptGNTqGRVgaWcVzPaZV2iCEnEmOMQ9ZXI2YPB/ZOQocp9HqZgyU/9N
TNxpZOEy8ItWSlOKafvtcsYWRAYXEClHfdvIC/Z1J1xPhwotBWAqQ9+wQ2MenfR9
2+kgeCn+c/SkKFB+ZcddAbQlACrVgr9QJjU2+ougmqpVSC3Im95+Bg5CXS2+/BKw
L5xoyX46wGEvX8dlPELXMHXWt1EywHsysLDJF9IGFiThIehbw3C++Rl59y1xG0YG
XQef+zm1AgMBAAECggEAAPtzgZ4v3pZZqwipDNomPw5TaHkvpvs+Z9hWMbQ3OaPM
LB1WbC/fqykT/ODGwU9T3upV6D3TBQbanzbdwxyOjck2VKWvHvkXjSkOGFeWuVhQ
GYhCO+Eo4oeXMyEig5cekwyVln7VlImh76g5DhAxFvc+zoqAF4JBVpnIsMj3bzsG
txNlWoecCiiL200ekW40AQGJ+9f/m/eGeI3SN/vBgDkz2WVrC/rwgMiw4sBF5+XU
WbbqBiau3sm5O6wlfw3qbnc5xK/PygCCSWgw1r+kFkpGMfqh4Hvi24rb7Tm630yq
bq6nvUwBbbMO4FXV0BTq8yBhqKLBiBjFap3HfcwCsQKBgQD+JjHsbe9RgltSYjZy
HJdU2CI/DY9DP2GraEnl6jliRwVmHM01pYemyEaG3jY9uGT685MMQiQeesWROz7Z
i7xHGrGXTxC3UIWD843XF8jybyn6myh9FJgg0ruZFKZX52jWEY9PAlL70lS1ArrT
3CEcqdZbFJFNnm+gbkhxfNt+CQKBgQD46SwQ1nZ+2acr+xi1AWwkqojS3qrVtdQt
fXPFfgJboxYKQVHTNUHj7H6SjeFbgKGzHuT7r9fhI0iMLsrCmNg8HGtUJlJh+jVp
954W8TTKweWGRMjgEP8w1BcK3O/019Wyi6uIJlgGJ3wUlH2JhklcZGk4PLLakAn5
ukiQqEgJTQKBgEf6h08fv5TFJ5oIiMT+xflYkTJsY7O3ArFqAuvjz0a/OI83/wJ/
lBCvThIqYxBN5gOQ8oeZP+OF/+hm8CDqy3MT41IoKWLRok7Brt1JNjc7NpdsVCZA
q+k35buwNoBU4MMoC/9jeB8r7aOqV0FjadlVXIlFJPXntlOoiEnkA8IJAoGAGRIb
TyLa0pIHpYVoCqs3AkZu+5ZT7Kygz2goZgb4I9S8XpIPtM9TcKqcYRSLU1UUdF8z
PyqJ+vI712rLH2iXtw5BvTsS5y11fdPkB3mKELYQ8UIyXWc43Okv3Pc98BJhQteQ
kmkSSqRlegkuz9BHyVePxYtPlHYXmyCpOHDKuK0CgYEAsflM89gxC/IMy3zMpugB
yPU5++Dq9Di5dGmFlUpU4wWXBR4NmI0FmB9aoQqc87OzylY1OSAoQxtKbfiATMTx
RP/K9438OFpLNxaeibzhDCITjJNZfIpjQHukxfYOSbuzlLhgNvRAMpqCX4nX0gUw
ucPrKjOR9obaFeQSETT2UKQ=
-----END PRIVATE KEY-----
";

fn pem(label: &str, der: &[u8]) -> String {
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        STANDARD.encode(der)
    )
}

/// The key inside a PKCS#8 document (RFC 5958 §2): the content of its last element.
fn unwrapped(pkcs8: &[u8]) -> Vec<u8> {
    let inner = |der: &[u8]| -> (usize, usize) {
        match der[1] {
            short @ 0..=0x7f => (2, usize::from(short)),
            long => {
                let bytes = usize::from(long & 0x7f);
                let length = der[2..2 + bytes]
                    .iter()
                    .fold(0, |length, byte| length << 8 | usize::from(*byte));
                (2 + bytes, length)
            }
        }
    };
    let (head, _) = inner(pkcs8);
    let mut rest = &pkcs8[head..];
    // version, algorithm, key
    for _ in 0..2 {
        let (head, length) = inner(rest);
        rest = &rest[head + length..];
    }
    let (head, length) = inner(rest);
    rest[head..head + length].to_vec()
}

/// Asks a server that wants a client certificate.
async fn ask(
    version: &'static tokio_rustls::rustls::SupportedProtocolVersion,
    authority: &Authority,
    identity: Option<ClientIdentity>,
) -> Result<(), hallpass_core::HttpError> {
    let tls = authority.issue("mcp.test").server(version, Some(authority));
    let server = Server::start_tls(tls, |_| Reply::ok("here")).await;
    let url = server.named("https", "mcp.test", "/");
    let client = Client::new(
        HttpConfig::default()
            .with_trust(Trust::Only(CaBundle::from_pem(authority.pem()).unwrap()))
            .with_client_identity(identity)
            .with_resolver(Names::new(&[("mcp.test", "127.0.0.1")])),
    )
    .unwrap();
    let result = get(&client, &url).await;
    assert_eq!(server.seen().len(), usize::from(result.is_ok()));
    result.map(drop)
}

#[tokio::test]
async fn required_client_certificate_is_presented() {
    let authority = Authority::new("Corp Root");
    let ec = KeyPair::generate().unwrap();
    let ec_der = ec.serialize_der();
    let rsa = KeyPair::from_pkcs8_pem_and_sign_algo(RSA_KEY, &PKCS_RSA_SHA256).unwrap();
    let rsa_der = rsa.serialize_der();
    let ec_certificate = authority.issue_client(ec).pem;
    let rsa_certificate = authority.issue_client(rsa).pem;
    let cases = [
        (&ec_certificate, pem("PRIVATE KEY", &ec_der)),
        (&ec_certificate, pem("EC PRIVATE KEY", &unwrapped(&ec_der))),
        (&rsa_certificate, RSA_KEY.to_owned()),
        (
            &rsa_certificate,
            pem("RSA PRIVATE KEY", &unwrapped(&rsa_der)),
        ),
    ];
    for (certificate, key) in cases {
        for version in [&version::TLS12, &version::TLS13] {
            // Both in one text, as many tools write them.
            let both = format!("comment\n{key}{certificate}");
            let identity = ClientIdentity::from_pem(&both, &both).unwrap();
            ask(version, &authority, Some(identity)).await.unwrap();
        }
    }
}

#[tokio::test]
async fn missing_client_certificate_is_a_tls_error_and_nothing_is_sent() {
    let authority = Authority::new("Corp Root");
    for version in [&version::TLS12, &version::TLS13] {
        let error = ask(version, &authority, None).await.unwrap_err();
        assert_eq!(error.kind(), HttpErrorKind::Tls, "{}", chain(&error));
        assert!(!error.may_have_been_sent());
        let handshake = error.source().unwrap().downcast_ref::<HandshakeError>();
        let fault = handshake.unwrap().fault();
        assert_eq!(fault, HandshakeFault::ClientCertificate, "{version:?}");
        assert!(
            chain(&error).contains("received fatal alert"),
            "{}",
            chain(&error)
        );
    }
}

/// The alert may be lost: a server that closes while a request is unread resets the connection.
#[tokio::test]
async fn connection_that_breaks_after_a_request_for_a_certificate_names_it() {
    let authority = Authority::new("Corp Root");
    for version in [&version::TLS12, &version::TLS13] {
        let issued = authority.issue("mcp.test");
        for (tls, is_asked) in [
            (issued.server_that_asks(version, &authority), true),
            (issued.server(version, None), false),
        ] {
            let server = Server::start_tls(tls, |_| Reply::text("")).await;
            let url = server.named("https", "mcp.test", "/");
            let client = Client::new(
                HttpConfig::default()
                    .with_trust(Trust::Only(CaBundle::from_pem(authority.pem()).unwrap()))
                    .with_resolver(Names::new(&[("mcp.test", "127.0.0.1")])),
            )
            .unwrap();
            let error = get(&client, &url).await.unwrap_err();
            // The server may have read the request.
            assert_eq!(
                error.kind(),
                HttpErrorKind::Interrupted,
                "{}",
                chain(&error)
            );
            assert!(error.may_have_been_sent());
            let handshake = error.source().unwrap().downcast_ref::<HandshakeError>();
            let fault = handshake.map(HandshakeError::fault);
            let expected = is_asked.then_some(HandshakeFault::ClientCertificate);
            assert_eq!(fault, expected, "{version:?}: {}", chain(&error));
            let says = chain(&error).contains("asked for a client certificate");
            assert_eq!(says, is_asked, "{}", chain(&error));
        }
    }
}

#[tokio::test]
async fn certificate_of_another_client_is_refused() {
    let authority = Authority::new("Corp Root");
    let other = Authority::new("Other Root").issue_client(KeyPair::generate().unwrap());
    let identity = ClientIdentity::from_pem(&other.pem, other.key.serialize_pem()).unwrap();
    for version in [&version::TLS12, &version::TLS13] {
        let result = ask(version, &authority, Some(identity.clone())).await;
        let error = result.unwrap_err();
        assert_eq!(error.kind(), HttpErrorKind::Tls, "{}", chain(&error));
    }
}

#[tokio::test]
async fn key_of_another_certificate_is_refused() {
    let authority = Authority::new("Corp Root");
    let issued = authority.issue_client(KeyPair::generate().unwrap());
    let other = KeyPair::generate().unwrap().serialize_pem();
    let identity = ClientIdentity::from_pem(&issued.pem, other).unwrap();
    let error = Client::new(HttpConfig::default().with_client_identity(identity)).unwrap_err();
    assert_eq!(error.to_string(), "the client certificate can't be used");
    assert_eq!(
        advice(&error),
        "check that the key belongs to the first certificate"
    );
}
