//! The metadata of the resource and of its authorization server.

use hallpass::{
    Issuer, Resource, Scopes,
    settings::{ExplicitEndpoints, PkceSetting, ResourceSetting},
};
use hallpass_doctor::{Code, Severity};
use hallpass_testkit::{
    Behaviour, ChallengeStyle, Endpoint, Fault, McpServer, McpServerOptions, Protection,
    PublishedResource, ResourceMetadataPath,
};
use serde_json::{Value, json};

use crate::fixture::{Fixture, JSON, always, answer};

async fn protecting(name: &str, change: impl FnOnce(&mut Protection)) {
    let fixture = Fixture::new().await;
    fixture.server.change(change);
    fixture.report(name).await;
}

async fn behaving(name: &str, change: impl FnOnce(&mut Behaviour)) {
    let fixture = Fixture::new().await;
    fixture.issuer.change(change);
    fixture.report(name).await;
}

async fn publishing(name: &str, members: &[(&str, Value)]) {
    behaving(name, |it| {
        let members = members.iter().cloned();
        it.metadata_overrides = members
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
    })
    .await;
}

async fn resource_answers(name: &str, fault: Fault) {
    let fixture = Fixture::new().await;
    fixture
        .server
        .plan(vec![always(Endpoint::ResourceMetadata, fault)]);
    fixture.report(name).await;
}

async fn issuer_answers(name: &str, fault: Fault) {
    let fixture = Fixture::new().await;
    fixture
        .issuer
        .plan(vec![always(Endpoint::ServerMetadata, fault)]);
    fixture.report(name).await;
}

#[tokio::test]
async fn missing_resource_metadata_is_a_fault() {
    resource_answers("no-resource-metadata", answer(403, &[], "")).await;
}

#[tokio::test]
async fn metadata_of_2025_03_26_is_a_note() {
    protecting("legacy-discovery", |it| {
        it.metadata_at = ResourceMetadataPath::Nowhere;
        it.challenge = ChallengeStyle::None;
    })
    .await;
}

#[tokio::test]
async fn mismatched_resource_is_a_fault() {
    protecting("resource-mismatch", |it| {
        it.resource = PublishedResource::Exactly("https://mcp.example.net/mcp".to_owned());
    })
    .await;
    protecting("resource-covers-more", |it| {
        it.resource = PublishedResource::Origin;
    })
    .await;
    protecting("metadata-invalid-resource", |it| {
        it.resource = PublishedResource::Exactly("not a url".to_owned());
    })
    .await;
}

#[tokio::test]
async fn mismatched_resource_setting_is_a_fault() {
    let mut fixture = Fixture::new().await;
    fixture.settings.resource = ResourceSetting::Exactly {
        resource: Resource::parse("https://elsewhere.example").unwrap(),
        allow_mismatch: false,
    };
    fixture.report("resource-setting").await;
}

#[tokio::test]
async fn challenge_with_metadata_elsewhere_is_refused() {
    let field = r#"Bearer resource_metadata="ftp://elsewhere.example/prm?key=s3cret""#;
    let style = ChallengeStyle::Exactly(vec![field.to_owned()]);
    protecting("challenge-refused", |it| it.challenge = style).await;
    let field = r#"Bearer resource_metadata="http://mcp.example.com/prm""#;
    let style = ChallengeStyle::Exactly(vec![field.to_owned()]);
    protecting("challenge-refused-without-https", |it| it.challenge = style).await;
}

#[tokio::test]
async fn challenge_with_metadata_on_another_origin_is_followed() {
    let mut fixture = Fixture::new().await;
    let options = McpServerOptions::protected_by(&fixture.issuer);
    let elsewhere = McpServer::start(options).await.unwrap();
    let resource = fixture.server.url();
    elsewhere.change(|it| it.resource = PublishedResource::Exactly(resource));
    let origin = elsewhere.url().replace("/mcp", "");
    let field =
        format!(r#"Bearer resource_metadata="{origin}/.well-known/oauth-protected-resource/mcp""#);
    let style = ChallengeStyle::Exactly(vec![field]);
    fixture.server.change(|it| it.challenge = style);
    fixture.names.push((origin, "https://docs.example"));
    fixture.report("metadata-elsewhere").await;
}

#[tokio::test]
async fn provider_that_is_asked_for_no_scope_gets_advice() {
    behaving("no-scope", |it| {
        it.scopes_supported = Some(vec!["openid".to_owned()]);
    })
    .await;
}

#[tokio::test]
async fn proofs_that_are_offered_only_are_not_sent() {
    let listed = ("dpop_signing_alg_values_supported", json!(["ES256"]));
    publishing("dpop-offered", &[listed]).await;
}

#[tokio::test]
async fn missing_authorization_server_is_a_fault() {
    protecting("no-authorization-server", |it| {
        it.authorization_servers = Vec::new();
    })
    .await;
}

#[tokio::test]
async fn unlisted_configured_issuer_is_a_fault() {
    let mut fixture = Fixture::new().await;
    fixture.settings.issuer = Some(Issuer::parse("https://other.example").unwrap());
    fixture.report("issuer-not-listed").await;
}

#[tokio::test]
async fn unusable_metadata_documents_are_faults() {
    resource_answers("metadata-not-json-of-the-resource", Fault::Html).await;
    resource_answers("metadata-too-large", Fault::Endless).await;
    let unavailable = Fault::Status {
        status: 503,
        retry_after: None,
    };
    resource_answers("metadata-unavailable", unavailable).await;
    resource_answers("metadata-invalid", answer(200, &[JSON], "{}")).await;
    issuer_answers("metadata-not-json-of-the-issuer", Fault::Html).await;
    issuer_answers("connection-broke-at-the-issuer", Fault::DropRequest).await;
    let moved = answer(302, &[("location", "https://elsewhere.example/md")], "");
    resource_answers("redirect-refused-of-metadata", moved).await;
}

#[tokio::test]
async fn unreachable_authorization_server_is_a_fault() {
    let fixture = Fixture::new().await;
    fixture.issuer.stop().await;
    fixture.report("no-connection-to-the-issuer").await;
}

#[tokio::test]
async fn provisional_metadata_is_a_warning() {
    let fixture = Fixture::new().await;
    let other = Fixture::new().await;
    other.issuer.stop().await;
    let issuers = [other.issuer.issuer(), fixture.issuer.issuer()];
    fixture.server.change(|it| {
        it.authorization_servers = issuers.map(str::to_owned).to_vec();
    });
    let mut fixture = fixture;
    let down = (other.issuer.origin().to_owned(), "https://down.example");
    fixture.names.push(down);
    let report = fixture.report("metadata-provisional").await;
    assert_eq!(report.count(Severity::Warning), 1);
}

#[tokio::test]
async fn missing_server_metadata_is_a_fault() {
    behaving("no-server-metadata", |it| it.metadata_at = Vec::new()).await;
}

#[tokio::test]
async fn mismatched_issuer_is_a_fault() {
    let evil = json!("https://evil.example/tenant");
    publishing("issuer-mismatch", &[("issuer", evil)]).await;
}

#[tokio::test]
async fn forbidden_endpoints_are_refused() {
    let insecure = json!("http://as.example.com/token");
    publishing("endpoint-refused", &[("token_endpoint", insecure)]).await;
    publishing(
        "metadata-invalid-without-token-endpoint",
        &[("token_endpoint", Value::Null)],
    )
    .await;
    let script = json!("javascript:alert(1)");
    publishing(
        "endpoint-refused-for-it-is-no-web-page",
        &[("authorization_endpoint", script)],
    )
    .await;
    let inside = json!("https://169.254.169.254/token");
    publishing("address-refused", &[("token_endpoint", inside)]).await;
    let members = [("authorization_endpoint", Value::Null)];
    publishing("no-authorization-endpoint", &members).await;
}

#[tokio::test]
async fn issuer_in_the_cloud_metadata_network_is_refused() {
    protecting("address-refused-of-the-issuer", |it| {
        it.authorization_servers = vec!["https://169.254.169.254".to_owned()];
    })
    .await;
}

#[tokio::test]
async fn missing_pkce_is_a_fault_unless_waived() {
    behaving("pkce-not-advertised", |it| it.pkce_advertised = false).await;
    let members = [("code_challenge_methods_supported", json!(["plain"]))];
    publishing("pkce-without-s256", &members).await;

    let mut fixture = Fixture::new().await;
    fixture.issuer.change(|it| it.pkce_advertised = false);
    fixture.settings.pkce = PkceSetting::AssumeS256;
    let report = fixture.report("pkce-not-advertised-and-waived").await;
    assert_eq!(report.first_fault().unwrap().code, Code::NotSignedIn);
}

#[tokio::test]
async fn odd_server_metadata_is_a_note() {
    behaving("iss-not-promised", |it| it.iss_advertised = false).await;
    let grants = json!(["authorization_code"]);
    publishing("no-refresh-grant", &[("grant_types_supported", grants)]).await;
    publishing(
        "no-revocation-endpoint",
        &[("revocation_endpoint", Value::Null)],
    )
    .await;
    let odd = [
        ("scopes_supported", json!("a b c")),
        (
            "authorization_response_iss_parameter_supported",
            json!("true"),
        ),
        ("registration_endpoint", json!(["not", "a", "url"])),
    ];
    publishing("odd-metadata", &odd).await;
}

#[tokio::test]
async fn unlisted_scope_is_a_note_until_it_is_granted() {
    let mut fixture = Fixture::new().await;
    fixture
        .issuer
        .change(|it| it.scopes_supported = Some(vec!["mcp:read".to_owned()]));
    fixture.settings.scopes = Some(Scopes::from_server("mcp:read mcp:admin"));
    fixture.report("scope-not-known").await;

    // Once the scopes are granted there is nothing to say.
    fixture.issuer.change(|it| it.scopes_supported = None);
    fixture.sign_in().await;
    fixture
        .issuer
        .change(|it| it.scopes_supported = Some(vec!["mcp:read".to_owned()]));
    let report = fixture.report("scope-not-known-and-granted").await;
    assert!(report.findings().all(|it| it.code != Code::ScopeNotKnown));
}

#[tokio::test]
async fn configured_endpoints_are_used_or_refused() {
    let mut fixture = Fixture::new().await;
    fixture
        .server
        .change(|it| it.metadata_at = ResourceMetadataPath::Nowhere);
    let at = |path: &str| {
        format!("{}{path}", fixture.issuer.origin())
            .parse()
            .unwrap()
    };
    fixture.settings.endpoints = Some(
        ExplicitEndpoints::new(at("/token"))
            .with_authorization(at("/authorize"))
            .with_registration(at("/register")),
    );
    fixture.report("named-endpoints").await;
    let insecure = "http://as.example.com/token".parse().unwrap();
    fixture.settings.endpoints = Some(ExplicitEndpoints::new(insecure));
    fixture.report("setting-refused").await;
}
