//! Exactly one `resource`, chosen once (RFC 8707).

use hallpass::{Diagnostic as _, Hint, ServerSettings, TransportError, settings::ResourceSetting};
use hallpass_testkit::{AuthorizationServerOptions, Behaviour, Endpoint, PublishedResource};
use rmcp::ServiceExt;

use crate::fixture::{Fixture, add, chain, connect};

#[tokio::test]
async fn authorization_endpoint_with_query_gets_one_resource() {
    let options = AuthorizationServerOptions {
        behaviour: Behaviour {
            authorization_query: Some("tenant=1".to_owned()),
            ..Behaviour::default()
        },
        ..AuthorizationServerOptions::default()
    };
    let fixture = Fixture::with(options, |_| {}).await;
    let hallpass = fixture.host().build().unwrap();
    hallpass.login().await.unwrap();

    assert_eq!(
        fixture.resources(Endpoint::Authorization),
        [[fixture.server.url()]]
    );
    let request = &fixture.requests_to(Endpoint::Authorization)[0];
    assert_eq!(
        request.parameter("tenant"),
        Some("1"),
        "the endpoint's own query is kept"
    );
    let client = connect(&hallpass).await;
    assert_eq!(add(&client, 1, 1).await, "2");
    client.cancel().await.unwrap();
}

#[tokio::test]
async fn published_resource_without_slash_is_sent_unchanged() {
    let fixture = Fixture::with(AuthorizationServerOptions::default(), |server| {
        server.protection.resource = PublishedResource::Origin;
    })
    .await;
    let origin = fixture.server.origin().to_owned();
    assert!(!origin.ends_with('/'));
    let hallpass = fixture.host().build().unwrap();

    let client = connect(&hallpass).await;
    fixture.issuer.expire_access_tokens();
    assert_eq!(add(&client, 1, 1).await, "2");
    client.cancel().await.unwrap();

    for endpoint in [
        Endpoint::Authorization,
        Endpoint::CodeExchange,
        Endpoint::Refresh,
    ] {
        assert_eq!(
            fixture.resources(endpoint),
            [[origin.clone()]],
            "{endpoint:?}"
        );
    }
}

#[tokio::test]
async fn mismatched_resource_setting_is_refused_before_the_browser_opens() {
    let fixture = Fixture::new().await;
    let other = "https://other.example/mcp";
    let settings = |allow_mismatch| {
        ServerSettings::default().with_resource(ResourceSetting::Exactly {
            resource: other.parse().unwrap(),
            allow_mismatch,
        })
    };

    let error = fixture
        .host()
        .settings(settings(false))
        .build()
        .unwrap()
        .login()
        .await
        .unwrap_err();
    let text = chain(&error);
    for part in [other, &fixture.server.url()] {
        assert!(text.contains(part), "`{part}` is missing in: {text}");
    }
    let hint = Hint::setting("allow_mismatch", None);
    assert!(error.hints().contains(&hint), "{:?}", error.hints());
    assert_eq!(fixture.browser.visits(), 0);
    assert_eq!(fixture.requests_to(Endpoint::Registration).len(), 0);

    fixture
        .host()
        .settings(settings(true))
        .build()
        .unwrap()
        .login()
        .await
        .unwrap();
    assert_eq!(fixture.resources(Endpoint::Authorization), [[other]]);
    assert_eq!(fixture.resources(Endpoint::CodeExchange), [[other]]);
}

#[tokio::test]
async fn omitted_resource_is_left_out_everywhere_and_a_strict_server_refuses_the_token() {
    let fixture = Fixture::new().await;
    let settings = ServerSettings::default().with_resource(ResourceSetting::Omitted);
    let hallpass = fixture.host().settings(settings).build().unwrap();
    hallpass
        .login()
        .await
        .expect("the login itself seems to work");
    assert_eq!(fixture.resources(Endpoint::Authorization), [[""; 0]]);
    assert_eq!(fixture.resources(Endpoint::CodeExchange), [[""; 0]]);

    let before = fixture.issuer.recorder().len();
    let error = ().serve(hallpass.transport()).await.unwrap_err();
    assert!(TransportError::find_in_chain(&error).is_some(), "{error}");
    let call = &fixture.issuer.recorder().since(before)[0];
    assert!(call.is_to(Endpoint::Mcp) && call.header("authorization").is_some());
    assert_eq!(call.status(), Some(401));
}
