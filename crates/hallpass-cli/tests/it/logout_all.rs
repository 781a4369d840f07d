//! `hallpass logout --all`.

use hallpass_testkit::{Endpoint, Fault, PlannedFault, When};
use serde_json::json;

use crate::{
    program::Fixture,
    store_commands::{result, two_accounts},
};

async fn states(fixture: &Fixture) -> Vec<String> {
    let accounts = result(fixture, &["status"]).await["accounts"].clone();
    let accounts = accounts.as_array().unwrap().iter();
    accounts
        .map(|account| account["state"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn logout_all_revokes_every_account() {
    let fixture = two_accounts().await;
    let url = fixture.url();
    let mut command =
        fixture.command(&["login", &url, "--account", "ci", "--token-env", "CI_TOKEN"]);
    command.env("CI_TOKEN", fixture.issuer.registry().plant(Some(&url), ""));
    fixture.wait(command.spawn().unwrap()).await.expect(0);

    // Nobody is there to be asked.
    let ended = fixture.run(&["logout", "--all"]).await.expect(2);
    assert!(ended.stderr.contains("--yes"), "{}", ended.stderr);
    let one = ["logout", "--all", &url, "--yes"];
    fixture.run(&one).await.expect(2);
    fixture.run(&["logout"]).await.expect(2);
    assert_eq!(
        states(&fixture).await,
        ["external", "signed-in", "signed-in"]
    );

    let done = result(&fixture, &["logout", "--all", "--yes"]).await;
    assert_eq!(done["problems"], json!([]));
    let accounts = done["accounts"].as_array().unwrap();
    let names: Vec<_> = accounts.iter().map(|it| &it["account"]).collect();
    assert_eq!(names, ["ci", "default", "work"]);
    for account in &accounts[1..] {
        assert_eq!(account["was_signed_in"], true);
        assert_eq!(account["error"], json!(null));
        for token in ["refresh_token", "access_token"] {
            assert_eq!(
                account[token],
                json!({ "outcome": "revoked", "error": null })
            );
        }
    }
    assert!(!fixture.issuer.requests_to(Endpoint::Revocation).is_empty());
    assert_eq!(
        states(&fixture).await,
        ["sign-in-required", "sign-in-required"]
    );
    let again = fixture.run(&["logout", "--all", "--yes"]).await.expect(0);
    assert!(
        again.stdout.contains("was not signed in"),
        "{}",
        again.stdout
    );
}

#[tokio::test]
async fn failed_account_does_not_stop_logout_all() {
    let fixture = two_accounts().await;
    // The first of them can't be written to.
    let credentials = fixture.store().join("slots");
    let mut files: Vec<_> = std::fs::read_dir(&credentials)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "sealed"))
        .collect();
    files.sort();
    let obstacle = files[0].with_extension("tmp");
    std::fs::create_dir(&obstacle).unwrap();
    let arguments = ["--json", "logout", "--all", "--yes"];
    let ended = fixture.run(&arguments).await.expect(1);
    let error = &ended.json()["error"];
    assert_eq!(error["message"], "1 of 2 accounts could not be signed out");
    assert!(!error["causes"].as_array().unwrap().is_empty());
    let accounts = error["data"]["accounts"].as_array().unwrap();
    let failed: Vec<_> = accounts
        .iter()
        .filter(|account| !account["error"].is_null())
        .collect();
    assert_eq!(failed.len(), 1, "{error}");
    assert!(
        ended.stderr.contains("not signed out of"),
        "{}",
        ended.stderr
    );
    let mut states = states(&fixture).await;
    states.sort();
    assert_eq!(states, ["sign-in-required", "signed-in"]);
    std::fs::remove_dir(&obstacle).unwrap();

    // A server that can't revoke now is said, and nobody stays signed in for it.
    fixture.issuer.plan(vec![PlannedFault {
        endpoint: Endpoint::Revocation,
        when: When::Always,
        fault: Fault::Status {
            status: 503,
            retry_after: None,
        },
    }]);
    let done = fixture.run(&["logout", "--all", "--yes"]).await.expect(0);
    let line = "  refresh token: may still be valid: ";
    assert!(done.stdout.contains(line), "{}", done.stdout);
}

#[cfg(unix)]
#[tokio::test]
async fn logout_all_at_terminal_asks() {
    use crate::terminal::Terminal;

    let fixture = two_accounts().await;
    for (answer, code, state) in [("n", 4, "signed-in"), ("y", 0, "sign-in-required")] {
        let mut terminal = Terminal::start(&fixture, &["logout", "--all"], &[]);
        let asked = terminal.until("sign out of these 2 accounts? [y/N]").await;
        assert!(asked.contains(&fixture.url()), "{asked}");
        terminal.types(answer).await;
        let (ended, said) = terminal.end().await;
        assert_eq!(ended, code, "{said}");
        assert_eq!(states(&fixture).await, [state, state]);
    }
}
