//! What goes wrong at a server: the exit code, the words, and what was saved.

use hallpass_testkit::{
    Behaviour, Callback, Endpoint, Fault, IssParameter, LeakCheck, PlannedFault, Tamper, When,
};

use crate::program::Desk;

/// A login that must end with `code` and say `word`, after one that went well. The account of the
/// first must still be good.
async fn check(spoil: impl FnOnce(&mut Desk), code: i32, word: &str) {
    check_within("60", spoil, code, word).await;
}

/// The same for a login that waits for so many seconds.
async fn check_within(wait: &str, spoil: impl FnOnce(&mut Desk), code: i32, word: &str) {
    let mut desk = Desk::new().await;
    let url = desk.url();
    desk.login(&[]).await.expect(0);
    let exchanges = desk.issuer.requests_to(Endpoint::CodeExchange).len();
    spoil(&mut desk);
    let ended = desk.login(&["--wait", wait]).await.expect(code);
    assert!(ended.stderr.contains(word), "{word}: {}", ended.stderr);
    assert!(
        !ended.stderr.contains('<'),
        "no page in an error: {}",
        ended.stderr
    );
    let mut leaks = LeakCheck::new();
    leaks.watch_record(desk.issuer.recorder(), &["state"]);
    leaks.check("standard output", &ended.stdout).unwrap();
    leaks.check("standard error", &ended.stderr).unwrap();
    let more = desk.issuer.requests_to(Endpoint::CodeExchange).len() - exchanges;
    assert!(more <= 1, "a code is tried once");

    desk.issuer.plan(Vec::new());
    desk.issuer
        .change(|behaviour| *behaviour = Behaviour::default());
    let ended = desk.run(&["call", &url, "ping"]).await.expect(0);
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
async fn a_wrong_state_is_a_stray_and_nobody_comes() {
    let spoil =
        |desk: &mut Desk| desk.person = desk.person.clone().tampering(Tamper::wrong_state());
    check_within("2", spoil, 3, "within 2 s").await;
}

#[tokio::test]
async fn a_wrong_iss_is_refused() {
    let iss = IssParameter::Exactly("https://evil.example".to_owned());
    let spoil = |desk: &mut Desk| desk.issuer.change(|behaviour| behaviour.iss = iss);
    check(spoil, 4, "https://evil.example").await;
}

#[tokio::test]
async fn a_missing_iss_is_refused() {
    let spoil = |desk: &mut Desk| desk.issuer.change(|it| it.iss = IssParameter::Missing);
    check(spoil, 4, "iss").await;
}

#[tokio::test]
async fn access_denied() {
    let callback = Callback::Error("access_denied".to_owned());
    let spoil = |desk: &mut Desk| {
        desk.issuer
            .change(|behaviour| behaviour.callback = callback);
    };
    check(spoil, 4, "access_denied").await;
}

#[tokio::test]
async fn html_in_place_of_metadata() {
    let spoil = |desk: &mut Desk| {
        desk.issuer
            .plan(always(Endpoint::ServerMetadata, Fault::Html));
    };
    check(spoil, 2, "HTML page").await;
}

#[tokio::test]
async fn html_in_place_of_a_token() {
    let spoil = |desk: &mut Desk| {
        desk.issuer
            .plan(always(Endpoint::CodeExchange, Fault::Html));
    };
    check(spoil, 5, "not JSON").await;
}

#[tokio::test]
async fn a_gigabyte_in_place_of_metadata() {
    let spoil = |desk: &mut Desk| {
        desk.issuer
            .plan(always(Endpoint::ServerMetadata, Fault::Endless));
    };
    check(spoil, 1, "larger than allowed").await;
}

#[tokio::test]
async fn a_gigabyte_in_place_of_a_token() {
    let spoil = |desk: &mut Desk| {
        desk.issuer
            .plan(always(Endpoint::CodeExchange, Fault::Endless));
    };
    check(spoil, 1, "larger than allowed").await;
}

#[tokio::test]
async fn a_server_that_is_down_is_5_and_costs_nothing() {
    let desk = Desk::new().await;
    let url = desk.url();
    desk.login(&[]).await.expect(0);

    desk.issuer.stop().await;
    desk.issuer.expire_access_tokens();
    let ended = desk.run(&["call", &url, "ping"]).await.expect(5);
    assert!(ended.stderr.contains("no connection"), "{}", ended.stderr);
    desk.login(&[]).await.expect(5);
    desk.server.stop().await;
    desk.run(&["call", &url, "ping"]).await.expect(5);

    desk.issuer.resume().await.unwrap();
    desk.server.resume().await.unwrap();
    let ended = desk.run(&["call", &url, "ping"]).await.expect(0);
    assert_eq!(ended.stdout, "pong\n", "what was saved is still good");
}

#[tokio::test]
async fn a_resource_that_is_neither_the_url_nor_published_is_refused_before_anybody_signs_in() {
    let desk = Desk::new().await;
    let ended = desk
        .login(&["--resource", "https://other.example/mcp"])
        .await
        .expect(2);
    for word in [
        "https://other.example/mcp",
        &desk.url(),
        "--allow-resource-mismatch",
    ] {
        assert!(ended.stderr.contains(word), "{word}: {}", ended.stderr);
    }
    assert_eq!(desk.issuer.requests_to(Endpoint::Registration).len(), 0);
    assert!(
        !ended.stderr.contains("to sign in, visit"),
        "{}",
        ended.stderr
    );
}
