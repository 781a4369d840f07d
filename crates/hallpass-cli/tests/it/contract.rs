//! What scripts rely on: one JSON object, documented exit codes, data apart from talk.

use hallpass_testkit::LeakCheck;
use serde_json::json;

use crate::program::Desk;

#[tokio::test]
async fn every_command_answers_with_one_envelope() {
    let desk = Desk::new().await;
    let url = desk.url();

    let login = desk.login(&["--json"]).await.expect(0).json();
    assert_eq!(login["ok"], true);
    assert_eq!(login["result"]["server"], url);

    let status = desk.run(&["--json", "status", &url]).await.expect(0).json();
    let account = &status["result"]["accounts"][0];
    assert_eq!(account["state"], "signed-in");
    assert_eq!(account["issuer"], desk.issuer.issuer());
    assert_eq!(account["resource"], url);
    assert_eq!(account["has_refresh_token"], true);

    let tools = desk.run(&["--json", "tools", &url]).await.expect(0).json();
    assert_eq!(tools["result"]["tools"].as_array().unwrap().len(), 4);

    let call = desk
        .run(&["--json", "call", &url, "add", r#"{"a":1,"b":1}"#])
        .await
        .expect(0)
        .json();
    assert_eq!(call["result"]["content"][0]["text"], "2");

    let token = desk.run(&["--json", "token", &url]).await.expect(0).json();
    let plain = desk.run(&["token", &url]).await.expect(0).stdout;
    assert_eq!(token["result"]["access_token"], plain.trim_end());
    assert_eq!(token["result"]["token_type"], "Bearer");

    let logout = desk.run(&["--json", "logout", &url]).await.expect(0).json();
    assert_eq!(logout["result"]["was_signed_in"], true);

    let needed = desk.run(&["--json", "token", &url]).await.expect(3).json();
    assert_eq!(needed["ok"], false);
    assert_eq!(needed["error"]["code"], "sign-in-required");
    assert_eq!(needed["error"]["exit_code"], 3);
    assert_eq!(
        needed["error"]["hints"],
        json!([format!("hallpass login {url}")])
    );
}

#[tokio::test]
async fn a_tool_that_reports_an_error_is_one_envelope_too() {
    let desk = Desk::new().await;
    let url = desk.url();
    desk.login(&[]).await.expect(0);
    let failed = desk
        .run(&["--json", "call", &url, "fail"])
        .await
        .expect(4)
        .json();
    assert_eq!(failed["ok"], false);
    assert_eq!(
        failed["error"]["data"]["content"][0]["text"],
        "this tool always fails"
    );
    let failed = desk.run(&["call", &url, "fail"]).await.expect(4);
    assert_eq!(failed.stdout, "this tool always fails\n");
}

#[tokio::test]
async fn a_command_line_that_is_not_understood_is_an_envelope_where_json_is_asked_for() {
    let desk = Desk::new().await;
    let failed = desk.run(&["--json", "nonsense"]).await.expect(2).json();
    assert_eq!(failed["error"]["code"], "usage");
    let message = failed["error"]["message"].as_str().unwrap();
    assert!(message.contains("unrecognized subcommand"), "{message}");
    desk.run(&["--json", "--help"]).await.expect(0);
}

#[tokio::test]
async fn only_a_login_creates_a_store() {
    let desk = Desk::new().await;
    let url = desk.url();
    desk.run(&["status"]).await.expect(0);
    desk.run(&["token", &url]).await.expect(3);
    desk.run(&["logout", &url]).await.expect(0);
    assert!(!desk.store().exists());
    desk.login(&[]).await.expect(0);
    assert!(desk.store().exists());
}

#[tokio::test]
async fn wrong_usage_is_2_and_says_what_to_write() {
    let desk = Desk::new().await;
    let url = desk.url();
    for (arguments, word) in [
        (vec!["tools", "http://mcp.example.com/mcp"], "use https"),
        (
            vec!["tools", "mcp.example.com"],
            "is not the URL of an MCP server",
        ),
        (vec!["call", &url, "add", "[1]"], "one JSON object"),
        (
            vec!["token", &url, "--account", "no spaces"],
            "can't name an account",
        ),
        (
            vec!["token", &url, "--resource", "/mcp"],
            "is not a resource indicator",
        ),
        (
            vec!["token", &url, "--scope", "a\"b"],
            "is not a scope token",
        ),
        (vec!["tools", &url, "--header", "nothing"], "'Name: value'"),
        (
            vec!["tools", &url, "--header", "X-Key: ${HALLPASS_TEST_UNSET}"],
            "is not set",
        ),
        (
            vec!["token", &url, "--ca-certificate", "/nowhere.pem"],
            "/nowhere.pem",
        ),
        (vec!["nonsense"], "unrecognized subcommand"),
    ] {
        let ended = desk.run(&arguments).await.expect(2);
        assert!(
            ended.stderr.contains(word),
            "{arguments:?}: {}",
            ended.stderr
        );
        assert_eq!(ended.stdout, "");
    }
}

#[tokio::test]
async fn the_log_is_what_was_asked_for() {
    let desk = Desk::new().await;
    for (asked, code, said) in [
        ("hallpass=loud", 2, "`HALLPASS_LOG` can't be read"),
        ("rmcp=debug", 0, "rmcp"),
        ("trace", 0, "TRACE"),
        ("rmcp=off,off", 0, ""),
    ] {
        desk.login(&[]).await.expect(0);
        let mut command = desk.command(&["tools", &desk.url()]);
        command.env("HALLPASS_LOG", asked);
        let child = command.spawn().unwrap();
        let ended = desk.wait(child).await.expect(code);
        if said.is_empty() {
            assert_eq!(ended.stderr, "", "{asked}");
        } else {
            assert!(ended.stderr.contains(said), "{asked}: {}", ended.stderr);
        }
    }
}

#[tokio::test]
async fn nothing_but_token_ever_shows_a_secret() {
    let desk = Desk::new().await;
    let url = desk.url();
    let mut shown = String::new();
    // `state` and the challenge stand in the URL that the person is shown.
    let login = desk.login(&["-vv"]).await.expect(0);
    for arguments in [
        vec!["-vv", "--json", "status"],
        vec!["-vv", "status"],
        vec!["-vv", "--json", "call", &url, "ping"],
    ] {
        let ended = desk.run(&arguments).await.expect(0);
        shown = format!("{shown}{}{}", ended.stdout, ended.stderr);
    }
    desk.issuer.expire_access_tokens();
    for arguments in [
        vec!["-vv", "call", &url, "ping"],
        vec!["-vv", "logout", &url],
    ] {
        let ended = desk.run(&arguments).await.expect(0);
        shown = format!("{shown}{}{}", ended.stdout, ended.stderr);
    }

    let mut leaks = LeakCheck::new();
    leaks.watch_record(desk.issuer.recorder(), &["state"]);
    assert!(
        leaks.watched() >= 6,
        "a code, a verifier and two pairs of tokens"
    );
    leaks
        .check("login", &(login.stdout + &login.stderr))
        .unwrap();
    leaks.check("the other commands", &shown).unwrap();
    for file in walk(&desk.store()) {
        let text = String::from_utf8_lossy(&std::fs::read(&file).unwrap()).into_owned();
        leaks.check(&file.display().to_string(), &text).unwrap();
    }
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let (folders, mut files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    files.extend(folders.iter().flat_map(|folder| walk(folder)));
    files
}
