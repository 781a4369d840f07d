//! Servers that other programs know, taken over.

use std::{fs, io::Write, path::PathBuf};

use hallpass_testkit::LeakCheck;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::program::{Fixture, Output};

/// A fixture with a home, where other programs have their files.
pub(crate) struct Home {
    pub(crate) fixture: Fixture,
}

impl Home {
    pub(crate) async fn new() -> Self {
        let fixture = Fixture::new().await;
        fs::create_dir_all(fixture.folder.path().join("home/project")).unwrap();
        Self { fixture }
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.fixture.folder.path().join("home").join(below)
    }

    /// Where the platform keeps configurations.
    fn config(&self, below: &str) -> PathBuf {
        let folder = if cfg!(target_os = "macos") {
            "Library/Application Support"
        } else {
            ".config"
        };
        self.path(folder).join(below)
    }

    /// Cursor's file, with these servers.
    pub(crate) fn cursor(&self, servers: &Value) {
        let text = json!({ "mcpServers": servers }).to_string();
        put(self.path(".cursor/mcp.json"), &text);
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.fixture.command(arguments);
        command
            .env("HOME", self.path(""))
            .env("USERPROFILE", self.path(""))
            .env("APPDATA", self.path(".config"))
            .env("HALLPASS_CONFIG", self.file())
            .current_dir(self.path("project"));
        command
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Output {
        let child = self.command(arguments).spawn().unwrap();
        self.fixture.wait(child).await
    }

    /// Our file.
    pub(crate) fn file(&self) -> PathBuf {
        self.fixture.folder.path().join("config.toml")
    }

    pub(crate) fn text(&self) -> String {
        fs::read_to_string(self.file()).unwrap_or_default()
    }
}

/// Puts a file of another program in its place.
pub(crate) fn put(file: PathBuf, text: &str) {
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let mut file = fs::File::create(file).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// The row of a server, found by its name there.
fn row<'a>(answer: &'a Value, there: &str) -> &'a Value {
    let servers = answer["result"]["servers"].as_array().unwrap();
    let found = servers.iter().find(|server| server["source_name"] == there);
    found.unwrap_or_else(|| panic!("no {there}: {answer}"))
}

const CLAUDE_CODE: &str = r#"{
  "numStartups": 3,
  "mcpServers": {
    "claude": {
      "type": "http",
      "url": "https://claude.example/mcp",
      "headers": { "X-Key": "${MY_KEY}" },
      "oauth": { "clientId": "cli-1", "callbackPort": 8085, "scopes": "read write" }
    },
    "files": { "type": "stdio", "command": "npx", "args": ["-y", "server-filesystem", "/tmp"], "env": {} },
    "old": { "type": "sse", "url": "https://old.example/sse" }
  }
}"#;

const CODEX: &str = r#"
model = "some"

[mcp_servers.codex]
url = "https://codex.example/mcp"
bearer_token_env_var = "CODEX_TOKEN"
env_http_headers = { "X-Team" = "TEAM" }
startup_timeout_sec = 20

[mcp_servers.off]
url = "https://off.example/mcp"
enabled = false
"#;

const VS_CODE: &str = r#"{
  // Comments and trailing commas are fine here.
  "inputs": [{ "type": "promptString", "id": "key", "password": true }],
  "servers": {
    "vs code": {
      "type": "http",
      "url": "https://vscode.example/mcp", /* the editor asks for the key */
      "headers": { "X-Key": "${input:key}", "X-User": "${env:ME}", },
    },
  },
}"#;

const ZED: &str = r#"{
  "theme": "One Dark", // whatever
  "context_servers": {
    "zed": { "url": "https://zed.example/mcp", "headers": {} },
    "brought": { "source": "extension", "enabled": true, "settings": {} },
  },
}"#;

const CLAUDE_DESKTOP: &str = r#"{
  "mcpServers": {
    "desktop": {
      "command": "npx",
      "args": ["-y", "mcp-remote@latest", "https://desktop.example/mcp", "9696",
               "--header", "X-Key:${KEY}", "--debug"],
      "env": { "KEY": "from the file" }
    }
  }
}"#;

#[tokio::test]
async fn servers_of_every_program_are_imported() {
    let home = Home::new().await;
    put(home.path(".claude.json"), CLAUDE_CODE);
    put(home.path(".codex/config.toml"), CODEX);
    put(home.config("Code/User/mcp.json"), VS_CODE);
    put(home.path(".config/zed/settings.json"), ZED);
    put(
        home.config("Claude/claude_desktop_config.json"),
        CLAUDE_DESKTOP,
    );
    home.cursor(&json!({ "cursor": { "url": "https://cursor.example/mcp" } }));
    put(
        home.path("project/.mcp.json"),
        r#"{"mcpServers": {"project": {"type": "http", "url": "https://project.example/mcp"}}}"#,
    );

    let dry = home.run(&["import", "--dry-run", "--json"]).await.expect(0);
    assert!(!home.file().exists(), "nothing is written");
    // Somebody else may have written a project's files.
    assert!(!dry.stdout.contains("project.example"), "{}", dry.stdout);
    let dry = dry.json();
    assert_eq!(dry["result"]["dry_run"], true);
    assert_eq!(row(&dry, "claude")["outcome"], "would-be-added");

    let shown = home.run(&["import", "--dry-run"]).await.expect(0);
    assert!(
        shown.stderr.contains("`hallpass import --project`"),
        "{}",
        shown.stderr
    );
    assert!(shown.stdout.contains("header `X-Key: ${MY_KEY}`"));
    assert!(shown.stdout.contains("token-env `${CODEX_TOKEN}`"));

    let answer = home
        .run(&["import", "--project", "--yes", "--json"])
        .await
        .expect(0)
        .json();
    for (there, why) in [
        ("files", "it is a program on this machine, no remote server"),
        (
            "old",
            "it is reached by HTTP+SSE, which hallpass does not speak",
        ),
        ("off", "it is disabled"),
        (
            "brought",
            "an extension provides it, and its URL is not in the file",
        ),
    ] {
        assert_eq!(row(&answer, there)["outcome"], "skipped", "{there}");
        assert_eq!(row(&answer, there)["reason"], why, "{there}");
    }
    assert_eq!(row(&answer, "vs code")["name"], "vs-code");
    let left = &row(&answer, "vs code")["not_imported"][0];
    assert_eq!(left["setting"], "header `X-Key`");
    let left = &row(&answer, "codex")["not_imported"][0];
    assert_eq!(left["setting"], "`startup_timeout_sec`");

    let expected = r#"[servers.desktop]
url = "https://desktop.example/mcp"
callback-host = "localhost"
callback-port = 9696
callback-path = "/oauth/callback"
header = ["X-Key: ${KEY}"]

[servers.claude]
url = "https://claude.example/mcp"
scope = "read write"
client-id = "cli-1"
callback-host = "localhost"
callback-port = 8085
header = ["X-Key: ${MY_KEY}"]

[servers.project]
url = "https://project.example/mcp"

[servers.codex]
url = "https://codex.example/mcp"
header = ["X-Team: ${TEAM}"]
token-env = "CODEX_TOKEN"

[servers.cursor]
url = "https://cursor.example/mcp"

[servers.vs-code]
url = "https://vscode.example/mcp"
header = ["X-User: ${ME}"]

[servers.zed]
url = "https://zed.example/mcp"
"#;
    let sorted = |text: &str| {
        let mut tables: Vec<_> = text.split("\n\n").map(|it| it.trim().to_owned()).collect();
        tables.sort();
        for table in &mut tables {
            let mut lines: Vec<_> = table.lines().collect();
            lines.sort_unstable();
            *table = lines.join("\n");
        }
        tables
    };
    assert_eq!(sorted(&home.text()), sorted(expected), "{}", home.text());

    // Once more: everything is here, and nothing changes.
    let before = home.text();
    let again = home
        .run(&["import", "--project", "--yes", "--json"])
        .await
        .expect(0)
        .json();
    assert_eq!(
        row(&again, "claude")["reason"],
        "it exists already: `claude`"
    );
    assert_eq!(home.text(), before);
    home.run(&["list"]).await.expect(0);
}

#[cfg(unix)]
#[tokio::test]
async fn claude_code_project_servers_are_imported_for_this_project_only() {
    let home = Home::new().await;
    let here = fs::canonicalize(home.path("project")).unwrap();
    let server = |url: &str| json!({ "mcpServers": { "it": { "type": "http", "url": url } } });
    let text = json!({ "projects": {
        (here.to_str().unwrap()): server("https://here.example/mcp"),
        "/elsewhere": server("https://elsewhere.example/mcp"),
    } });
    put(home.path(".claude.json"), &text.to_string());
    home.run(&["import", "--yes"]).await.expect(0);
    let expected = "[servers.it]\nurl = \"https://here.example/mcp\"\n";
    assert_eq!(home.text(), expected);
}

#[tokio::test]
async fn import_replaces_no_existing_entry() {
    let home = Home::new().await;
    home.run(&[
        "--non-interactive",
        "add",
        "taken",
        "https://mine.example/mcp",
        "--account",
        "w",
    ])
    .await
    .expect(0);
    let before = home.text();
    home.cursor(&json!({
        "taken": { "url": "https://third.example/mcp" },
        "same": { "url": "https://mine.example/mcp" },
    }));
    put(
        home.path(".claude.json"),
        r#"{"mcpServers": {"twin": {"url": "https://other.example/mcp", "scopes": ["a"]}}}"#,
    );
    let answer = home
        .run(&["import", "--yes", "--json"])
        .await
        .expect(0)
        .json();
    let why = row(&answer, "taken")["reason"].as_str().unwrap();
    assert!(why.starts_with("the name `taken` is taken"), "{why}");
    assert_eq!(row(&answer, "same")["reason"], "it exists already: `taken`");
    assert_eq!(row(&answer, "twin")["outcome"], "added");
    assert!(home.text().starts_with(&before), "{}", home.text());
    // Of two programs that name the same server, the first counts.
    home.run(&["remove", "twin"]).await.expect(0);
    home.run(&["remove", "taken"]).await.expect(0);
    home.cursor(&json!({ "taken": { "url": "https://other.example/mcp" } }));
    let answer = home
        .run(&["import", "--dry-run", "--json"])
        .await
        .expect(0)
        .json();
    assert_eq!(
        row(&answer, "taken")["reason"],
        "the same as `twin` of claude-code"
    );
}

#[tokio::test]
async fn invalid_file_is_reported_and_others_are_imported() {
    let home = Home::new().await;
    home.cursor(&json!({ "fine": { "url": "https://fine.example/mcp" } }));
    put(
        home.path(".claude.json"),
        "{\n  \"mcpServers\": { \"a\": { \"url\": \"https://a.example\"",
    );
    put(home.path(".codex/config.toml"), "[mcp_servers.a]\nurl = \n");
    let ended = home.run(&["import", "--yes"]).await.expect(0);
    for words in [
        ".claude.json:2:",
        "invalid JSON: unterminated object",
        ".codex/config.toml:2:",
        "invalid TOML",
        "claude-code: nothing is imported from it until it is fixed",
    ] {
        assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
    }
    assert!(home.text().contains("[servers.fine]"), "{}", home.text());
    // Where it is the one that was asked for, that is an error.
    let ended = home
        .run(&["import", "--yes", "--from", "claude-code", "--json"])
        .await
        .expect(2);
    let message = &ended.json()["error"]["message"];
    assert!(
        message.as_str().unwrap().contains(".claude.json:2:"),
        "{message}"
    );
    let ended = home.run(&["import", "--from", "zed"]).await.expect(2);
    assert!(ended.stderr.contains("looked for"), "{}", ended.stderr);
}

#[tokio::test]
async fn import_shows_and_writes_no_secret() {
    let home = Home::new().await;
    let mut leaks = LeakCheck::new();
    let mut canary = |name: &str| leaks.canary(name);
    let servers = json!({
        "bearer": { "url": "https://a.example/mcp", "headers": { "Authorization": format!("Bearer {}", canary("bearer")) } },
        "key": { "url": "https://b.example/mcp", "headers": { "X-Key": canary("key"), "Cookie": format!("a=${{A}};{}", canary("cookie")) } },
        "remote": {
            "command": "npx",
            "args": ["mcp-remote", "https://c.example/mcp", "--header", format!("Authorization: Bearer {}", canary("header")),
                     "--header", canary("no header"), "--header", format!("X-A: ${{V}}"),
                     format!("--header=X-J: {}", canary("joined")), format!("--other={}", canary("other option")), format!("-s{}", canary("short")),
                     "--static-oauth-client-info", json!({ "client_id": "id", "client_secret": canary("secret") }).to_string()],
            "env": { "V": canary("value"), "OTHER": canary("other") }
        },
        "query": { "url": format!("https://u:{}@d.example/mcp?key={}", canary("password"), canary("query")) },
        "default": { "url": "https://e.example/mcp", "headers": { "X-A": format!("${{A:-{}}}", canary("default")) } },
        "not a url": { "url": canary("no URL") },
        "lost": { "command": "npx", "args": ["mcp-remote", canary("positional")] },
        "program": { "command": "run", "args": [canary("argument")], "env": { "KEY": canary("env") } },
        "static": { "url": "https://f.example/mcp", "auth": { "CLIENT_ID": "id", "CLIENT_SECRET": canary("CLIENT_SECRET") } },
    });
    home.cursor(&servers);
    let codex = format!(
        "[mcp_servers.a]\nurl = \"https://g.example/mcp\"\nbearer_token = \"{}\"\nhttp_headers = {{ \"X-K\" = \"{}\" }}\n",
        canary("bearer_token"),
        canary("http_headers")
    );
    put(home.path(".codex/config.toml"), &codex);
    let torn = format!("{{ \"mcpServers\": {{ \"{}\": oops", canary("torn"));
    put(home.path(".claude.json"), &torn);
    let torn = format!("key = \"{}", canary("torn TOML"));
    put(home.path("project/.codex/config.toml"), &torn);
    let mut shown = String::new();
    for arguments in [
        &["-vv", "import", "--project", "--dry-run"][..],
        &["-vv", "import", "--project", "--dry-run", "--json"],
        &["-vv", "import", "--project", "--yes", "--json"],
    ] {
        let ended = home.run(arguments).await.expect(0);
        shown += &(ended.stdout + &ended.stderr);
    }
    assert!(shown.contains("token-env"), "{shown}");
    leaks.check("what is said", &shown).unwrap();
    leaks.check("our file", &home.text()).unwrap();
    assert!(home.text().contains("[servers.remote]"), "{}", home.text());
}

/// Files of other programs name commands. None is run, and none gets into our file, where it would be.
#[cfg(unix)]
#[tokio::test]
async fn import_runs_no_command_of_a_file() {
    let home = Home::new().await;
    let trace = home.path("trace");
    let command = format!("touch {}", trace.display());
    let script = ["-c", &command];
    home.cursor(&json!({
        "program": { "command": "sh", "args": script },
        "remote": { "command": "sh", "args": ["mcp-remote", "https://one.example/mcp"] },
        "helper": { "url": "https://two.example/mcp", "headersHelper": command },
        "token": { "url": "https://three.example/mcp", "token-command": command },
    }));
    home.run(&["import", "--yes"]).await.expect(0);
    let text = home.text();
    assert_eq!(text.matches("url = ").count(), 3, "{text}");
    assert!(
        !text.contains("touch") && !text.contains("command"),
        "{text}"
    );
    home.run(&["list"]).await.expect(0);
    assert!(!trace.exists());
}

/// Who writes a project's file decides its names and URLs.
#[tokio::test]
async fn hostile_text_of_an_imported_file_is_cleaned() {
    let home = Home::new().await;
    let hostile = "a\u{1b}[31m\u{202e}\nb";
    let servers = json!({ hostile: { "url": "https://one.example/\u{1b}[2J", hostile: 1 } });
    let project = json!({ "mcpServers": servers }).to_string();
    put(home.path("project/.mcp.json"), &project);
    for words in [
        &["import", "--project", "--dry-run"][..],
        &["import", "--project", "--yes"],
    ] {
        let ended = home.run(words).await.expect(0);
        let said = ended.stdout + &ended.stderr;
        let is_hostile = |it: char| it.is_control() && it != '\n' || it == '\u{202e}';
        assert!(!said.contains(is_hostile), "{said:?}");
        assert!(!said.lines().any(|line| line.starts_with('b')), "{said:?}");
    }
    assert!(
        !home.text().contains(['\u{1b}', '\u{202e}']),
        "{}",
        home.text()
    );
}
