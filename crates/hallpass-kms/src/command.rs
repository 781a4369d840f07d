//! A program that wraps and unwraps, such as one that calls a cloud's key management service.
//!
//! No shell reads its arguments. Its standard error is not read, and no error shows its output: both may hold
//! the key.

use std::{fmt, io, path::PathBuf, process::Stdio, time::Duration};

use hallpass_core::{BoxFuture, Remedy};
use hallpass_seal::{KeyEncryption, KeyError, KeyErrorKind, SealingKey};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, Command},
};
use zeroize::Zeroizing;

/// How long a run may take by default.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The longest output in bytes.
const MAX_OUTPUT: usize = 64 * 1024;

const RUN_BY_HAND: &str = "run the command by hand to see its output";

/// A wrapping key that a program uses. It runs with `wrap CONTEXT` or `unwrap CONTEXT` after its arguments,
/// the context in hexadecimal digits, and reads its input and prints its output as one line.
#[derive(Clone)]
pub struct CommandKeyEncryption {
    name: String,
    program: PathBuf,
    arguments: Vec<String>,
    removed_variables: Vec<String>,
    timeout: Duration,
}

impl CommandKeyEncryption {
    /// A program, which is looked up in `PATH` unless it is a path, with its arguments. The name is the
    /// wrapping key's: another key needs another name.
    pub fn new(
        name: &str,
        program: impl Into<PathBuf>,
        arguments: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        Self {
            name: format!("command:{name}"),
            program: program.into(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            removed_variables: Vec::new(),
            timeout: TIMEOUT,
        }
    }

    /// Replaces the timeout, which is 30 seconds.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Removes variables from the environment that the program inherits: secrets of the calling program.
    #[must_use]
    pub fn without_variables(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.removed_variables
            .extend(names.into_iter().map(Into::into));
        self
    }

    /// Runs the program and returns its one line.
    async fn run(
        &self,
        operation: &str,
        context: &[u8],
        input: &[u8],
    ) -> Result<Zeroizing<String>, KeyError> {
        let output = self.output(operation, context, input);
        let output = tokio::time::timeout(self.timeout, output)
            .await
            .map_err(|_| {
                let what = format!("{self} did not end within {} s", self.timeout.as_secs_f32());
                KeyError::new(KeyErrorKind::TimedOut, what).with_hint(RUN_BY_HAND)
            })??;
        let unusable = |what| {
            KeyError::new(KeyErrorKind::Unusable, format!("{self} {what}")).with_hint(RUN_BY_HAND)
        };
        if output.len() > MAX_OUTPUT {
            return Err(unusable("printed too much"));
        }
        let line = std::str::from_utf8(&output)
            .map_err(|_| unusable("printed no text"))?
            .trim_end();
        if line.is_empty() || line.contains(char::is_whitespace) {
            return Err(unusable("printed no single line"));
        }
        Ok(Zeroizing::new(line.to_owned()))
    }

    async fn output(
        &self,
        operation: &str,
        context: &[u8],
        input: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let failed = |error: io::Error| {
            let what = format!("{self} could not be run");
            KeyError::new(KeyErrorKind::Unavailable, what).with_source(error)
        };
        let mut child = self.start(operation, context).map_err(failed)?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let writing = async {
            if let Some(mut stdin) = stdin {
                // A program that does not read its input says by its status whether that matters.
                _ = stdin.write_all(input).await;
                _ = stdin.write_all(b"\n").await;
            }
        };
        let mut output = Zeroizing::new(Vec::with_capacity(MAX_OUTPUT + 1));
        let reading = async {
            match stdout {
                Some(stdout) => {
                    stdout
                        .take(MAX_OUTPUT as u64 + 1)
                        .read_to_end(&mut output)
                        .await
                }
                None => Ok(0),
            }
        };
        let ((), read) = tokio::join!(writing, reading);
        read.map_err(failed)?;
        if output.len() > MAX_OUTPUT {
            return Ok(output);
        }
        let status = child.wait().await.map_err(failed)?;
        if !status.success() {
            let what = format!("{self} ended with {status}");
            // It may have found no network, or another key: only its output says which.
            return Err(KeyError::new(KeyErrorKind::Unavailable, what)
                .with_remedy(Remedy::Retry)
                .with_hint(RUN_BY_HAND));
        }
        Ok(output)
    }

    fn start(&self, operation: &str, context: &[u8]) -> io::Result<Child> {
        let mut command = Command::new(&self.program);
        for name in &self.removed_variables {
            command.env_remove(name);
        }
        command
            .args(&self.arguments)
            .arg(operation)
            .arg(hex::encode(context))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
    }
}

impl KeyEncryption for CommandKeyEncryption {
    fn key_name(&self) -> &str {
        &self.name
    }

    fn wrap<'a>(
        &'a self,
        key: &'a SealingKey,
        context: &'a [u8],
    ) -> BoxFuture<'a, Result<Vec<u8>, KeyError>> {
        Box::pin(async move {
            let wrapped = self.run("wrap", context, key.to_hex().as_bytes()).await?;
            Ok(wrapped.as_bytes().to_vec())
        })
    }

    fn unwrap<'a>(
        &'a self,
        wrapped: &'a [u8],
        context: &'a [u8],
    ) -> BoxFuture<'a, Result<SealingKey, KeyError>> {
        Box::pin(async move {
            let line = self.run("unwrap", context, wrapped).await?;
            SealingKey::from_hex(line.as_bytes()).ok_or_else(|| {
                let what = format!("{self} printed no key of 64 hexadecimal digits");
                KeyError::new(KeyErrorKind::Unusable, what).with_hint(RUN_BY_HAND)
            })
        })
    }

    fn describe(&self) -> String {
        format!("the key `{}` of {self}", self.name)
    }
}

impl fmt::Display for CommandKeyEncryption {
    /// The program's name alone: an argument may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the command `{}`",
            hallpass_core::quote(&self.program.to_string_lossy())
        )
    }
}

impl fmt::Debug for CommandKeyEncryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandKeyEncryption")
            .field("name", &self.name)
            .field("program", &self.program)
            .finish_non_exhaustive()
    }
}
