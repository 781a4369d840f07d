//! Running other programs.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::report::Failure;

/// A command in the making. It inherits standard output and error unless its output is read.
#[derive(Debug)]
pub(crate) struct Shell(Command);

impl Shell {
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        Self(Command::new(program))
    }

    /// The cargo that runs this program.
    pub(crate) fn cargo() -> Self {
        Self::new(option_env!("CARGO").unwrap_or("cargo"))
    }

    pub(crate) fn args<I: IntoIterator<Item: AsRef<OsStr>>>(mut self, args: I) -> Self {
        self.0.args(args);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    pub(crate) fn current_dir(mut self, dir: &Path) -> Self {
        self.0.current_dir(dir);
        self
    }

    /// Runs it to its end; anything but success is a failure.
    pub(crate) fn run(mut self) -> Result<(), Failure> {
        let status = self
            .0
            .stdin(Stdio::null())
            .status()
            .map_err(|error| self.missing(&error))?;
        if status.success() {
            Ok(())
        } else {
            Err(Failure::new(format!("{} ended with {status}", self.text())))
        }
    }

    /// Runs it to its end and gives what it wrote to standard output.
    pub(crate) fn read(mut self) -> Result<String, Failure> {
        let output = self
            .0
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| self.missing(&error))?;
        if !output.status.success() {
            return Err(Failure::new(format!(
                "{} ended with {}",
                self.text(),
                output.status
            )));
        }
        String::from_utf8(output.stdout)
            .map_err(|_| Failure::new(format!("{} wrote something that is not UTF-8", self.text())))
    }

    /// As [`read`](Self::read), and shows nothing of standard error.
    pub(crate) fn read_quietly(mut self) -> Result<String, Failure> {
        self.0.stderr(Stdio::null());
        let output = self
            .0
            .stdin(Stdio::null())
            .output()
            .map_err(|error| self.missing(&error))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            Ok(text)
        } else {
            Err(Failure::new(self.text()))
        }
    }

    /// Whether it can be run and succeeds. Shows nothing.
    pub(crate) fn succeeds(mut self) -> bool {
        self.0
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }

    fn text(&self) -> String {
        let program = PathBuf::from(self.0.get_program());
        let name = program
            .file_name()
            .unwrap_or(self.0.get_program())
            .to_string_lossy()
            .into_owned();
        self.0.get_args().fold(name, |text, argument| {
            format!("{text} {}", argument.to_string_lossy())
        })
    }

    fn missing(&self, error: &std::io::Error) -> Failure {
        Failure::new(format!("can't run {}: {error}", self.text()))
    }
}
