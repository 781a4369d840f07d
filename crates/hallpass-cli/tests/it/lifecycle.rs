//! The life of an account over several processes.

use hallpass_testkit::Endpoint;

use crate::program::Fixture;

#[tokio::test]
async fn account_signs_in_refreshes_and_signs_out() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    let ended = fixture.login(&[]).await.expect(0);
    assert_eq!(ended.stdout, format!("signed in to {url}\n"));

    // A new process calls a tool, and asks nobody for anything else.
    let before = fixture.issuer.recorder().len();
    let ended = fixture
        .run(&["call", &url, "add", r#"{"a": 2, "b": 3}"#])
        .await
        .expect(0);
    assert_eq!(ended.stdout, "5\n");
    let since = fixture.issuer.recorder().since(before);
    assert!(
        since.iter().all(|request| request.is_to(Endpoint::Mcp)),
        "{since:?}"
    );

    // After the token's end, another one refreshes once.
    fixture.issuer.expire_access_tokens();
    fixture
        .run(&["call", &url, "add", r#"{"a": 2, "b": 3}"#])
        .await
        .expect(0);
    let refreshes = fixture.issuer.requests_to(Endpoint::Refresh);
    assert_eq!(refreshes.len(), 1);
    assert_eq!(refreshes[0].parameter("resource"), Some(url.as_str()));

    let ended = fixture.run(&["tools", &url]).await.expect(0);
    assert!(
        ended.stdout.contains("Adds two whole numbers"),
        "{}",
        ended.stdout
    );

    let ended = fixture.run(&["logout", &url]).await.expect(0);
    assert!(
        ended.stdout.contains("\n  refresh token: revoked\n"),
        "{}",
        ended.stdout
    );
    let ended = fixture.run(&["call", &url, "ping"]).await.expect(3);
    assert!(
        ended
            .stderr
            .contains(&format!("hint: hallpass login {url}")),
        "{}",
        ended.stderr
    );
    assert_eq!(ended.stdout, "");
}

#[tokio::test]
async fn process_killed_after_login_loses_nothing() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    fixture.login(&[]).await.expect(0);

    let gate = hallpass_testkit::Gate::new();
    fixture.server.once(
        Endpoint::Mcp,
        hallpass_testkit::Fault::HoldRequest(gate.clone()),
    );
    let mut held = fixture.command(&["call", &url, "ping"]).spawn().unwrap();
    gate.until_arrived(1).await;
    held.kill().await.unwrap();
    gate.open();

    let ended = fixture.run(&["call", &url, "ping"]).await.expect(0);
    assert_eq!(ended.stdout, "pong\n");
    assert_eq!(fixture.issuer.requests_to(Endpoint::Authorization).len(), 1);
    assert_eq!(fixture.issuer.requests_to(Endpoint::Refresh).len(), 0);
}

#[cfg(unix)]
#[tokio::test]
async fn stop_during_refresh_saves_token_first() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    fixture.login(&[]).await.expect(0);

    let gate = hallpass_testkit::Gate::new();
    let held = hallpass_testkit::Fault::HoldAnswer(gate.clone());
    fixture.issuer.once(Endpoint::Refresh, held);
    fixture.issuer.expire_access_tokens();
    let mut call = fixture.command(&["call", &url, "ping"]);
    let call = call.kill_on_drop(true).spawn().unwrap();
    gate.until_arrived(1).await;
    let pid = call.id().unwrap().to_string();
    let sent = tokio::process::Command::new("kill")
        .args(["-INT", &pid])
        .status()
        .await
        .unwrap();
    assert!(sent.success());
    gate.open();
    assert_eq!(fixture.wait(call).await.code, 130);

    fixture.run(&["call", &url, "ping"]).await.expect(0);
    assert_eq!(fixture.issuer.requests_to(Endpoint::Refresh).len(), 1);
    assert_eq!(
        fixture.issuer.registry().reuse_counts(),
        hallpass_testkit::ReuseCounts::default()
    );
}

#[tokio::test]
async fn two_accounts_on_one_server_are_separate() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    fixture.login(&["--account", "work"]).await.expect(0);
    fixture.run(&["call", &url, "ping"]).await.expect(3);
    fixture
        .run(&["call", &url, "ping", "--account", "work"])
        .await
        .expect(0);
    let ended = fixture.run(&["status"]).await.expect(0);
    assert!(
        ended
            .stdout
            .starts_with(&format!("{url} (work)\n  state         signed in\n")),
        "{}",
        ended.stdout
    );
}
