//! The same configuration as a `reqwest::Client`.

use hallpass_http::{CaBundle, Client, HttpConfig, OriginHeaders, Trust};
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio_rustls::rustls::version;

use crate::{
    Names,
    authority::Authority,
    origin,
    server::{Reply, Server},
};

#[tokio::test]
async fn reqwest_client_has_trust_and_headers_for_its_server_alone() {
    let authority = Authority::new("Corp Root");
    let tls = authority.issue("mcp.test").server(&version::TLS13, None);
    let server = Server::start_tls(tls, |request| {
        if request.line.contains("/away") {
            Reply::redirect("302 Found", "/elsewhere")
        } else {
            Reply::ok("here")
        }
    })
    .await;
    let other = Server::start(|_| Reply::ok("stolen")).await;
    let url = server.named("https", "mcp.test", "/mcp");
    let client = Client::new(
        HttpConfig::default()
            .with_trust(Trust::Only(CaBundle::from_pem(authority.pem()).unwrap()))
            .with_headers(vec![OriginHeaders {
                origin: origin(&url),
                headers: HeaderMap::from_iter([(
                    HeaderName::from_static("x-key"),
                    HeaderValue::from_static("k"),
                )]),
            }])
            .with_resolver(Names::new(&[
                ("mcp.test", "127.0.0.1"),
                ("other.test", "127.0.0.1"),
            ])),
    )
    .unwrap();
    let plain = client.reqwest_client_for(&origin(&url)).unwrap();
    let answer = plain.get(&url).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "here");
    let away = server.named("https", "mcp.test", "/away");
    assert_eq!(plain.get(away).send().await.unwrap().status(), 302);
    for request in server.seen() {
        assert_eq!(request.header("x-key"), Some("k"));
        assert!(
            request
                .header("user-agent")
                .unwrap()
                .starts_with("hallpass/")
        );
    }
    for url in [other.url("/"), other.named("http", "other.test", "/")] {
        let error = plain.get(url).send().await.unwrap_err();
        assert!(error.is_connect(), "{error:?}");
    }
    assert_eq!(other.connections(), 0);
}
