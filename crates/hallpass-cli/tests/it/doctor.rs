//! `hallpass doctor`: the report on standard output, one envelope for scripts, and exit codes as
//! documented.

use hallpass_testkit::{
    AuthorizationServerOptions, ChallengeStyle, Endpoint, Fault, LeakCheck, PlannedFault,
    PublishedResource, When,
};
use serde_json::json;

use crate::program::Fixture;

#[tokio::test]
async fn doctor_exit_code_is_0_or_fault_with_fix() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    fixture.login(&[]).await.expect(0);
    let ended = fixture.run(&["doctor", &url]).await.expect(0);
    assert!(ended.stdout.contains("mcp: ok\n"), "{}", ended.stdout);
    assert!(ended.stdout.ends_with("no faults\n"));

    let resource = PublishedResource::Exactly("https://other.example/mcp".to_owned());
    fixture.server.change(|it| it.resource = resource);
    let ended = fixture.run(&["doctor", &url]).await.expect(2);
    let line = format!("hint: hallpass login {url} --resource https://other.example/mcp\n");
    assert!(ended.stdout.contains(&line), "{}", ended.stdout);
    assert!(ended.stderr.starts_with("error: `resource-mismatch`: "));
    assert!(!ended.stdout.contains('\u{1b}'), "no colour in a pipe");
}

#[tokio::test]
async fn doctor_json_has_report_on_success_and_fault() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    let ended = fixture.run(&["--json", "doctor", &url]).await.expect(3);
    let json = ended.json();
    assert_eq!(json["ok"], false);
    assert_eq!(json["error"]["code"], "sign-in-required");
    let report = &json["error"]["data"];
    assert_eq!(report["first_fault"], "not-signed-in");
    assert_eq!(report["remedy"], "sign-in");
    assert_eq!(report["steps"].as_array().unwrap().len(), 10);
    let account = &report["steps"][6];
    assert_eq!(account["name"], "account");
    assert_eq!(account["verdict"], "fault");
    let finding = &account["findings"][0];
    assert_eq!(finding["spec"], "RFC 6749 §4");
    assert_eq!(finding["responsible"], "here");
    assert_eq!(finding["commands"][0], format!("hallpass login {url}"));
    assert!(!fixture.store().exists(), "nothing is kept by looking");

    fixture.login(&[]).await.expect(0);
    let json = fixture
        .run(&["--json", "doctor", &url])
        .await
        .expect(0)
        .json();
    assert_eq!(json["ok"], true);
    assert_eq!(json["result"]["verdict"], "ok");
    assert_eq!(json["result"]["first_fault"], serde_json::Value::Null);
}

#[tokio::test]
async fn first_fault_decides_exit_code() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    fixture.login(&["--account", "work"]).await.expect(0);
    let ended = fixture.run(&["doctor", &url, "--account", "work"]).await;
    ended.expect(0);

    // The server refuses it although it is fresh.
    fixture.issuer.expire_access_tokens();
    let ended = fixture.run(&["doctor", &url, "--account", "work"]).await;
    assert!(ended.expect(4).stdout.contains("`fresh-token-refused`"));

    fixture.server.stop().await;
    let ended = fixture.run(&["doctor", &url]).await.expect(5);
    assert!(ended.stdout.contains("`no-connection`"), "{}", ended.stdout);
}

#[tokio::test]
async fn doctor_uses_no_refresh_token_and_prints_no_secret() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    fixture.login(&[]).await.expect(0);
    fixture
        .server
        .change(|it| it.challenge = ChallengeStyle::None);
    let mut shown = String::new();
    for arguments in [
        &["-vv", "doctor", &url][..],
        &["-vv", "--json", "doctor", &url],
    ] {
        let ended = fixture.run(arguments).await.expect(0);
        shown = format!("{shown}{}{}", ended.stdout, ended.stderr);
    }
    assert_eq!(fixture.issuer.requests_to(Endpoint::Refresh).len(), 0);
    assert_eq!(fixture.issuer.requests_to(Endpoint::Registration).len(), 1);
    let mut leaks = LeakCheck::new();
    leaks.watch_record(fixture.issuer.recorder(), &["state"]);
    leaks.check("doctor", &shown).unwrap();
}

#[tokio::test]
async fn unreadable_store_is_a_finding() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    fixture.login(&[]).await.expect(0);
    let store = fixture.store().join("store.json");
    let mut file = std::fs::File::create(&store).unwrap();
    std::io::Write::write_all(&mut file, b"no json").unwrap();
    let ended = fixture.run(&["doctor", &url]).await.expect(1);
    assert!(ended.stdout.contains("network: ok"), "{}", ended.stdout);
    assert!(ended.stdout.contains("`store-damaged`"), "{}", ended.stdout);
}

/// Nothing was refused but the request itself: there is no token that could help.
#[tokio::test]
async fn refusal_of_a_request_without_token_names_the_header() {
    let fixture = Fixture::with(AuthorizationServerOptions::default(), |server| {
        server.listen.required_header = Some(("x-gateway".to_owned(), "open".to_owned()));
    })
    .await;
    let url = fixture.url();
    for command in ["doctor", "tools"] {
        let ended = fixture.run(&[command, &url]).await.expect(4);
        let said = ended.stdout + &ended.stderr;
        assert!(said.contains("asks for no sign-in"), "{said}");
        assert!(said.contains("--header HEADER"), "{said}");
        assert!(!said.contains("token of the account"), "{said}");
        assert!(!said.contains("no other token"), "{said}");
    }
}

fn answer(endpoint: Endpoint, status: u16, body: &serde_json::Value) -> PlannedFault {
    PlannedFault {
        endpoint,
        when: When::Always,
        fault: Fault::Answer {
            status,
            headers: vec![("Content-Type".to_owned(), "application/json".to_owned())],
            body: body.to_string(),
        },
    }
}

/// What is printed about a server that says too much.
#[track_caller]
fn check_size(ended: &crate::program::Output) {
    for (name, text, most) in [
        ("standard output", &ended.stdout, 64 * 1024),
        ("standard error", &ended.stderr, 32 * 1024),
    ] {
        let (lines, bytes) = (text.lines().count(), text.len());
        assert!(lines <= 400, "{name}: {lines} lines");
        assert!(bytes <= most, "{name}: {bytes} bytes");
    }
}

#[tokio::test]
async fn report_and_log_about_a_hostile_server_are_short() {
    let many = |prefix: &str, count: u32| -> Vec<String> {
        (0..count).map(|it| format!("{prefix}{it}")).collect()
    };
    let fixture = Fixture::new().await;
    let url = fixture.url();
    let mut issuers = vec![fixture.issuer.issuer().to_owned()];
    issuers.extend(many(
        &format!("https://as.example/{}", "x".repeat(80)),
        3000,
    ));
    let published = json!({
        "resource": url,
        "authorization_servers": issuers,
        "scopes_supported": many("scope:", 10_000),
    });
    fixture
        .server
        .plan(vec![answer(Endpoint::ResourceMetadata, 200, &published)]);
    let description = "The end is not near. ".repeat(50_000);
    let refused = json!({ "error": "invalid_request", "error_description": description });
    fixture.issuer.plan(vec![
        answer(Endpoint::Registration, 400, &refused),
        answer(Endpoint::Token, 400, &refused),
    ]);
    for verbose in ["-v", "-vv"] {
        for command in ["doctor", "tools"] {
            let ended = fixture.run(&[verbose, command, &url]).await;
            assert_ne!(ended.code, 0);
            check_size(&ended);
        }
        let ended = fixture.run(&[verbose, "login", &url, "--no-browser"]).await;
        assert_ne!(ended.code, 0);
        check_size(&ended);
        let ended = fixture.run(&[verbose, "--json", "doctor", &url]).await;
        check_size(&ended);
    }
}
