//! Exactly one `resource`, chosen once (RFC 8707).

use std::sync::Arc;

use bytes::Bytes;
use hallpass::{
    BoxFuture, Diagnostic as _, Hint, HttpClient, ServerSettings, ServerUrl,
    http::{Body, HttpError, RequestOptions},
    http_client::{Client, HttpConfig},
    settings::ResourceSetting,
};
use hallpass_testkit::{AuthorizationServerOptions, Behaviour, Endpoint, PublishedResource};
use http::{Request, Response, StatusCode, header};
use rmcp::ServiceExt;

use crate::fixture::{Fixture, add, chain, connect};

#[tokio::test]
async fn an_endpoint_with_a_query_of_its_own_still_gets_exactly_one() {
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
async fn a_bare_origin_goes_out_as_it_was_published() {
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

/// The shape this project began with.
#[tokio::test]
async fn a_client_that_forgets_it_signs_in_and_is_refused() {
    let fixture = Fixture::new().await;
    let http = client();
    let forgetful = fixture
        .host()
        .http_client(Arc::new(Forgetful(http)))
        .build()
        .unwrap();

    forgetful
        .login()
        .await
        .expect("the login itself seems to work");
    assert_eq!(fixture.resources(Endpoint::CodeExchange), [[""; 0]]);
    let token = forgetful.session().token().await.unwrap();
    let http = client();
    let initialize = Request::post(fixture.server.url())
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json, text/event-stream")
        .header(header::AUTHORIZATION, token.authorization())
        .body(Bytes::from_static(INITIALIZE))
        .unwrap();
    let server = ServerUrl::parse(&fixture.server.url()).unwrap();
    let answer = http
        .open(initialize, RequestOptions::mcp(&server))
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    let error = ().serve(forgetful.transport()).await.unwrap_err();
    assert!(
        hallpass::TransportError::find_in_chain(&error).is_some(),
        "{error}"
    );

    let hallpass = fixture.host().build().unwrap();
    let client = connect(&hallpass).await;
    assert_eq!(client.list_all_tools().await.unwrap().len(), 4);
    assert_eq!(add(&client, 2, 2).await, "4");
    client.cancel().await.unwrap();
}

const INITIALIZE: &[u8] = br#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"0"}}}"#;

#[tokio::test]
async fn a_setting_that_differs_from_url_and_metadata_is_refused_before_a_browser_opens() {
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
async fn omitted_by_setting_means_left_out_everywhere() {
    let fixture = Fixture::new().await;
    let settings = ServerSettings::default().with_resource(ResourceSetting::Omitted);
    fixture
        .host()
        .settings(settings)
        .build()
        .unwrap()
        .login()
        .await
        .unwrap();
    assert_eq!(fixture.resources(Endpoint::Authorization), [[""; 0]]);
    assert_eq!(fixture.resources(Endpoint::CodeExchange), [[""; 0]]);
}

fn client() -> Client {
    Client::new(HttpConfig::default()).unwrap()
}

/// Leaves `resource` out of every token request.
#[derive(Debug)]
struct Forgetful(Client);

impl HttpClient for Forgetful {
    fn open(
        &self,
        mut request: Request<Bytes>,
        policy: RequestOptions,
    ) -> BoxFuture<'_, Result<Response<Body>, HttpError>> {
        let pairs: Vec<_> = url::form_urlencoded::parse(request.body())
            .into_owned()
            .collect();
        if pairs.iter().any(|(name, _)| name == "grant_type") {
            let kept = pairs.iter().filter(|(name, _)| name != "resource");
            let mut body = url::form_urlencoded::Serializer::new(String::new());
            request.headers_mut().remove(header::CONTENT_LENGTH);
            *request.body_mut() = Bytes::from(body.extend_pairs(kept).finish());
        }
        self.0.open(request, policy)
    }
}
