//! The MCP server's door, and what is behind it.

use hallpass_testkit::{
    ChallengeStyle, Endpoint, Lifecycle, LoopbackHost, McpServer, McpServerOptions,
    PublishedResource, RecordedBody, RecordedRequest, ResourceMetadataPath,
};
use serde_json::{Value, json};

use crate::fixture::{Fixture, get, initialize, mcp, send};

/// The messages in an answer, whether it is JSON or an event stream.
fn messages(body: &str) -> Vec<Value> {
    let lines = body.lines().filter_map(|line| line.strip_prefix("data:"));
    lines
        .chain([body])
        .filter_map(|text| serde_json::from_str(text.trim()).ok())
        .collect()
}

#[tokio::test]
async fn token_for_the_server_can_call_tools() {
    let fixture = Fixture::new().await;
    let url = fixture.server.url();
    let token = fixture.tokens().await.text("access_token");
    let opened = initialize(&url, &token).await;
    assert_eq!(opened.status, 200, "{opened:?}");
    let session = opened.header("mcp-session-id").to_owned();
    assert!(!session.is_empty(), "{opened:?}");
    let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    assert_eq!(mcp(&url, &token, Some(&session), &ready).await.status, 202);

    let list = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" });
    let listed = mcp(&url, &token, Some(&session), &list).await;
    let tools = &messages(&listed.body)[0]["result"]["tools"];
    let mut names: Vec<_> = tools
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["name"].as_str().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["add", "echo", "fail", "ping"]);

    let call = json!({
        "jsonrpc": "2.0",
        "id": 3,
        "method": "tools/call",
        "params": { "name": "add", "arguments": { "a": 40, "b": 2 } },
    });
    let called = mcp(&url, &token, Some(&session), &call).await;
    assert_eq!(
        messages(&called.body)[0]["result"]["content"][0]["text"],
        "42",
        "{called:?}"
    );
    let methods: Vec<_> = fixture
        .server
        .requests()
        .iter()
        .filter_map(|request| request.rpc_method().map(str::to_owned))
        .collect();
    assert_eq!(
        methods,
        [
            "initialize",
            "notifications/initialized",
            "tools/list",
            "tools/call"
        ]
    );
}

#[tokio::test]
async fn token_for_another_audience_is_refused() {
    let fixture = Fixture::new().await;
    let registry = fixture.issuer.registry();
    let own = fixture.server.resource();
    let slash = format!("{own}/");
    for (audience, expected) in [
        (Some(own.as_str()), 200),
        (Some(&slash), 401),
        (Some(fixture.server.origin()), 401),
        (Some("https://elsewhere.example/mcp"), 401),
        (None, 401),
    ] {
        let token = registry.plant(audience, "");
        assert_eq!(fixture.initialize(&token).await, expected, "{audience:?}");
    }
    assert_eq!(fixture.initialize("made-up").await, 401);
    assert_eq!(fixture.initialize("").await, 401);
    let refused = get(&fixture.server.url()).await;
    assert_eq!(refused.status, 401, "GET is behind the same door");
}

#[tokio::test]
async fn default_challenge_names_the_metadata() {
    let fixture = Fixture::new().await;
    let origin = fixture.server.origin().to_owned();
    let metadata_url = format!("{origin}/.well-known/oauth-protected-resource/mcp");
    let refused = initialize(&fixture.server.url(), "").await;
    assert_eq!(
        refused.header("www-authenticate"),
        format!("Bearer resource_metadata=\"{metadata_url}\"")
    );
    let refused = initialize(&fixture.server.url(), "made-up").await;
    assert_eq!(
        refused.header("www-authenticate"),
        format!("Bearer resource_metadata=\"{metadata_url}\", error=\"invalid_token\"")
    );
    let metadata = get(&metadata_url).await.json();
    assert_eq!(metadata["resource"], fixture.server.url());
    assert_eq!(
        metadata["authorization_servers"],
        json!([fixture.issuer.issuer()])
    );
    let elsewhere = get(&format!("{origin}/.well-known/oauth-protected-resource")).await;
    assert_eq!(elsewhere.status, 404);
}

#[tokio::test]
async fn protection_options_change_challenge_and_metadata() {
    let fixture = Fixture::new().await;
    let (url, origin) = (fixture.server.url(), fixture.server.origin().to_owned());
    fixture.server.change(|protection| {
        protection.resource = PublishedResource::Origin;
        protection.metadata_at = ResourceMetadataPath::At("/about".to_owned());
        protection.challenge_scope = Some("files:read".to_owned());
        protection.scopes_supported = Some(vec!["files:read".to_owned()]);
    });
    let refused = initialize(&url, "").await;
    assert_eq!(
        refused.header("www-authenticate"),
        format!("Bearer resource_metadata=\"{origin}/about\", scope=\"files:read\"")
    );
    let metadata = get(&format!("{origin}/about")).await.json();
    assert_eq!(metadata["resource"], origin);
    assert_eq!(metadata["scopes_supported"], json!(["files:read"]));
    let token = fixture.issuer.registry().plant(Some(&origin), "");
    assert_eq!(fixture.initialize(&token).await, 200);
    let token = fixture.issuer.registry().plant(Some(&url), "");
    assert_eq!(fixture.initialize(&token).await, 401);

    fixture.server.change(|protection| {
        protection.metadata_at = ResourceMetadataPath::Nowhere;
        protection.challenge = ChallengeStyle::None;
    });
    let refused = initialize(&url, "").await;
    assert_eq!(refused.status, 401);
    assert!(!refused.headers.contains_key("www-authenticate"));

    fixture.server.change(|protection| {
        let fields = ["Basic realm=\"x\"", "Bearer scope=\"a b\""];
        protection.challenge = ChallengeStyle::Exactly(fields.map(str::to_owned).to_vec());
    });
    let refused = initialize(&url, "").await;
    assert_eq!(
        refused.headers.get_all("www-authenticate").iter().count(),
        2
    );
}

#[tokio::test]
async fn call_without_its_scope_is_403_with_a_challenge() {
    let fixture = Fixture::new().await;
    fixture
        .server
        .change(|protection| protection.call_scope = Some("tools:call".to_owned()));
    let own = fixture.server.resource();
    let weak = fixture.issuer.registry().plant(Some(&own), "files:read");
    assert_eq!(fixture.initialize(&weak).await, 200);
    let call = json!({ "jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {} });
    let refused = mcp(&own, &weak, None, &call).await;
    assert_eq!(refused.status, 403);
    let challenge = refused.header("www-authenticate");
    assert!(
        challenge.ends_with("error=\"insufficient_scope\", scope=\"tools:call\""),
        "{challenge}"
    );
    let strong = fixture
        .issuer
        .registry()
        .plant(Some(&own), "files:read tools:call");
    assert_ne!(mcp(&own, &strong, None, &call).await.status, 403);
}

#[tokio::test]
async fn moved_server_redirects_without_a_token() {
    let fixture = Fixture::new().await;
    fixture
        .server
        .change(|protection| protection.moved_to = Some("/v2/mcp".to_owned()));
    let moved = initialize(&fixture.server.url(), "").await;
    assert_eq!((moved.status, moved.header("location")), (307, "/v2/mcp"));
    let there = format!("{}/v2/mcp", fixture.server.origin());
    assert_eq!(initialize(&there, "").await.status, 401);
    let token = fixture
        .issuer
        .registry()
        .plant(Some(&fixture.server.resource()), "");
    assert_eq!(initialize(&there, &token).await.status, 200);
}

#[tokio::test]
async fn shared_recorder_keeps_one_order() {
    let fixture = Fixture::new().await;
    let token = fixture.tokens().await.text("access_token");
    fixture.initialize(&token).await;
    send(
        "GET",
        &format!("{}/favicon.ico", fixture.server.origin()),
        &[],
        "",
    )
    .await;
    let requests = fixture.issuer.recorder().requests();
    let order: Vec<_> = requests
        .iter()
        .map(|it| {
            (
                it.sequence,
                it.server.as_str(),
                it.path.as_str(),
                it.status(),
            )
        })
        .collect();
    assert_eq!(
        order,
        [
            (0, "authorization server", "/register", Some(201)),
            (1, "authorization server", "/authorize", Some(302)),
            (2, "authorization server", "/token", Some(200)),
            (3, "MCP server", "/mcp", Some(200)),
            (4, "MCP server", "/favicon.ico", Some(404)),
        ]
    );
    assert_eq!(fixture.server.requests().len(), 2);
    let exchange = &fixture.issuer.requests_to(Endpoint::CodeExchange)[0];
    assert_eq!(
        exchange.parameter("resource"),
        Some(fixture.server.resource().as_str())
    );
    assert_eq!(
        requests[3].header("Authorization"),
        Some(format!("Bearer {token}").as_str())
    );
    assert!(matches!(
        requests[3].answer.as_ref().unwrap().body,
        RecordedBody::Unread
    ));
    let shown = format!("{requests:?}");
    for (name, secret) in requests.iter().flat_map(RecordedRequest::secrets) {
        assert!(!shown.contains(&secret), "{name} is shown");
    }
}

#[tokio::test]
async fn server_at_a_bare_localhost_origin_works() {
    let fixture = Fixture::new().await;
    let mut options = McpServerOptions::protected_by(&fixture.issuer);
    options.listen.host = LoopbackHost::Localhost;
    options.path = "/".to_owned();
    options.json_response = true;
    options.lifecycle = Lifecycle::WithoutSessions;
    let server = McpServer::start(options).await.unwrap();
    let url = server.url();
    assert_eq!(url, format!("http://localhost:{}", server.port()));
    let refused = initialize(&url, "").await;
    let metadata_url = format!("{url}/.well-known/oauth-protected-resource");
    assert_eq!(
        refused.header("www-authenticate"),
        format!("Bearer resource_metadata=\"{metadata_url}\"")
    );
    assert_eq!(get(&metadata_url).await.text("resource"), url);
    let token = fixture.issuer.registry().plant(Some(&url), "");
    let opened = initialize(&url, &token).await;
    assert_eq!(opened.status, 200, "{opened:?}");
    assert_eq!(
        opened.json()["result"]["serverInfo"]["name"],
        "hallpass-testkit"
    );
    assert!(!opened.headers.contains_key("mcp-session-id"));
}
