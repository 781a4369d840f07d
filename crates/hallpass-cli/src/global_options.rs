//! The options of every command.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};

/// The options of every command.
#[derive(Debug, Args)]
pub(crate) struct GlobalOptions {
    /// Answer with one JSON object on standard output.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Say more on standard error; twice for everything.
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,

    /// Keep credentials in this folder instead of the usual one.
    #[arg(long, global = true, value_name = "FOLDER")]
    pub(crate) store: Option<PathBuf>,

    /// The configuration file, instead of the usual one. As `HALLPASS_CONFIG`.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Where the key of a new store is kept; without it, in the keyring or else in a file. A store
    /// that exists keeps its key where it is.
    #[arg(long, global = true, value_name = "PLACE", value_enum)]
    pub(crate) key_store: Option<KeyStore>,

    /// The file that holds the passphrase of the store, where that is its key.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        conflicts_with = "passphrase_env"
    )]
    pub(crate) passphrase_file: Option<PathBuf>,

    /// The environment variable that holds the passphrase of the store; `HALLPASS_PASSPHRASE` if
    /// nothing is said.
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) passphrase_env: Option<String>,

    /// Ask nobody and open no browser: where a person would have to do something, end with 3 or
    /// decline. As `HALLPASS_NON_INTERACTIVE`.
    #[arg(long, global = true)]
    pub(crate) non_interactive: bool,

    /// End with 5 when it is not done within so many seconds.
    #[arg(long, global = true, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) timeout: Option<Duration>,
}

/// Where the key of a new store is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyStore {
    /// In the keyring, or in a file when there is none.
    Auto,
    /// In the keyring of the operating system.
    Keyring,
    /// In a file that only its owner can read.
    KeyFile,
    /// Nowhere: it is derived from a passphrase, which is asked for each time.
    Passphrase,
    /// Nothing is kept when the program ends.
    Memory,
}

/// Reads a number of seconds, such as `30` or `0.5`.
fn seconds(text: &str) -> Result<Duration, String> {
    let number = text.parse().ok().filter(|&seconds| seconds > 0.0);
    number
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "write a number of seconds above 0".to_owned())
}
