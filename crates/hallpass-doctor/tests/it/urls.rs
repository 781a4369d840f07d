//! URLs in reports: queries and user information may hold secrets, wherever a URL is from.

use std::collections::BTreeMap;

use hallpass_core::{Issuer, Resource, ResourceSetting};
use hallpass_testkit::{ChallengeStyle, Endpoint, PublishedResource};
use serde_json::json;

use crate::fixture::{Fixture, always, answer};

const SECRET: &str = "s3cret-of-a-url";

/// Examines, and looks for the secret in all that is said.
async fn keeps_secret(fixture: &Fixture, what: &str) {
    let report = fixture.doctor().diagnose().await;
    let said = format!("{report}\n{report:?}\n{}", json!(report));
    assert!(!said.contains(SECRET), "{what}: {said}");
}

fn with_secret(url: &str) -> String {
    format!("{url}?key={SECRET}")
}

#[tokio::test]
async fn endpoints_and_redirects_are_shown_without_query_or_user() {
    let mut fixture = Fixture::new().await;
    fixture.url = with_secret(&fixture.url);
    let issuer = fixture.issuer.origin().to_owned();
    let endpoints: BTreeMap<_, _> = [
        ("authorization_endpoint", "/authorize"),
        ("token_endpoint", "/token"),
        ("registration_endpoint", "/register"),
        ("revocation_endpoint", "/revoke"),
    ]
    .into_iter()
    .map(|(name, path)| {
        let url = with_secret(&format!("{issuer}{path}"));
        (name.to_owned(), json!(url))
    })
    .collect();
    fixture
        .issuer
        .change(|it| it.metadata_overrides = endpoints);
    let location = with_secret(&format!("https://{SECRET}:{SECRET}@as.example.com/x"));
    let moved = || answer(307, &[("location", &location)], "");
    keeps_secret(&fixture, "endpoints").await;
    for endpoint in [
        Endpoint::Token,
        Endpoint::Authorization,
        Endpoint::ServerMetadata,
    ] {
        fixture.issuer.plan(vec![always(endpoint, moved())]);
        keeps_secret(&fixture, &format!("{endpoint:?}")).await;
    }
    for endpoint in [Endpoint::Mcp, Endpoint::ResourceMetadata] {
        fixture.server.plan(vec![always(endpoint, moved())]);
        keeps_secret(&fixture, &format!("{endpoint:?}")).await;
    }
}

#[tokio::test]
async fn resources_are_shown_without_query() {
    for published in [
        with_secret("https://mcp.example.net/mcp"),
        format!("https://{SECRET}@mcp.example.net/mcp"),
    ] {
        let fixture = Fixture::new().await;
        let resource = PublishedResource::Exactly(published.clone());
        fixture.server.change(|it| it.resource = resource);
        keeps_secret(&fixture, &published).await;
    }
    let mut fixture = Fixture::new().await;
    fixture.url = with_secret(&fixture.url);
    let resource = PublishedResource::Exactly(fixture.url.clone());
    fixture.server.change(|it| it.resource = resource);
    keeps_secret(&fixture, "published as it is").await;
    fixture.sign_in().await;
    keeps_secret(&fixture, "signed in").await;
    fixture
        .server
        .change(|it| it.resource = PublishedResource::Origin);
    keeps_secret(&fixture, "changed since").await;

    let mut fixture = Fixture::new().await;
    fixture.settings.resource = ResourceSetting::Exactly {
        resource: Resource::parse(&with_secret("https://elsewhere.example")).unwrap(),
        allow_mismatch: false,
    };
    keeps_secret(&fixture, "set").await;
}

#[tokio::test]
async fn issuers_and_challenges_are_shown_without_query_or_user() {
    for issuer in [
        with_secret("https://as.example"),
        format!("https://{SECRET}@as.example"),
    ] {
        let fixture = Fixture::new().await;
        fixture
            .server
            .change(|it| it.authorization_servers = vec![issuer.clone()]);
        keeps_secret(&fixture, &issuer).await;

        let fixture = Fixture::new().await;
        let named = [("issuer".to_owned(), json!(issuer))].into();
        fixture.issuer.change(|it| it.metadata_overrides = named);
        keeps_secret(&fixture, &issuer).await;

        assert!(Issuer::parse(&issuer).is_err_and(|error| {
            let said = format!("{error} {error:?}");
            !said.contains(SECRET)
        }));
    }
    for metadata in [
        with_secret("https://elsewhere.example/md"),
        format!("https://{SECRET}@elsewhere.example/md"),
        with_secret("ftp://elsewhere.example/md"),
        with_secret("https://[elsewhere/md"),
    ] {
        let fixture = Fixture::new().await;
        let field = format!(r#"Bearer resource_metadata="{metadata}""#);
        let style = ChallengeStyle::Exactly(vec![field]);
        fixture.server.change(|it| it.challenge = style);
        keeps_secret(&fixture, &metadata).await;
    }
}
