//! What a platform hands out: a text in a file that is replaced before it ends, or the output of a
//! command.
//!
//! A command is its program and its arguments, and no shell reads them. It gets nothing to read, has
//! a time limit after which it is ended, and may print one line of at most [`MOST`] bytes. Neither
//! what it prints nor what it says on standard error is shown in any error: both may hold the secret.

use std::{
    error::Error,
    fmt,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use hallpass_core::{AccessToken, BoxFuture, Remedy, TokenSource, TokenSourceError};
use secrecy::{ExposeSecret, SecretString};
use tokio::{io::AsyncReadExt, process};
use zeroize::Zeroizing;

use crate::{Assertion, AssertionError, AssertionSource};

/// The longest text that is taken, in bytes. No header could carry a longer one.
pub(crate) const MOST: usize = 64 * 1024;

/// How long a command may take if nothing else is said.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// A program to run for a token or an assertion, and its arguments.
///
/// It is a [`TokenSource`] and an [`AssertionSource`]. A session asks it again when its token is refused.
#[derive(Clone, PartialEq, Eq)]
pub struct CommandSource {
    program: PathBuf,
    arguments: Vec<String>,
    withheld: Vec<String>,
    limit: Duration,
}

impl CommandSource {
    /// A program, which is looked for in `PATH` unless it is a path, and the arguments it gets as
    /// they stand. It may take 30 seconds.
    pub fn new(
        program: impl Into<PathBuf>,
        arguments: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        Self {
            program: program.into(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            withheld: Vec::new(),
            limit: DEFAULT_TIMEOUT,
        }
    }

    /// Lets it take this long instead.
    #[must_use]
    pub fn with_time_limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Takes these variables out of the environment that it inherits: secrets of the program that runs it.
    #[must_use]
    pub fn without_variables(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.withheld.extend(names.into_iter().map(Into::into));
        self
    }

    /// Runs it and gives its one line.
    pub(crate) async fn run(&self) -> Result<SecretString, SecretReason> {
        let text = tokio::time::timeout(self.limit, self.output()).await;
        text.unwrap_or_else(|_| {
            let what = format!("{self} did not end within {} s", self.limit.as_secs_f32());
            Err(SecretReason::new(Remedy::Retry, what).hint(BY_HAND))
        })
    }

    async fn output(&self) -> Result<SecretString, SecretReason> {
        let failed = |error| {
            let what = format!("{self} could not be run");
            SecretReason::new(Remedy::Configure, what).source(error)
        };
        let mut command = process::Command::new(&self.program);
        for name in &self.withheld {
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
        let mut text = Zeroizing::new(Vec::with_capacity(MOST + 1));
        if let Some(out) = child.stdout.take() {
            out.take(MOST as u64 + 1)
                .read_to_end(&mut text)
                .await
                .map_err(failed)?;
        }
        if text.len() > MOST {
            let what = format!("{self} printed more than {MOST} bytes");
            return Err(SecretReason::new(Remedy::Configure, what));
        }
        let status = child.wait().await.map_err(failed)?;
        if !status.success() {
            let what = format!("{self} ended with {status}");
            return Err(SecretReason::new(Remedy::Configure, what).hint(BY_HAND));
        }
        one_line(&text, &self.to_string())
    }
}

/// What to do about a command that does not do what it should.
const BY_HAND: &str = "run the command by hand to see what it says";

impl fmt::Display for CommandSource {
    /// The program's name alone: an argument may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the command `{}`", self.program.display())
    }
}

impl fmt::Debug for CommandSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretCommand")
            .field("program", &self.program)
            .field("limit", &self.limit)
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

/// A file that somebody writes an access token into, and replaces as they like.
///
/// What a session has read is used for a second at most before it looks again, so that a new token
/// counts at once, and is used on while the file can't be read.
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

/// Reads a file and gives its one line.
pub(crate) async fn read_file(path: &Path) -> Result<SecretString, SecretReason> {
    let name = format!("the file `{}`", path.display());
    let failed = |error| {
        SecretReason::new(Remedy::Configure, format!("{name} could not be read")).source(error)
    };
    let file = tokio::fs::File::open(path).await.map_err(failed)?;
    let mut text = Zeroizing::new(Vec::with_capacity(MOST + 1));
    file.take(MOST as u64 + 1)
        .read_to_end(&mut text)
        .await
        .map_err(failed)?;
    if text.len() > MOST {
        let what = format!("{name} holds more than {MOST} bytes");
        return Err(SecretReason::new(Remedy::Configure, what));
    }
    one_line(&text, &name)
}

/// The one word that `text` is, space around it left out.
fn one_line(text: &[u8], from: &str) -> Result<SecretString, SecretReason> {
    let trouble = |what: &str| {
        let what = format!("{from} {what}");
        Err(SecretReason::new(Remedy::Configure, what))
    };
    let text = match std::str::from_utf8(text) {
        Ok(text) => text.trim(),
        Err(_) => return trouble("gave no text"),
    };
    if text.is_empty() {
        return trouble("gave nothing");
    }
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return trouble("gave more than one word, where the token alone was expected");
    }
    Ok(SecretString::from(text))
}

/// Why there is nothing.
#[derive(Debug)]
pub(crate) struct SecretReason {
    remedy: Remedy,
    what: String,
    hint: Option<&'static str>,
    source: Option<std::io::Error>,
}

impl SecretReason {
    pub(crate) fn remedy(&self) -> Remedy {
        self.remedy
    }

    fn new(remedy: Remedy, what: String) -> Self {
        Self {
            remedy,
            what,
            hint: None,
            source: None,
        }
    }

    fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }

    fn source(mut self, error: std::io::Error) -> Self {
        self.source = Some(error);
        self
    }
}

impl fmt::Display for SecretReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Error for SecretReason {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}

impl From<SecretReason> for TokenSourceError {
    fn from(trouble: SecretReason) -> Self {
        let error = Self::new(trouble.remedy, trouble.what);
        let error = match trouble.hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        };
        match trouble.source {
            Some(source) => error.with_source(source),
            None => error,
        }
    }
}
