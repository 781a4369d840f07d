//! The options of every command.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};
use hallpass::login::BrowserLogin;

/// The options of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalOptions {
    /// Print the result as one JSON object on standard output.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Print more on standard error; give it twice for everything.
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,

    /// Use this folder for credentials instead of the default one.
    #[arg(long, global = true, value_name = "FOLDER")]
    pub(crate) store: Option<PathBuf>,

    /// Use this configuration file instead of the default one. Also set by `HALLPASS_CONFIG`.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Where to keep the encryption key of a new store [default: the keyring, else a file]. An
    /// existing store keeps its key where it is.
    #[arg(long, global = true, value_name = "LOCATION", value_enum)]
    pub(crate) key_store: Option<KeyStore>,

    /// Read the passphrase of the store from this file.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        conflicts_with = "passphrase_env"
    )]
    pub(crate) passphrase_file: Option<PathBuf>,

    /// Read the passphrase of the store from this environment variable [default:
    /// `HALLPASS_PASSPHRASE`].
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) passphrase_env: Option<String>,

    /// Never prompt or open a browser; exit with 3 instead. Also set by `HALLPASS_NON_INTERACTIVE`.
    #[arg(long, global = true)]
    pub(crate) non_interactive: bool,

    /// Exit with 5 if the command is not finished after this many seconds.
    #[arg(long, global = true, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) timeout: Option<Duration>,
}

/// Where the encryption key of a new store is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyStore {
    /// The keyring of the operating system; a file if there is none.
    Auto,
    /// The keyring of the operating system.
    Keyring,
    /// A file that only its owner can read.
    KeyFile,
    /// Not stored: the key is derived from a passphrase each time.
    Passphrase,
    /// Keep credentials in memory only, until the program ends.
    Memory,
}

/// Reads a number of seconds, such as `30` or `0.5`.
fn seconds(text: &str) -> Result<Duration, String> {
    let number = text.parse().ok().filter(|&seconds| seconds > 0.0);
    number
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "expected a number of seconds above 0".to_owned())
}

/// Reads how long a command waits for the user.
pub(crate) fn sign_in_seconds(text: &str) -> Result<u64, String> {
    let seconds = text.parse();
    let seconds = seconds.map_err(|_| "expected a whole number of seconds".to_owned())?;
    let max = BrowserLogin::MAX_TIMEOUT.as_secs();
    if seconds > max {
        return Err(format!("a sign-in waits for {max} seconds at most"));
    }
    Ok(seconds)
}
