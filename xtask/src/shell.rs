//! Running other programs.

use std::{
    ffi::OsStr,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

use serde_json::Value;

use crate::report::Failure;

/// A command in the making. It reads no standard input, unless it is spawned with one.
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

    pub(crate) fn env_remove(mut self, name: &str) -> Self {
        self.0.env_remove(name);
        self
    }

    /// No variable but those set from here on.
    pub(crate) fn env_clear(mut self) -> Self {
        self.0.env_clear();
        self
    }

    pub(crate) fn current_dir(mut self, dir: &Path) -> Self {
        self.0.current_dir(dir);
        self
    }

    /// Runs it to its end, showing what it writes; anything but success is a failure.
    pub(crate) fn run(self) -> Result<(), Failure> {
        let ended = self.finish(Stdio::inherit(), Stdio::inherit())?;
        ended.success().map(drop)
    }

    /// Runs it to its end and gives what it wrote to standard output.
    pub(crate) fn read(self) -> Result<String, Failure> {
        self.finish(Stdio::piped(), Stdio::inherit())?.success()
    }

    /// As [`read`](Self::read), and shows nothing of standard error.
    pub(crate) fn read_quietly(self) -> Result<String, Failure> {
        self.finish(Stdio::piped(), Stdio::null())?.success()
    }

    /// Whether it can be run and succeeds. Shows nothing.
    pub(crate) fn succeeds(self) -> bool {
        let completed = self.finish(Stdio::null(), Stdio::null());
        completed.is_ok_and(|completed| completed.status.success())
    }

    /// Runs it to its end, however it ends, and gives all that it wrote.
    pub(crate) fn complete(self) -> Result<Completed, Failure> {
        self.finish(Stdio::piped(), Stdio::piped())
    }

    /// Starts it with these streams.
    pub(crate) fn spawn(
        mut self,
        stdin: Stdio,
        stdout: Stdio,
        stderr: Stdio,
    ) -> Result<Running, Failure> {
        let child = self.0.stdin(stdin).stdout(stdout).stderr(stderr).spawn();
        Ok(Running(child.map_err(|error| self.missing(&error))?))
    }

    fn finish(mut self, stdout: Stdio, stderr: Stdio) -> Result<Completed, Failure> {
        let output = self.0.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
        let output = output.output().map_err(|error| self.missing(&error))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Completed {
            command: self.text(),
            status: output.status,
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        })
    }

    fn text(&self) -> String {
        let program = PathBuf::from(self.0.get_program());
        let name = program.file_name().unwrap_or(self.0.get_program());
        let words = [name].into_iter().chain(self.0.get_args());
        let words: Vec<_> = words.map(OsStr::to_string_lossy).collect();
        words.join(" ")
    }

    fn missing(&self, error: &std::io::Error) -> Failure {
        Failure::new(format!("can't run {}: {error}", self.text()))
    }
}

/// How a program ended, and what it wrote.
#[derive(Debug)]
pub(crate) struct Completed {
    pub(crate) command: String,
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Completed {
    /// What it wrote to standard output, if it succeeded.
    pub(crate) fn success(self) -> Result<String, Failure> {
        if self.status.success() {
            return Ok(self.stdout);
        }
        Err(self.failure())
    }

    /// The exit code; -1 after a signal.
    pub(crate) fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }

    /// Standard output as JSON; null where it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_default()
    }

    /// The failure to end so.
    pub(crate) fn failure(&self) -> Failure {
        let Self {
            command,
            status,
            stdout,
            stderr,
        } = self;
        let what = format!("{command} ended with {status}\n{stdout}{stderr}");
        Failure::new(what.trim_end())
    }
}

/// A process that ends with its owner.
#[derive(Debug)]
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        // A server may end with its input.
        drop(self.0.stdin.take());
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Writes a file that is not the product's: no other process reads it meanwhile.
pub(crate) fn write(path: &Path, text: impl AsRef<[u8]>) -> Result<(), Failure> {
    Ok(fs::File::create(path)?.write_all(text.as_ref())?)
}

/// The program of one of these names that is on the path.
pub(crate) fn which(names: &[&str]) -> Option<PathBuf> {
    names.iter().find_map(|name| {
        let found = Shell::new("which").args([name]).read_quietly().ok()?;
        Some(PathBuf::from(found.trim()))
    })
}

/// Installs Debian packages, where this is root on a Debian.
pub(crate) fn apt_install(packages: &[&str]) -> Result<(), Failure> {
    let root = Shell::new("id").args(["-u"]).read_quietly();
    let root = root.is_ok_and(|id| id.trim() == "0");
    if !root || !Shell::new("apt-get").args(["--version"]).succeeds() {
        return Ok(());
    }
    Shell::new("apt-get").args(["update", "-q"]).run()?;
    Shell::new("apt-get")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(["install", "-q", "-y", "--no-install-recommends"])
        .args(packages)
        .run()
}
