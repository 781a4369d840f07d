//! What holds for every command: nobody is asked where nobody is there, and it ends in time.

use hallpass_testkit::{Endpoint, Fault, Gate};

use crate::program::Fixture;

#[tokio::test]
async fn timeout_exits_with_5() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    fixture.login(&[]).await.expect(0);
    let gate = Gate::new();
    fixture
        .server
        .once(Endpoint::Mcp, Fault::HoldRequest(gate.clone()));
    let ended = fixture
        .run(&["--json", "--timeout", "0.2", "call", &url, "ping"])
        .await
        .expect(5)
        .json();
    gate.open();
    assert_eq!(ended["error"]["code"], "timed-out");
    assert_eq!(ended["error"]["message"], "timed out after 0.2 s");

    let login = ["login", &url, "--no-browser", "--timeout", "0.2"];
    fixture.run(&login).await.expect(5);
    for wrong in ["0", "-1", "soon", "inf", "NaN"] {
        let option = format!("--timeout={wrong}");
        let ended = fixture.run(&["status", &option]).await.expect(2);
        assert!(ended.stderr.contains("seconds above 0"), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn non_interactive_login_uses_stored_credentials() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    let by_option =
        |arguments: &[&str]| fixture.command(&[&["--non-interactive"], arguments].concat());
    let by_variable = |arguments: &[&str]| {
        let mut command = fixture.command(arguments);
        command.env("HALLPASS_NON_INTERACTIVE", "1");
        command
    };
    for command in [by_option(&["login", &url]), by_variable(&["login", &url])] {
        let ended = fixture.sign_in(command).await.expect(3);
        assert!(
            ended
                .stderr
                .contains(&format!("hint: hallpass login {url}")),
            "{}",
            ended.stderr
        );
    }
    assert_eq!(fixture.issuer.requests_to(Endpoint::Authorization).len(), 0);

    fixture.login(&[]).await.expect(0);
    let ended = fixture.sign_in(by_option(&["login", &url])).await.expect(0);
    assert_eq!(ended.stdout, format!("signed in to {url}\n"));
    assert_eq!(fixture.issuer.requests_to(Endpoint::Authorization).len(), 1);

    for asks in [&["login", &url, "--device"][..], &["demo", "--browser"]] {
        let ended = fixture.sign_in(by_variable(asks)).await.expect(2);
        assert!(
            ended
                .stderr
                .contains("can't be used with `--non-interactive`"),
            "{}",
            ended.stderr
        );
    }
}
