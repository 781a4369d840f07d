//! The life of an account over several processes.

use hallpass_testkit::Endpoint;

use crate::program::Desk;

#[tokio::test]
async fn login_call_expiry_refresh_logout() {
    let desk = Desk::new().await;
    let url = desk.url();
    let ended = desk.login(&[]).await.expect(0);
    assert_eq!(ended.stdout, format!("signed in to {url}\n"));

    // A new process calls a tool, and asks nobody for anything else.
    let before = desk.issuer.recorder().len();
    let ended = desk
        .run(&["call", &url, "add", r#"{"a": 2, "b": 3}"#])
        .await
        .expect(0);
    assert_eq!(ended.stdout, "5\n");
    let since = desk.issuer.recorder().since(before);
    assert!(
        since.iter().all(|request| request.is_to(Endpoint::Mcp)),
        "{since:?}"
    );

    // After the token's end, another one refreshes once.
    desk.issuer.expire_access_tokens();
    desk.run(&["call", &url, "add", r#"{"a": 2, "b": 3}"#])
        .await
        .expect(0);
    let refreshes = desk.issuer.requests_to(Endpoint::Refresh);
    assert_eq!(refreshes.len(), 1);
    assert_eq!(refreshes[0].parameter("resource"), Some(url.as_str()));

    let ended = desk.run(&["tools", &url]).await.expect(0);
    assert!(
        ended.stdout.contains("Adds two whole numbers"),
        "{}",
        ended.stdout
    );

    let ended = desk.run(&["logout", &url]).await.expect(0);
    assert!(
        ended.stdout.contains("\n  refresh token: revoked\n"),
        "{}",
        ended.stdout
    );
    let ended = desk.run(&["call", &url, "ping"]).await.expect(3);
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
async fn a_process_that_is_killed_after_login_loses_nothing() {
    let desk = Desk::new().await;
    let url = desk.url();
    desk.login(&[]).await.expect(0);

    let gate = hallpass_testkit::Gate::new();
    desk.server.once(
        Endpoint::Mcp,
        hallpass_testkit::Fault::HoldRequest(gate.clone()),
    );
    let mut held = desk.command(&["call", &url, "ping"]).spawn().unwrap();
    gate.until_arrived(1).await;
    held.kill().await.unwrap();
    gate.open();

    let ended = desk.run(&["call", &url, "ping"]).await.expect(0);
    assert_eq!(ended.stdout, "pong\n");
    assert_eq!(desk.issuer.requests_to(Endpoint::Authorization).len(), 1);
    assert_eq!(desk.issuer.requests_to(Endpoint::Refresh).len(), 0);
}

#[cfg(unix)]
#[tokio::test]
async fn a_program_that_is_stopped_in_the_middle_of_a_refresh_saves_it_first() {
    let desk = Desk::new().await;
    let url = desk.url();
    desk.login(&[]).await.expect(0);

    let gate = hallpass_testkit::Gate::new();
    let held = hallpass_testkit::Fault::HoldAnswer(gate.clone());
    desk.issuer.once(Endpoint::Refresh, held);
    desk.issuer.expire_access_tokens();
    let mut call = desk.command(&["call", &url, "ping"]);
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
    assert_eq!(desk.wait(call).await.code, 130);

    desk.run(&["call", &url, "ping"]).await.expect(0);
    assert_eq!(desk.issuer.requests_to(Endpoint::Refresh).len(), 1);
    assert_eq!(
        desk.issuer.book().misuse(),
        hallpass_testkit::Misuse::default()
    );
}

#[tokio::test]
async fn two_accounts_on_one_server_are_apart() {
    let desk = Desk::new().await;
    let url = desk.url();
    desk.login(&["--account", "work"]).await.expect(0);
    desk.run(&["call", &url, "ping"]).await.expect(3);
    desk.run(&["call", &url, "ping", "--account", "work"])
        .await
        .expect(0);
    let ended = desk.run(&["status"]).await.expect(0);
    assert!(
        ended
            .stdout
            .starts_with(&format!("{url} (work)\n  state         signed in\n")),
        "{}",
        ended.stdout
    );
}
