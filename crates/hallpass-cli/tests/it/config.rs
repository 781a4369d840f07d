//! Servers by name, in the configuration file.

use std::{fs, io::Write, path::PathBuf};

use hallpass_testkit::Endpoint;

use crate::program::{Fixture, Output};

struct ConfigFixture {
    fixture: Fixture,
    file: PathBuf,
}

impl ConfigFixture {
    async fn new() -> Self {
        let fixture = Fixture::new().await;
        let file = fixture.folder.path().join("config folder/config.toml");
        Self { fixture, file }
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        let named = ["--config", self.file.to_str().unwrap()];
        self.fixture.run(&[&named, arguments].concat()).await
    }

    async fn login(&self, arguments: &[&str]) -> Output {
        let named = [
            "--config",
            self.file.to_str().unwrap(),
            "login",
            "--no-browser",
        ];
        let command = self.fixture.command(&[&named, arguments].concat());
        self.fixture.sign_in(command).await
    }

    fn asked_scope(&self) -> Option<String> {
        let asked = self.fixture.issuer.requests_to(Endpoint::Authorization);
        asked.last().unwrap().parameter("scope").map(str::to_owned)
    }
}

#[tokio::test]
async fn name_works_in_every_command() {
    let named = ConfigFixture::new().await;
    let url = named.fixture.url();
    let added = named
        .run(&["add", "mine", &url, "--scope", "a"])
        .await
        .expect(0);
    assert!(
        added.stdout.contains("`hallpass login mine`"),
        "{}",
        added.stdout
    );
    named.login(&["mine"]).await.expect(0);
    assert_eq!(named.asked_scope().as_deref(), Some("a"));
    assert_eq!(
        named.run(&["call", "mine", "ping"]).await.expect(0).stdout,
        "pong\n"
    );
    let by_url = named.run(&["token", &url]).await.expect(0).stdout;
    assert_eq!(named.run(&["token", "mine"]).await.expect(0).stdout, by_url);
    let status = named.run(&["status", "mine"]).await.expect(0);
    assert!(status.stdout.contains(&url), "{}", status.stdout);
    named.run(&["logout", "mine"]).await.expect(0);
    named.run(&["remove", "mine"]).await.expect(0);
    named.run(&["token", "mine"]).await.expect(2);
}

#[tokio::test]
async fn file_overrides_saved_and_command_line_overrides_file() {
    let named = ConfigFixture::new().await;
    let url = named.fixture.url();
    named
        .login(&[&url, "--scope", "remembered", "--header", "X-Team: tools"])
        .await
        .expect(2);
    named
        .run(&["add", "mine", &url, "--scope", "configured"])
        .await
        .expect(0);
    named
        .login(&["mine", "--header", "X-Team: tools"])
        .await
        .expect(0);
    assert_eq!(named.asked_scope().as_deref(), Some("configured"));
    named.login(&["mine", "--scope", "given"]).await.expect(0);
    assert_eq!(named.asked_scope().as_deref(), Some("given"));
    let last = named.fixture.server.requests().last().unwrap().clone();
    assert_eq!(last.header("x-team"), Some("tools"), "it is remembered");
    // What was given once does not hide what the file says.
    named.login(&["mine"]).await.expect(0);
    assert_eq!(named.asked_scope().as_deref(), Some("configured"));
    named.run(&["remove", "mine"]).await.expect(0);
    named.login(&[&url]).await.expect(0);
    assert_eq!(named.asked_scope(), None);
}

#[tokio::test]
async fn edit_keeps_comments_and_order() {
    let named = ConfigFixture::new().await;
    fs::create_dir_all(named.file.parent().unwrap()).unwrap();
    let mine = "# my servers\n\n[servers.z] # last letter first\nurl = \"https://z.example/mcp\"\n\
                scope = \"b a\" # in this order\n";
    let mut file = fs::File::create(&named.file).unwrap();
    file.write_all(mine.as_bytes()).unwrap();
    named
        .run(&[
            "add",
            "a",
            "https://a.example/mcp",
            "--dpop",
            "--header",
            "X: ${Y}",
        ])
        .await
        .expect(0);
    let text = fs::read_to_string(&named.file).unwrap();
    let added =
        "\n[servers.a]\nurl = \"https://a.example/mcp\"\ndpop = true\nheader = [\"X: ${Y}\"]\n";
    assert_eq!(text, format!("{mine}{added}"));
    let other = ["--scope", "x y"];
    let words = ["--non-interactive", "add", "a", "https://b.example/mcp"];
    let ended = named.run(&[&words[..], &other].concat()).await.expect(2);
    let file = named.file.display();
    let line = format!(
        "hint: `hallpass add a https://b.example/mcp --config '{file}' --scope 'x y' --replace` \
         replaces it\n"
    );
    assert!(ended.stderr.ends_with(&line), "{}", ended.stderr);
    named
        .run(&["--non-interactive", "add", "b", "https://a.example/mcp"])
        .await
        .expect(2);
    named
        .run(&["--non-interactive", "add", "a b", "https://c.example/mcp"])
        .await
        .expect(2);
    named
        .run(&[
            "--non-interactive",
            "add",
            "c",
            "https://c.example/mcp",
            "--client-key",
            "k",
        ])
        .await
        .expect(2);
    assert_eq!(fs::read_to_string(&named.file).unwrap(), text);
    named.run(&["remove", "a"]).await.expect(0);
    assert_eq!(fs::read_to_string(&named.file).unwrap(), mine);
}

#[tokio::test]
async fn list_shows_no_secret() {
    let named = ConfigFixture::new().await;
    named.run(&["list"]).await.expect(2);
    let secret = [
        "--header",
        "X-Key: canary",
        "--proxy",
        "http://u:canary@p.example:1",
    ];
    let add = [
        "--non-interactive",
        "add",
        "a",
        "https://a.example/mcp",
        "--account",
        "w",
    ];
    let added = named.run(&[&add[..], &secret].concat()).await.expect(0);
    assert!(
        added
            .stderr
            .contains("`X-Key` is written to the file as typed"),
        "{}",
        added.stderr
    );
    let plain = named.run(&["list"]).await.expect(0).stdout;
    assert!(
        plain.contains("a  https://a.example/mcp (w)  not signed in  (header, proxy)"),
        "{plain}"
    );
    let list = named.run(&["--json", "list"]).await.expect(0);
    assert!(!list.stdout.contains("canary"), "{}", list.stdout);
    let list = list.json();
    assert_eq!(list["result"]["servers"][0]["name"], "a");
    assert_eq!(list["result"]["servers"][0]["account"], "w");
    assert_eq!(
        list["result"]["servers"][0]["options"]["header"][0],
        "X-Key"
    );
}

#[tokio::test]
async fn config_file_is_found_and_errors_name_line() {
    let named = ConfigFixture::new().await;
    let url = named.fixture.url();
    named.run(&["token", "mine"]).await.expect(2);
    fs::create_dir_all(named.file.parent().unwrap()).unwrap();
    let text = format!("[servers.mine]\nurl = \"{url}\"\nscops = \"a\"\n");
    let mut file = fs::File::create(&named.file).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let mut token = named.fixture.command(&["token", "mine"]);
    token.env("HALLPASS_CONFIG", &named.file);
    let ended = named.fixture.sign_in(token).await.expect(2);
    let place = format!("{}:3: ", named.file.display());
    assert!(ended.stderr.contains(&place), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("did you mean `scope`?"),
        "{}",
        ended.stderr
    );
    // Somebody who wants to sign out is not kept from it.
    named.run(&["logout", &url]).await.expect(0);
}

#[tokio::test]
async fn default_account_can_be_named() {
    let named = ConfigFixture::new().await;
    let url = named.fixture.url();
    named
        .run(&["add", "mine", &url, "--account", "work"])
        .await
        .expect(0);
    named.login(&["mine"]).await.expect(0);
    let status = named.run(&["status", "mine"]).await.expect(0);
    let stands = format!("{url} (work)\n  state         signed in\n");
    assert!(status.stdout.starts_with(&stands), "{}", status.stdout);
    // The name stands for `work`, and `default` is another account.
    for command in ["token", "tools"] {
        named
            .run(&[command, "mine", "--account", "default"])
            .await
            .expect(3);
    }
    let status = named
        .run(&["status", "mine", "--account", "default"])
        .await
        .expect(0);
    assert!(
        status
            .stdout
            .starts_with(&format!("{url}\n  state  not signed in")),
        "{}",
        status.stdout
    );
    named
        .run(&["logout", "mine", "--account", "default"])
        .await
        .expect(0);
    named.run(&["token", "mine"]).await.expect(0);
    named
        .run(&["store", "forget", "mine", "--account", "default"])
        .await
        .expect(0);
    named.run(&["token", "mine"]).await.expect(0);
}

#[tokio::test]
async fn login_reports_options_that_differ_from_file() {
    let named = ConfigFixture::new().await;
    let url = named.fixture.url();
    let add = ["add", "mine", &url, "--scope", "a", "--client-name", "Mine"];
    named.run(&add).await.expect(0);
    let quiet = named.login(&["mine"]).await.expect(0);
    assert!(!quiet.stderr.contains("later commands"), "{}", quiet.stderr);
    let same = named.login(&["mine", "--scope", "a"]).await.expect(0);
    assert!(!same.stderr.contains("later commands"), "{}", same.stderr);
    let other = ["mine", "--scope", "b", "--client-name", "Mine"];
    let other = named.login(&other).await.expect(0);
    let note = format!(
        "note: `--scope` is set differently in {}, which later commands use",
        named.file.display()
    );
    assert!(other.stderr.contains(&note), "{}", other.stderr);
    assert!(
        !other.stderr.contains("`--client-name`"),
        "{}",
        other.stderr
    );
}

#[tokio::test]
async fn add_help_does_not_mention_saved_options() {
    let named = ConfigFixture::new().await;
    let help = named.run(&["add", "--help"]).await.expect(0).stdout;
    assert!(help.contains("\nServer options:\n"), "{help}");
    assert!(!help.contains("are saved"), "{help}");
    let help = named.run(&["login", "--help"]).await.expect(0).stdout;
    assert!(help.contains("are saved"), "{help}");
}

#[tokio::test]
async fn hallpass_home_holds_everything() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    let elsewhere = fixture.folder.path().join("elsewhere");
    let run = async |arguments: &[&str]| {
        let mut command = fixture.command(arguments);
        command.env("XDG_CONFIG_HOME", &elsewhere);
        command.env("HOME", &elsewhere);
        command.env("APPDATA", &elsewhere);
        fixture.wait(command.spawn().unwrap()).await.expect(0)
    };
    run(&["add", "mine", &url]).await;
    assert!(fixture.store().join("config.toml").exists());
    assert!(!elsewhere.exists());
    // A folder with nothing else in it is no store yet.
    let status = run(&["status"]).await;
    assert!(status.stdout.contains("nothing yet"), "{}", status.stdout);
    let login = fixture.command(&["login", "mine", "--no-browser"]);
    fixture.sign_in(login).await.expect(0);
    run(&["call", "mine", "ping"]).await;

    // What is named more exactly wins.
    let file = fixture.folder.path().join("mine.toml");
    run(&[
        "--config",
        file.to_str().unwrap(),
        "add",
        "a",
        "https://a.example/mcp",
    ])
    .await;
    let mut list = fixture.command(&["list"]);
    list.env("HALLPASS_CONFIG", &file);
    let list = fixture.wait(list.spawn().unwrap()).await.expect(0);
    assert!(list.stdout.starts_with("a  "), "{}", list.stdout);
    // Where the store alone is named, the file stays where it is.
    let store = fixture.folder.path().join("another");
    let list = run(&["--store", store.to_str().unwrap(), "list"]).await;
    assert!(list.stdout.starts_with("mine  "), "{}", list.stdout);
}

#[tokio::test]
async fn unknown_key_is_an_error_for_its_server_and_a_warning_for_others() {
    let named = ConfigFixture::new().await;
    let url = named.fixture.url();
    let text = format!(
        "[servers.mine]\nurl = \"{url}\"\n[servers.other]\nurl = \"https://other.example/mcp\"\nscopes = \"a\"\n"
    );
    fs::create_dir_all(named.file.parent().unwrap()).unwrap();
    let mut file = fs::File::create(&named.file).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let place = format!(
        "{}:5: unknown key `scopes`; did you mean `scope`?",
        named.file.display()
    );
    for fine in [
        &["status"][..],
        &["status", "mine"],
        &["list"],
        &["doctor", "https://127.0.0.1:1/mcp"],
    ] {
        let ended = named.run(fine).await;
        let said = ended.stdout + &ended.stderr;
        assert_eq!(said.matches(&place).count(), 1, "{fine:?}: {said}");
    }
    for stops in [
        &["status", "other"][..],
        &["status", "https://other.example/mcp"],
        &["token", "other"],
        &[
            "--non-interactive",
            "add",
            "more",
            "https://other.example/mcp",
        ],
    ] {
        let ended = named.run(stops).await.expect(2);
        assert!(
            ended.stderr.contains("error: "),
            "{stops:?}: {}",
            ended.stderr
        );
    }
    let ended = named.run(&["token", "other"]).await.expect(2);
    assert_eq!(ended.stderr, format!("error: {place}\n"));
}

#[tokio::test]
async fn server_that_can_not_be_read_is_listed_with_the_reason() {
    let named = ConfigFixture::new().await;
    fs::create_dir_all(named.file.parent().unwrap()).unwrap();
    let place = |line: u32| format!("{}:{line}", named.file.display());
    let other = "https://other.example/mcp";
    for (text, server, what) in [
        (
            format!("[servers.other]\nurl = \"{other}\"\nscops = \"a\"\n"),
            Some(other),
            format!("{}: unknown key `scops`; did you mean `scope`?", place(3)),
        ),
        (
            "[servers.other]\nurl = \"other\"\n".to_owned(),
            None,
            format!("{}: `url`: ", place(2)),
        ),
    ] {
        let mut file = fs::File::create(&named.file).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let ended = named.run(&["list"]).await.expect(0);
        assert!(!ended.stderr.contains(&what), "once: {}", ended.stderr);
        let list = ended.stdout;
        let row = format!(
            "other  {}  can't be read  {what}",
            server.unwrap_or_default()
        );
        assert!(list.starts_with(&row), "{list}");
        assert_eq!(list.lines().count(), 1, "{list}");
        let list = named.run(&["--json", "list"]).await.expect(0).json();
        let listed = &list["result"]["servers"][0];
        assert_eq!(listed["name"], "other");
        assert_eq!(listed["server"].as_str(), server);
        assert_eq!(listed["state"], serde_json::Value::Null);
        let problem = listed["problem"].as_str().unwrap();
        assert!(problem.starts_with(&what), "{problem}");

        // Its account is among the others, and what is wrong is said once.
        let status = named.run(&["status"]).await.expect(0);
        let says = format!("can't be read: {what}");
        assert!(status.stderr.contains(&says), "{}", status.stderr);
        assert_eq!(status.stderr.matches(&what).count(), 1, "{}", status.stderr);
        let shown = server.is_none_or(|server| status.stdout.contains(server));
        assert!(shown, "{}", status.stdout);
        let status = named.run(&["--json", "status"]).await.expect(0).json();
        let problem = status["result"]["problems"][0].as_str().unwrap();
        assert!(problem.starts_with(&what), "{problem}");
    }
    // What is no server's is a warning; that there are no servers is not known.
    let mut file = fs::File::create(&named.file).unwrap();
    file.write_all(b"[server.other]\nurl = \"x\"\n").unwrap();
    let list = named.run(&["list"]).await.expect(0);
    assert_eq!(list.stdout, "", "{}", list.stderr);
    assert!(
        list.stderr.contains("unknown key `server`"),
        "{}",
        list.stderr
    );
}
