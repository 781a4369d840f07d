//! The program at a pseudo-terminal, and somebody before it.

use std::{ffi::OsStr, io, path::Path, process::Stdio, time::Duration};

use pty_process::{Command, Pty};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::Child,
    time::timeout,
};

use crate::program::Fixture;

/// How long a test waits for what has to come next.
const SOON: Duration = Duration::from_secs(60);

/// The program at a terminal of its own, with what it has written so far.
pub(crate) struct Terminal {
    pty: Pty,
    child: Child,
    pub(crate) written: String,
    /// Every byte, also of what was [forgotten](Self::forgets).
    pub(crate) bytes: Vec<u8>,
}

impl Terminal {
    pub(crate) fn start(
        fixture: &Fixture,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        Self::start_in(&fixture.store(), arguments, environment)
    }

    /// The program with everything of its own in a folder.
    pub(crate) fn start_in(home: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let program = std::path::absolute(env!("CARGO_BIN_EXE_hallpass")).unwrap();
        Self::run_in(home, program, arguments, environment)
    }

    /// Another program at the terminal.
    pub(crate) fn run(
        fixture: &Fixture,
        program: impl AsRef<OsStr>,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        Self::run_in(&fixture.store(), program, arguments, environment)
    }

    fn run_in(
        home: &Path,
        program: impl AsRef<OsStr>,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let (pty, other_end) = pty_process::open().unwrap();
        pty.resize(pty_process::Size::new(50, 2000)).unwrap();
        let mut command = Command::new(program);
        if arguments.contains(&"--json") {
            // A script reads the answer; what is said beside it goes to the terminal.
            command = command.stdout(Stdio::piped());
        }
        let child = command
            .args(arguments)
            .env_clear()
            .env("HALLPASS_HOME", home)
            .env("HALLPASS_KEY_STORE", "key-file")
            .env("PATH", "/usr/bin:/bin")
            .env("TERM", "dumb")
            .envs(environment.iter().copied())
            .kill_on_drop(true)
            .spawn(other_end)
            .unwrap();
        Self {
            pty,
            child,
            written: String::new(),
            bytes: Vec::new(),
        }
    }

    /// Reads until `words` are there, and gives all that was written.
    pub(crate) async fn until(&mut self, words: &str) -> &str {
        while !self.written.contains(words) {
            let more = timeout(SOON, self.read()).await;
            assert!(
                more.unwrap_or_default(),
                "it ended or fell silent without `{words}`: {}",
                self.written
            );
        }
        &self.written
    }

    /// The rest of the line after `words`.
    pub(crate) async fn line_after(&mut self, words: &str) -> String {
        self.until(words).await;
        let start = self.written.find(words).unwrap() + words.len();
        while !self.written[start..].contains('\n') {
            assert!(self.read().await, "{}", self.written);
        }
        let line = self.written[start..].lines().next().unwrap();
        line.trim().to_owned()
    }

    pub(crate) async fn types(&mut self, line: &str) {
        let line = format!("{line}\n");
        self.pty.write_all(line.as_bytes()).await.unwrap();
    }

    /// Looks from here on at what is new.
    pub(crate) fn forgets(&mut self) {
        self.written.clear();
    }

    /// Presses the key that interrupts.
    pub(crate) async fn interrupts(&mut self) {
        self.pty.write_all(b"\x03").await.unwrap();
    }

    /// Its exit code, and all that it wrote; where standard output is a pipe, what came there.
    pub(crate) async fn end(mut self) -> (i32, String) {
        let code = self.ends().await;
        (code, self.written)
    }

    /// Its exit code, when it has ended.
    pub(crate) async fn ends(&mut self) -> i32 {
        let stdout = self.child.stdout.take();
        let piped = async {
            let mut text = String::new();
            match stdout {
                Some(mut stdout) => stdout.read_to_string(&mut text).await.map(|_| Some(text)),
                None => Ok(None),
            }
        };
        let shown = async { while self.read().await {} };
        let (piped, ()) = tokio::join!(piped, shown);
        if let Some(piped) = piped.unwrap() {
            self.written = piped;
        }
        let status = self.child.wait().await.unwrap();
        status.code().unwrap_or(-1)
    }

    /// Whether there was more.
    pub(crate) async fn read(&mut self) -> bool {
        let mut bytes = [0; 4096];
        match self.pty.read(&mut bytes).await {
            Ok(0) => false,
            // A terminal whose program has ended gives an error on Linux, and nothing elsewhere.
            Err(error) if error.kind() != io::ErrorKind::Interrupted => false,
            Err(_) => true,
            Ok(length) => {
                self.bytes.extend(&bytes[..length]);
                self.written += &String::from_utf8_lossy(&bytes[..length]);
                true
            }
        }
    }
}
