//! A server that was started for one row.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::Stdio,
};

use serde_json::Value;

use super::{rows::Row, tools::Tools};
use crate::{
    report::Failure,
    shell::{Running, Shell},
};

/// A request as the server logged it.
pub(super) type Entry = Value;

/// A running server.
#[derive(Debug)]
pub(super) struct Server {
    _running: Running,
    ready: Value,
    options: Vec<String>,
}

impl Server {
    pub(super) fn start(
        tools: &Tools,
        row: &Row,
        token_seconds: u32,
        document: &str,
    ) -> Result<Self, Failure> {
        let script = row.server.script();
        let talk = tools.home().join(format!("{}.log", row.name()));
        let mut running = Shell::new(tools.interpreter(script))
            .args([&tools.script(script), row.variant])
            .args([token_seconds.to_string()])
            .env("REAL_CLIENT_DOCUMENT", document)
            .current_dir(tools.home())
            .spawn(Stdio::piped(), Stdio::piped(), File::create(&talk)?.into())?;
        let mut line = String::new();
        if let Some(stdout) = running.0.stdout.take() {
            let mut stdout = BufReader::new(stdout);
            stdout.read_line(&mut line)?;
            // What it says later is not read, and must not fill the pipe.
            std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
        }
        let ready: Value = serde_json::from_str(&line).unwrap_or_default();
        let options = ready["options"].as_array().into_iter().flatten();
        let server = Self {
            _running: running,
            options: options
                .filter_map(|option| option.as_str().map(str::to_owned))
                .collect(),
            ready,
        };
        if server.ready["mcp"].is_string() {
            return Ok(server);
        }
        drop(server);
        Err(did_not_start(script, &talk))
    }

    /// The URL of its MCP endpoint.
    pub(super) fn mcp(&self) -> &str {
        self.ready["mcp"].as_str().unwrap_or_default()
    }

    /// The `resource` that every request has to carry.
    pub(super) fn resource(&self) -> &Value {
        match &self.ready["resource"] {
            Value::Null => &self.ready["mcp"],
            resource => resource,
        }
    }

    /// What `login` has to be told.
    pub(super) fn options(&self) -> &[String] {
        &self.options
    }

    /// The secret of its client that was registered by hand.
    pub(super) fn secret(&self) -> &str {
        self.ready["secret"].as_str().unwrap_or_default()
    }

    /// Whether its tool `write` wants another scope than `ping`.
    pub(super) fn steps_up(&self) -> bool {
        self.ready["steps_up"] == true
    }

    /// Whether its MCP endpoint wants a nonce in each proof.
    pub(super) fn has_nonces(&self) -> bool {
        self.ready["nonces"] == true
    }

    /// How a login here has to end, when it must not succeed.
    pub(super) fn refusal(&self) -> Option<&Value> {
        Some(&self.ready["refused"]).filter(|refused| refused.is_object())
    }

    /// What its endpoints were sent so far.
    pub(super) fn log(&self) -> Result<Vec<Entry>, Failure> {
        let url = self.ready["log"].as_str().unwrap_or_default();
        let (host, path) = url
            .strip_prefix("http://")
            .and_then(|rest| rest.split_once('/'))
            .ok_or_else(|| Failure::new("the server names no log"))?;
        let mut stream = TcpStream::connect(host)?;
        write!(stream, "GET /{path} HTTP/1.0\r\nHost: {host}\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        serde_json::from_str(body)
            .map_err(|error| Failure::new(format!("the server's log is no JSON: {error}")))
    }
}

fn did_not_start(script: &str, talk: &PathBuf) -> Failure {
    let said = fs::read_to_string(talk).unwrap_or_default();
    let end: Vec<&str> = said.lines().rev().take(12).collect();
    let end: Vec<&str> = end.into_iter().rev().collect();
    Failure::new(format!("{script} did not start:\n{}", end.join("\n")))
}
