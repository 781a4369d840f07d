//! Servers that say too much, or nothing at all: a report has an end, and comes in time.

use std::time::Duration;

use hallpass_doctor::Report;
use hallpass_testkit::{ChallengeStyle, Endpoint, Gate, ParameterRule};
use serde_json::{Value, json};

use crate::fixture::{Fixture, JSON, always, answer};

/// The most that a report may have.
const MAX_LINES: usize = 400;
const MAX_BYTES: usize = 64 * 1024;

fn check(name: &str, report: &Report) {
    let text = report.to_string();
    let json = serde_json::to_string(report).unwrap();
    let (lines, bytes) = (text.lines().count(), text.len());
    assert!(lines <= MAX_LINES, "{name}: {lines} lines");
    assert!(bytes <= MAX_BYTES, "{name}: {bytes} bytes");
    assert!(json.len() <= MAX_BYTES, "{name}: {} bytes", json.len());
}

fn many(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|it| format!("{prefix}{it}")).collect()
}

fn document(value: &Value) -> hallpass_testkit::Fault {
    answer(200, &[JSON], &value.to_string())
}

#[tokio::test]
async fn report_about_long_documents_is_short() {
    let fixture = Fixture::new().await;
    let mut issuers = vec![fixture.issuer.issuer().to_string()];
    issuers.extend(many(
        &format!("https://as.example/{}", "x".repeat(80)),
        3000,
    ));
    let published = json!({
        "resource": fixture.server.url(),
        "authorization_servers": issuers,
        "scopes_supported": many("scope:", 10_000),
        "resource_name": "n".repeat(100_000),
    });
    let published = document(&published);
    fixture
        .server
        .plan(vec![always(Endpoint::ResourceMetadata, published)]);
    fixture.issuer.change(|it| {
        for name in [
            "token_endpoint_auth_methods_supported",
            "dpop_signing_alg_values_supported",
            "code_challenge_methods_supported",
            "scopes_supported",
            "response_types_supported",
        ] {
            let listed = json!(many(&format!("{name}-"), 3000));
            it.metadata_overrides.insert(name.to_owned(), listed);
        }
    });
    let report = fixture.doctor().diagnose().await;
    let codes: Vec<_> = report.findings().map(|it| it.code.as_str()).collect();
    for code in ["scope-not-known", "pkce-without-s256", "dpop-offered"] {
        assert!(codes.contains(&code), "{codes:?}");
    }
    check("long documents", &report);
}

#[tokio::test]
async fn report_about_issuers_that_do_not_answer_is_short() {
    let fixture = Fixture::new().await;
    let nowhere = format!("{}/{}", fixture.issuer.origin(), "x".repeat(500));
    fixture
        .server
        .change(|it| it.authorization_servers = many(&nowhere, 1000));
    let report = fixture.doctor().diagnose().await;
    assert!(report.first_fault().is_some());
    check("issuers", &report);
}

#[tokio::test]
async fn report_about_long_errors_is_short() {
    let long = || "The end is not near. ".repeat(50_000);
    let error = json!({
        "jsonrpc": "2.0", "id": 0, "error": { "code": -32600, "message": long() },
    });
    let challenge = format!("Bearer scope=\"{}\"", many("s", 500).join(" "));
    for (name, fault) in [
        ("error of MCP", answer(200, &[JSON], &error.to_string())),
        ("refusal", answer(400, &[JSON], &error.to_string())),
        ("text", answer(418, &[], &long())),
        (
            "challenge",
            answer(401, &[("www-authenticate", &challenge)], ""),
        ),
    ] {
        let fixture = Fixture::signed_in().await;
        fixture.server.plan(vec![always(Endpoint::Mcp, fault)]);
        check(name, &fixture.doctor().diagnose().await);
    }
    let fixture = Fixture::new().await;
    let fields = many("Scheme", 90);
    fixture
        .server
        .change(|it| it.challenge = ChallengeStyle::Exactly(fields));
    check("challenges", &fixture.doctor().diagnose().await);

    let fixture = Fixture::signed_in().await;
    let description: &'static str = Box::leak("Words without end. ".repeat(1500).into_boxed_str());
    let rule = ParameterRule {
        endpoint: Endpoint::Authorization,
        name: "resource",
        prefix: None,
        error: "invalid_request",
        description,
    };
    fixture.issuer.change(|it| it.parameter_rules = vec![rule]);
    let refused = json!({ "error": "invalid_request", "error_description": long() });
    let refused = answer(400, &[JSON], &refused.to_string());
    fixture.issuer.plan(vec![always(Endpoint::Token, refused)]);
    let report = fixture.doctor().diagnose().await;
    let mut codes = report.findings().map(|it| it.code.as_str());
    assert!(codes.any(|it| it == "authorization-refused"));
    check("authorization error", &report);
}

#[tokio::test]
async fn server_that_never_answers_is_reported_in_time() {
    let held = || hallpass_testkit::Fault::HoldRequest(Gate::default());
    for endpoints in [
        &[Endpoint::Mcp][..],
        &[Endpoint::ResourceMetadata],
        &[Endpoint::ServerMetadata],
        &[Endpoint::Token, Endpoint::Authorization],
    ] {
        let mut fixture = Fixture::signed_in().await;
        fixture.limit = Duration::from_millis(50);
        let plan = || endpoints.iter().map(|it| always(*it, held())).collect();
        fixture.server.plan(plan());
        fixture.issuer.plan(plan());
        let doctor = fixture.doctor();
        let report = tokio::time::timeout(Duration::from_secs(60), doctor.diagnose()).await;
        check("a server that does not answer", &report.unwrap());
    }
}
