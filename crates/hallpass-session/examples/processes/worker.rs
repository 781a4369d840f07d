//! What a process of its own does.

use std::{
    env,
    io::{BufRead as _, stdin},
    path::PathBuf,
    process::Stdio,
    time::Duration,
};

use bytes::Bytes;
use hallpass_core::{HttpClient, ServerUrl, http::RequestOptions};
use hallpass_discovery::challenges;
use hallpass_session::{Session, Token};
use hallpass_store::{FileStore, KeyFile};
use http::{Request, StatusCode, header};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::{self, Instant},
};

use crate::{
    servers::{client, session},
    stop,
};

/// How many calls a process makes in the storm.
pub(crate) const CALLS: u32 = 50;
/// How long it takes for them.
pub(crate) const SPAN: Duration = Duration::from_secs(30);

/// What a worker is told.
#[derive(Debug, Clone)]
pub(crate) struct Orders {
    pub(crate) work: String,
    pub(crate) store: PathBuf,
    pub(crate) url: String,
    pub(crate) account: String,
    pub(crate) ahead: i64,
    /// The step to stop at, and which time.
    pub(crate) stop: Option<(String, usize)>,
}

impl Orders {
    pub(crate) fn parse(arguments: &[String]) -> Self {
        let [work, store, url, account, ahead, stop @ ..] = arguments else {
            panic!("a worker is started by the other modes");
        };
        Self {
            work: work.clone(),
            store: store.into(),
            url: url.clone(),
            account: account.clone(),
            ahead: ahead.parse().unwrap(),
            stop: match stop {
                [name, nth] => Some((name.clone(), nth.parse().unwrap())),
                _ => None,
            },
        }
    }

    /// Starts a process with these orders.
    pub(crate) fn start(&self) -> Worker {
        let mut command = Command::new(env::current_exe().unwrap());
        command.arg("worker").arg(&self.work).arg(&self.store);
        command.args([&self.url, &self.account, &self.ahead.to_string()]);
        if let Some((name, nth)) = &self.stop {
            command.args([name, &nth.to_string()]);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        Worker {
            lines: BufReader::new(child.stdout.take().unwrap()).lines(),
            stdin: child.stdin.take().unwrap(),
            child,
        }
    }
}

/// A process that was started.
pub(crate) struct Worker {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Worker {
    /// Its next line; `None` when it has ended.
    pub(crate) async fn line(&mut self) -> Option<String> {
        self.lines.next_line().await.unwrap()
    }

    /// Lets it go on that said `ready`.
    pub(crate) async fn go(&mut self) {
        self.stdin.write_all(b"go\n").await.unwrap();
    }

    /// `kill -9`.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}

/// Does what was ordered.
pub(crate) async fn run(orders: &Orders) -> bool {
    if let Some((name, nth)) = &orders.stop {
        stop::at(name, *nth);
    }
    match orders.work.as_str() {
        "create" => {
            ready();
            let keys = KeyFile::in_folder(&orders.store);
            let store = FileStore::open(&orders.store, keys).await.unwrap();
            println!("{}", store.key_id());
        }
        "token" => {
            let session = open(orders).await;
            let outcome = session.token().await;
            session.close(Duration::from_secs(30)).await.unwrap();
            println!("{}", if outcome.is_ok() { "token" } else { "none" });
        }
        "calls" => {
            let session = open(orders).await;
            ready();
            let mut failed = 0;
            let begun = Instant::now();
            for number in 0..CALLS {
                time::sleep_until(begun + SPAN / CALLS * number).await;
                if let Err(why) = call(&session, &orders.url).await {
                    failed += 1;
                    println!("call {number}: {why}");
                }
            }
            session.close(Duration::from_secs(30)).await.unwrap();
            let counters = session.counters();
            println!("failed {failed} made {}", counters.made);
        }
        other => panic!("there is no work `{other}`"),
    }
    true
}

async fn open(orders: &Orders) -> Session {
    session(&orders.store, &orders.url, &orders.account, orders.ahead).await
}

/// Says so, and waits until everybody is.
fn ready() {
    println!("ready");
    stdin().lock().read_line(&mut String::new()).unwrap();
}

/// One MCP request, repeated once with another token when it is refused.
async fn call(session: &Session, url: &str) -> Result<(), String> {
    let text = |error: hallpass_session::SessionError| format!("{error:?}");
    let token = session.token().await.map_err(text)?;
    let Some(challenges) = post(url, &token).await? else {
        return Ok(());
    };
    let token = session.token_after_rejection(&token, &challenges).await;
    match post(url, &token.map_err(text)?).await? {
        None => Ok(()),
        Some(_) => Err("refused twice".to_owned()),
    }
}

/// The challenges of a 401; `None` when the request went through.
async fn post(url: &str, token: &Token) -> Result<Option<Vec<hallpass_core::Challenge>>, String> {
    const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{
        "protocolVersion":"2025-06-18","capabilities":{},
        "clientInfo":{"name":"processes","version":"0"}}}"#;
    let request = Request::post(url)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json, text/event-stream")
        .header(header::AUTHORIZATION, token.authorization())
        .body(Bytes::from_static(INITIALIZE.as_bytes()))
        .unwrap();
    let http = client();
    let server = ServerUrl::parse(url).unwrap();
    let answer = http.open(request, RequestOptions::mcp(&server)).await;
    let answer = answer.map_err(|error| format!("{error:?}"))?;
    match answer.status() {
        StatusCode::OK => {
            token.mark_accepted();
            Ok(None)
        }
        StatusCode::UNAUTHORIZED => Ok(Some(challenges(answer.headers()))),
        other => Err(other.to_string()),
    }
}
