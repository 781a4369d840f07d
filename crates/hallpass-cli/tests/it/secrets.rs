//! Secrets that were planted or went over the wire, looked for in all that the program says while
//! everybody's log is at its finest level, and in what the system knows of its processes.

use hallpass::settings::TokenEndpointAuthMethod;
#[cfg(target_os = "linux")]
use hallpass_testkit::Gate;
use hallpass_testkit::{AuthorizationServerOptions, Endpoint, Fault, LeakCheck, StaticClient};
use tokio::process::Command;

use crate::program::Fixture;

/// A client that somebody registered by hand, and a gateway that wants a key.
const OPTIONS: &[&str] = &[
    "--client-id",
    "by-hand",
    "--client-secret-env",
    "CLIENT_SECRET",
    "--header",
    "X-Key: ${GATEWAY_KEY}",
];

struct Planted {
    fixture: Fixture,
    leaks: LeakCheck,
    client_secret: String,
    gateway_key: String,
}

impl Planted {
    async fn new() -> Self {
        let mut leaks = LeakCheck::new();
        let client_secret = leaks.canary("client secret");
        let gateway_key = leaks.canary("gateway key");
        let mut options = AuthorizationServerOptions::default();
        options.behaviour.any_loopback_port = true;
        options.clients = vec![StaticClient {
            id: "by-hand".to_owned(),
            secret: Some(client_secret.clone()),
            auth_method: TokenEndpointAuthMethod::ClientSecretBasic,
            redirect_uris: vec!["http://127.0.0.1/callback".to_owned()],
        }];
        Self {
            fixture: Fixture::with(options, |_| {}).await,
            leaks,
            client_secret,
            gateway_key,
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.fixture.command(arguments);
        command
            .env("HALLPASS_LOG", "trace")
            .env("RUST_BACKTRACE", "full")
            .env("CLIENT_SECRET", &self.client_secret)
            .env("GATEWAY_KEY", &self.gateway_key);
        command
    }

    /// Runs the program and returns its whole output.
    async fn said(&self, arguments: &[&str], code: i32) -> String {
        let ended = self.fixture.sign_in(self.command(arguments)).await;
        let ended = ended.expect(code);
        ended.stdout + &ended.stderr
    }

    /// As [`said`](Self::said), after a refresh that failed. On a slow machine less than six seconds are
    /// left of the pause, and the program waits for the next refresh instead of ending with 5. A server
    /// that has replaced the token refuses that one, and the program ends with 3.
    async fn said_after_failed_refresh(&self, arguments: &[&str]) -> String {
        let ended = self.fixture.sign_in(self.command(arguments)).await;
        assert!([0, 3, 5].contains(&ended.code), "{ended:?}");
        ended.stdout + &ended.stderr
    }

    async fn login(&self) -> String {
        let url = self.fixture.url();
        let login = ["login", &url, "--no-browser"];
        self.said(&[&login, OPTIONS].concat(), 0).await
    }
}

#[tokio::test]
async fn trace_log_shows_no_secret() {
    let mut planted = Planted::new().await;
    let url = planted.fixture.url();
    let mut said = vec![planted.login().await];
    let issuer = &planted.fixture.issuer;
    for json in [false, true] {
        let run = |rest: &[&'static str]| -> Vec<String> {
            let mut words: Vec<String> = vec![];
            words.extend(json.then(|| "--json".to_owned()));
            words.push(rest[0].to_owned());
            words.push(url.clone());
            words.extend(rest[1..].iter().map(|word| (*word).to_owned()));
            words
        };
        for fault in [
            None,
            Some(Fault::Html),
            Some(Fault::DropRequest),
            Some(Fault::Status {
                status: 500,
                retry_after: None,
            }),
        ] {
            issuer.expire_access_tokens();
            let is_faulty = fault.is_some();
            if let Some(fault) = fault {
                issuer.once(Endpoint::Refresh, fault);
            }
            let words = run(&["call", "ping"]);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            if is_faulty {
                said.push(planted.said_after_failed_refresh(&words).await);
                let words = run(&["status"]);
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                said.push(planted.said(&words, 0).await);
                // The refresh is due again in some seconds; a sign-in does not wait.
                said.push(planted.login().await);
            } else {
                said.push(planted.said(&words, 0).await);
            }
        }
        for words in [run(&["status"]), run(&["tools"])] {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            said.push(planted.said(&words, 0).await);
        }
    }
    // An answer that is lost after the server has acted.
    issuer.expire_access_tokens();
    issuer.once(Endpoint::Refresh, Fault::DropAnswer);
    let words = ["--json", "call", &url, "ping"];
    said.push(planted.said_after_failed_refresh(&words).await);
    said.push(planted.login().await);
    said.push(planted.said(&["logout", &url], 0).await);

    let everything = said.concat();
    assert!(everything.contains("TRACE"), "the log is at its finest");
    for module in ["hallpass_store", "hallpass_session", "hyper"] {
        assert!(everything.contains(module), "{module} logs as well");
    }
    planted
        .leaks
        .watch_record(planted.fixture.issuer.recorder(), &["state"]);
    planted
        .leaks
        .watch_record(planted.fixture.server.recorder(), &["state"]);
    assert!(planted.leaks.watched() >= 12);
    for text in said {
        planted.leaks.check("what the program said", &text).unwrap();
    }
}

/// The system writes a process's name, its arguments or its threads' names into the names of core
/// files, into lists of processes, and into its own log.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn process_table_shows_no_secret() {
    let mut planted = Planted::new().await;
    planted.login().await;
    planted.fixture.issuer.expire_access_tokens();
    let gate = Gate::new();
    let issuer = &planted.fixture.issuer;
    issuer.once(Endpoint::Refresh, Fault::HoldAnswer(gate.clone()));
    let url = planted.fixture.url();
    let child = planted.command(&["call", &url, "ping"]).spawn().unwrap();
    gate.until_arrived(1).await;
    let process = std::path::PathBuf::from(format!("/proc/{}", child.id().unwrap()));
    let mut names = vec![process.join("cmdline"), process.join("comm")];
    for thread in std::fs::read_dir(process.join("task")).unwrap() {
        names.push(thread.unwrap().path().join("comm"));
    }
    let known: Vec<String> = names
        .iter()
        .map(|name| String::from_utf8_lossy(&std::fs::read(name).unwrap()).into_owned())
        .collect();
    assert!(known[0].contains("ping"));
    gate.open();
    planted.fixture.wait(child).await.expect(0);

    planted
        .leaks
        .watch_record(planted.fixture.issuer.recorder(), &["state"]);
    planted
        .leaks
        .check("the process", &known.join(" "))
        .unwrap();
}
