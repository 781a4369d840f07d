//! Running the program against the testkit's servers.

use std::{path::PathBuf, process::Stdio};

use hallpass_testkit::{
    AuthorizationServer, AuthorizationServerOptions, McpServer, McpServerOptions, Person,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, Command},
};
use url::Url;

/// Two servers, and a folder for the program's credentials.
pub(crate) struct Fixture {
    pub(crate) issuer: AuthorizationServer,
    pub(crate) server: McpServer,
    pub(crate) person: Person,
    pub(crate) folder: TempDir,
}

/// How a run of the program ended.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Creates files from here on without a right to write for others, whatever the umask of the developer is:
/// the program refuses files that others can write.
pub(crate) fn set_umask() {
    #[cfg(unix)]
    rustix::process::umask(rustix::fs::Mode::WGRP | rustix::fs::Mode::WOTH);
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        Self::with(AuthorizationServerOptions::default(), |_| {}).await
    }

    pub(crate) async fn with(
        issuer: AuthorizationServerOptions,
        server: impl FnOnce(&mut McpServerOptions),
    ) -> Self {
        let issuer = AuthorizationServer::start(issuer).await.unwrap();
        let mut options = McpServerOptions::protected_by(&issuer);
        server(&mut options);
        let server = McpServer::start(options).await.unwrap();
        set_umask();
        let folder = TempDir::new().unwrap();
        Self {
            issuer,
            server,
            person: Person::new(),
            folder,
        }
    }

    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.folder.path().join("credentials")
    }

    /// The program with these arguments and an environment of its own.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command =
            Command::new(std::path::absolute(env!("CARGO_BIN_EXE_hallpass")).unwrap());
        command
            .env_clear()
            .env("HALLPASS_HOME", self.store())
            // Nobody's keyring is for tests: on Linux there is no bus, elsewhere it is said.
            .env(
                "DBUS_SESSION_BUS_ADDRESS",
                format!("unix:path={}", self.folder.path().join("no-bus").display()),
            )
            .envs(cfg!(not(target_os = "linux")).then_some(("HALLPASS_KEY_STORE", "key-file")))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Waits for a run to end.
    pub(crate) async fn wait(&self, child: Child) -> Output {
        finish(child).await
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Output {
        finish(self.command(arguments).spawn().unwrap()).await
    }

    /// Signs in: starts `login`, goes where it says, and waits for its end.
    pub(crate) async fn login(&self, options: &[&str]) -> Output {
        let url = self.url();
        let arguments: Vec<_> = ["login", &url, "--no-browser"]
            .iter()
            .chain(options)
            .copied()
            .collect();
        self.sign_in(self.command(&arguments)).await
    }

    /// Runs a command that shows a URL to sign in at, and goes there.
    pub(crate) async fn sign_in(&self, mut command: Command) -> Output {
        let mut child = command.spawn().unwrap();
        let mut talk = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut stderr = String::new();
        while let Some(line) = talk.next_line().await.unwrap() {
            stderr = format!("{stderr}{line}\n");
            if let Some(url) = line.strip_prefix("  http") {
                let url = Url::parse(&format!("http{url}")).unwrap();
                let visit = self.person.visit(&url).await;
                assert!(visit.is_ok(), "{visit:?}");
            }
        }
        let ended = finish(child).await;
        Output {
            stderr: stderr + &ended.stderr,
            ..ended
        }
    }
}

impl Output {
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "stdout: {}\nstderr: {}",
            self.stdout, self.stderr
        );
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}

async fn finish(mut child: Child) -> Output {
    let mut stdout = String::new();
    let mut stderr = String::new();
    let mut out = child.stdout.take().unwrap();
    let err = child.stderr.take();
    let read_err = async {
        if let Some(mut err) = err {
            err.read_to_string(&mut stderr).await.unwrap();
        }
    };
    let (read, ()) = tokio::join!(out.read_to_string(&mut stdout), read_err);
    read.unwrap();
    let status = child.wait().await.unwrap();
    Output {
        code: status.code().unwrap_or(-1),
        stdout,
        stderr,
    }
}
