//! What holds for every command: nobody is asked where nobody is there, and it ends in time.

use hallpass_testkit::{Endpoint, Fault, Gate};

use crate::program::Desk;

#[tokio::test]
async fn the_time_limit_ends_a_command_with_5() {
    let desk = Desk::new().await;
    let url = desk.url();
    desk.login(&[]).await.expect(0);
    let gate = Gate::new();
    desk.server
        .once(Endpoint::Mcp, Fault::HoldRequest(gate.clone()));
    let ended = desk
        .run(&["--json", "--timeout", "0.2", "call", &url, "ping"])
        .await
        .expect(5)
        .json();
    gate.open();
    assert_eq!(ended["error"]["code"], "timed-out");
    assert_eq!(ended["error"]["message"], "not done within 0.2 s");

    let login = ["login", &url, "--no-browser", "--timeout", "0.2"];
    desk.run(&login).await.expect(5);
    for wrong in ["0", "-1", "soon", "inf", "NaN"] {
        let option = format!("--timeout={wrong}");
        let ended = desk.run(&["status", &option]).await.expect(2);
        assert!(ended.stderr.contains("seconds above 0"), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn without_a_person_login_makes_do_with_what_there_is() {
    let desk = Desk::new().await;
    let url = desk.url();
    let by_option =
        |arguments: &[&str]| desk.command(&[&["--non-interactive"], arguments].concat());
    let by_variable = |arguments: &[&str]| {
        let mut command = desk.command(arguments);
        command.env("HALLPASS_NON_INTERACTIVE", "1");
        command
    };
    for command in [by_option(&["login", &url]), by_variable(&["login", &url])] {
        let ended = desk.sign_in(command).await.expect(3);
        assert!(
            ended
                .stderr
                .contains(&format!("hint: hallpass login {url}")),
            "{}",
            ended.stderr
        );
    }
    assert_eq!(desk.issuer.requests_to(Endpoint::Authorization).len(), 0);

    desk.login(&[]).await.expect(0);
    let ended = desk.sign_in(by_option(&["login", &url])).await.expect(0);
    assert_eq!(ended.stdout, format!("signed in to {url}\n"));
    assert_eq!(desk.issuer.requests_to(Endpoint::Authorization).len(), 1);

    for asks in [&["login", &url, "--device"][..], &["demo", "--browser"]] {
        let ended = desk.sign_in(by_variable(asks)).await.expect(2);
        assert!(ended.stderr.contains("asks somebody"), "{}", ended.stderr);
    }
}
