//! What the steps share that run the program beside real servers.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{ChildStdout, Stdio},
};

use serde_json::Value;

use crate::{
    report::Failure,
    shell::{Completed, Running, Shell},
};

/// A server in a process of its own, which prints a line when it is ready.
#[derive(Debug)]
pub(super) struct Serving {
    pub(super) process: Running,
    pub(super) output: BufReader<ChildStdout>,
    /// Its first line.
    pub(super) ready: String,
}

impl Serving {
    pub(super) fn start(command: Shell, stderr: Stdio) -> Result<Self, Failure> {
        let mut process = command.spawn(Stdio::piped(), Stdio::piped(), stderr)?;
        let output = process.0.stdout.take();
        let output = output.ok_or_else(|| Failure::new("the server has no output"))?;
        let mut serving = Self {
            process,
            output: BufReader::new(output),
            ready: String::new(),
        };
        serving.ready = serving.line()?;
        Ok(serving)
    }

    /// The next line that it prints.
    pub(super) fn line(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }
}

/// The result that the program printed, if it succeeded.
pub(super) fn result(completed: &Completed) -> Result<Value, Failure> {
    let printed = completed.json();
    if completed.code() == 0 && printed["ok"] == true {
        return Ok(printed["result"].clone());
    }
    Err(completed.failure())
}

pub(super) fn check(what: &str, found: &Value, expected: impl Into<Value>) -> Result<(), Failure> {
    let expected = expected.into();
    if *found == expected {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{what} is {found}, expected {expected}"
    )))
}

/// Deletes a folder with all that is in it, if it exists.
pub(super) fn delete(folder: &Path) -> Result<(), Failure> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    Ok(())
}
