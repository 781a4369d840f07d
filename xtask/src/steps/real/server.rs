//! A server that was started for one run.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use super::Tools;
use crate::{report::Failure, shell::Shell};

/// A running server. It ends with its standard input, and is waited for when dropped.
pub(super) struct Server {
    child: Child,
    ready: Value,
}

impl Server {
    pub(super) fn start(tools: &Tools, script: &str, token_seconds: u32) -> Result<Self, Failure> {
        let mut child = Command::new("node")
            .arg(tools.script(script))
            .arg(token_seconds.to_string())
            .current_dir(tools.home())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let server = Self {
            child,
            ready: serde_json::from_str(&line).unwrap_or_default(),
        };
        if server.ready["mcp"].is_string() {
            Ok(server)
        } else {
            Err(Failure::new(format!("{script} did not start"))
                .mend(format!("node {}, to see why", tools.script(script))))
        }
    }

    /// The URL of its MCP endpoint.
    pub(super) fn mcp(&self) -> &str {
        self.ready["mcp"].as_str().unwrap_or_default()
    }

    /// What its token endpoint was sent for one grant type.
    pub(super) fn token_requests(&self, tools: &Tools, grant: &str) -> Result<Vec<Value>, Failure> {
        let url = self.ready["log"].as_str().unwrap_or_default();
        let read = "fetch(process.argv[1]).then(r => r.text()).then(t => console.log(t))";
        let text = Shell::new("node")
            .args(["-e", read, url])
            .current_dir(tools.home())
            .read()?;
        let log: Vec<Value> = serde_json::from_str(&text)
            .map_err(|error| Failure::new(format!("the server's log is no JSON: {error}")))?;
        Ok(log
            .into_iter()
            .filter(|entry| entry["grant_type"] == grant)
            .collect())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // Best effort: a server that does not end with its input is ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
