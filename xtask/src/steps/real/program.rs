//! The built program, run once for each command.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::Stdio,
};

use serde_json::Value;

use super::{
    rows::{Person, Row},
    tools::Tools,
};
use crate::{
    report::Failure,
    shell::{Completed, Shell},
    workspace::Workspace,
};

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

/// How a run ended: its exit code and all that it said.
#[derive(Debug)]
pub(super) struct Run(pub(super) Completed);

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
    pub(super) fn login(&self, url: &str, options: &[String]) -> Result<Run, Failure> {
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
        let run = self.run(arguments)?;
        if run.0.code() == code {
            return Ok(());
        }
        Err(run.0.failure())
    }

    /// Runs the host of many calls with credentials of its own; how often a person signed in.
    pub(super) fn caller(&self, url: &str, calls: &[&str]) -> Result<usize, Failure> {
        let called = Shell::new(&self.caller)
            .args([url.as_ref(), self.callers_store.as_os_str()])
            .args([self.browser.join(" ")])
            .args(calls)
            .complete()?;
        let last = called.stdout.lines().last();
        let last = last.and_then(|line| line.parse().ok());
        last.filter(|_| called.status.success())
            .ok_or_else(|| called.failure())
    }

    /// The client's own metadata document, as a person would publish it.
    pub(super) fn client_document(&self) -> Result<String, Failure> {
        let url = "https://client.example/hallpass.json";
        Shell::new(&self.binary).args(["cimd", url]).read()
    }

    fn run(&self, arguments: &[&str]) -> Result<Run, Failure> {
        let piped = Stdio::piped;
        let mut running = Shell::new(&self.binary)
            .args(["--json", "--key-store", "key-file", "--store"])
            .args([&self.store])
            .args(arguments)
            .env("BROWSER", self.browser.join(" "))
            .env("REAL_CLIENT_SECRET", &self.secret)
            .spawn(Stdio::null(), piped(), piped())?;
        let (mut stdout, mut stderr) = (String::new(), String::new());
        if let Some(stream) = running.0.stderr.take() {
            for line in BufReader::new(stream).lines() {
                let line = line?;
                stderr = stderr + &line + "\n";
                if self.person == Person::Device && line.contains("user_code=") {
                    self.visit(line.trim())?;
                }
            }
        }
        if let Some(mut stream) = running.0.stdout.take() {
            stream.read_to_string(&mut stdout)?;
        }
        Ok(Run(Completed {
            command: format!("hallpass {}", arguments.join(" ")),
            status: running.0.wait()?,
            stdout,
            stderr,
        }))
    }

    /// Has the person go to a URL, and waits for them.
    fn visit(&self, url: &str) -> Result<(), Failure> {
        let Some((program, arguments)) = self.browser.split_first() else {
            return Ok(());
        };
        let visit = Shell::new(program).args(arguments).args([url]);
        visit.complete()?.success().map(drop)
    }
}

impl Run {
    /// The result of a success.
    pub(super) fn result(self) -> Result<Value, Failure> {
        let answer = self.0.json();
        if self.0.code() == 0 && answer["ok"] == true {
            return Ok(answer["result"].clone());
        }
        Err(self.0.failure())
    }
}
