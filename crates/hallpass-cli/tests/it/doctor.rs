//! `hallpass doctor`: the report on standard output, one envelope for scripts, and exit codes as
//! documented.

use hallpass_testkit::{ChallengeStyle, Endpoint, LeakCheck, PublishedResource};

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
