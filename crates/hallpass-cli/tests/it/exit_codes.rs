//! One fault, one exit code: each command that fails by it ends with the code that the table in
//! `docs/troubleshooting.md` has for it.

use hallpass::settings::TokenEndpointAuthMethod;
use hallpass_testkit::{
    AuthorizationServerOptions, Behaviour, Endpoint, Fault, PlannedFault, StaticClient, When,
};
use serde_json::json;

use crate::{
    program::{Fixture, Output},
    store_commands::note,
};

/// Runs a command with further options, and expects its code.
async fn expect(fixture: &Fixture, fault: &str, codes: &[(&str, i32)], options: &[&str]) {
    for (command, code) in codes {
        let ended = match *command {
            "login" => fixture.login(&[&["--wait", "20"], options].concat()).await,
            command => {
                let url = fixture.url();
                fixture.run(&[&[command, &url], options].concat()).await
            }
        };
        assert_code(fault, command, &ended, *code);
    }
}

fn assert_code(fault: &str, command: &str, ended: &Output, code: i32) {
    assert_eq!(
        ended.code, code,
        "{command}: {fault}\nstdout: {}\nstderr: {}",
        ended.stdout, ended.stderr
    );
}

fn always(endpoint: Endpoint, fault: Fault) -> PlannedFault {
    PlannedFault {
        endpoint,
        when: When::Always,
        fault,
    }
}

fn answer(status: u16, headers: &[(&str, &str)], body: &impl ToString) -> Fault {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Fault::Answer {
        status,
        headers: headers.iter().map(owned).collect(),
        body: body.to_string(),
    }
}

const JSON: (&str, &str) = ("content-type", "application/json");

/// What the MCP server answers to each request, without metadata.
async fn closed_server(status: u16, words: &str) -> Fixture {
    let fixture = Fixture::new().await;
    fixture.login(&[]).await.expect(0);
    let refusal = answer(
        status,
        &[("content-type", "text/plain"), ("retry-after", "30")],
        &words,
    );
    fixture.server.plan(vec![
        always(Endpoint::Mcp, refusal.clone()),
        always(Endpoint::Stream, refusal),
        always(
            Endpoint::ResourceMetadata,
            Fault::Status {
                status: 404,
                retry_after: None,
            },
        ),
    ]);
    fixture
}

#[tokio::test]
async fn status_of_the_mcp_server_has_one_exit_code() {
    for (status, code) in [(403, 4), (429, 5), (500, 5), (503, 5)] {
        let fixture = closed_server(status, "closed for repairs").await;
        let fault = format!("status {status}");
        let codes = [("tools", code), ("doctor", code), ("login", code)];
        expect(&fixture, &fault, &codes, &[]).await;
        // These don't ask the MCP server.
        expect(&fixture, &fault, &[("token", 0), ("status", 0)], &[]).await;
    }
}

#[tokio::test]
async fn login_says_what_a_server_without_metadata_answers() {
    for (status, hint) in [
        (403, "hallpass login URL --no-browser --header HEADER"),
        (429, "try again in 30 s"),
        (500, "try again in 30 s"),
        (503, "try again in 30 s"),
    ] {
        let fixture = closed_server(status, "closed for repairs").await;
        let url = fixture.url();
        let said = fixture.login(&[]).await.stderr;
        let lines: Vec<_> = said.lines().collect();
        assert_eq!(
            lines[0],
            "error: could not ask the MCP server how to sign in"
        );
        let answered = format!("  because: {url} answered {status} ");
        assert!(lines[1].starts_with(&answered), "{said}");
        assert_eq!(
            lines[2], "  the server says: \"closed for repairs\"",
            "{said}"
        );
        let hint = format!("  hint: {}", hint.replace("URL", &url));
        assert_eq!(lines[3], hint, "{said}");
        assert!(!said.contains("no trace of OAuth"), "{said}");
        if status != 403 {
            let doctor = format!("  hint: `hallpass doctor {url}` diagnoses it step by step");
            assert_eq!(lines[4], doctor, "{said}");
        }
        // Whether it needs a sign-in is not known.
        let added = fixture.run(&["--json", "add", "closed", &url]).await;
        let added = added.expect(0).json();
        assert_eq!(added["result"]["needs_sign_in"], serde_json::Value::Null);
    }
}

#[tokio::test]
async fn account_without_a_sign_in_is_3() {
    let fixture = Fixture::new().await;
    let codes = [("tools", 3), ("token", 3), ("doctor", 3), ("status", 0)];
    expect(&fixture, "not signed in", &codes, &[]).await;
}

#[tokio::test]
async fn server_that_is_down_is_5() {
    let fixture = Fixture::new().await;
    fixture.login(&[]).await.expect(0);
    fixture.server.stop().await;
    let codes = [("tools", 5), ("doctor", 5), ("login", 5), ("status", 0)];
    expect(&fixture, "no server", &codes, &[]).await;
}

#[tokio::test]
async fn proxy_that_is_down_is_5() {
    let fixture = Fixture::new().await;
    fixture.login(&[]).await.expect(0);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let codes = [("tools", 5), ("doctor", 5), ("login", 5)];
    expect(&fixture, "no proxy", &codes, &["--proxy", &proxy]).await;
    let codes = [("tools", 2), ("doctor", 2), ("login", 2)];
    expect(
        &fixture,
        "not a proxy",
        &codes,
        &["--proxy", "ftp://p.example"],
    )
    .await;
}

#[tokio::test]
async fn fresh_token_that_is_refused_is_4() {
    let fixture = Fixture::new().await;
    fixture.login(&[]).await.expect(0);
    let refusal = answer(
        401,
        &[("www-authenticate", "Bearer error=\"invalid_token\"")],
        &"",
    );
    fixture.server.plan(vec![always(Endpoint::Mcp, refusal)]);
    expect(
        &fixture,
        "refused token",
        &[("doctor", 4), ("tools", 4)],
        &[],
    )
    .await;
}

#[tokio::test]
async fn endpoint_that_redirects_is_2() {
    for (endpoint, codes) in [
        (Endpoint::Registration, &[("login", 2)][..]),
        (Endpoint::CodeExchange, &[("login", 2), ("doctor", 2)]),
    ] {
        let fixture = Fixture::new().await;
        let moved = answer(307, &[("location", "/moved/here")], &"");
        fixture.issuer.plan(vec![always(endpoint, moved)]);
        expect(&fixture, &format!("{endpoint:?} redirects"), codes, &[]).await;
    }
}

#[tokio::test]
async fn endpoint_that_no_request_may_go_to_is_2() {
    let fixture = Fixture::new().await;
    let issuer = fixture.issuer.issuer();
    let metadata = json!({
        "issuer": issuer,
        "authorization_endpoint": "/authorize",
        "token_endpoint": format!("{issuer}/token"),
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
    });
    let metadata = answer(200, &[JSON], &metadata);
    fixture
        .issuer
        .plan(vec![always(Endpoint::ServerMetadata, metadata)]);
    let codes = [("login", 2), ("doctor", 2)];
    expect(&fixture, "endpoint-refused", &codes, &[]).await;
}

#[tokio::test]
async fn request_that_the_authorization_server_refuses_is_4_at_each_endpoint() {
    for code in ["invalid_request", "invalid_target", "invalid_scope"] {
        let fixture = Fixture::new().await;
        let callback = hallpass_testkit::Callback::Error(code.to_owned());
        fixture
            .issuer
            .change(|behaviour| behaviour.callback = callback);
        let fault = format!("{code} at the authorization endpoint");
        expect(&fixture, &fault, &[("login", 4)], &[]).await;

        fixture
            .issuer
            .change(|behaviour| *behaviour = Behaviour::default());
        let refusal = || answer(400, &[JSON], &json!({ "error": code }));
        let plan = |endpoint| fixture.issuer.plan(vec![always(endpoint, refusal())]);
        plan(Endpoint::CodeExchange);
        let fault = format!("{code} at the token endpoint");
        expect(&fixture, &fault, &[("login", 4)], &[]).await;
    }
}

#[tokio::test]
async fn client_that_the_authorization_server_does_not_accept_is_2() {
    let mut options = AuthorizationServerOptions::default();
    options.behaviour.any_loopback_port = true;
    options.clients = vec![StaticClient {
        id: "by-hand".to_owned(),
        secret: None,
        auth_method: TokenEndpointAuthMethod::None,
        redirect_uris: vec!["http://127.0.0.1/callback".to_owned()],
    }];
    let fixture = Fixture::with(options, |_| {}).await;
    let refusal = answer(401, &[JSON], &json!({ "error": "invalid_client" }));
    fixture
        .issuer
        .plan(vec![always(Endpoint::CodeExchange, refusal)]);
    let client = ["--client-id", "by-hand"];
    let codes = [("login", 2), ("doctor", 2)];
    expect(&fixture, "invalid_client", &codes, &client).await;
}

#[tokio::test]
async fn damaged_store_is_1() {
    let fixture = Fixture::new().await;
    fixture.login(&[]).await.expect(0);
    let store = fixture.store().join("store.json");
    note(&fixture, store.to_str().unwrap(), "no json");
    let codes = [
        ("login", 1),
        ("tools", 1),
        ("token", 1),
        ("doctor", 1),
        ("status", 1),
    ];
    expect(&fixture, "damaged store.json", &codes, &[]).await;
}

#[tokio::test]
async fn key_that_is_not_available_is_2() {
    let fixture = Fixture::new().await;
    let file = note(&fixture, "passphrase", "canary horse");
    let named = ["--key-store", "passphrase", "--passphrase-file", &file];
    fixture.login(&named).await.expect(0);
    let codes = [
        ("login", 2),
        ("tools", 2),
        ("token", 2),
        ("doctor", 2),
        ("status", 2),
    ];
    expect(&fixture, "no passphrase", &codes, &[]).await;
    let missing = ["--passphrase-file", "/nowhere/at/all"];
    expect(&fixture, "no such file", &codes, &missing).await;
    expect(
        &fixture,
        "no such variable",
        &codes,
        &["--passphrase-env", "UNSET"],
    )
    .await;
}
