//! The host of a `hallpass proxy`: lines in, lines out.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout},
    time::timeout,
};

/// How long a call may take: a process that hangs is a finding.
const ANSWER: Duration = Duration::from_secs(60);

pub(crate) struct Host {
    says: ChildStdin,
    hears: Lines<BufReader<ChildStdout>>,
    next: u64,
}

impl Host {
    /// The host of a process that has its pipes.
    pub(crate) fn new(child: &mut Child) -> Self {
        // It must not wait for its host to read what it says there.
        if let Some(mut errors) = child.stderr.take() {
            tokio::spawn(async move {
                let _ = errors.read_to_end(&mut Vec::new()).await;
            });
        }
        Self {
            says: child.stdin.take().unwrap(),
            hears: BufReader::new(child.stdout.take().unwrap()).lines(),
            next: 0,
        }
    }

    /// The handshake; why it failed.
    pub(crate) async fn initialize(&mut self) -> Result<(), &'static str> {
        let client = json!({
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": { "name": "storm", "version": "1" },
        });
        if self.ask("initialize", client).await.is_none() {
            return Err("no answer to the handshake");
        }
        let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        self.say(&ready).await.ok_or("it reads no more")
    }

    /// The answer to a call of a tool; `None` where none comes.
    pub(crate) async fn call(&mut self, tool: &str) -> Option<Value> {
        self.ask("tools/call", json!({ "name": tool })).await
    }

    /// The answer to a request; `None` where none comes.
    async fn ask(&mut self, method: &str, params: Value) -> Option<Value> {
        let id = self.next;
        self.next += 1;
        let request = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        self.say(&request).await?;
        let answer = async {
            loop {
                let line = self.hears.next_line().await.ok()??;
                let message: Value = serde_json::from_str(&line).ok()?;
                if message["id"] == id && message["method"].is_null() {
                    return Some(message);
                }
            }
        };
        timeout(ANSWER, answer).await.ok()?
    }

    async fn say(&mut self, message: &Value) -> Option<()> {
        let line = format!("{message}\n");
        self.says.write_all(line.as_bytes()).await.ok()
    }
}
