//! The authorization endpoint, its metadata, and the user before it.

use hallpass_core::TokenEndpointAuthMethod;
use hallpass_testkit::{
    AuthorizationServer, AuthorizationServerOptions, Callback, Endpoint, IssParameter, LeakCheck,
    ListenOptions, MetadataPath, Person, StaticClient, Tamper,
};
use serde_json::{Value, json};

use crate::fixture::{CALLBACK, Fixture, get, parameter};

/// Sends a good request with some pairs put in the place of the good ones, and says what came of it:
/// the callback's `error`, `code`, or the status of a page.
async fn check(fixture: &Fixture, changes: &[(&str, &str)], expected: &str) {
    let mut request = fixture.request();
    request.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    let changes = changes.iter().filter(|(_, value)| !value.is_empty());
    request.extend(changes.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let answer = get(fixture.authorization_url(&request).as_str()).await;
    let got = if answer.status == 302 {
        let callback = url::Url::parse(answer.header("location")).unwrap();
        assert!(callback.as_str().starts_with(CALLBACK), "{callback}");
        assert_eq!(
            parameter(&callback, "iss").unwrap(),
            fixture.issuer.issuer()
        );
        parameter(&callback, "error").unwrap_or_else(|| "code".to_owned())
    } else {
        format!("page {}", answer.status)
    };
    assert_eq!(got, expected, "{request:?}");
}

#[tokio::test]
async fn invalid_authorization_request_is_refused() {
    let fixture = Fixture::new().await;
    for (changes, expected) in [
        (&[][..], "code"),
        (&[("resource", "")], "code"),
        (&[("scope", "anything goes")], "code"),
        (&[("client_id", "")], "page 400"),
        (&[("client_id", "nobody")], "page 400"),
        (&[("redirect_uri", "")], "page 400"),
        (
            &[("redirect_uri", "http://127.0.0.1:1/callback/")],
            "page 400",
        ),
        (
            &[("redirect_uri", "http://127.0.0.1:2/callback")],
            "page 400",
        ),
        (&[("redirect_uri", "https://evil.example/")], "page 400"),
        (&[("state", "1"), ("state", "2")], "page 400"),
        (&[("response_type", "")], "invalid_request"),
        (&[("response_type", "token")], "unsupported_response_type"),
        (&[("code_challenge", "")], "invalid_request"),
        (&[("code_challenge", "short")], "invalid_request"),
        (&[("code_challenge_method", "")], "invalid_request"),
        (&[("code_challenge_method", "plain")], "invalid_request"),
        (&[("scope", "a"), ("scope", "b")], "invalid_request"),
        (
            &[
                ("resource", "https://a.example"),
                ("resource", "https://b.example"),
            ],
            "invalid_target",
        ),
        (&[("resource", "/mcp")], "invalid_target"),
        (&[("resource", "https://a.example/#part")], "invalid_target"),
    ] {
        check(&fixture, changes, expected).await;
    }
}

#[tokio::test]
async fn authorization_options_change_what_is_accepted() {
    let fixture = Fixture::new().await;
    let other_port = [("redirect_uri", "http://127.0.0.1:2/callback")];
    let other_path = [("redirect_uri", "http://127.0.0.1:2/other")];
    let other_host = [("redirect_uri", "http://localhost:1/callback")];
    fixture.issuer.change(|behaviour| {
        behaviour.scopes_supported = Some(vec!["files:read".to_owned()]);
        behaviour.resources = Some(vec![fixture.server.resource()]);
    });
    check(&fixture, &[("scope", "files:read")], "code").await;
    check(&fixture, &[("scope", "files:read admin")], "invalid_scope").await;
    check(
        &fixture,
        &[("resource", "https://a.example")],
        "invalid_target",
    )
    .await;
    check(&fixture, &other_port, "page 400").await;

    let mut request = fixture.request();
    request.retain(|(name, _)| name != "redirect_uri");
    request.push(("redirect_uri".to_owned(), other_port[0].1.to_owned()));
    fixture
        .issuer
        .change(|behaviour| behaviour.any_loopback_port = true);
    let answer = get(fixture.authorization_url(&request).as_str()).await;
    assert!(answer.header("location").starts_with(other_port[0].1));
    check(&fixture, &other_path, "page 400").await;
    check(&fixture, &other_host, "page 400").await;
}

#[tokio::test]
async fn request_without_the_endpoint_query_is_refused() {
    let fixture = Fixture::new().await;
    fixture
        .issuer
        .change(|behaviour| behaviour.authorization_query = Some("tenant=1".to_owned()));
    let metadata = get(&fixture.at("/.well-known/oauth-authorization-server")).await;
    assert_eq!(
        metadata.text("authorization_endpoint"),
        fixture.at("/authorize?tenant=1")
    );
    check(&fixture, &[], "page 400").await;
    check(&fixture, &[("tenant", "2")], "page 400").await;
    check(&fixture, &[("tenant", "1")], "code").await;
}

#[tokio::test]
async fn planned_callback_faults_reach_the_client() {
    let fixture = Fixture::new().await;
    let callback = async |callback: Callback, iss: IssParameter| {
        fixture.issuer.change(|behaviour| {
            behaviour.callback = callback;
            behaviour.iss = iss;
        });
        let url = fixture.callback(&fixture.request()).await;
        ["code", "state", "iss", "error"].map(|name| parameter(&url, name))
    };
    let state = Some("a-state-of-the-client".to_owned());
    let own = Some(fixture.issuer.issuer().to_owned());

    let [code, got_state, iss, error] = callback(Callback::Right, IssParameter::Right).await;
    assert!(code.is_some() && error.is_none());
    assert_eq!((got_state, iss), (state.clone(), own.clone()));
    let [code, got_state, ..] = callback(Callback::WrongState, IssParameter::Right).await;
    assert!(code.is_some() && got_state.is_some() && got_state != state);
    let [code, got_state, ..] = callback(Callback::NoState, IssParameter::Right).await;
    assert!(code.is_some() && got_state.is_none());
    let denied = Callback::Error("access_denied".to_owned());
    let [code, got_state, _, error] = callback(denied, IssParameter::Right).await;
    assert_eq!((code, got_state), (None, state));
    assert_eq!(error.as_deref(), Some("access_denied"));
    let [_, _, iss, _] = callback(Callback::Right, IssParameter::Missing).await;
    assert_eq!(iss, None);
    let wrong = IssParameter::Exactly("https://evil.example".to_owned());
    let [_, _, iss, _] = callback(Callback::Right, wrong).await;
    assert_eq!(iss.as_deref(), Some("https://evil.example"));
}

#[tokio::test]
async fn metadata_path_option_moves_metadata() {
    let options = AuthorizationServerOptions {
        issuer_path: "/tenant".to_owned(),
        ..Default::default()
    };
    let issuer = AuthorizationServer::start(options).await.unwrap();
    let origin = issuer.origin().to_owned();
    assert_eq!(issuer.issuer(), format!("{origin}/tenant"));
    let paths = [
        (
            MetadataPath::Rfc8414,
            "/.well-known/oauth-authorization-server/tenant",
        ),
        (
            MetadataPath::OpenIdInserted,
            "/.well-known/openid-configuration/tenant",
        ),
        (
            MetadataPath::OpenIdAppended,
            "/tenant/.well-known/openid-configuration",
        ),
    ];
    for (at, there) in paths {
        issuer.change(|behaviour| behaviour.metadata_at = vec![at]);
        for (_, path) in paths {
            let answer = get(&format!("{origin}{path}")).await;
            assert_eq!(answer.status == 200, path == there, "{at:?} {path}");
            if answer.status == 200 {
                assert_eq!(answer.text("issuer"), issuer.issuer());
                assert_eq!(
                    answer.text("token_endpoint"),
                    format!("{origin}/tenant/token")
                );
            }
        }
    }
    assert_eq!(issuer.requests_to(Endpoint::ServerMetadata).len(), 9);
}

#[tokio::test]
async fn metadata_options_change_members() {
    let fixture = Fixture::new().await;
    let url = fixture.at("/.well-known/oauth-authorization-server");
    let full = get(&url).await.json();
    assert_eq!(full["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(full["authorization_response_iss_parameter_supported"], true);
    assert_eq!(full["registration_endpoint"], fixture.at("/register"));
    fixture.issuer.change(|behaviour| {
        behaviour.pkce_advertised = false;
        behaviour.iss_advertised = false;
        behaviour.registration = false;
        let overrides = &mut behaviour.metadata_overrides;
        overrides.insert("issuer".to_owned(), json!("https://evil.example"));
        overrides.insert("revocation_endpoint".to_owned(), Value::Null);
    });
    let bare = get(&url).await.json();
    for absent in [
        "code_challenge_methods_supported",
        "authorization_response_iss_parameter_supported",
        "registration_endpoint",
        "revocation_endpoint",
    ] {
        assert!(bare.get(absent).is_none(), "{absent}");
    }
    assert_eq!(bare["issuer"], "https://evil.example");
    check(&fixture, &[("code_challenge", "")], "invalid_request").await;
}

#[tokio::test]
async fn consent_answered_twice_is_refused() {
    let fixture = Fixture::new().await;
    fixture
        .issuer
        .change(|behaviour| behaviour.interactive = true);
    let url = fixture.authorization_url(&fixture.request());
    let yes = Person::new().copying_callback().visit(&url).await.unwrap();
    let code = parameter(&yes.callback.unwrap(), "code").unwrap();
    assert_eq!(fixture.redeem(&code, &[]).await.outcome(), "200");
    assert_eq!(yes.opened.len(), 2);

    let person = Person::new().copying_callback().denying();
    let no = person.visit(&url).await.unwrap().callback.unwrap();
    assert_eq!(parameter(&no, "error").as_deref(), Some("access_denied"));
    assert_eq!(
        parameter(&no, "state").as_deref(),
        Some("a-state-of-the-client")
    );

    let page = get(url.as_str()).await.body;
    assert!(page.contains("<em>a test</em>"), "{page}");
    assert!(page.contains(&fixture.server.resource()), "{page}");
    let ticket = page.split("name=\"ticket\" value=\"").nth(1).unwrap();
    let ticket = ticket.split('"').next().unwrap();
    let pairs = [("ticket", ticket), ("decision", "allow")];
    let consent = fixture.at("/consent");
    assert_eq!(
        crate::fixture::post_form(&consent, &[], &pairs)
            .await
            .status,
        302
    );
    assert_eq!(
        crate::fixture::post_form(&consent, &[], &pairs)
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn client_name_with_markup_is_escaped() {
    let fixture = Fixture::new().await;
    fixture
        .issuer
        .change(|behaviour| behaviour.interactive = true);
    let evil = json!({
        "client_name": "<script>alert('1')</script>",
        "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": "none",
    });
    let registered = crate::fixture::post_json(&fixture.at("/register"), &evil).await;
    let id = registered.text("client_id");
    let mut request = fixture.request();
    request.retain(|(name, _)| name != "client_id");
    request.push(("client_id".to_owned(), id));
    let page = get(fixture.authorization_url(&request).as_str()).await.body;
    assert!(page.contains("&lt;script&gt;"), "{page}");
    assert!(!page.contains("<script>"), "{page}");
}

#[tokio::test]
async fn tampered_callback_arrives_changed() {
    // The MCP server stands for the client's listener: it records whoever comes.
    let fixture = Fixture::new().await;
    let mut request = fixture.request();
    request.retain(|(name, _)| name != "redirect_uri");
    let here = format!("{}/callback", fixture.server.origin());
    let registered = crate::fixture::post_json(
        &fixture.at("/register"),
        &json!({ "redirect_uris": [here], "token_endpoint_auth_method": "none" }),
    )
    .await;
    request.retain(|(name, _)| name != "client_id");
    request.push(("client_id".to_owned(), registered.text("client_id")));
    request.push(("redirect_uri".to_owned(), here));
    let url = fixture.authorization_url(&request);

    let person = Person::new()
        .tampering(Tamper::FaviconFirst)
        .tampering(Tamper::Twice)
        .tampering(Tamper::wrong_state())
        .tampering(Tamper::no_iss());
    let visit = person.visit(&url).await.unwrap();
    assert_eq!(visit.status, 404);
    let arrived = fixture.server.requests();
    let paths: Vec<_> = arrived.iter().map(|it| it.path.as_str()).collect();
    assert_eq!(paths, ["/favicon.ico", "/callback", "/callback"]);
    assert_eq!(
        arrived[2].parameter("state"),
        Some("not-the-state-you-sent")
    );
    assert_eq!(arrived[2].parameter("iss"), None);
    assert!(arrived[2].parameter("code").is_some());

    let person = Person::new().tampering(Tamper::Deny).copying_callback();
    let denied = person.visit(&url).await.unwrap().callback.unwrap();
    assert_eq!(parameter(&denied, "code"), None);
    assert_eq!(
        parameter(&denied, "error").as_deref(),
        Some("access_denied")
    );
}

#[tokio::test]
async fn debug_output_holds_no_secret() {
    let fixture = Fixture::new().await;
    let url = fixture.authorization_url(&fixture.request());
    let visit = Person::new().copying_callback().visit(&url).await.unwrap();
    let code = parameter(visit.callback.as_ref().unwrap(), "code").unwrap();
    fixture.redeem(&code, &[]).await;
    let mut leaks = LeakCheck::new();
    leaks.watch_record(fixture.issuer.recorder(), &[]);
    assert!(leaks.watched() >= 5, "code, state, verifier and two tokens");
    let mut listen = ListenOptions::new("x");
    listen.required_header = Some(("x-corp".to_owned(), leaks.canary("corporate header")));
    let client = StaticClient {
        id: "x".to_owned(),
        secret: Some(leaks.canary("client secret")),
        auth_method: TokenEndpointAuthMethod::ClientSecretPost,
        redirect_uris: Vec::new(),
    };
    let options = AuthorizationServerOptions {
        listen,
        clients: vec![client],
        ..Default::default()
    };
    let requests = fixture.issuer.requests();
    let bodies: Vec<_> = requests.iter().map(|it| &it.body).collect();
    let text = format!(
        "{visit:?} {requests:?} {bodies:?} {options:?} {:?}",
        fixture.issuer
    );
    leaks.check("debug output", &text).unwrap();
    leaks.check("the code itself", &code).unwrap_err();
}
