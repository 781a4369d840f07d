//! What goes wrong at a server: the exit code, the words, and what was saved.

use hallpass_testkit::{
    Behaviour, Callback, Endpoint, Fault, IssParameter, LeakCheck, PlannedFault, Tamper, When,
};

use crate::program::Fixture;

/// A login that must end with `code` and say `word`, after one that went well. The account of the
/// first must still be good.
async fn check(spoil: impl FnOnce(&mut Fixture), code: i32, word: &str) {
    check_within("60", spoil, code, word).await;
}

/// The same for a login that waits for so many seconds.
async fn check_within(wait: &str, spoil: impl FnOnce(&mut Fixture), code: i32, word: &str) {
    let mut fixture = Fixture::new().await;
    let url = fixture.url();
    fixture.login(&[]).await.expect(0);
    let exchanges = fixture.issuer.requests_to(Endpoint::CodeExchange).len();
    spoil(&mut fixture);
    let ended = fixture.login(&["--wait", wait]).await.expect(code);
    assert!(ended.stderr.contains(word), "{word}: {}", ended.stderr);
    assert!(
        !ended.stderr.contains('<'),
        "no page in an error: {}",
        ended.stderr
    );
    let mut leaks = LeakCheck::new();
    leaks.watch_record(fixture.issuer.recorder(), &["state"]);
    leaks.check("standard output", &ended.stdout).unwrap();
    leaks.check("standard error", &ended.stderr).unwrap();
    let more = fixture.issuer.requests_to(Endpoint::CodeExchange).len() - exchanges;
    assert!(more <= 1, "a code is tried once");

    fixture.issuer.plan(Vec::new());
    fixture
        .issuer
        .change(|behaviour| *behaviour = Behaviour::default());
    let ended = fixture.run(&["call", &url, "ping"]).await.expect(0);
    assert_eq!(ended.stdout, "pong\n", "the first sign-in is still good");
}

fn always(endpoint: Endpoint, fault: Fault) -> Vec<PlannedFault> {
    vec![PlannedFault {
        endpoint,
        when: When::Always,
        fault,
    }]
}

#[tokio::test]
async fn callback_with_wrong_state_is_ignored_until_timeout() {
    let spoil = |fixture: &mut Fixture| {
        fixture.person = fixture.person.clone().tampering(Tamper::wrong_state());
    };
    check_within("2", spoil, 3, "within 2 s").await;
}

#[tokio::test]
async fn callback_with_wrong_iss_is_refused() {
    let iss = IssParameter::Exactly("https://evil.example".to_owned());
    let spoil = |fixture: &mut Fixture| fixture.issuer.change(|behaviour| behaviour.iss = iss);
    check(spoil, 4, "https://evil.example").await;
}

#[tokio::test]
async fn callback_without_iss_is_refused() {
    let spoil = |fixture: &mut Fixture| fixture.issuer.change(|it| it.iss = IssParameter::Missing);
    check(spoil, 4, "iss").await;
}

#[tokio::test]
async fn access_denied_exits_with_4() {
    let callback = Callback::Error("access_denied".to_owned());
    let spoil = |fixture: &mut Fixture| {
        fixture
            .issuer
            .change(|behaviour| behaviour.callback = callback);
    };
    check(spoil, 4, "access_denied").await;
}

#[tokio::test]
async fn failed_login_is_named_where_its_options_can_not_be_saved() {
    let fixture = Fixture::new().await;
    fixture.login(&[]).await.expect(0);
    std::fs::File::create(fixture.store().join("failed-logins")).unwrap();
    let callback = Callback::Error("access_denied".to_owned());
    fixture
        .issuer
        .change(|behaviour| behaviour.callback = callback);
    let ended = fixture.login(&["--client-name", "other"]).await.expect(4);
    assert!(ended.stderr.contains("access_denied"), "{}", ended.stderr);
}

#[tokio::test]
async fn html_metadata_is_refused() {
    let spoil = |fixture: &mut Fixture| {
        fixture
            .issuer
            .plan(always(Endpoint::ServerMetadata, Fault::Html));
    };
    check(spoil, 2, "HTML page").await;
}

#[tokio::test]
async fn html_token_response_is_refused() {
    let spoil = |fixture: &mut Fixture| {
        fixture
            .issuer
            .plan(always(Endpoint::CodeExchange, Fault::Html));
    };
    check(spoil, 5, "not JSON").await;
}

#[tokio::test]
async fn metadata_of_a_gigabyte_is_refused() {
    let spoil = |fixture: &mut Fixture| {
        fixture
            .issuer
            .plan(always(Endpoint::ServerMetadata, Fault::Endless));
    };
    check(spoil, 1, "larger than allowed").await;
}

#[tokio::test]
async fn token_response_of_a_gigabyte_is_refused() {
    let spoil = |fixture: &mut Fixture| {
        fixture
            .issuer
            .plan(always(Endpoint::CodeExchange, Fault::Endless));
    };
    check(spoil, 1, "larger than allowed").await;
}

#[tokio::test]
async fn server_down_exits_with_5_and_keeps_credentials() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    fixture.login(&[]).await.expect(0);

    fixture.issuer.stop().await;
    fixture.issuer.expire_access_tokens();
    let ended = fixture.run(&["call", &url, "ping"]).await.expect(5);
    assert!(ended.stderr.contains("no connection"), "{}", ended.stderr);
    fixture.login(&[]).await.expect(5);
    fixture.server.stop().await;
    fixture.run(&["call", &url, "ping"]).await.expect(5);

    fixture.issuer.resume().await.unwrap();
    fixture.server.resume().await.unwrap();
    let ended = fixture.run(&["call", &url, "ping"]).await.expect(0);
    assert_eq!(ended.stdout, "pong\n", "what was saved is still good");
}

#[tokio::test]
async fn resource_mismatch_is_refused_before_sign_in() {
    let fixture = Fixture::new().await;
    let ended = fixture
        .login(&["--resource", "https://other.example/mcp"])
        .await
        .expect(2);
    for word in [
        "https://other.example/mcp",
        &fixture.url(),
        "--allow-resource-mismatch",
    ] {
        assert!(ended.stderr.contains(word), "{word}: {}", ended.stderr);
    }
    assert_eq!(fixture.issuer.requests_to(Endpoint::Registration).len(), 0);
    assert!(
        !ended.stderr.contains("to sign in, visit"),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn code_for_another_device_that_is_not_offered_is_said_where_it_was_asked_for() {
    let fixture = Fixture::new().await;
    let words =
        "offers no sign-in with a code for another device (RFC 8628): sign in with a browser";
    let note = format!("note: {} {words}\n", fixture.issuer.issuer());
    let ended = fixture.login(&["--device"]).await.expect(0);
    assert!(ended.stderr.contains(&note), "{}", ended.stderr);
    let ended = fixture.login(&[]).await.expect(0);
    assert!(!ended.stderr.contains(words), "{}", ended.stderr);
}

#[tokio::test]
async fn url_that_is_no_mcp_endpoint_is_noted_before_the_browser_opens() {
    let fixture = Fixture::new().await;
    let url = fixture.url().replace("/mcp", "/mpc");
    let issuer = fixture.issuer.issuer().to_string();
    let login = ["login", &url, "--no-browser", "--issuer", &issuer];
    let ended = fixture.sign_in(fixture.command(&login)).await.expect(0);
    let (note, _) = ended.stderr.split_once("to sign in, visit").unwrap();
    let answered = format!("note: {url} answered 404 Not Found");
    assert!(note.contains(&answered), "{}", ended.stderr);
    let hint = format!("\n  hint: `hallpass doctor {url} --issuer {issuer}` diagnoses it");
    assert!(note.contains(&hint), "{}", ended.stderr);

    let ended = fixture.login(&[]).await.expect(0);
    assert!(!ended.stderr.contains("answered"), "{}", ended.stderr);
}
