//! Servers that mcp-remote stands for, and the credentials that it keeps.

use std::{fs, path::PathBuf};

use hallpass_testkit::{Endpoint, LeakCheck, ReuseCounts};
use serde_json::{Value, json};

use crate::import::{Home, put};

/// A home where mcp-remote has signed in.
struct ImportedCredentials {
    home: Home,
    /// What it keeps.
    client: Value,
    tokens: Value,
}

impl ImportedCredentials {
    async fn new() -> Self {
        let home = Home::new().await;
        let url = home.fixture.url();
        // Another client of the same server, with the callback that mcp-remote has.
        let mut other = home.command(&[
            "login",
            &url,
            "--no-browser",
            "--callback-host",
            "localhost",
            "--callback-path",
            "/oauth/callback",
        ]);
        other
            .env("HALLPASS_HOME", home.path("other"))
            .env_remove("HALLPASS_CONFIG");
        home.fixture.sign_in(other).await.expect(0);
        let last = |endpoint| {
            let requests = home.fixture.issuer.requests_to(endpoint);
            let answer = requests.last().unwrap().answer.clone().unwrap();
            answer.json().unwrap().clone()
        };
        let client = last(Endpoint::Registration);
        let tokens = last(Endpoint::CodeExchange);
        let handover = Self {
            home,
            client,
            tokens,
        };
        handover.keep("mcp-remote-0.1.37", &url);
        let args = ["-y", "mcp-remote@latest", &url];
        handover
            .home
            .cursor(&json!({ "mine": { "command": "npx", "args": args } }));
        handover
    }

    fn kept(&self, version: &str, url: &str, what: &str) -> PathBuf {
        let digest = md5::compute(url);
        self.home
            .path(&format!(".mcp-auth/{version}/{digest:x}_{what}.json"))
    }

    fn keep(&self, version: &str, url: &str) {
        let client = serde_json::to_string_pretty(&self.client).unwrap();
        put(self.kept(version, url, "client_info"), &client);
        let tokens = serde_json::to_string_pretty(&self.tokens).unwrap();
        put(self.kept(version, url, "tokens"), &tokens);
    }

    fn requests(&self, endpoint: Endpoint) -> usize {
        self.home.fixture.issuer.requests_to(endpoint).len()
    }

    async fn login(&self) {
        let command = self.home.command(&["login", "mine", "--no-browser"]);
        self.home.fixture.sign_in(command).await.expect(0);
    }

    async fn ping(&self) {
        let ended = self.home.run(&["call", "mine", "ping"]).await.expect(0);
        assert_eq!(ended.stdout, "pong\n");
    }
}

#[tokio::test]
async fn mcp_remote_entry_is_imported_and_login_works() {
    let handover = ImportedCredentials::new().await;
    let ended = handover.home.run(&["import", "--yes"]).await.expect(0);
    assert!(
        ended
            .stdout
            .contains("mcp-remote has a client and tokens for mine"),
        "{}",
        ended.stdout
    );
    assert!(
        !handover.home.fixture.store().exists(),
        "no credentials came"
    );
    handover.home.run(&["token", "mine"]).await.expect(3);
    handover.login().await;
    assert_eq!(handover.requests(Endpoint::Registration), 2);
    handover.ping().await;
}

#[tokio::test]
async fn credentials_option_imports_client_and_refresh_token() {
    let handover = ImportedCredentials::new().await;
    let import = ["import", "--yes", "--credentials", "--json"];
    let answer = handover.home.run(&import).await.expect(0).json();
    let taken = &answer["result"]["credentials"][0];
    assert_eq!(taken["outcome"], "signed-in", "{answer}");
    let text = handover.home.text();
    assert!(text.contains("callback-host = \"localhost\""), "{text}");

    // Its access token went nowhere, and the first refresh asked for the server's own resource.
    let refreshes = handover.home.fixture.issuer.requests_to(Endpoint::Refresh);
    assert_eq!(refreshes.len(), 1);
    let url = handover.home.fixture.url();
    assert_eq!(refreshes[0].parameter("resource"), Some(url.as_str()));
    assert_eq!(
        refreshes[0].parameter("refresh_token"),
        handover.tokens["refresh_token"].as_str()
    );
    let theirs = format!(
        "Bearer {}",
        handover.tokens["access_token"].as_str().unwrap()
    );
    let sent = handover.home.fixture.server.requests();
    let before = sent
        .iter()
        .filter(|it| it.header("authorization") == Some(&theirs));
    let before = before.count();
    handover.ping().await;
    let sent = handover.home.fixture.server.requests();
    let after = sent
        .iter()
        .filter(|it| it.header("authorization") == Some(&theirs));
    assert_eq!(after.count(), before);
    assert_eq!(
        handover.home.fixture.issuer.registry().reuse_counts(),
        ReuseCounts::default()
    );

    // A later login uses the client again.
    handover.login().await;
    assert_eq!(handover.requests(Endpoint::Registration), 1);

    // Once more: what is here stays.
    let answer = handover.home.run(&import).await.expect(0).json();
    let again = &answer["result"]["credentials"][0];
    assert_eq!(again["outcome"], "skipped");
    assert_eq!(again["reason"], "credentials of this server exist already");
    assert_eq!(handover.requests(Endpoint::Refresh), 1);
}

#[tokio::test]
async fn refused_refresh_token_imports_client_only() {
    let mut handover = ImportedCredentials::new().await;
    handover.tokens["refresh_token"] = "used up long ago".into();
    handover.keep("mcp-remote-v1", &handover.home.fixture.url());
    let ended = handover
        .home
        .run(&["import", "--yes", "--credentials"])
        .await
        .expect(0);
    assert!(
        ended
            .stdout
            .contains("refuses the refresh token: `hallpass login mine` signs in"),
        "{}",
        ended.stdout
    );
    assert_eq!(handover.requests(Endpoint::Refresh), 1);
    handover.home.run(&["token", "mine"]).await.expect(3);
    assert_eq!(handover.requests(Endpoint::Refresh), 1, "tried once");
    handover.login().await;
    assert_eq!(handover.requests(Endpoint::Registration), 1);
}

#[tokio::test]
async fn missing_refresh_token_imports_client_only() {
    let mut handover = ImportedCredentials::new().await;
    handover
        .tokens
        .as_object_mut()
        .unwrap()
        .remove("refresh_token");
    handover.keep("mcp-remote-0.1.37", &handover.home.fixture.url());
    let import = ["import", "--yes", "--credentials", "--json"];
    let answer = handover.home.run(&import).await.expect(0).json();
    let taken = &answer["result"]["credentials"][0];
    assert_eq!(taken["outcome"], "client-only");
    assert_eq!(taken["reason"], "mcp-remote has no refresh token");
    handover.login().await;
    assert_eq!(handover.requests(Endpoint::Registration), 1);
    handover.ping().await;
}

#[tokio::test]
async fn unusable_credentials_are_skipped() {
    // A token that names another issuer is shown to nobody.
    let mut handover = ImportedCredentials::new().await;
    let url = handover.home.fixture.url();
    handover.tokens["access_token"] =
        "eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL290aGVyLmV4YW1wbGUifQ.c2ln".into();
    handover.keep("mcp-remote-0.1.37", &url);
    let import = ["import", "--yes", "--credentials", "--json"];
    let answer = handover.home.run(&import).await.expect(0).json();
    let taken = &answer["result"]["credentials"][0];
    assert_eq!(taken["outcome"], "skipped");
    let why = taken["reason"].as_str().unwrap();
    assert!(why.contains("is from https://other.example"), "{why}");
    assert_eq!(handover.requests(Endpoint::Refresh), 0);
    assert_eq!(answer["result"]["servers"][0]["outcome"], "added");

    // A torn file is named, and shown to nobody.
    let mut leaks = LeakCheck::new();
    let torn = format!("{{\"client_id\": \"{}", leaks.canary("client"));
    put(
        handover.kept("mcp-remote-0.1.37", &url, "client_info"),
        &torn,
    );
    let ended = handover.home.run(&import).await.expect(0);
    let why = ended.json()["result"]["credentials"][0]["reason"].clone();
    assert!(
        why.as_str().unwrap().contains("it is not a JSON object"),
        "{why}"
    );
    leaks
        .check("what is said", &(ended.stdout + &ended.stderr))
        .unwrap();

    // Of a server that no file names, nothing is known but a digest.
    fs::remove_file(handover.home.path(".cursor/mcp.json")).unwrap();
    handover.home.run(&["remove", "mine"]).await.expect(0);
    let ended = handover.home.run(&["import"]).await.expect(0);
    assert!(
        ended
            .stdout
            .contains("mcp-remote has credentials for 1 server that are in no configuration file"),
        "{}",
        ended.stdout
    );
}

#[tokio::test]
async fn memory_store_does_not_use_refresh_token() {
    let handover = ImportedCredentials::new().await;
    let import = ["import", "--yes", "--credentials", "--json"];
    let in_memory = [&import[..], &["--key-store", "memory"]].concat();
    let answer = handover.home.run(&in_memory).await.expect(0).json();
    let taken = &answer["result"]["credentials"][0];
    assert_eq!(taken["outcome"], "skipped");
    assert!(taken["reason"].as_str().unwrap().contains("in memory"));
    assert_eq!(handover.requests(Endpoint::Refresh), 0);
}

#[tokio::test]
async fn credentials_of_existing_server_are_imported_later() {
    let handover = ImportedCredentials::new().await;
    handover.home.run(&["import", "--yes"]).await.expect(0);
    let before = handover.home.text();
    let from = ["import", "--from", "mcp-remote", "--credentials"];
    let ended = handover.home.run(&from).await.expect(0);
    assert!(ended.stdout.contains("mine: signed in"), "{}", ended.stdout);
    assert!(
        ended
            .stderr
            .contains("only with `callback-host = \"localhost\"`"),
        "{}",
        ended.stderr
    );
    assert_eq!(handover.home.text(), before, "the entry stays as it is");
    handover.ping().await;
    assert_eq!(handover.requests(Endpoint::Refresh), 1);
}

#[tokio::test]
async fn import_prints_no_mcp_remote_secret() {
    let handover = ImportedCredentials::new().await;
    let mut leaks = LeakCheck::new();
    for secret in ["access_token", "refresh_token"] {
        leaks.watch(secret, handover.tokens[secret].as_str().unwrap());
    }
    let mut shown = String::new();
    for arguments in [
        &["-vv", "import", "--dry-run"][..],
        &["-vv", "import", "--yes", "--credentials"],
        &["-vv", "import", "--yes", "--credentials", "--json"],
    ] {
        let ended = handover.home.run(arguments).await.expect(0);
        shown += &(ended.stdout + &ended.stderr);
    }
    leaks.watch_record(handover.home.fixture.issuer.recorder(), &["state"]);
    leaks.check("what is said", &shown).unwrap();
    leaks.check("our file", &handover.home.text()).unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn credentials_are_confirmed_separately() {
    use crate::terminal::Terminal;

    let handover = ImportedCredentials::new().await;
    let (root, file) = (handover.home.path(""), handover.home.file());
    let environment = [
        ("HOME", root.to_str().unwrap()),
        ("HALLPASS_CONFIG", file.to_str().unwrap()),
    ];
    let mut terminal = Terminal::start(&handover.home.fixture, &["import"], &environment);
    terminal.until("write 1 server to").await;
    terminal.types("y").await;
    terminal
        .until("import the credentials of mine from mcp-remote?")
        .await;
    terminal.types("").await;
    let (code, shown) = terminal.end().await;
    assert_eq!(code, 0, "{shown}");
    assert_eq!(handover.requests(Endpoint::Refresh), 0);
    assert!(handover.home.text().contains("[servers.mine]"));

    let mut terminal = Terminal::start(&handover.home.fixture, &["import"], &environment);
    terminal
        .until("import the credentials of mine from mcp-remote?")
        .await;
    terminal.types("yes").await;
    let (code, shown) = terminal.end().await;
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("mine: signed in"), "{shown}");
}
