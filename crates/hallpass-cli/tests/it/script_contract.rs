//! The contract for scripts (`docs/scripts.md`), over every command that there is.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, process::Stdio};

use hallpass_testkit::{Endpoint, Fault, Gate, PlannedFault, When};
use serde_json::Value;

use crate::{program::Fixture, terminal::Terminal};

/// One command, and what it ends with.
struct Row {
    /// `URL` and `FOLDER` stand for those of the fixture.
    words: &'static [&'static str],
    /// Where nobody has signed in.
    signed_out: i32,
    /// Where somebody has.
    signed_in: i32,
    /// Whether it asks the server something.
    asks: bool,
}

const fn row(words: &'static [&'static str], signed_out: i32, signed_in: i32, asks: bool) -> Row {
    Row {
        words,
        signed_out,
        signed_in,
        asks,
    }
}

/// What `exec` runs says the envelope itself.
const SAYS: &str = r#"{"ok":true,"result":{}}"#;

const TABLE: &[Row] = &[
    row(&["login", "URL"], 3, 0, false),
    row(&["status"], 0, 0, false),
    row(&["add", "here", "URL"], 0, 0, false),
    row(&["list"], 0, 0, false),
    row(&["import"], 0, 0, false),
    row(&["import", "--dry-run"], 0, 0, false),
    row(&["import", "--from", "cursor"], 2, 2, false),
    row(&["remove", "here"], 0, 0, false),
    row(&["remove", "nowhere"], 2, 2, false),
    row(&["status", "URL"], 0, 0, false),
    row(&["tools", "URL"], 3, 0, true),
    row(&["tools", "URL", "add"], 3, 0, true),
    row(&["call", "URL", "add", "a=1", "b=2"], 3, 0, true),
    row(&["call", "URL", "fail"], 3, 4, true),
    row(&["call", "URL", "no-such-tool"], 3, 2, true),
    row(&["resources", "URL"], 3, 0, true),
    row(&["prompts", "URL"], 3, 0, true),
    row(&["doctor", "URL"], 3, 0, true),
    row(&["token", "URL"], 3, 0, false),
    row(&["token", "URL", "--header"], 3, 0, false),
    row(&["exec", "URL", "--", "/bin/echo", SAYS], 3, 0, false),
    row(&["exec", "URL", "--", "/nowhere/at-all"], 3, 127, false),
    row(&["cimd", "https://client.example/c.json"], 0, 0, false),
    row(&["store", "list"], 0, 0, false),
    row(&["completions", "bash"], 0, 0, false),
    row(&["man", "FOLDER"], 0, 0, false),
    row(&["demo"], 0, 0, false),
    row(&["demo", "--browser"], 2, 2, false),
    row(&["nonsense"], 2, 2, false),
    row(&["call"], 2, 2, false),
    row(&["--help"], 0, 0, false),
    row(&["--version"], 0, 0, false),
    row(&["logout", "--all"], 0, 2, false),
    // The last, since nobody is signed in any more after it.
    row(&["logout", "URL"], 0, 0, false),
    row(&["logout", "--all", "--yes"], 0, 0, false),
];

/// What serves until it is told to end has a contract of its own.
const APART: &[&str] = &["proxy", "help"];

/// A fixture where a browser would leave a trace.
struct Watched {
    fixture: Fixture,
    browser: PathBuf,
    trace: PathBuf,
}

impl Watched {
    async fn new() -> Self {
        let fixture = Fixture::new().await;
        let browser = fixture.folder.path().join("browser");
        let trace = fixture.folder.path().join("a browser was opened");
        let script = format!("#!/bin/sh\n: > '{}'\n", trace.display());
        let mut file = fs::File::create(&browser).unwrap();
        std::io::Write::write_all(&mut file, script.as_bytes()).unwrap();
        fs::set_permissions(&browser, fs::Permissions::from_mode(0o755)).unwrap();
        // No servers have names yet.
        fs::File::create(fixture.folder.path().join("config.toml")).unwrap();
        Self {
            fixture,
            browser,
            trace,
        }
    }

    fn config(&self) -> PathBuf {
        self.fixture.folder.path().join("config.toml")
    }

    fn words(&self, row: &Row, more: &[&str]) -> Vec<String> {
        let folder = self
            .fixture
            .folder
            .path()
            .join("pages")
            .display()
            .to_string();
        let words = more.iter().chain(row.words).map(|word| match *word {
            "URL" => self.fixture.url(),
            "FOLDER" => folder.clone(),
            word => word.to_owned(),
        });
        words.collect()
    }

    /// Runs it with a standard input that stays open and gives nothing.
    async fn run(&self, row: &Row, more: &[&str], code: i32) -> Value {
        let words = self.words(row, more);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut command = self.fixture.command(&words);
        command
            .env("BROWSER", &self.browser)
            .env("HALLPASS_CONFIG", self.config())
            .stdin(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdin = child.stdin.take();
        let ended = self.fixture.wait(child).await;
        drop(stdin);
        assert_eq!(
            ended.code, code,
            "{words:?}: {}{}",
            ended.stdout, ended.stderr
        );
        self.envelope(&words, &ended.stdout, code)
    }

    /// One line, which says the same as the exit code.
    #[track_caller]
    fn envelope(&self, words: &[&str], stdout: &str, code: i32) -> Value {
        assert_eq!(stdout.lines().count(), 1, "{words:?}: {stdout}");
        let envelope: Value = serde_json::from_str(stdout).unwrap();
        assert_eq!(envelope["ok"], code == 0, "{words:?}: {stdout}");
        if code == 0 {
            assert!(envelope["result"].is_object(), "{words:?}: {stdout}");
        } else {
            let error = &envelope["error"];
            assert_eq!(error["exit_code"], code, "{words:?}: {stdout}");
            for member in ["code", "message"] {
                assert!(error[member].is_string(), "{words:?} {member}: {stdout}");
            }
            for member in ["causes", "hints"] {
                assert!(error[member].is_array(), "{words:?} {member}: {stdout}");
            }
        }
        assert!(!self.trace.exists(), "{words:?} opened a browser");
        envelope
    }
}

/// What a script gives every command.
const CONTRACT: &[&str] = &["--json", "--non-interactive", "--timeout", "60"];

#[tokio::test]
async fn every_command_is_in_the_table() {
    let fixture = Fixture::new().await;
    let help = fixture.run(&["--help"]).await.expect(0).stdout;
    let commands = help
        .split("Commands:")
        .nth(1)
        .unwrap()
        .split("Options:")
        .next();
    let names = commands.unwrap().lines().filter_map(|line| {
        let name = line.strip_prefix("  ")?.split(' ').next()?;
        (!name.is_empty()).then_some(name)
    });
    let known = |name: &str| TABLE.iter().any(|row| row.words[0] == name) || APART.contains(&name);
    let lost: Vec<_> = names.filter(|name| !known(name)).collect();
    assert_eq!(lost, [""; 0], "add them to the table");
}

#[tokio::test]
async fn each_command_without_sign_in_has_its_exit_code() {
    let watched = Watched::new().await;
    for row in TABLE {
        let envelope = watched.run(row, CONTRACT, row.signed_out).await;
        if row.signed_out == 3 {
            let login = format!("hallpass login {}", watched.fixture.url());
            let hints = envelope["error"]["hints"].as_array().unwrap();
            assert!(
                hints.iter().any(|hint| *hint == login),
                "{:?}: {envelope}",
                row.words
            );
        }
    }
    let asked = watched.fixture.issuer.requests_to(Endpoint::Authorization);
    assert_eq!(asked.len(), 0);
}

#[tokio::test]
async fn each_command_with_sign_in_has_its_exit_code() {
    let watched = Watched::new().await;
    watched.fixture.login(&[]).await.expect(0);
    for row in TABLE {
        watched.run(row, CONTRACT, row.signed_in).await;
    }
    let mut exchanged = watched.fixture.issuer.requests_to(Endpoint::CodeExchange);
    // The doctor asks with a code that was not issued.
    exchanged.retain(|it| {
        it.answer
            .as_ref()
            .is_some_and(|answer| answer.status == 200)
    });
    assert_eq!(exchanged.len(), 1, "the user did not sign in again");
}

#[tokio::test]
async fn json_at_terminal_is_the_same() {
    let watched = Watched::new().await;
    for row in TABLE {
        let words = watched.words(row, CONTRACT);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let browser = watched.browser.display().to_string();
        let config = watched.config().display().to_string();
        let environment = [
            ("BROWSER", browser.as_str()),
            ("HALLPASS_CONFIG", config.as_str()),
            ("DISPLAY", ":0"),
            ("TERM", "xterm"),
        ];
        let (code, stdout) = Terminal::start(&watched.fixture, &words, &environment)
            .end()
            .await;
        assert_eq!(code, row.signed_out, "{words:?}: {stdout}");
        watched.envelope(&words, &stdout, code);
    }
}

#[tokio::test]
async fn silent_server_times_out() {
    let watched = Watched::new().await;
    watched.fixture.login(&[]).await.expect(0);
    let gate = Gate::new();
    watched.fixture.server.plan(vec![PlannedFault {
        endpoint: Endpoint::Mcp,
        when: When::Always,
        fault: Fault::HoldRequest(gate.clone()),
    }]);
    for row in TABLE.iter().filter(|row| row.asks) {
        let limit = ["--json", "--non-interactive", "--timeout", "0.3"];
        let envelope = watched.run(row, &limit, 5).await;
        assert_eq!(envelope["error"]["code"], "timed-out");
    }
    gate.open();
}
