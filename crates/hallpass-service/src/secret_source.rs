//! Secrets of the platform: a text in a file that the platform replaces before it expires, or the output
//! of a command.
//!
//! A command is its program and its arguments, and no shell reads them. Its standard input is
//! empty. It is ended after a timeout, and may print one line of at most [`MAX_BYTES`] bytes. No error shows
//! its output or its standard error: both may hold the secret.

use std::{
    fmt,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use hallpass_core::{AccessToken, BoxFuture, KindError, Remedy, TokenSource, TokenSourceError};
use secrecy::{ExposeSecret, SecretString};
use tokio::{io::AsyncReadExt, process};
use zeroize::Zeroizing;

use crate::{Assertion, AssertionError, AssertionSource};

/// The longest text that is read, in bytes. No header could carry a longer one.
pub(crate) const MAX_BYTES: usize = 64 * 1024;

/// How long a command may take by default.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// A program that prints a token or an assertion, and its arguments.
///
/// It is a [`TokenSource`] and an [`AssertionSource`]. A session runs it again when its token is refused.
#[derive(Clone, PartialEq, Eq)]
pub struct CommandSource {
    program: PathBuf,
    arguments: Vec<String>,
    removed_variables: Vec<String>,
    timeout: Duration,
}

impl CommandSource {
    /// A program, which is looked up in `PATH` unless it is a path, with its arguments, which no shell
    /// reads. It may take 30 seconds.
    pub fn new(
        program: impl Into<PathBuf>,
        arguments: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        Self {
            program: program.into(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            removed_variables: Vec::new(),
            timeout: DEFAULT_TIMEOUT,
        }
    }

    /// Replaces the timeout.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Removes variables from the environment that the command inherits: secrets of the calling program.
    #[must_use]
    pub fn without_variables(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.removed_variables
            .extend(names.into_iter().map(Into::into));
        self
    }

    /// Runs the command and returns its one line.
    pub(crate) async fn run(&self) -> Result<SecretString, SecretError> {
        tracing::info!("waiting for {self}");
        let text = tokio::time::timeout(self.timeout, self.output()).await;
        text.unwrap_or_else(|_| {
            let what = format!("{self} did not end within {} s", self.timeout.as_secs_f32());
            Err(SecretError::new(Remedy::Retry, what).with_hint(RUN_BY_HAND))
        })
    }

    async fn output(&self) -> Result<SecretString, SecretError> {
        let failed = |error| {
            let what = format!("{self} could not be run");
            SecretError::new(Remedy::Configure, what).with_source(error)
        };
        let mut command = process::Command::new(&self.program);
        for name in &self.removed_variables {
            command.env_remove(name);
        }
        let mut child = command
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let mut text = Zeroizing::new(Vec::with_capacity(MAX_BYTES + 1));
        if let Some(out) = child.stdout.take() {
            out.take(MAX_BYTES as u64 + 1)
                .read_to_end(&mut text)
                .await
                .map_err(failed)?;
        }
        if text.len() > MAX_BYTES {
            let what = format!("{self} printed more than {MAX_BYTES} bytes");
            return Err(SecretError::new(Remedy::Configure, what));
        }
        let status = child.wait().await.map_err(failed)?;
        if !status.success() {
            let what = format!("{self} ended with {status}");
            return Err(SecretError::new(Remedy::Configure, what).with_hint(RUN_BY_HAND));
        }
        single_word(&text, &self.to_string())
    }
}

/// The advice for a command that fails.
const RUN_BY_HAND: &str = "run the command by hand to see its output";

impl fmt::Display for CommandSource {
    /// The program's name alone: an argument may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the command `{}`", self.program.display())
    }
}

impl fmt::Debug for CommandSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandSource")
            .field("program", &self.program)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl TokenSource for CommandSource {
    fn read(&self) -> BoxFuture<'_, Result<AccessToken, TokenSourceError>> {
        Box::pin(async { Ok(access_token(&self.run().await?)) })
    }

    fn describe(&self) -> String {
        self.to_string()
    }
}

impl AssertionSource for CommandSource {
    fn read(&self) -> BoxFuture<'_, Result<Assertion, AssertionError>> {
        Box::pin(async { Ok(Assertion::new(self.run().await?.expose_secret())) })
    }
}

/// A file with an access token, which another program replaces at any time.
///
/// A session reads the file again after one second, so that a new token is used at once. While the file
/// can't be read it keeps the token that it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenFile {
    path: PathBuf,
}

impl TokenFile {
    /// The file at `path`. Nothing is read yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }
}

impl TokenSource for TokenFile {
    fn read(&self) -> BoxFuture<'_, Result<AccessToken, TokenSourceError>> {
        Box::pin(async { Ok(access_token(&read_file(&self.path).await?)) })
    }

    fn lasts(&self) -> Option<Duration> {
        Some(Duration::from_secs(1))
    }

    fn describe(&self) -> String {
        format!("the file `{}`", self.path.display())
    }
}

fn access_token(text: &SecretString) -> AccessToken {
    AccessToken::new(text.expose_secret())
}

/// Reads a file and returns its one line.
pub(crate) async fn read_file(path: &Path) -> Result<SecretString, SecretError> {
    let name = format!("the file `{}`", path.display());
    let failed = |error| {
        SecretError::new(Remedy::Configure, format!("{name} could not be read")).with_source(error)
    };
    let file = tokio::fs::File::open(path).await.map_err(failed)?;
    let mut text = Zeroizing::new(Vec::with_capacity(MAX_BYTES + 1));
    file.take(MAX_BYTES as u64 + 1)
        .read_to_end(&mut text)
        .await
        .map_err(failed)?;
    if text.len() > MAX_BYTES {
        let what = format!("{name} holds more than {MAX_BYTES} bytes");
        return Err(SecretError::new(Remedy::Configure, what));
    }
    single_word(&text, &name)
}

/// The one word of `text`, without the space around it.
fn single_word(text: &[u8], from: &str) -> Result<SecretString, SecretError> {
    let refuse = |what: &str| {
        let what = format!("{from} {what}");
        Err(SecretError::new(Remedy::Configure, what))
    };
    let text = match std::str::from_utf8(text) {
        Ok(text) => text.trim(),
        Err(_) => return refuse("gave no text"),
    };
    if text.is_empty() {
        return refuse("gave nothing");
    }
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return refuse("gave more than one word, where the token alone was expected");
    }
    Ok(SecretString::from(text))
}

/// Why there is no secret.
type SecretError = KindError<Remedy>;
