//! The token, and what the server makes of it.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hallpass::{AccessToken, FixedToken, Hint, Remedy, Resource, Timestamp};
use hallpass_doctor::{Code, ResponsibleParty, Severity};
use hallpass_testkit::{Endpoint, Fault, Lifecycle};

use crate::fixture::{Fixture, JSON, answer};

/// The user signed in long ago.
async fn signed_in_long_ago() -> Fixture {
    let fixture = Fixture::signed_in().await;
    fixture
        .change(|record| {
            record.grant.as_mut().unwrap().obtained_at =
                Timestamp::from_unix_seconds(1_700_000_000);
        })
        .await;
    fixture
}

/// To a request with a token, the server says this; one without is challenged as ever.
fn to_the_token(fixture: &Fixture, fault: Fault) {
    use hallpass_testkit::{PlannedFault, When};
    fixture.server.plan(vec![PlannedFault {
        endpoint: Endpoint::Mcp,
        when: When::From(2 + asked(fixture)),
        fault,
    }]);
}

fn asked(fixture: &Fixture) -> u32 {
    u32::try_from(fixture.server.requests_to(Endpoint::Mcp).len()).unwrap()
}

#[tokio::test]
async fn expired_token_is_a_note_or_refreshed() {
    let mut fixture = signed_in_long_ago().await;
    fixture
        .change(|record| {
            let grant = record.grant.as_mut().unwrap();
            grant.expires_at = Some(grant.obtained_at);
        })
        .await;
    let report = fixture.report("token-ended").await;
    assert_eq!(report.first_fault(), None);
    assert_eq!(fixture.issuer.requests_to(Endpoint::Refresh).len(), 0);

    fixture.refreshes = true;
    let report = fixture.report("token-ended-and-refreshed").await;
    assert_eq!(report.first_fault(), None);
    assert_eq!(fixture.issuer.requests_to(Endpoint::Refresh).len(), 1);
}

#[tokio::test]
async fn token_for_another_resource_is_a_fault() {
    let fixture = signed_in_long_ago().await;
    fixture.issuer.expire_access_tokens();
    fixture
        .change(|record| {
            let other = Resource::parse("https://other.example/mcp").unwrap();
            record.grant.as_mut().unwrap().resource = Some(other);
        })
        .await;
    let report = fixture.report("token-for-another-audience").await;
    assert_eq!(report.remedy(), Some(Remedy::SignIn));
}

#[tokio::test]
async fn token_with_another_audience_claim_is_found() {
    let fixture = Fixture::signed_in().await;
    let claims = r#"{"aud":["https://graph.example","api://4711"],"iss":"https://as.example","sub":"canary-sub"}"#;
    let jwt = format!("eyJ0.{}.c2ln", URL_SAFE_NO_PAD.encode(claims));
    fixture
        .change(|record| record.grant.as_mut().unwrap().access_token = AccessToken::new(&jwt))
        .await;
    let report = fixture
        .report("token-for-another-audience-by-its-claims")
        .await;
    let text = format!("{report} {report:?}");
    assert!(!text.contains("canary-sub") && !text.contains(&jwt));
}

#[tokio::test]
async fn refused_fresh_token_is_a_fault() {
    let fixture = Fixture::signed_in().await;
    fixture.issuer.expire_access_tokens();
    let report = fixture.report("fresh-token-refused").await;
    assert_eq!(report.remedy(), Some(Remedy::Report));
}

#[tokio::test]
async fn revoked_token_is_a_warning_or_a_fault() {
    let fixture = signed_in_long_ago().await;
    fixture.issuer.expire_access_tokens();
    let report = fixture.report("token-refused").await;
    assert_eq!(report.count(Severity::Warning), 1);
    fixture
        .change(|record| record.grant.as_mut().unwrap().refresh_token = None)
        .await;
    fixture.report("token-refused-for-good").await;
}

#[tokio::test]
async fn token_with_too_few_scopes_is_a_fault() {
    let fixture = Fixture::signed_in().await;
    let challenge = r#"Bearer error="insufficient_scope", scope="mcp:admin""#;
    to_the_token(
        &fixture,
        answer(403, &[("www-authenticate", challenge)], ""),
    );
    fixture.report("insufficient-scope").await;
}

/// Another sign-in with the same settings would change nothing, and a call says the same.
#[tokio::test]
async fn scopes_that_no_sign_in_brings_lead_to_no_sign_in() {
    let mut fixture = Fixture::new().await;
    fixture.settings.scopes = Some(hallpass_core::Scopes::from_server("a"));
    fixture.sign_in().await;
    for (scope, hint) in [
        ("", Hint::setting("scopes", None)),
        (
            ", scope=\"a\"",
            Hint::text("ask the authorization server's operator to grant `a` to this account"),
        ),
    ] {
        let challenge = format!("Bearer error=\"insufficient_scope\"{scope}");
        to_the_token(
            &fixture,
            answer(403, &[("www-authenticate", &challenge)], ""),
        );
        let report = fixture.doctor().diagnose().await;
        let fault = report.first_fault().unwrap();
        assert_eq!(fault.code, Code::InsufficientScope);
        assert_eq!(fault.hints, [hint], "{scope}");
    }
}

/// A refresh that names no scope may bring a token of another one; a sign-in names it.
#[tokio::test]
async fn refresh_scope_is_the_first_hint_for_the_token_of_a_refresh_alone() {
    let mut fixture = Fixture::new().await;
    fixture.settings.scopes = Some(hallpass_core::Scopes::from_server("a"));
    fixture.sign_in().await;
    fixture.issuer.expire_access_tokens();
    let setting = Hint::setting("refresh_scope", Some("true"));
    let report = fixture.doctor().diagnose().await;
    let fault = report.first_fault().unwrap();
    assert_eq!(fault.code, Code::FreshTokenRefused);
    assert!(!fault.hints.contains(&setting), "{:?}", fault.hints);
    fixture
        .change(|record| {
            let registration = record.registration.as_mut().unwrap();
            let grant = record.grant.as_ref().unwrap();
            let before = grant.obtained_at.as_unix_seconds() - 3600;
            registration.proven_at = Some(hallpass_core::Timestamp::from_unix_seconds(before));
        })
        .await;
    let report = fixture.doctor().diagnose().await;
    assert_eq!(report.first_fault().unwrap().hints[0], setting);
}

#[tokio::test]
async fn forbidden_account_is_a_fault() {
    let fixture = Fixture::signed_in().await;
    to_the_token(&fixture, answer(403, &[], "not you"));
    fixture.report("forbidden-with-a-token").await;
}

#[tokio::test]
async fn mcp_errors_are_faults() {
    let error =
        r#"{"jsonrpc":"2.0","id":0,"error":{"code":-32603,"message":"no \u001b[2J database"}}"#;
    let no_tools =
        r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-11-25","capabilities":{}}}"#;
    for (body, kind, name) in [
        (error, "application/json", "mcp-error"),
        ("{\"detail\":\"hi\"}", "application/json", "mcp-unreadable"),
        (
            "hello",
            "application/json",
            "mcp-unreadable-for-it-is-no-json",
        ),
        (
            ": ping\n\n",
            "text/event-stream",
            "mcp-unreadable-for-it-ends",
        ),
        (no_tools, "application/json", "no-tools-offered"),
    ] {
        let fixture = Fixture::signed_in().await;
        to_the_token(&fixture, answer(200, &[("content-type", kind)], body));
        fixture.report(name).await;
    }
}

/// A server that speaks the lifecycle without a handshake alone.
async fn without_a_handshake() -> Fixture {
    Fixture::with(
        |_| {},
        |server| server.lifecycle = Lifecycle::WithoutHandshake,
    )
    .await
}

#[tokio::test]
async fn server_without_handshake_is_diagnosed() {
    let fixture = without_a_handshake().await;
    fixture.sign_in().await;
    let report = fixture.report("without-a-handshake").await;
    assert_eq!(report.first_fault(), None);
}

#[tokio::test]
async fn open_server_without_handshake_is_diagnosed() {
    let refusal = r#"{"jsonrpc":"2.0","id":0,"error":{"code":-32022,"message":"Unsupported protocol version"}}"#;
    let account = r#"{"jsonrpc":"2.0","id":1,"result":{"supportedVersions":["2026-07-28"],"capabilities":{}}}"#;
    let fixture = without_a_handshake().await;
    for _ in ["without a token", "as a call"] {
        fixture
            .server
            .once(Endpoint::Mcp, answer(400, &[JSON], refusal));
        fixture
            .server
            .once(Endpoint::Mcp, answer(200, &[JSON], account));
    }
    let report = fixture.report("open-server-without-a-handshake").await;
    assert_eq!(report.first_fault(), None);
}

#[tokio::test]
async fn server_without_handshake_or_discover_is_a_fault_with_a_token() {
    let refusal = r#"{"jsonrpc":"2.0","id":0,"error":{"code":-32000,"message":"Bad Request"}}"#;
    let unknown = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"Not known"}}"#;
    let fixture = Fixture::signed_in().await;
    let asked = asked(&fixture);
    let nth = |nth, fault| hallpass_testkit::PlannedFault {
        endpoint: Endpoint::Mcp,
        when: hallpass_testkit::When::Nth(nth + asked),
        fault,
    };
    fixture.server.plan(vec![
        nth(2, answer(400, &[JSON], refusal)),
        nth(3, answer(200, &[JSON], unknown)),
    ]);
    let report = fixture.report("neither-way-leads-in-with-a-token").await;
    assert_eq!(report.remedy(), Some(Remedy::Report));
}

#[tokio::test]
async fn unlisted_tools_are_a_fault() {
    let fixture = Fixture::signed_in().await;
    let asked = asked(&fixture);
    fixture.server.plan(vec![hallpass_testkit::PlannedFault {
        endpoint: Endpoint::Mcp,
        // The probe, `initialize` and its notification go well.
        when: hallpass_testkit::When::Nth(4 + asked),
        fault: answer(500, &[JSON], "{}"),
    }]);
    fixture.report("tools-can-t-be-listed").await;
}

/// No sign-in changes a token that the user supplies.
#[tokio::test]
async fn refused_token_of_a_source_is_fixed_without_the_source() {
    // What is stored is not about this token.
    let fixture = Fixture::signed_in().await;
    let claims = r#"{"aud":"https://other.example/mcp"}"#;
    let jwt = format!("e30.{}.x", URL_SAFE_NO_PAD.encode(claims));
    let planted = fixture.issuer.registry();
    for (token, code, name) in [
        (
            planted.plant(Some("https://other.example/mcp"), ""),
            Code::TokenRefused,
            "token-refused-from-a-source",
        ),
        (
            jwt,
            Code::AnotherAudience,
            "token-for-another-audience-from-a-source",
        ),
    ] {
        let source = FixedToken::new(AccessToken::new(token), "the variable `TOKEN`");
        let builder = fixture.builder().token_source(Arc::new(source));
        let report = fixture.report_of(name, fixture.doctor_of(builder)).await;
        let fault = report.first_fault().unwrap();
        assert_eq!(fault.code, code, "{name}");
        assert_eq!(fault.party, ResponsibleParty::Here, "{name}");
        assert_eq!(fault.remedy, Remedy::Configure, "{name}");
        let wanted = format!("for the resource `{}`", fixture.server.url());
        assert!(fault.hints[0].to_string().contains(&wanted), "{name}");
        assert_eq!(fault.hints[1], Hint::LeaveOutTokenSource, "{name}");
        let mut hints = report.findings().flat_map(|it| &it.hints);
        assert!(!hints.any(|it| *it == Hint::SignIn), "{name}");
    }
}
