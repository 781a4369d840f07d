//! The built program, run once for each command.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use serde_json::Value;

use crate::{report::Failure, workspace::Workspace};

/// The program with a store of its own and a browser.
pub(super) struct Program {
    binary: PathBuf,
    store: PathBuf,
    browser: String,
}

impl Program {
    /// The debug build, with an empty store.
    pub(super) fn new(workspace: &Workspace, browser: &str) -> Result<Self, Failure> {
        let store = workspace.below_target("real-store");
        if store.exists() {
            fs::remove_dir_all(&store)?;
        }
        let binary = workspace.binary("debug", "hallpass");
        Ok(Self {
            binary,
            store,
            browser: browser.to_owned(),
        })
    }

    /// Runs a command that must succeed, and gives its result.
    pub(super) fn ok(&self, arguments: &[&str]) -> Result<Value, Failure> {
        let output = self.run(arguments)?;
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        if output.status.success() && answer["ok"] == true {
            return Ok(answer["result"].clone());
        }
        Err(Self::failure(arguments, &output))
    }

    /// Runs a command that must end with this exit code.
    pub(super) fn fails(&self, arguments: &[&str], code: i32) -> Result<(), Failure> {
        let output = self.run(arguments)?;
        if output.status.code() == Some(code) {
            return Ok(());
        }
        Err(Self::failure(arguments, &output))
    }

    fn run(&self, arguments: &[&str]) -> Result<Output, Failure> {
        Ok(Command::new(&self.binary)
            .arg("--json")
            .arg("--store")
            .arg(&self.store)
            .args(arguments)
            .env("BROWSER", &self.browser)
            .stdin(Stdio::null())
            .output()?)
    }

    fn failure(arguments: &[&str], output: &Output) -> Failure {
        let code = output.status.code().unwrap_or(-1);
        let talk = String::from_utf8_lossy(&output.stderr);
        let data = if arguments.first() == Some(&"token") {
            "(left out)".into()
        } else {
            String::from_utf8_lossy(&output.stdout)
        };
        Failure::new(format!(
            "hallpass {} ended with {code}\n{data}\n{talk}",
            arguments.join(" ")
        ))
    }
}
