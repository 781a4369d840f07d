//! What somebody who is new runs into, and the line that leads on.

use tokio::process::Command;

use crate::program::{Fixture, Output};

/// Somebody with a configuration of their own.
pub(crate) struct Newcomer(pub(crate) Fixture);

impl Newcomer {
    pub(crate) async fn new() -> Self {
        Self(Fixture::new().await)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.0.command(arguments);
        command.env("XDG_CONFIG_HOME", self.0.folder.path());
        command.env("HOME", self.0.folder.path());
        command
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Output {
        let child = self.command(arguments).spawn().unwrap();
        self.0.wait(child).await
    }
}

#[tokio::test]
async fn hints_use_the_configured_name() {
    let new = Newcomer::new().await;
    let url = new.0.url();
    new.run(&["add", "mine", &url]).await.expect(0);
    for command in ["tools", "token", "doctor"] {
        for named in ["mine", &url] {
            let ended = new.run(&[command, named]).await.expect(3);
            let hint = "\n  hint: hallpass login mine\n";
            assert!(ended.stderr.contains(hint), "{command}: {}", ended.stderr);
        }
        let ended = new
            .run(&[command, "mine", "--account", "b"])
            .await
            .expect(3);
        let hint = "\n  hint: hallpass login mine --account b\n";
        assert!(ended.stderr.contains(hint), "{command}: {}", ended.stderr);
    }
    let report = new.run(&["doctor", "mine"]).await.stdout;
    assert!(
        report.contains("    hint: hallpass login mine\n"),
        "{report}"
    );
    assert!(
        report.contains("  kept in: nowhere yet: the first login begins `"),
        "{report}"
    );
}

#[tokio::test]
async fn doctor_uses_account_and_options_of_name() {
    let new = Newcomer::new().await;
    let url = new.0.url();
    let add = ["add", "mine", &url, "--account", "work", "--scope", "a"];
    new.run(&add).await.expect(0);
    let login = new.command(&["login", "mine", "--no-browser"]);
    new.0.sign_in(login).await.expect(0);

    let report = async |arguments: &[&str], code| {
        let arguments = [&["--json", "doctor"], arguments].concat();
        let answer = new.run(&arguments).await.expect(code).json();
        let report = match code {
            0 => &answer["result"],
            _ => &answer["error"]["data"],
        };
        let facts = report["steps"][3]["facts"].as_array().unwrap();
        let scopes = facts
            .iter()
            .find(|fact| fact["name"] == "scopes to request");
        (
            report["account"].as_str().unwrap().to_owned(),
            scopes.unwrap()["value"].as_str().unwrap().to_owned(),
            report["first_fault"].clone(),
        )
    };
    let text = str::to_owned;
    let well = serde_json::Value::Null;
    let account = |name, scopes, fault| (text(name), text(scopes), fault);
    assert_eq!(report(&["mine"], 0).await, account("work", "a", well));
    let unknown = || "not-signed-in".into();
    let other = ["mine", "--account", "other"];
    let found = report(&other, 3).await;
    assert_eq!((found.0.as_str(), found.2), ("other", unknown()));
    // The usual account of the URL has no name, and none of its options.
    assert_eq!(
        report(&[&url], 3).await,
        account("default", "none", unknown())
    );
}

#[tokio::test]
async fn not_signed_in_has_one_message() {
    let new = Newcomer::new().await;
    let url = new.0.url();
    for arguments in [
        &["tools", &url][..],
        &["call", &url, "ping"],
        &["resources", &url],
        &["token", &url],
        &["exec", &url, "--", "true"],
    ] {
        let ended = new.run(arguments).await.expect(3);
        let says = ended.stderr.replace("\n  because: ", ": ");
        let words = format!("error: a sign-in to {url} is needed: not signed in\n");
        assert!(says.starts_with(&words), "{arguments:?}: {}", ended.stderr);
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn first_login_without_keyring_notes_key_file_once() {
    let new = Newcomer::new().await;
    let url = new.0.url();
    let note = "note: the key of the credential store is in a file that only you can read, not in the \
                keyring: the Secret Service can't be reached";
    for notes in [1, 0] {
        let login = new.command(&["login", &url, "--no-browser"]);
        let ended = new.0.sign_in(login).await.expect(0);
        let found = ended.stderr.lines().filter(|line| *line == note);
        assert_eq!(found.count(), notes, "{}", ended.stderr);
        assert!(!ended.stderr.contains("WARN"), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn server_error_without_hint_names_doctor() {
    let new = Newcomer::new().await;
    let url = new.0.url();
    new.run(&["add", "mine", &url]).await.expect(0);
    new.0.server.stop().await;
    for (arguments, code) in [
        (&["tools", "mine"][..], 5),
        (&["login", "mine", "--no-browser"], 5),
    ] {
        let ended = new.run(arguments).await.expect(code);
        let hint = "  hint: `hallpass doctor mine` diagnoses it step by step\n";
        assert!(ended.stderr.contains(hint), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn text_that_is_no_url_or_name_is_refused() {
    let new = Newcomer::new().await;
    for odd in ["mine/", "//mcp", ""] {
        let ended = new.run(&["tools", odd]).await.expect(2);
        let words = format!("error: `{odd}` is not the URL of an MCP server, nor the name of one");
        assert!(ended.stderr.starts_with(&words), "{}", ended.stderr);
        assert!(
            ended.stderr.contains("begins with https://"),
            "{}",
            ended.stderr
        );
    }
}

#[tokio::test]
async fn url_without_a_scheme_is_answered_with_the_whole_url() {
    let new = Newcomer::new().await;
    for (odd, whole) in [
        ("mcp.example.com/mcp", "https://mcp.example.com/mcp"),
        ("mcp.example.com", "https://mcp.example.com"),
        ("localhost:8000/mcp", "http://localhost:8000/mcp"),
    ] {
        for arguments in [&["tools", odd][..], &["add", "mine", odd]] {
            let ended = new.run(arguments).await.expect(2);
            let hint = format!("  hint: did you mean `{whole}`?\n");
            assert!(ended.stderr.ends_with(&hint), "{}", ended.stderr);
        }
    }
}

#[tokio::test]
async fn added_server_is_named_by_its_url_alone() {
    let new = Newcomer::new().await;
    let ended = new.run(&["add", "b", "a"]).await.expect(2);
    let expected = "error: `a` is not the URL of an MCP server\n  hint: a URL begins with https://, or with \
                    http:// on this machine\n";
    assert_eq!(ended.stderr, expected);
    let help = new.run(&["add", "--help"]).await.expect(0).stdout;
    assert!(help.contains("The MCP server's URL\n"), "{help}");
    assert!(!help.contains("or its name"), "{help}");
}
