//! `hallpass proxy` as a host runs it: lines in, lines out, and started again when it is gone.

use std::{sync::Arc, time::Duration};

use hallpass::{Clock, SystemClock};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    process::{ChildStdin, ChildStdout},
    sync::Notify,
    time::timeout,
};

use super::{ACCOUNT, Storm};
use crate::random::Random;

/// How long a call may take: a process that hangs is a finding.
const ANSWER: Duration = Duration::from_secs(60);

pub(super) async fn run(storm: Arc<Storm>, killed: Arc<Notify>, random: Random) {
    while storm.goes_on() {
        let mut running = storm.servers.spawn("proxy", ACCOUNT, &[]);
        // It must not wait for somebody to read what it says there.
        if let Some(mut errors) = running.child.stderr.take() {
            tokio::spawn(async move {
                let _ = errors.read_to_end(&mut Vec::new()).await;
            });
        }
        let mut host = Host {
            says: running.child.stdin.take().unwrap(),
            hears: BufReader::new(running.child.stdout.take().unwrap()).lines(),
            next: 0,
        };
        let stopped = tokio::select! {
            () = killed.notified() => {
                storm.count("killed");
                None
            }
            stopped = host.talk(&storm, &random) => stopped,
        };
        if let Some(why) = stopped {
            storm.breaks(format!("proxy (process {}): {why}", running.number));
        }
        match running.child.try_wait() {
            Ok(Some(_)) => storm.servers.note_end(running.number, false),
            _ => storm.servers.kill(&mut running).await,
        }
    }
}

struct Host {
    says: ChildStdin,
    hears: Lines<BufReader<ChildStdout>>,
    next: u64,
}

impl Host {
    /// Calls until the storm is over; why the process could not be talked to any more.
    async fn talk(&mut self, storm: &Storm, random: &Random) -> Option<&'static str> {
        let client = json!({
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": { "name": "storm", "version": "1" },
        });
        if self.ask("initialize", client).await.is_none() {
            return Some("no answer to the handshake");
        }
        let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        if self.say(&ready).await.is_none() {
            return Some("it reads no more");
        }
        while storm.goes_on() {
            SystemClock.sleep(random.milliseconds(50, 400)).await;
            let began = SystemClock.monotonic();
            let Some(answer) = self.ask("tools/call", json!({ "name": "ping" })).await else {
                return Some("no answer to a call");
            };
            if answer["result"].is_object() {
                storm.count("ok");
                continue;
            }
            let remedy = answer["error"]["data"]["remedy"].as_str();
            storm.count(&format!("proxy says {}", remedy.unwrap_or("nothing")));
            if remedy == Some("sign-in") {
                storm.sign_in(began).await;
            }
        }
        None
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
