//! The way to the server.

use std::{io, net::IpAddr, sync::Arc, time::Duration};

use hallpass::{
    BoxFuture, Clock, SystemClock, Timestamp,
    http_client::{CaBundle, ClientIdentity, HttpConfig, Proxy, ProxyConfig, Resolver, Trust},
};
use hallpass_doctor::{Code, Severity};
use hallpass_testkit::{
    Endpoint, FakeClock, Fault, Gate, Identity, ListenOptions, Person, ServerTls, TestCa,
};

use crate::connect_proxy::ConnectProxy;
use crate::{
    case::{Case, always},
    raw,
};

#[tokio::test]
async fn all_is_well() {
    let case = Case::signed_in().await;
    let report = case.report("all-is-well").await;
    assert_eq!(report.first_fault(), None);
}

#[tokio::test]
async fn a_name_that_does_not_resolve() {
    let mut case = Case::new().await;
    case.url = "https://mcp.example/mcp".to_owned();
    case.http.resolver = Arc::new(Nowhere);
    case.report("name-not-resolved").await;
}

#[tokio::test]
async fn nobody_listens() {
    let case = Case::signed_in().await;
    case.server.stop().await;
    let report = case.report("no-connection").await;
    assert_eq!(report.remedy(), Some(hallpass::Remedy::Retry));
}

#[tokio::test]
async fn no_answer_comes() {
    let mut case = Case::new().await;
    case.limit = Duration::from_millis(100);
    let gate = Gate::new();
    case.server.plan(vec![always(
        Endpoint::Mcp,
        Fault::HoldRequest(gate.clone()),
    )]);
    case.report("no-answer-in-time").await;
    gate.open();
}

#[tokio::test]
async fn the_connection_breaks() {
    let case = Case::new().await;
    case.server
        .plan(vec![always(Endpoint::Mcp, Fault::DropRequest)]);
    case.report("connection-broke").await;
}

/// Both servers with this certificate, and a client that trusts as it is told.
async fn secure(ca: &TestCa, identity: impl Into<ServerTls>, trust: Trust) -> Case {
    let tls: ServerTls = identity.into();
    let server = tls.clone();
    let mut case = Case::with(
        |issuer| issuer.listen = ListenOptions::new("issuer").over_tls(ca.server().unwrap()),
        |options| options.listen = ListenOptions::new("MCP server").over_tls(server),
    )
    .await;
    case.http.trust = trust;
    case.person = Person::new().trusting(ca.pem());
    case
}

fn only(ca: &TestCa) -> Trust {
    Trust::Only(CaBundle::from_pem(ca.pem()).unwrap())
}

#[tokio::test]
async fn a_private_authority_that_was_added() {
    let ca = TestCa::new().unwrap();
    let case = secure(&ca, ca.server().unwrap(), only(&ca)).await;
    case.sign_in().await;
    let report = case.report("private-authority").await;
    assert_eq!(report.first_fault(), None);
}

#[tokio::test]
async fn an_authority_that_nobody_trusts() {
    let ca = TestCa::new().unwrap();
    let other = TestCa::named("Another authority").unwrap();
    let case = secure(&ca, ca.server().unwrap(), only(&other)).await;
    case.report("certificate-authority-unknown").await;
}

#[tokio::test]
async fn an_authority_that_only_has_the_name_of_a_trusted_one() {
    let ca = TestCa::new().unwrap();
    let other = TestCa::new().unwrap();
    let case = secure(&ca, ca.server().unwrap(), only(&other)).await;
    case.report("certificate-refused").await;
}

#[tokio::test]
async fn an_authorization_server_whose_authority_nobody_trusts() {
    let ca = TestCa::new().unwrap();
    let other = TestCa::named("Another authority").unwrap();
    let mut case = Case::with(
        |issuer| issuer.listen = ListenOptions::new("issuer").over_tls(other.server().unwrap()),
        |options| {
            options.listen = ListenOptions::new("MCP server").over_tls(ca.server().unwrap());
        },
    )
    .await;
    case.http.trust = only(&ca);
    case.report("certificate-authority-unknown-at-the-issuer")
        .await;
}

#[tokio::test]
async fn a_certificate_that_has_ended() {
    let ca = TestCa::new().unwrap();
    let case = secure(&ca, ca.expired_server().unwrap(), only(&ca)).await;
    case.report("certificate-expired").await;
}

#[tokio::test]
async fn a_certificate_that_begins_later() {
    let ca = TestCa::new().unwrap();
    let case = secure(&ca, ca.future_server().unwrap(), only(&ca)).await;
    case.report("certificate-not-yet-valid").await;
}

#[tokio::test]
async fn a_certificate_for_another_host() {
    let ca = TestCa::new().unwrap();
    let named = ca.server_named(&["other.example"]).unwrap();
    let case = secure(&ca, named, only(&ca)).await;
    case.report("certificate-for-another-host").await;
}

#[tokio::test]
async fn a_certificate_of_the_client_is_wanted() {
    let ca = TestCa::new().unwrap();
    let tls = |identity: Identity| ServerTls {
        identity,
        client_ca_pem: Some(ca.pem()),
    };
    let mut case = secure(&ca, tls(ca.server().unwrap()), only(&ca)).await;
    case.report("client-certificate-wanted").await;
    let laptop = ca.client("laptop").unwrap();
    let identity = ClientIdentity::from_pem(laptop.certificate_pem(), laptop.key_pem());
    case.http.client_identity = Some(identity.unwrap());
    let report = case.doctor().examine().await;
    assert_eq!(report.first_fault().unwrap().code, Code::NotSignedIn);
}

#[tokio::test]
async fn https_where_http_is_spoken_and_the_other_way_round() {
    let mut case = Case::new().await;
    case.url = case.url.replace("http://", "https://");
    let origin = case.server.origin().to_owned();
    let secure_origin = origin.replace("http", "https");
    case.names.push((secure_origin, "https://mcp.example"));
    case.names.push((origin, "http://mcp.example"));
    case.report("tls-not-spoken").await;

    let ca = TestCa::new().unwrap();
    let mut case = secure(&ca, ca.server().unwrap(), only(&ca)).await;
    case.url = case.url.replace("https://", "http://");
    let plain = case.server.origin().replace("https", "http");
    case.names.push((plain, "http://mcp.example"));
    case.report("not-http").await;
}

#[tokio::test]
async fn a_proxy_that_refuses_and_one_that_is_not_there() {
    let ca = TestCa::new().unwrap();
    let proxy = ConnectProxy::start().await;
    let mut case = secure(&ca, ca.server().unwrap(), only(&ca)).await;
    let through = |url: &str| ProxyConfig::all(Proxy::parse(url).unwrap());
    case.http.proxy = through(&proxy.url());
    case.sign_in().await;
    case.report("proxy-decides").await;
    case.http.proxy = through(&proxy.url_without_credentials());
    case.report("proxy-refuses").await;
    let nobody = raw::unused_address().await;
    case.http.proxy = through(&format!("http://{nobody}"));
    case.report("proxy-unreachable").await;
}

#[tokio::test]
async fn an_address_that_no_proxy_is_asked_for() {
    let mut case = Case::new().await;
    case.url = "https://[::1]:1/mcp".to_owned();
    let nobody = raw::unused_address().await;
    case.http.proxy = ProxyConfig::all(Proxy::parse(&format!("http://{nobody}")).unwrap());
    let report = case.report("request-refused").await;
    assert_eq!(report.remedy(), Some(hallpass::Remedy::Configure));
}

#[tokio::test]
async fn a_handshake_that_comes_to_nothing() {
    let mut case = Case::new().await;
    case.url = format!("https://{}/mcp", raw::refuses_handshakes().await);
    case.report("tls-failed").await;
}

#[tokio::test]
async fn a_clock_that_is_wrong() {
    let now = SystemClock.now().as_unix_seconds();
    for (ahead, name, severity) in [
        (100, "clock-skew", Severity::Warning),
        (-7000, "clock-skew-that-is-grave", Severity::Fault),
    ] {
        let case = Case::new().await;
        let clock = FakeClock::new(Timestamp::from_unix_seconds(now + ahead));
        let doctor = case.doctor_of(case.builder().clock(Arc::new(clock)));
        let report = case.report_of(name, doctor).await;
        let skew = report.findings().find(|it| it.code == Code::ClockSkew);
        assert_eq!(skew.unwrap().severity, severity);
    }
}

#[tokio::test]
async fn a_certificate_that_ends_soon() {
    let ca = TestCa::new().unwrap();
    let case = secure(&ca, ca.server().unwrap(), only(&ca)).await;
    // The test authority's certificates end at the end of 2049.
    let clock = FakeClock::new(Timestamp::from_unix_seconds(2_524_000_000));
    let doctor = case.doctor_of(case.builder().clock(Arc::new(clock)));
    let report = case.report_of("certificate-ends-soon", doctor).await;
    let found = report
        .findings()
        .find(|it| it.code == Code::CertificateEndsSoon);
    assert_eq!(
        found.unwrap().what,
        "the certificate of `127.0.0.1` ends in 6 days"
    );
}

#[tokio::test]
async fn a_host_with_a_client_of_its_own() {
    let case = Case::new().await;
    let config = HttpConfig::default();
    let client = hallpass::http_client::Client::new(config).unwrap();
    let doctor = case.doctor_of(case.builder().http_client(Arc::new(client)));
    let report = doctor.examine().await;
    assert_eq!(
        report.steps[0].facts[0].value,
        "through the host's own HTTP client"
    );
}

#[derive(Debug)]
struct Nowhere;

impl Resolver for Nowhere {
    fn resolve(&self, _: &str) -> BoxFuture<'_, io::Result<Vec<IpAddr>>> {
        Box::pin(async { Err(io::Error::other("no such name")) })
    }
}
