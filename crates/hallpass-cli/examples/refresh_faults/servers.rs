//! The servers, a store, and the processes of the program that share it.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::Stdio,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use hallpass::{Clock, SystemClock};
use hallpass_testkit::{
    AuthorizationServer, AuthorizationServerOptions, Behaviour, Endpoint, McpServer,
    McpServerOptions, Person, Recorder,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader},
    process::{Child, Command},
};
use url::Url;

use crate::judge::{Post, Process, Processes, RefreshToken};

/// The header field by which a process says its number to the authorization server.
const NUMBER: &str = "x-process";

/// An authorization server, an MCP server, and the folder of a store.
pub(crate) struct Servers {
    pub(crate) issuer: AuthorizationServer,
    pub(crate) server: McpServer,
    program: PathBuf,
    folder: TempDir,
    /// What every process has in its environment besides.
    environment: Vec<(&'static str, PathBuf)>,
    processes: Mutex<Processes>,
    next: AtomicU32,
}

/// A process of the program.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) number: u32,
}

/// How a process ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// `None` where it was killed.
    pub(crate) code: Option<i32>,
    /// What it printed with `--json`.
    pub(crate) answer: Value,
}

impl Servers {
    pub(crate) async fn start(program: &str, behaviour: Behaviour) -> Self {
        let options = AuthorizationServerOptions {
            behaviour,
            clock: Some(Arc::new(SystemClock)),
            ..AuthorizationServerOptions::default()
        };
        let issuer = AuthorizationServer::start(options).await.unwrap();
        let options = McpServerOptions {
            // Apart from the posts, which are looked through often.
            recorder: Some(Recorder::new()),
            ..McpServerOptions::protected_by(&issuer)
        };
        Self {
            server: McpServer::start(options).await.unwrap(),
            issuer,
            program: program.into(),
            folder: TempDir::with_prefix("hallpass-refresh-faults").unwrap(),
            environment: Vec::new(),
            processes: Mutex::default(),
            next: AtomicU32::new(1),
        }
    }

    /// Gives every process this variable.
    pub(crate) fn set(&mut self, variable: &'static str, value: impl Into<PathBuf>) {
        self.environment.push((variable, value.into()));
    }

    /// The program, with the store.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .env_clear()
            .env("HALLPASS_HOME", self.folder.path().join("store"))
            .env("HALLPASS_KEY_STORE", "key-file")
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts `hallpass WORD URL REST…` for an account.
    pub(crate) fn spawn(&self, word: &str, account: &str, rest: &[&str]) -> Running {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let option = if word == "token" {
            "--server-header"
        } else {
            "--header"
        };
        let stdin = if word == "proxy" {
            Stdio::piped()
        } else {
            Stdio::null()
        };
        let header = format!("{} {NUMBER}: {number}", self.issuer.origin());
        let child = self
            .command()
            .args(["--json", "--non-interactive", word, &self.server.url()])
            .args(rest)
            .args(["--account", account, option, &header])
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        self.processes().insert(number, Process::default());
        Running { child, number }
    }

    /// Runs a command to its end, or kills it (SIGKILL) when `kill` comes first.
    pub(crate) async fn run(
        &self,
        word: &str,
        account: &str,
        rest: &[&str],
        kill: impl Future<Output = ()>,
    ) -> Ended {
        let mut running = self.spawn(word, account, rest);
        let output = tokio::spawn(read(running.child.stdout.take()));
        let errors = tokio::spawn(read(running.child.stderr.take()));
        let code = tokio::select! {
            status = running.child.wait() => {
                self.note_end(running.number, false);
                status.unwrap().code()
            }
            () = kill => {
                self.kill(&mut running).await;
                None
            }
        };
        let (output, _) = (output.await.unwrap(), errors.await.unwrap());
        Ended {
            code,
            answer: serde_json::from_str(&output).unwrap_or_default(),
        }
    }

    /// As [`run`](Self::run), to its end.
    pub(crate) async fn finish(&self, word: &str, account: &str, rest: &[&str]) -> Ended {
        self.run(word, account, rest, std::future::pending()).await
    }

    /// `kill -9`.
    pub(crate) async fn kill(&self, running: &mut Running) {
        running.child.kill().await.unwrap();
        self.note_end(running.number, true);
    }

    pub(crate) fn note_end(&self, number: u32, killed: bool) {
        let ended_at = Some(SystemClock.monotonic());
        self.processes()
            .insert(number, Process { ended_at, killed });
    }

    /// Signs in to an account: goes where `login` says. Where it fails, what `login` said.
    pub(crate) async fn sign_in(&self, account: &str) -> Result<(), String> {
        let mut login = self
            .command()
            .args(["login", &self.server.url(), "--account", account])
            .arg("--no-browser")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut lines = BufReader::new(login.stderr.take().unwrap()).lines();
        while let Some(line) = lines.next_line().await.unwrap() {
            if let Some(rest) = line.strip_prefix("  http") {
                let url = Url::parse(&format!("http{rest}")).unwrap();
                let _ = Person::new().visit(&url).await;
            } else {
                said = format!("{said} {line}");
            }
        }
        if login.wait().await.unwrap().success() {
            Ok(())
        } else {
            Err(format!("`login` failed:{said}"))
        }
    }

    /// What `hallpass status` says of an account.
    pub(crate) async fn account(&self, account: &str) -> Value {
        let mut status = self.command();
        status
            .args(["--json", "status", &self.server.url()])
            .args(["--account", account]);
        let output = status.output().await.unwrap();
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        answer["result"]["accounts"][0].clone()
    }

    /// The refresh tokens that were posted, in the order of their first posts.
    pub(crate) fn refresh_tokens(&self) -> Vec<RefreshToken> {
        let mut tokens: Vec<RefreshToken> = Vec::new();
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        for request in self.issuer.requests_to(Endpoint::Refresh) {
            let text = request.parameter("refresh_token").unwrap_or_default();
            let place = *places.entry(text.to_owned()).or_insert_with(|| {
                tokens.push(RefreshToken {
                    posts: Vec::new(),
                    replaced_at: self.issuer.registry().replaced_at(text),
                    reused_at: self.issuer.registry().reused_at(text),
                });
                tokens.len() - 1
            });
            let number = request.header(NUMBER).and_then(|text| text.parse().ok());
            tokens[place].posts.push(Post {
                at: request.at,
                process: number.unwrap_or(0),
            });
        }
        tokens
    }

    pub(crate) fn processes(&self) -> MutexGuard<'_, Processes> {
        self.processes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// How many processes were started and how many of them killed.
    pub(crate) fn started_and_killed(&self) -> (usize, usize) {
        let processes = self.processes();
        let killed = processes.values().filter(|process| process.killed);
        (processes.len(), killed.count())
    }
}

/// A duration in a table, if there is one.
pub(crate) fn in_seconds(duration: Option<Duration>) -> String {
    duration.map_or_else(
        || "none".to_owned(),
        |it| format!("{:.1} s", it.as_secs_f32()),
    )
}

async fn read(stream: Option<impl AsyncRead + Unpin>) -> String {
    let mut text = String::new();
    if let Some(mut stream) = stream {
        let _ = stream.read_to_string(&mut text).await;
    }
    text
}
