//! `hallpass proxy` as a host runs it: a process each, and one folder for them all.

use std::{process::Stdio, time::Duration};

use hallpass_testkit::{Endpoint, LeakCheck, ReuseCounts};
use rmcp::{
    ClientHandler, RoleClient, ServiceExt,
    model::{CallToolRequestParams, ClientConfig},
    service::{NotificationContext, RunningService},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout},
    sync::Notify,
    task::JoinSet,
    time::timeout,
};

use crate::program::Fixture;

/// How long a test waits for what has to come.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// A host that writes lines and reads lines.
pub(crate) struct Host {
    pub(crate) child: Child,
    says: ChildStdin,
    hears: Lines<BufReader<ChildStdout>>,
}

impl Host {
    pub(crate) fn start(fixture: &Fixture, options: &[&str]) -> Self {
        Self::start_at(fixture, &fixture.url(), options)
    }

    /// In front of the server at `url`.
    pub(crate) fn start_at(fixture: &Fixture, url: &str, options: &[&str]) -> Self {
        let arguments = [&["proxy", url], options].concat();
        let mut child = fixture
            .command(&arguments)
            .stdin(Stdio::piped())
            .env("BROWSER", browser(fixture))
            .spawn()
            .unwrap();
        Self {
            says: child.stdin.take().unwrap(),
            hears: BufReader::new(child.stdout.take().unwrap()).lines(),
            child,
        }
    }

    pub(crate) async fn say(&mut self, message: Value) {
        let line = format!("{message}\n");
        self.says.write_all(line.as_bytes()).await.unwrap();
    }

    async fn hear(&mut self) -> Value {
        let line = timeout(SOON, self.hears.next_line()).await.unwrap();
        serde_json::from_str(&line.unwrap().unwrap()).unwrap()
    }

    /// The answer to a request; what else comes before it is passed over.
    pub(crate) async fn ask(&mut self, id: u32, method: &str, params: Value) -> Value {
        self.say(json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))
            .await;
        loop {
            let answer = self.hear().await;
            if answer["id"] == id {
                return answer;
            }
        }
    }

    /// Goes through the handshake; what the server said about itself.
    pub(crate) async fn open(&mut self) -> Value {
        let params = json!({
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": { "name": "host", "version": "1" },
        });
        let answer = self.ask(0, "initialize", params).await;
        let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        self.say(initialized).await;
        answer["result"].clone()
    }

    pub(crate) async fn ping(&mut self, id: u32) -> Value {
        self.ask(id, "tools/call", json!({ "name": "ping" })).await
    }

    /// Ends its side; what the proxy said on standard error.
    async fn leave(self) -> String {
        let Self {
            mut child, says, ..
        } = self;
        drop(says);
        let mut stderr = String::new();
        let mut err = child.stderr.take().unwrap();
        let ended = timeout(SOON, child.wait()).await.unwrap().unwrap();
        err.read_to_string(&mut stderr).await.unwrap();
        assert_eq!(ended.code(), Some(0), "{stderr}");
        stderr
    }
}

/// A browser that leaves a note: whether it was ever opened is [`was_opened`]. The shell reads the script,
/// as a file that is executed must not be open for writing in any process.
fn browser(fixture: &Fixture) -> String {
    let script = fixture.folder.path().join("browser");
    if !script.exists() {
        let mut file = std::fs::File::create(&script).unwrap();
        std::io::Write::write_all(&mut file, b": >\"$0-was-opened\"\n").unwrap();
    }
    format!("/bin/sh {} %s", script.display())
}

fn was_opened(fixture: &Fixture) -> bool {
    fixture.folder.path().join("browser-was-opened").exists()
}

#[tokio::test]
async fn sign_in_in_another_process_recovers_proxy() {
    let fixture = Fixture::new().await;
    let mut host = Host::start(&fixture, &[]);
    let line = format!("run `hallpass login {}` in a terminal", fixture.url());
    let server = host.open().await;
    let instructions = server["instructions"].as_str().unwrap();
    // A busy machine may take longer to find that out than a host is kept waiting.
    let says = [line.as_str(), "the server has not answered yet"];
    assert!(says.iter().any(|it| instructions.contains(it)), "{server}");
    let list = host.ask(1, "tools/list", json!({})).await;
    assert_eq!(list["result"]["tools"], json!([]));
    let call = host.ping(2).await;
    let message = call["error"]["message"].as_str().unwrap();
    assert!(message.contains(&line), "{message}");
    assert_eq!(call["error"]["data"]["remedy"], "sign-in");

    // Also with options that the proxy was not given.
    fixture
        .login(&["--authorize-param", "prompt=x", "--scope", "mcp:tools"])
        .await
        .expect(0);
    // Nothing is asked: it finds out by itself.
    let mut changed = Vec::new();
    while changed.len() < 3 {
        changed.push(host.hear().await["method"].as_str().unwrap().to_owned());
    }
    assert!(changed.contains(&"notifications/tools/list_changed".to_owned()));
    let call = host.ping(3).await;
    assert_eq!(call["result"]["content"][0]["text"], "pong", "{call}");
    let list = host.ask(4, "tools/list", json!({})).await;
    assert_eq!(list["result"]["tools"].as_array().unwrap().len(), 4);
    // What was promised and is not there is empty.
    let list = host.ask(5, "prompts/list", json!({})).await;
    assert_eq!(list["result"]["prompts"], json!([]));

    // The next one knows the server before it is asked, and ends its session.
    let said = host.leave().await;
    fixture.run(&["logout", &fixture.url()]).await.expect(0);
    let mut host = Host::start(&fixture, &[]);
    let server = host.open().await;
    assert_eq!(server["serverInfo"]["name"], "hallpass-testkit");
    assert_eq!(
        server["capabilities"],
        json!({ "tools": { "listChanged": true } })
    );
    let said = said + &host.leave().await;
    let ends = fixture.server.requests_to(Endpoint::Mcp);
    assert!(ends.iter().any(|request| request.method == "DELETE"));
    assert!(!was_opened(&fixture));
    let mut leaks = LeakCheck::new();
    leaks.watch_record(fixture.issuer.recorder(), &["state"]);
    leaks.check("standard error", &said).unwrap();
}

#[tokio::test]
async fn call_after_token_expiry_refreshes() {
    let fixture = Fixture::new().await;
    fixture.login(&[]).await.expect(0);
    let mut host = Host::start(&fixture, &[]);
    host.open().await;
    assert_eq!(host.ping(1).await["result"]["content"][0]["text"], "pong");
    fixture.issuer.expire_access_tokens();
    assert_eq!(host.ping(2).await["result"]["content"][0]["text"], "pong");
    assert_eq!(fixture.issuer.requests_to(Endpoint::Refresh).len(), 1);
    assert_eq!(host.leave().await, "");
}

#[tokio::test]
async fn twenty_proxies_refresh_once_and_recover_by_one_login() {
    let fixture = Fixture::new().await;
    let mut hosts: Vec<_> = (0..20).map(|_| Host::start(&fixture, &[])).collect();
    for host in &mut hosts {
        host.open().await;
    }
    fixture.login(&[]).await.expect(0);
    let mut hosts = each(hosts, async |host| {
        while host.ping(1).await["error"].is_object() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(fixture.issuer.requests_to(Endpoint::Authorization).len(), 1);
    assert_eq!(fixture.issuer.requests_to(Endpoint::Refresh).len(), 0);

    fixture.issuer.expire_access_tokens();
    hosts = each(hosts, async |host| {
        assert!(host.ping(2).await["result"].is_object());
    })
    .await;
    assert_eq!(fixture.issuer.requests_to(Endpoint::Refresh).len(), 1);
    assert_eq!(
        fixture.issuer.registry().reuse_counts(),
        ReuseCounts::default()
    );
    drop(hosts);
}

/// Does the same with all hosts at once.
async fn each(hosts: Vec<Host>, work: impl AsyncFn(&mut Host) + Clone + 'static) -> Vec<Host> {
    let local = tokio::task::LocalSet::new();
    let mut tasks = JoinSet::new();
    for mut host in hosts {
        let work = work.clone();
        let done = async move {
            work(&mut host).await;
            host
        };
        tasks.spawn_local_on(done, &local);
    }
    local.run_until(tasks.join_all()).await
}

#[tokio::test]
async fn sign_in_that_fails_leaves_no_note_of_it() {
    let fixture = Fixture::new().await;
    let mut host = Host::start(&fixture, &["--interactive", "--wait", "1"]);
    let talk = BufReader::new(host.child.stderr.take().unwrap()).lines();
    host.open().await;
    let visit = timeout(SOON, visited(talk)).await.unwrap();
    assert!(visit.is_some(), "the user is asked");
    let notes = || std::fs::read_dir(fixture.store().join("sign-ins")).unwrap();
    // The user does not come, and the proxy goes on without.
    let gone = async {
        while notes().count() > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, gone).await.unwrap();
    assert!(host.child.try_wait().unwrap().is_none(), "the proxy runs");
}

#[tokio::test]
async fn twenty_interactive_proxies_share_one_sign_in() {
    let fixture = Fixture::new().await;
    let mut hosts: Vec<_> = (0..20)
        .map(|_| Host::start(&fixture, &["--interactive", "--wait", "60"]))
        .collect();
    // Each answers at once, and one of them shows where to go.
    let mut talks = JoinSet::new();
    for host in &mut hosts {
        let talk = BufReader::new(host.child.stderr.take().unwrap()).lines();
        talks.spawn(visited(talk));
        host.open().await;
    }
    let mut visit = None;
    while visit.is_none() {
        visit = timeout(SOON, talks.join_next())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    }
    fixture.person.visit(&visit.unwrap()).await.unwrap();
    let hosts = each(hosts, async |host| {
        while host.ping(1).await["error"].is_object() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(fixture.issuer.requests_to(Endpoint::Authorization).len(), 1);
    assert!(was_opened(&fixture) || cfg!(not(unix)));
    drop(hosts);
}

/// The URL that is shown, if one is.
pub(crate) async fn visited(
    mut talk: Lines<BufReader<tokio::process::ChildStderr>>,
) -> Option<url::Url> {
    while let Some(line) = talk.next_line().await.unwrap() {
        if let Some(rest) = line.strip_prefix("  http") {
            let url = url::Url::parse(&format!("http{rest}")).unwrap();
            // Somebody goes on reading, or the program could not say more.
            tokio::spawn(async move { while let Ok(Some(_)) = talk.next_line().await {} });
            return Some(url);
        }
        if line.contains("waiting for the sign-in of another process") {
            tokio::spawn(async move { while let Ok(Some(_)) = talk.next_line().await {} });
            return None;
        }
    }
    None
}

/// A client that asks for nothing that was not declared, and asks again when it is told to.
#[derive(Clone, Default)]
struct Obeys(std::sync::Arc<Notify>);

impl ClientHandler for Obeys {
    fn get_info(&self) -> ClientConfig {
        ClientConfig::default()
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.0.notify_one();
    }
}

#[tokio::test]
async fn host_that_obeys_capabilities_sees_tools() {
    let fixture = Fixture::new().await;
    let Host {
        mut child,
        says,
        hears,
    } = Host::start(&fixture, &[]);
    let told = Obeys::default();
    let hears = hears.into_inner();
    let client: RunningService<RoleClient, Obeys> =
        told.clone().serve((hears, says)).await.unwrap();
    let server = client.peer_info().unwrap();
    let tools = server.capabilities.tools.clone().unwrap();
    assert_eq!(tools.list_changed, Some(true));
    assert_eq!(client.list_all_tools().await.unwrap().len(), 0);
    assert_eq!(client.list_all_resources().await.unwrap().len(), 0);
    assert_eq!(client.list_all_prompts().await.unwrap().len(), 0);
    let call = CallToolRequestParams::new("ping");
    let error = client.call_tool(call.clone()).await.unwrap_err();
    assert!(error.to_string().contains("hallpass login"), "{error}");

    fixture.login(&[]).await.expect(0);
    timeout(SOON, told.0.notified()).await.unwrap();
    assert_eq!(client.list_all_tools().await.unwrap().len(), 4);
    let answer = client.call_tool(call).await.unwrap();
    assert_eq!(answer.content[0].as_text().unwrap().text, "pong");
    client.cancel().await.unwrap();
    let ended = timeout(SOON, child.wait()).await.unwrap().unwrap();
    assert!(ended.success());
}

#[tokio::test]
async fn invalid_command_line_fails_at_once() {
    let fixture = Fixture::new().await;
    for wrong in [
        vec!["proxy", "http://example.com/mcp"],
        vec!["proxy", "http://127.0.0.1:1/mcp", "--header", "nonsense"],
        vec!["proxy", "http://127.0.0.1:1/mcp", "--account", "/"],
    ] {
        let ended = fixture.run(&wrong).await.expect(2);
        assert_eq!(ended.stdout, "", "{wrong:?}");
    }
}

/// How `hallpass proxy` ends that can't write its answer, and what it says. Its input stays open.
async fn ended_with_output(output: impl Into<Stdio>) -> (Option<i32>, String) {
    let fixture = Fixture::new().await;
    let mut command = fixture.command(&["proxy", &fixture.url()]);
    command.stdin(Stdio::piped()).stdout(output);
    let mut child = command.spawn().unwrap();
    let mut says = child.stdin.take().unwrap();
    let opening = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}"#;
    says.write_all(format!("{opening}\n").as_bytes())
        .await
        .unwrap();
    let ended = timeout(SOON, child.wait_with_output());
    let ended = ended.await.unwrap().unwrap();
    drop(says);
    (
        ended.status.code(),
        String::from_utf8(ended.stderr).unwrap(),
    )
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn output_of_a_proxy_that_cannot_be_written_is_an_error() {
    let full = std::fs::File::create("/dev/full").unwrap();
    let (code, stderr) = ended_with_output(full).await;
    assert_eq!(code, Some(1), "{stderr}");
    let expected = "error: standard output can't be written\n  because: No space";
    assert!(stderr.contains(expected), "{stderr}");
}

#[tokio::test]
async fn host_that_reads_no_more_ends_its_proxy() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let (code, stderr) = ended_with_output(writer).await;
    assert_eq!(code, Some(0), "{stderr}");
}
