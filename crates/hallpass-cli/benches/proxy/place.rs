//! The servers, and the commands that put a bridge in front of them.

use std::{net::TcpListener, path::PathBuf, process::Stdio, time::Duration};

use hallpass_testkit::{
    AuthorizationServer, AuthorizationServerOptions, McpServer, McpServerOptions, Person,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpStream,
    process::{Child, Command},
};
use url::Url;

use crate::Which;

pub(crate) struct Place {
    pub(crate) name: &'static str,
    pub(crate) url: String,
    pub(crate) token: Option<String>,
    /// How many calls are worth counting: as many as take some seconds.
    pub(crate) many: usize,
    packages: PathBuf,
    folder: TempDir,
    _server: Server,
}

#[expect(dead_code, reason = "they end when they are dropped")]
enum Server {
    Process(Child),
    Here(AuthorizationServer, McpServer),
}

impl Place {
    /// npm's `server-everything`, which lets everybody in.
    pub(crate) async fn everything(packages: &str) -> Self {
        let script = "node_modules/@modelcontextprotocol/server-everything/dist/index.js";
        let script = PathBuf::from(packages).join(script);
        let run = |command: &mut Command, port: u16| {
            let command = command.arg(script).arg("streamableHttp");
            command.env("PORT", port.to_string());
        };
        Self::process("server-everything", packages, run).await
    }

    /// A server whose calls are all answered with 32 MiB, as `json` or as `events`.
    pub(crate) async fn large_answers(packages: &str, kind: &'static str) -> Self {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/proxy");
        let run = |command: &mut Command, port: u16| {
            let command = command.current_dir(folder).arg("large_answers.mjs");
            command.args([&port.to_string(), kind]);
        };
        Self::process(kind, packages, run).await
    }

    /// A server that runs in Node.js, as `run` says.
    async fn process(
        name: &'static str,
        packages: &str,
        run: impl FnOnce(&mut Command, u16),
    ) -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let mut server = Command::new("node");
        run(&mut server, port);
        let server = server
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Self {
            name,
            url: format!("http://127.0.0.1:{port}/mcp"),
            token: None,
            many: 400,
            packages: packages.into(),
            folder: TempDir::new().unwrap(),
            _server: Server::Process(server),
        }
    }

    /// The testkit's server, to which somebody has signed in.
    pub(crate) async fn testkit(packages: &str) -> Self {
        let issuer = AuthorizationServer::start(AuthorizationServerOptions::default())
            .await
            .unwrap();
        let server = McpServer::start(McpServerOptions::protected_by(&issuer))
            .await
            .unwrap();
        let mut place = Self {
            name: "testkit",
            url: server.url(),
            token: None,
            many: 2_000,
            packages: packages.into(),
            folder: TempDir::new().unwrap(),
            _server: Server::Here(issuer, server),
        };
        place.sign_in().await;
        let token = place.hallpass(&["token"]).output().await.unwrap();
        place.token = Some(String::from_utf8(token.stdout).unwrap().trim().to_owned());
        place
    }

    async fn sign_in(&self) {
        let mut login = self.hallpass(&["login", "--no-browser"]);
        let mut login = login
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut talk = BufReader::new(login.stderr.take().unwrap()).lines();
        while let Some(line) = talk.next_line().await.unwrap() {
            if let Some(rest) = line.strip_prefix("  http") {
                let url = Url::parse(&format!("http{rest}")).unwrap();
                Person::new().visit(&url).await.unwrap();
            }
        }
        assert!(login.wait().await.unwrap().success());
    }

    /// A bridge in front of this server.
    pub(crate) fn bridge(&self, which: Which) -> Command {
        match which {
            Which::Ours => self.hallpass(&["proxy"]),
            Which::Theirs => {
                let mut command = Command::new("node");
                command
                    .arg(self.packages.join("node_modules/mcp-remote/dist/proxy.js"))
                    .arg(&self.url)
                    .env(
                        "MCP_REMOTE_CONFIG_DIR",
                        self.folder.path().join("mcp-remote"),
                    );
                if let Some(token) = &self.token {
                    command.args(["--header", &format!("Authorization:Bearer {token}")]);
                }
                command
            }
        }
    }

    fn hallpass(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hallpass"));
        command
            .args(words)
            .arg(&self.url)
            .env("HALLPASS_HOME", self.folder.path().join("hallpass"))
            .env("HALLPASS_KEY_STORE", "key-file");
        command
    }
}
