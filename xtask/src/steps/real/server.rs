//! A server that was started for one row.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    net::TcpStream,
};

use serde_json::Value;

use super::{Tools, rows::Row};
use crate::{
    report::Failure,
    shell::{Running, Shell},
    steps::harness::Serving,
};

/// Seconds an access token lives: long enough for a call, short enough to wait for its end.
const TOKEN_SECONDS: &str = "12";

/// A running server.
#[derive(Debug)]
pub(super) struct Server {
    _process: Running,
    /// What it printed of itself: its URLs, options for `login`, and what to expect.
    pub(super) ready: Value,
}

impl Server {
    pub(super) fn start(tools: &Tools, row: &Row, document: &str) -> Result<Self, Failure> {
        let script = row.server.1;
        let log = tools.home.join(format!("{}.log", row.name()));
        let command = Shell::new(tools.interpreter(script))
            .args([&tools.script(script), row.variant, TOKEN_SECONDS])
            .env("REAL_CLIENT_DOCUMENT", document)
            .current_dir(&tools.home);
        let serving = Serving::start(command, File::create(&log)?.into())?;
        let (process, mut output) = (serving.process, serving.output);
        let ready: Value = serde_json::from_str(&serving.ready).unwrap_or_default();
        if ready["mcp"].is_string() {
            // Later lines are not read, and must not fill the pipe.
            std::thread::spawn(move || io::copy(&mut output, &mut io::sink()));
            return Ok(Self {
                _process: process,
                ready,
            });
        }
        drop(process);
        let log = fs::read_to_string(log).unwrap_or_default();
        Err(Failure::new(format!("{script} did not start:\n{log}")))
    }

    pub(super) fn text(&self, key: &str) -> &str {
        self.ready[key].as_str().unwrap_or_default()
    }

    /// The `resource` that every request has to carry.
    pub(super) fn resource(&self) -> Value {
        match &self.ready["resource"] {
            Value::Null => self.ready["mcp"].clone(),
            resource => resource.clone(),
        }
    }

    /// The requests that its endpoints received so far.
    pub(super) fn log(&self) -> Result<Vec<Value>, Failure> {
        let url = self.text("log").strip_prefix("http://");
        let (host, path) = url
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
