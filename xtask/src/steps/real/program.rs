//! The built program, run once for each command.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::{Command, Stdio},
};

use serde_json::Value;

use super::{
    rows::{Person, Row},
    tools::Tools,
};
use crate::{report::Failure, workspace::Workspace};

/// How long a person may take, whose login pages have changed.
const LOGIN_SECONDS: &str = "120";

/// The program with a store of its own, and a person.
#[derive(Debug)]
pub(super) struct Program {
    binary: PathBuf,
    /// The host that makes many calls.
    caller: PathBuf,
    store: PathBuf,
    callers_store: PathBuf,
    person: Person,
    /// What opens a URL for the person.
    browser: Vec<String>,
    /// The secret of a client that was registered by hand.
    pub(super) secret: String,
}

/// How a run ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) code: i32,
    answer: Value,
    /// What was said on standard error, and the answer of a failure.
    pub(super) talk: String,
    what: String,
}

impl Program {
    /// The debug build, with an empty store.
    pub(super) fn new(workspace: &Workspace, tools: &Tools, row: &Row) -> Result<Self, Failure> {
        let name = row.name().replace(' ', "-");
        let stores = workspace.below_target("real-store");
        let callers_store = stores.join(format!("{name}-caller"));
        let store = stores.join(name);
        for folder in [&store, &callers_store] {
            if folder.exists() {
                fs::remove_dir_all(folder)?;
            }
        }
        let script = |name: &str| vec!["node".to_owned(), tools.script(name)];
        let browser = match row.person {
            Person::Script | Person::Device => script("person.mjs"),
            Person::Chromium => {
                let mut words = script("chromium.mjs");
                words.push(tools.chromium());
                words
            }
        };
        Ok(Self {
            binary: workspace.binary("debug", "hallpass"),
            caller: workspace.binary("debug", "examples/caller"),
            store,
            callers_store,
            person: row.person,
            browser,
            secret: String::new(),
        })
    }

    /// Signs in, however that ends.
    pub(super) fn login(&self, url: &str, options: &[String]) -> Result<Ended, Failure> {
        let mut arguments = vec!["login", url, "--wait", LOGIN_SECONDS];
        arguments.extend(options.iter().map(String::as_str));
        if self.person == Person::Device {
            arguments.extend(["--no-browser", "--device"]);
        }
        self.run(&arguments)
    }

    /// Runs a command that must succeed, and gives its result.
    pub(super) fn ok(&self, arguments: &[&str]) -> Result<Value, Failure> {
        self.run(arguments)?.result()
    }

    /// Runs a command that must end with this exit code.
    pub(super) fn fails(&self, arguments: &[&str], code: i32) -> Result<(), Failure> {
        let ended = self.run(arguments)?;
        if ended.code == code {
            return Ok(());
        }
        Err(ended.failure())
    }

    /// Runs the host of many calls with credentials of its own; how often somebody signed in.
    pub(super) fn caller(&self, url: &str, calls: &[&str]) -> Result<usize, Failure> {
        let output = Command::new(&self.caller)
            .arg(url)
            .arg(&self.callers_store)
            .arg(self.browser.join(" "))
            .args(calls)
            .stdin(Stdio::null())
            .output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        let last = said.lines().last().and_then(|line| line.parse().ok());
        last.filter(|_| output.status.success()).ok_or_else(|| {
            let why = String::from_utf8_lossy(&output.stderr);
            Failure::new(format!(
                "the caller of {} did not end well\n{said}{why}",
                calls.join(", ")
            ))
        })
    }

    /// The client's own metadata document, as a person would publish it.
    pub(super) fn client_document(&self) -> Result<String, Failure> {
        let url = "https://client.example/hallpass.json";
        let output = Command::new(&self.binary).args(["cimd", url]).output()?;
        String::from_utf8(output.stdout).map_err(|_| Failure::new("the document is no text"))
    }

    fn run(&self, arguments: &[&str]) -> Result<Ended, Failure> {
        let mut child = Command::new(&self.binary)
            .arg("--json")
            .arg("--store")
            .arg(&self.store)
            .args(["--key-store", "key-file"])
            .args(arguments)
            .env("BROWSER", self.browser.join(" "))
            .env("REAL_CLIENT_SECRET", &self.secret)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut talk = String::new();
        if let Some(stderr) = child.stderr.take() {
            for line in BufReader::new(stderr).lines() {
                let line = line?;
                talk = talk + &line + "\n";
                if self.person == Person::Device && line.contains("user_code=") {
                    self.visit(line.trim())?;
                }
            }
        }
        let mut answer = String::new();
        if let Some(mut stdout) = child.stdout.take() {
            stdout.read_to_string(&mut answer)?;
        }
        let code = child.wait()?.code().unwrap_or(-1);
        if code != 0 {
            talk += &answer;
        }
        Ok(Ended {
            code,
            answer: serde_json::from_str(&answer).unwrap_or_default(),
            talk,
            what: format!("hallpass {}", arguments.join(" ")),
        })
    }

    /// Somebody goes to a URL, and is waited for.
    fn visit(&self, url: &str) -> Result<(), Failure> {
        let Some((program, arguments)) = self.browser.split_first() else {
            return Ok(());
        };
        let output = Command::new(program).args(arguments).arg(url).output()?;
        if output.status.success() {
            return Ok(());
        }
        let why = String::from_utf8_lossy(&output.stderr);
        Err(Failure::new(format!("nobody came through: {why}")))
    }
}

impl Ended {
    /// The result of a success.
    pub(super) fn result(self) -> Result<Value, Failure> {
        if self.code == 0 && self.answer["ok"] == true {
            return Ok(self.answer["result"].clone());
        }
        Err(self.failure())
    }

    pub(super) fn failure(&self) -> Failure {
        let Self {
            what, code, talk, ..
        } = self;
        Failure::new(format!("{what} ended with {code}\n{talk}"))
    }
}
