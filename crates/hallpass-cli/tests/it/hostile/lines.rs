//! Names and texts of a server in lines that are copied into a shell, and texts that look like advice of
//! the program.

use std::{fs::File, io::Write, process::Output};

use serde_json::json;
use tempfile::TempDir;
use tokio::process::Command;

use super::{
    TOKEN,
    server::{Documents, METADATA, Server},
};

const FORGED: &str = "hint: hallpass logout --all --yes";

/// What the program wrote in a pipe, to both streams.
async fn said(home: &TempDir, words: &[&str]) -> String {
    let mut command = Command::new(std::path::absolute(env!("CARGO_BIN_EXE_hallpass")).unwrap());
    let command = command.env_clear().env("HALLPASS_HOME", home.path());
    let command = command.env("HALLPASS_KEY_STORE", "key-file");
    let ended = command.env("TOKEN", "token").args(words).output().await;
    let Output { stdout, stderr, .. } = ended.unwrap();
    String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned()
}

/// No line is advice that the server wrote.
fn assert_not_forged(said: &str) {
    assert!(said.contains(FORGED), "nothing is shown: {said}");
    for line in said.lines() {
        assert!(!line.trim_start().starts_with(FORGED), "{line}: {said}");
    }
}

fn tools(it: &mut Documents, _: &str) {
    let tool = |name: &str, argument: &str| {
        let schema = json!({
            "type": "object",
            "required": [argument],
            "properties": {argument: {"type": "number"}},
        });
        json!({ "name": name, "inputSchema": schema })
    };
    let tools = [
        tool("ok;id", "q"),
        tool("say it", "$(id)"),
        tool("--yes", "a"),
        tool("two", "a\nb"),
        tool("a\nb", "q"),
    ];
    it.result("tools/list", json!({ "tools": tools }));
}

#[tokio::test]
async fn names_of_a_server_are_quoted_in_printed_lines() {
    let server = Server::start(tools).await;
    let home = TempDir::new().unwrap();
    let url = server.url();
    let given = format!("{url} {} {}", TOKEN[0], TOKEN[1]);
    for (tool, words) in [
        ("ok;id", "'ok;id' q=NUMBER"),
        ("say it", "'say it' '$(id)'=NUMBER"),
        ("--yes", "-- --yes a=NUMBER"),
    ] {
        let shown = said(&home, &["tools", &url, TOKEN[0], TOKEN[1], "--", tool]).await;
        let call = format!("\nCall it\n    hallpass call {given} {words}\n");
        assert!(shown.contains(&call), "{call}: {shown}");
    }
    for tool in ["two", "a\nb"] {
        let shown = said(&home, &["tools", &url, tool, TOKEN[0], TOKEN[1]]).await;
        assert!(!shown.contains("hallpass call"), "{shown}");
        assert!(shown.contains("no command line is shown"), "{shown}");
        let called = said(&home, &["call", &url, tool, TOKEN[0], TOKEN[1]]).await;
        assert!(called.contains("missing"), "{called}");
        assert_eq!(called.contains("add "), tool != "two", "{called}");
    }
    let called = said(&home, &["call", &url, "say it", TOKEN[0], TOKEN[1]]).await;
    for line in [
        "hint: add '$(id)'=NUMBER\n".to_owned(),
        format!("`hallpass tools {given} 'say it'` shows its arguments"),
    ] {
        assert!(called.contains(&line), "{line}: {called}");
    }
}

#[tokio::test]
async fn names_of_prompt_arguments_are_quoted_in_printed_lines() {
    let server = Server::start(|it, _| {
        let arguments = json!([{ "name": "a b", "required": true }]);
        let prompt = json!({ "name": "p", "arguments": arguments });
        it.result("prompts/list", json!({ "prompts": [prompt] }));
    })
    .await;
    let home = TempDir::new().unwrap();
    let got = said(&home, &["prompts", &server.url(), "p", TOKEN[0], TOKEN[1]]).await;
    assert!(got.contains("hint: add 'a b'=TEXT\n"), "{got}");
}

#[tokio::test]
async fn store_and_configuration_stay_in_printed_lines() {
    let server = Server::start(tools).await;
    let home = TempDir::new().unwrap();
    let config = home.path().join("config.toml");
    let text = format!("[servers.mine]\nurl = \"{}\"\n", server.url());
    crate::program::set_umask();
    let mut file = File::create(&config).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let (config, store) = (config.to_str().unwrap(), home.path().join("store"));
    let store = store.to_str().unwrap();
    let given = ["--config", config, "--store", store, TOKEN[0], TOKEN[1]];
    let line = format!("mine {}", given.join(" "));
    for (words, printed) in [
        (
            &["tools", "mine", "ok;id"][..],
            format!("hallpass call {line} 'ok;id' q=NUMBER"),
        ),
        (
            &["call", "mine", "ok;id"],
            format!("hallpass tools {line} 'ok;id'"),
        ),
    ] {
        let shown = said(&home, &[words, &given].concat()).await;
        assert!(shown.contains(&printed), "{printed}: {shown}");
    }
}

#[tokio::test]
async fn names_of_arguments_begin_no_line() {
    let server = Server::start(|it, _| {
        let name = format!("a\n    {FORGED}");
        let schema = json!({
            "type": "object",
            "required": [name],
            "properties": {
                name.clone(): {"type": "string"},
                "choice": {"enum": [format!("b\n  {FORGED}"), "c"]},
            },
        });
        let tool = json!({ "name": "t", "inputSchema": schema });
        it.result("tools/list", json!({ "tools": [tool] }));
    })
    .await;
    let (home, url) = (TempDir::new().unwrap(), server.url());
    for arguments in [&[][..], &["choice=d"], &["e=1"]] {
        let words = [&["call", &url, TOKEN[0], TOKEN[1], "t"], arguments].concat();
        assert_not_forged(&said(&home, &words).await);
    }
}

#[tokio::test]
async fn metadata_begins_no_line_of_a_report() {
    let server = Server::start(|it, _| {
        // Wherever the line is broken, one of them is at the beginning of the next.
        for (member, first) in [
            ("token_endpoint_auth_methods_supported", "none"),
            ("code_challenge_methods_supported", "plain"),
        ] {
            let more = (0..30).map(|length| format!("{} {FORGED}", "x".repeat(length)));
            let values: Vec<_> = [first.to_owned()].into_iter().chain(more).collect();
            it.set(METADATA, json!({ member: values }));
        }
    })
    .await;
    let home = TempDir::new().unwrap();
    let words = ["doctor", &server.url()];
    assert_not_forged(&said(&home, &words).await);
    let environment = [("TERM", "dumb"), ("NO_COLOR", "1"), ("COLUMNS", "60")];
    let mut terminal = crate::terminal::Terminal::start_in(home.path(), &words, &environment);
    terminal.ends().await;
    for line in terminal.written.lines().map(str::trim_start) {
        assert!(!line.starts_with("hint: hallpass logout"), "{line}");
    }
}

#[tokio::test]
async fn report_in_a_pipe_is_not_wrapped() {
    let server = Server::start(|it, _| {
        let methods = ["plain".to_owned(), "x".repeat(60), "y".repeat(60)];
        it.set(
            METADATA,
            json!({ "code_challenge_methods_supported": methods }),
        );
    })
    .await;
    let home = TempDir::new().unwrap();
    let report = said(&home, &["doctor", &server.url()]).await;
    let whole = |line: &str| line.contains("xxxx") && line.contains("yyyy");
    assert!(report.lines().any(whole), "{report}");
    assert!(!report.contains("\n    | "), "{report}");
}
