//! The way to the server.

use std::{io, net::IpAddr, sync::Arc, time::Duration};

use hallpass::{
    BoxFuture, Clock, SystemClock, Timestamp,
    http_client::{CaBundle, ClientIdentity, HttpConfig, Proxy, ProxyConfig, Resolver, Trust},
};
use hallpass_doctor::{Code, Severity};
use hallpass_testkit::{
    ConnectProxy, Endpoint, FakeClock, Fault, Gate, Identity, ListenOptions, Person, ServerTls,
    TestCa,
};

use crate::{
    fixture::{Fixture, always},
    raw,
};

#[tokio::test]
async fn healthy_server_has_no_fault() {
    let fixture = Fixture::signed_in().await;
    let report = fixture.report("all-is-well").await;
    assert_eq!(report.first_fault(), None);
}

#[tokio::test]
async fn unresolved_name_is_a_fault() {
    let mut fixture = Fixture::new().await;
    fixture.url = "https://mcp.example/mcp".to_owned();
    fixture.http.resolver = Arc::new(Nowhere);
    fixture.report("name-not-resolved").await;
}

#[tokio::test]
async fn closed_port_is_no_connection() {
    let fixture = Fixture::signed_in().await;
    fixture.server.stop().await;
    let report = fixture.report("no-connection").await;
    assert_eq!(report.remedy(), Some(hallpass::Remedy::Retry));
}

#[tokio::test]
async fn unanswered_request_is_a_fault() {
    let mut fixture = Fixture::new().await;
    fixture.limit = Duration::from_millis(100);
    let gate = Gate::new();
    fixture.server.plan(vec![always(
        Endpoint::Mcp,
        Fault::HoldRequest(gate.clone()),
    )]);
    fixture.report("no-answer-in-time").await;
    gate.open();
}

#[tokio::test]
async fn broken_connection_is_a_fault() {
    let fixture = Fixture::new().await;
    fixture
        .server
        .plan(vec![always(Endpoint::Mcp, Fault::DropRequest)]);
    fixture.report("connection-broke").await;
}

/// Both servers with this certificate, and a client that trusts as it is told.
async fn secure(ca: &TestCa, identity: impl Into<ServerTls>, trust: Trust) -> Fixture {
    let tls: ServerTls = identity.into();
    let server = tls.clone();
    let mut fixture = Fixture::with(
        |issuer| issuer.listen = ListenOptions::new("issuer").over_tls(ca.server().unwrap()),
        |options| options.listen = ListenOptions::new("MCP server").over_tls(server),
    )
    .await;
    fixture.http.trust = trust;
    fixture.person = Person::new().trusting(ca.pem());
    fixture
}

fn only(ca: &TestCa) -> Trust {
    Trust::Only(CaBundle::from_pem(ca.pem()).unwrap())
}

#[tokio::test]
async fn added_private_authority_is_a_note() {
    let ca = TestCa::new().unwrap();
    let fixture = secure(&ca, ca.server().unwrap(), only(&ca)).await;
    fixture.sign_in().await;
    let report = fixture.report("private-authority").await;
    assert_eq!(report.first_fault(), None);
}

#[tokio::test]
async fn unknown_authority_is_a_fault() {
    let ca = TestCa::new().unwrap();
    let other = TestCa::named("Another authority").unwrap();
    let fixture = secure(&ca, ca.server().unwrap(), only(&other)).await;
    fixture.report("certificate-authority-unknown").await;
}

#[tokio::test]
async fn authority_with_the_name_of_a_trusted_one_is_refused() {
    let ca = TestCa::new().unwrap();
    let other = TestCa::new().unwrap();
    let fixture = secure(&ca, ca.server().unwrap(), only(&other)).await;
    fixture.report("certificate-refused").await;
}

#[tokio::test]
async fn unknown_authority_of_the_issuer_is_a_fault() {
    let ca = TestCa::new().unwrap();
    let other = TestCa::named("Another authority").unwrap();
    let mut fixture = Fixture::with(
        |issuer| issuer.listen = ListenOptions::new("issuer").over_tls(other.server().unwrap()),
        |options| {
            options.listen = ListenOptions::new("MCP server").over_tls(ca.server().unwrap());
        },
    )
    .await;
    fixture.http.trust = only(&ca);
    fixture
        .report("certificate-authority-unknown-at-the-issuer")
        .await;
}

#[tokio::test]
async fn expired_certificate_is_a_fault() {
    let ca = TestCa::new().unwrap();
    let fixture = secure(&ca, ca.expired_server().unwrap(), only(&ca)).await;
    fixture.report("certificate-expired").await;
}

#[tokio::test]
async fn certificate_not_yet_valid_is_a_fault() {
    let ca = TestCa::new().unwrap();
    let fixture = secure(&ca, ca.future_server().unwrap(), only(&ca)).await;
    fixture.report("certificate-not-yet-valid").await;
}

#[tokio::test]
async fn certificate_for_another_host_is_a_fault() {
    let ca = TestCa::new().unwrap();
    let named = ca.server_named(&["other.example"]).unwrap();
    let fixture = secure(&ca, named, only(&ca)).await;
    fixture.report("certificate-for-another-host").await;
}

#[tokio::test]
async fn missing_client_certificate_is_a_fault() {
    let ca = TestCa::new().unwrap();
    let tls = |identity: Identity| ServerTls {
        identity,
        client_ca_pem: Some(ca.pem()),
    };
    let mut fixture = secure(&ca, tls(ca.server().unwrap()), only(&ca)).await;
    fixture.report("client-certificate-wanted").await;
    let laptop = ca.client("laptop").unwrap();
    let identity = ClientIdentity::from_pem(laptop.certificate_pem(), laptop.key_pem());
    fixture.http.client_identity = Some(identity.unwrap());
    let report = fixture.doctor().diagnose().await;
    assert_eq!(report.first_fault().unwrap().code, Code::NotSignedIn);
}

#[tokio::test]
async fn wrong_url_scheme_is_a_fault() {
    let mut fixture = Fixture::new().await;
    fixture.url = fixture.url.replace("http://", "https://");
    let origin = fixture.server.origin().to_owned();
    let secure_origin = origin.replace("http", "https");
    fixture.names.push((secure_origin, "https://mcp.example"));
    fixture.names.push((origin, "http://mcp.example"));
    fixture.report("tls-not-spoken").await;

    let ca = TestCa::new().unwrap();
    let mut fixture = secure(&ca, ca.server().unwrap(), only(&ca)).await;
    fixture.url = fixture.url.replace("https://", "http://");
    let plain = fixture.server.origin().replace("https", "http");
    fixture.names.push((plain, "http://mcp.example"));
    fixture.report("not-http").await;
}

#[tokio::test]
async fn refusing_and_unreachable_proxies_are_faults() {
    let ca = TestCa::new().unwrap();
    let proxy = ConnectProxy::start().await.unwrap();
    let mut fixture = secure(&ca, ca.server().unwrap(), only(&ca)).await;
    let through = |url: &str| ProxyConfig::all(Proxy::parse(url).unwrap());
    fixture.http.proxy = through(&proxy.url());
    fixture.sign_in().await;
    fixture.report("proxy-decides").await;
    fixture.http.proxy = through(&proxy.url_without_credentials());
    fixture.report("proxy-refuses").await;
    let closed = raw::unused_address().await;
    fixture.http.proxy = through(&format!("http://{closed}"));
    fixture.report("proxy-unreachable").await;
}

#[tokio::test]
async fn address_that_no_proxy_is_asked_for_is_refused() {
    let mut fixture = Fixture::new().await;
    fixture.url = "https://[::1]:1/mcp".to_owned();
    let closed = raw::unused_address().await;
    fixture.http.proxy = ProxyConfig::all(Proxy::parse(&format!("http://{closed}")).unwrap());
    let report = fixture.report("request-refused").await;
    assert_eq!(report.remedy(), Some(hallpass::Remedy::Configure));
}

#[tokio::test]
async fn failed_tls_handshake_is_a_fault() {
    let mut fixture = Fixture::new().await;
    fixture.url = format!("https://{}/mcp", raw::refuses_handshakes().await);
    fixture.report("tls-failed").await;
}

#[tokio::test]
async fn clock_skew_is_a_warning() {
    let now = SystemClock.now().as_unix_seconds();
    for (ahead, name) in [(100, "clock-skew"), (-7000, "clock-skew-that-is-grave")] {
        let fixture = Fixture::new().await;
        let clock = FakeClock::new(Timestamp::from_unix_seconds(now + ahead));
        let doctor = fixture.doctor_of(fixture.builder().clock(Arc::new(clock)));
        let report = fixture.report_of(name, doctor).await;
        let skew = report.findings().find(|it| it.code == Code::ClockSkew);
        assert_eq!(skew.unwrap().severity, Severity::Warning);
    }
}

#[tokio::test]
async fn certificate_that_ends_soon_is_a_warning() {
    let ca = TestCa::new().unwrap();
    let fixture = secure(&ca, ca.server().unwrap(), only(&ca)).await;
    // The test authority's certificates end at the end of 2049.
    let clock = FakeClock::new(Timestamp::from_unix_seconds(2_524_000_000));
    let doctor = fixture.doctor_of(fixture.builder().clock(Arc::new(clock)));
    let report = fixture.report_of("certificate-ends-soon", doctor).await;
    let found = report
        .findings()
        .find(|it| it.code == Code::CertificateEndsSoon);
    assert_eq!(
        found.unwrap().message,
        "the certificate of `127.0.0.1` ends in 6 days"
    );
}

#[tokio::test]
async fn custom_http_client_is_named_in_the_report() {
    let fixture = Fixture::new().await;
    let config = HttpConfig::default();
    let client = hallpass::http_client::Client::new(config).unwrap();
    let doctor = fixture.doctor_of(fixture.builder().http_client(Arc::new(client)));
    let report = doctor.diagnose().await;
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
