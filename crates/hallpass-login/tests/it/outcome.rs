//! The record and the events of a successful login.

use hallpass_core::{
    Resource, ResourceSetting, Scopes, State,
    record::{GrantKind, RegistrationOrigin},
};
use hallpass_testkit::{Behaviour, Endpoint, PublishedResource, RefreshTokens};

use crate::fixture::{Fixture, quiet_port};

#[tokio::test]
async fn browser_login_returns_a_signed_in_record() {
    let fixture = Fixture::new().await;
    let record = fixture.signed_in().await;

    assert_eq!(record.key, fixture.key());
    assert_eq!(record.issuer.as_str(), fixture.issuer.issuer());
    assert_eq!(record.state, State::SignedIn);
    assert_eq!(record.settings, fixture.settings.fingerprint());
    assert!(record.metadata.token_endpoint.is_some() && record.pending_refresh.is_none());
    let registration = record.registration.as_ref().unwrap();
    assert_eq!(registration.origin, RegistrationOrigin::Dynamic);
    let grant = record.grant.as_ref().unwrap();
    assert_eq!(grant.kind, GrantKind::AuthorizationCode);
    assert!(grant.refresh_token.is_some() && grant.expires_at.is_some());
    let token = fixture
        .issuer
        .registry()
        .introspect(grant.access_token.expose())
        .unwrap();
    assert_eq!(
        token.audience.as_deref(),
        Some(fixture.server.resource().as_str())
    );

    let visit = fixture.browser.visit().await;
    assert_eq!(visit.status, 200);
    assert!(visit.page.contains("You are signed in"), "{}", visit.page);
    assert!(visit.page.contains("go back to the test"), "{}", visit.page);
    assert_eq!(
        fixture.browser.steps(),
        [
            "Discovering",
            "Discovered",
            "Registering",
            "Client",
            "OpenUrl",
            "BrowserOpened",
            "CodeReceived",
            "SignedIn",
            "Ended"
        ]
    );
}

#[tokio::test]
async fn callback_port_is_free_after_the_login() {
    let mut fixture = Fixture::new().await;
    fixture.settings.callback.port = Some(quiet_port().await);
    let record = fixture.signed_in().await;
    let redirect_uri = record.registration.unwrap().redirect_uri.unwrap();
    let port = redirect_uri.parse::<url::Url>().unwrap().port().unwrap();
    tokio::net::TcpListener::bind(("127.0.0.1", port))
        .await
        .unwrap();
}

#[tokio::test]
async fn resource_is_the_same_in_each_request() {
    let check = async |published: PublishedResource, setting: ResourceSetting, expected: &str| {
        let mut fixture = Fixture::with(|options| {
            // Its own query must not add another one.
            options.behaviour.authorization_query = Some("tenant=1".to_owned());
        })
        .await;
        fixture
            .server
            .change(|protection| protection.resource = published);
        fixture.settings.resource = setting;
        let expected: Vec<String> = match expected {
            "none" => Vec::new(),
            "origin" => vec![fixture.server.origin().to_owned()],
            "url" => vec![fixture.server.url()],
            other => vec![other.to_owned()],
        };
        let record = fixture.signed_in().await;
        for endpoint in [Endpoint::Authorization, Endpoint::Token] {
            let requests = fixture.issuer.requests_to(endpoint);
            assert_eq!(requests.len(), 1, "{endpoint:?}");
            assert_eq!(requests[0].parameters("resource"), expected, "{endpoint:?}");
        }
        let kept = record.grant.unwrap().resource;
        assert_eq!(
            kept.as_ref().map(Resource::as_str),
            expected.first().map(String::as_str)
        );
    };
    check(PublishedResource::Url, ResourceSetting::Published, "url").await;
    check(
        PublishedResource::Origin,
        ResourceSetting::Published,
        "origin",
    )
    .await;
    check(PublishedResource::Url, ResourceSetting::Omitted, "none").await;
    let exactly = ResourceSetting::Exactly {
        resource: Resource::parse("api://by-hand").unwrap(),
        allow_mismatch: true,
    };
    check(PublishedResource::Url, exactly, "api://by-hand").await;
}

#[tokio::test]
async fn callback_host_may_be_any_loopback_address() {
    for host in ["127.0.0.1", "localhost", "[::1]"] {
        if host == "[::1]" && tokio::net::TcpListener::bind("[::1]:0").await.is_err() {
            continue; // This machine has no IPv6.
        }
        let mut fixture = Fixture::new().await;
        fixture.settings.callback.host = host.to_owned();
        fixture.settings.callback.path = Some("/oauth/back".to_owned());
        let record = fixture.signed_in().await;
        let redirect_uri = record.registration.unwrap().redirect_uri.unwrap();
        assert!(
            redirect_uri.starts_with(&format!("http://{host}:")),
            "{redirect_uri}"
        );
        assert!(redirect_uri.ends_with("/oauth/back"), "{redirect_uri}");
    }
}

#[tokio::test]
async fn scopes_come_from_setting_challenge_or_resource_and_step_ups_add_theirs() {
    struct Case {
        setting: Option<&'static str>,
        challenge: Option<&'static str>,
        resource: Option<&'static str>,
        step_up: &'static str,
        expected: Option<&'static str>,
    }
    let words = |text: &str| text.split(' ').map(str::to_owned).collect();
    let check = async |case: Case| {
        let mut fixture = Fixture::new().await;
        fixture.settings.scopes = case.setting.map(Scopes::from_server);
        fixture.scopes = Scopes::from_server(case.step_up);
        fixture.server.change(|protection| {
            protection.challenge_scope = case.challenge.map(str::to_owned);
            protection.scopes_supported = case.resource.map(words);
        });
        let record = fixture.signed_in().await;
        let authorization = &fixture.issuer.requests_to(Endpoint::Authorization)[0];
        assert_eq!(authorization.parameter("scope"), case.expected);
        let asked = record.grant.unwrap().requested_scopes;
        assert_eq!(asked.to_string(), case.expected.unwrap_or_default());
    };
    let plain = || Case {
        setting: None,
        challenge: Some("c"),
        resource: Some("r1 r2"),
        step_up: "",
        expected: Some("c"),
    };
    check(plain()).await;
    check(Case {
        setting: Some("s"),
        expected: Some("s"),
        ..plain()
    })
    .await;
    check(Case {
        challenge: None,
        expected: Some("r1 r2"),
        ..plain()
    })
    .await;
    check(Case {
        challenge: None,
        resource: None,
        expected: None,
        ..plain()
    })
    .await;
    check(Case {
        step_up: "a b",
        expected: Some("a b c"),
        ..plain()
    })
    .await;
}

#[tokio::test]
async fn missing_refresh_token_is_a_warning_with_its_reason() {
    let check = async |change: fn(&mut Behaviour), scopes: Option<&str>, expected: &str| {
        let mut fixture = Fixture::with(|options| {
            options.behaviour.refresh_tokens = RefreshTokens::None;
            let overrides = &mut options.behaviour.metadata_overrides;
            overrides.insert("grant_types_supported".to_owned(), serde_json::Value::Null);
            change(&mut options.behaviour);
        })
        .await;
        fixture.settings.scopes = scopes.map(Scopes::from_server);
        fixture.signed_in().await;
        let events = fixture.browser.events().join("\n");
        assert!(events.contains("NoRefreshToken"), "{events}");
        assert!(events.contains(expected), "{expected}: {events}");
    };
    check(
        |behaviour| {
            let grants = serde_json::json!(["authorization_code"]);
            let overrides = &mut behaviour.metadata_overrides;
            overrides.insert("grant_types_supported".to_owned(), grants);
        },
        None,
        "GrantNotSupported",
    )
    .await;
    let offline = |behaviour: &mut Behaviour| {
        behaviour.scopes_supported = Some(vec!["a".to_owned(), "offline_access".to_owned()]);
    };
    check(offline, Some("a"), "OfflineAccessNotAsked").await;
    check(offline, Some("a offline_access"), "Unexplained").await;
    check(|_| {}, None, "Unexplained").await;
}

#[tokio::test]
async fn offline_access_is_requested_with_consent_where_listed() {
    let fixture = Fixture::with(|options| {
        let listed = ["a", "offline_access"].map(str::to_owned);
        options.behaviour.scopes_supported = Some(listed.to_vec());
    })
    .await;
    fixture
        .server
        .change(|protection| protection.challenge_scope = Some("a".to_owned()));
    fixture.signed_in().await;
    let authorization = &fixture.issuer.requests_to(Endpoint::Authorization)[0];
    assert_eq!(authorization.parameter("scope"), Some("a offline_access"));
    assert_eq!(authorization.parameters("prompt"), ["consent"]);
}
