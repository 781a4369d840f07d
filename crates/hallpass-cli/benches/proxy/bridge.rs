//! A bridge as a host runs it: a process that speaks lines.

use std::{
    fs,
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

pub(crate) struct Bridge {
    child: Child,
    says: ChildStdin,
    hears: Lines<BufReader<ChildStdout>>,
    began: Instant,
    first_answer: f64,
    next: usize,
}

/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(60);

impl Bridge {
    /// Starts it and goes through the handshake.
    pub(crate) async fn start(mut command: Command) -> Self {
        let began = Instant::now();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut bridge = Self {
            says: child.stdin.take().unwrap(),
            hears: BufReader::new(child.stdout.take().unwrap()).lines(),
            child,
            began,
            first_answer: 0.0,
            next: 1,
        };
        let params = json!({
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": { "name": "bench", "version": "1" },
        });
        let initialize =
            json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
        bridge.say(&initialize.to_string()).await;
        bridge.hear(0).await;
        bridge.first_answer = milliseconds(began.elapsed());
        bridge
            .say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#)
            .await;
        bridge
    }

    /// From its start to its answer to `initialize`, in milliseconds.
    pub(crate) fn first_answer(&self) -> f64 {
        self.first_answer
    }

    /// From its start to the server's own list of tools.
    pub(crate) async fn list(&mut self) -> f64 {
        loop {
            let id = self.id();
            self.say(&format!(
                r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list"}}"#
            ))
            .await;
            let answer: Value = serde_json::from_str(&self.hear(id).await).unwrap();
            if answer["result"]["tools"].get(0).is_some() {
                return milliseconds(self.began.elapsed());
            }
        }
    }

    /// The median time of calls one after another, in milliseconds.
    pub(crate) async fn calls(&mut self, count: usize) -> f64 {
        let mut took = Vec::new();
        for _ in 0..count {
            let began = Instant::now();
            let id = self.call().await;
            self.hear(id).await;
            took.push(milliseconds(began.elapsed()));
        }
        crate::median(took)
    }

    /// Calls a second, with so many under way at a time.
    pub(crate) async fn at_once(&mut self, at_once: usize, count: usize) -> f64 {
        let began = Instant::now();
        for _ in 0..at_once {
            self.call().await;
        }
        for heard in 0..count {
            loop {
                let line = timeout(LIMIT, self.hears.next_line()).await.unwrap();
                if line.unwrap().unwrap().contains("\"result\"") {
                    break;
                }
            }
            if heard + at_once < count {
                self.call().await;
            }
        }
        rate(count, began.elapsed())
    }

    /// The most memory that it and what it has started have had, in MiB.
    pub(crate) fn memory(&self) -> f64 {
        let mut tree = vec![self.child.id().unwrap()];
        let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter_map(|process: u32| Some((process, field(process, "PPid:")?)))
            .collect();
        let mut looked = 0;
        while looked < tree.len() {
            let parent = tree[looked];
            looked += 1;
            let children = parents.iter().filter(|(_, of)| *of == parent);
            tree.extend(children.map(|(process, _)| *process));
        }
        let most = tree.iter().filter_map(|process| field(*process, "VmHWM:"));
        most.map(f64::from).sum::<f64>() / 1024.0
    }

    pub(crate) async fn end(mut self) {
        drop(self.says);
        let ended = timeout(Duration::from_secs(10), self.child.wait()).await;
        if ended.is_err() {
            self.child.kill().await.unwrap();
        }
    }

    fn id(&mut self) -> usize {
        self.next += 1;
        self.next
    }

    pub(crate) async fn call(&mut self) -> usize {
        let id = self.id();
        self.say(&call(id)).await;
        id
    }

    async fn say(&mut self, line: &str) {
        self.says
            .write_all(format!("{line}\n").as_bytes())
            .await
            .unwrap();
    }

    /// The answer with this id; what comes before it is passed over.
    async fn hear(&mut self, id: usize) -> String {
        let (end, middle) = (format!("\"id\":{id}}}"), format!("\"id\":{id},"));
        loop {
            let line = timeout(LIMIT, self.hears.next_line()).await.unwrap();
            let line = line.unwrap().unwrap();
            if line.contains(&middle) || line.ends_with(&end) {
                return line;
            }
        }
    }
}

/// A call of `echo`, as both servers have it.
pub(crate) fn call(id: usize) -> String {
    let params = r#"{"name":"echo","arguments":{"message":"hello","text":"hello"}}"#;
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{params}}}"#)
}

/// A number of `/proc/PROCESS/status`.
fn field(process: u32, name: &str) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[expect(clippy::cast_precision_loss, reason = "counts are small")]
pub(crate) fn rate(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}
