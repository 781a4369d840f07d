//! What a program that Hallpass starts finds in its environment: everything but Hallpass's own secrets.

use std::{fs, os::unix::fs::PermissionsExt as _};

use tokio::process::Command;

use crate::program::Fixture;

const CANARY: &str = "passphrase-canary";

/// A command with Hallpass's secrets in its environment, and something that is none.
fn with_secrets(fixture: &Fixture, arguments: &[&str]) -> Command {
    let mut command =
        fixture.command(&[&["--passphrase-env", "MY_PASSPHRASE"], arguments].concat());
    command
        .env("HALLPASS_PASSPHRASE", CANARY)
        .env("MY_PASSPHRASE", CANARY)
        .env("HALLPASS_TOKEN", CANARY)
        .env("HALLPASS_TOKEN_AUTHORIZATION", CANARY)
        .env("HALLPASS_TOKEN_DPOP", CANARY)
        .env("KEPT", "yes");
    command
}

#[track_caller]
fn check(environment: &str) {
    assert!(!environment.contains(CANARY), "{environment}");
    assert!(environment.contains("KEPT=yes\n"), "{environment}");
    assert!(environment.contains("HALLPASS_HOME="), "{environment}");
}

#[tokio::test]
async fn exec_command_finds_the_token_and_no_other_secret() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    fixture.login(&[]).await.expect(0);
    let token = fixture.run(&["token", &url]).await.expect(0).stdout;
    let mut exec = with_secrets(&fixture, &["exec", &url, "--", "/usr/bin/env"]);
    let shown = fixture.wait(exec.spawn().unwrap()).await.expect(0).stdout;
    check(&shown);
    let expected = format!("HALLPASS_TOKEN={token}");
    assert!(shown.contains(&expected), "{shown}");

    let another = ["exec", &url, "--env", "MINE", "--", "/usr/bin/env"];
    let mut exec = with_secrets(&fixture, &another);
    let shown = fixture.wait(exec.spawn().unwrap()).await.expect(0).stdout;
    check(&shown);
    assert!(shown.contains(&format!("MINE={token}")), "{shown}");
}

#[tokio::test]
async fn token_command_finds_no_secret_of_hallpass() {
    let fixture = Fixture::new().await;
    let file = fixture.folder.path().join("environment");
    let script = format!("/usr/bin/env > \"{}\"; echo token", file.display());
    let line = format!("/bin/sh -c '{script}'");
    let mut token = with_secrets(
        &fixture,
        &["token", &fixture.url(), "--token-command", &line],
    );
    let printed = fixture.wait(token.spawn().unwrap()).await.expect(0).stdout;
    assert_eq!(printed, "token\n");
    check(&fs::read_to_string(&file).unwrap());
}

#[tokio::test]
async fn browser_finds_no_secret_of_hallpass() {
    let fixture = Fixture::new().await;
    let pipe = fixture.folder.path().join("environment");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let browser = fixture.folder.path().join("browser");
    let script = format!("#!/bin/sh\n/usr/bin/env > '{}'\n", pipe.display());
    std::io::Write::write_all(&mut fs::File::create(&browser).unwrap(), script.as_bytes()).unwrap();
    fs::set_permissions(&browser, fs::Permissions::from_mode(0o755)).unwrap();
    let mut login = with_secrets(&fixture, &["login", &fixture.url()]);
    // Ended when the test ends: it waits for a user who does not come.
    let _login = login.env("BROWSER", &browser).spawn().unwrap();
    check(&tokio::fs::read_to_string(&pipe).await.unwrap());
}
