//! What scripts rely on: one JSON object, documented exit codes, data apart from talk.

use hallpass_testkit::LeakCheck;
use serde_json::json;

use crate::program::Fixture;

#[tokio::test]
async fn every_command_prints_one_json_object() {
    let fixture = Fixture::new().await;
    let url = fixture.url();

    let login = fixture.login(&["--json"]).await.expect(0).json();
    assert_eq!(login["ok"], true);
    assert_eq!(login["result"]["server"], url);

    let status = fixture
        .run(&["--json", "status", &url])
        .await
        .expect(0)
        .json();
    let account = &status["result"]["accounts"][0];
    assert_eq!(account["state"], "signed-in");
    assert_eq!(account["issuer"], fixture.issuer.issuer());
    assert_eq!(account["resource"], url);
    assert_eq!(account["has_refresh_token"], true);

    let tools = fixture
        .run(&["--json", "tools", &url])
        .await
        .expect(0)
        .json();
    assert_eq!(tools["result"]["tools"].as_array().unwrap().len(), 4);

    let call = fixture
        .run(&["--json", "call", &url, "add", r#"{"a":1,"b":1}"#])
        .await
        .expect(0)
        .json();
    assert_eq!(call["result"]["content"][0]["text"], "2");

    let token = fixture
        .run(&["--json", "token", &url])
        .await
        .expect(0)
        .json();
    let plain = fixture.run(&["token", &url]).await.expect(0).stdout;
    assert_eq!(token["result"]["access_token"], plain.trim_end());
    assert_eq!(token["result"]["token_type"], "Bearer");

    let logout = fixture
        .run(&["--json", "logout", &url])
        .await
        .expect(0)
        .json();
    assert_eq!(logout["result"]["was_signed_in"], true);

    let needed = fixture
        .run(&["--json", "token", &url])
        .await
        .expect(3)
        .json();
    assert_eq!(needed["ok"], false);
    assert_eq!(needed["error"]["code"], "sign-in-required");
    assert_eq!(needed["error"]["exit_code"], 3);
    assert_eq!(
        needed["error"]["hints"],
        json!([format!("hallpass login {url}")])
    );
}

#[tokio::test]
async fn tool_error_is_one_json_object() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    fixture.login(&[]).await.expect(0);
    let failed = fixture
        .run(&["--json", "call", &url, "fail"])
        .await
        .expect(4)
        .json();
    assert_eq!(failed["ok"], false);
    assert_eq!(
        failed["error"]["data"]["content"][0]["text"],
        "this tool always fails"
    );
    let failed = fixture.run(&["call", &url, "fail"]).await.expect(4);
    assert_eq!(failed.stdout, "this tool always fails\n");
}

#[tokio::test]
async fn invalid_command_line_with_json_is_one_json_object() {
    let fixture = Fixture::new().await;
    let failed = fixture.run(&["--json", "nonsense"]).await.expect(2).json();
    assert_eq!(failed["error"]["code"], "usage");
    let message = failed["error"]["message"].as_str().unwrap();
    assert!(message.contains("unrecognized subcommand"), "{message}");
    fixture.run(&["--json", "--help"]).await.expect(0);
}

#[tokio::test]
async fn only_login_creates_store() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    fixture.run(&["status"]).await.expect(0);
    fixture.run(&["token", &url]).await.expect(3);
    fixture.run(&["logout", &url]).await.expect(0);
    assert!(!fixture.store().exists());
    fixture.login(&[]).await.expect(0);
    assert!(fixture.store().exists());
}

#[tokio::test]
async fn usage_error_exits_with_2_and_hint() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
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
        let ended = fixture.run(&arguments).await.expect(2);
        assert!(
            ended.stderr.contains(word),
            "{arguments:?}: {}",
            ended.stderr
        );
        assert_eq!(ended.stdout, "");
    }
}

#[tokio::test]
async fn log_levels_follow_options() {
    let fixture = Fixture::new().await;
    for (asked, code, said) in [
        ("hallpass=loud", 2, "`HALLPASS_LOG` can't be read"),
        ("rmcp=debug", 0, "rmcp"),
        ("trace", 0, "TRACE"),
        ("rmcp=off,off", 0, ""),
    ] {
        fixture.login(&[]).await.expect(0);
        let mut command = fixture.command(&["tools", &fixture.url()]);
        command.env("HALLPASS_LOG", asked);
        let child = command.spawn().unwrap();
        let ended = fixture.wait(child).await.expect(code);
        if said.is_empty() {
            assert_eq!(ended.stderr, "", "{asked}");
        } else {
            assert!(ended.stderr.contains(said), "{asked}: {}", ended.stderr);
        }
    }
}

#[tokio::test]
async fn only_token_command_prints_secret() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    let mut shown = String::new();
    // `state` and the challenge stand in the URL that the user is shown.
    let login = fixture.login(&["-vv"]).await.expect(0);
    for arguments in [
        vec!["-vv", "--json", "status"],
        vec!["-vv", "status"],
        vec!["-vv", "--json", "call", &url, "ping"],
    ] {
        let ended = fixture.run(&arguments).await.expect(0);
        shown = format!("{shown}{}{}", ended.stdout, ended.stderr);
    }
    fixture.issuer.expire_access_tokens();
    for arguments in [
        vec!["-vv", "call", &url, "ping"],
        vec!["-vv", "logout", &url],
    ] {
        let ended = fixture.run(&arguments).await.expect(0);
        shown = format!("{shown}{}{}", ended.stdout, ended.stderr);
    }

    let mut leaks = LeakCheck::new();
    leaks.watch_record(fixture.issuer.recorder(), &["state"]);
    assert!(
        leaks.watched() >= 6,
        "a code, a verifier and two pairs of tokens"
    );
    leaks
        .check("login", &(login.stdout + &login.stderr))
        .unwrap();
    leaks.check("the other commands", &shown).unwrap();
    for file in walk(&fixture.store()) {
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
