//! The command line.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser};

use crate::{commands::Command, server_options::ServerOptions, store::KeyStore};

/// Sign in to remote MCP servers, and call them.
///
/// Exit codes: 0 fine, 2 the command line or a setting has to change, 3 a sign-in is needed, 4 refused by the server or by the
/// person, 5 the network or another passing fault, 1 anything else.
#[derive(Debug, Parser)]
#[command(name = "hallpass", version, arg_required_else_help = true)]
pub(crate) struct Arguments {
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

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Reads a number of seconds, such as `30` or `0.5`.
fn seconds(text: &str) -> Result<Duration, String> {
    let number = text.parse().ok().filter(|&seconds| seconds > 0.0);
    number
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "write a number of seconds above 0".to_owned())
}

/// A server, and which account on it.
#[derive(Debug, Args)]
pub(crate) struct Server {
    /// The MCP server's URL, or its name in the configuration file.
    pub(crate) url: String,

    /// Which of several accounts on the server. Without it, the one that the name stands for; of a
    /// URL, the one called `default`.
    #[arg(long, value_name = "NAME")]
    pub(crate) account: Option<String>,

    #[command(flatten)]
    pub(crate) options: ServerOptions,

    #[command(flatten)]
    end: EndOfServerOptions,
}

impl Server {
    /// One that a command names in a way of its own.
    pub(crate) fn of(url: String, account: Option<String>, options: ServerOptions) -> Self {
        Self {
            url,
            account,
            options,
            end: EndOfServerOptions {},
        }
    }
}

/// Nothing. What a command says after its server is its own, and stands under the usual headings.
#[derive(Debug, Args)]
#[command(next_help_heading = None::<&'static str>)]
struct EndOfServerOptions {}

/// The libraries' names of settings and the options that set them.
const OPTIONS: &[(&str, &str)] = &[
    ("allow_mismatch", "--allow-resource-mismatch"),
    ("callback", "--callback-port"),
    ("client", "--client-id"),
    ("endpoints", "--token-endpoint"),
    ("headers", "--header"),
    ("issuer", "--issuer"),
    ("legacy_discovery", "--legacy-discovery"),
    ("pkce", "--assume-s256"),
    ("resource", "--resource"),
    ("resource_metadata_url", "--resource-metadata-url"),
    ("scopes", "--scope"),
    ("server_metadata_url", "--server-metadata-url"),
    ("trust", "--ca-certificate"),
    ("trusted_issuers", "--trusted-issuer"),
];

/// An option that sets a setting.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SettingOption {
    pub(crate) name: &'static str,
    /// What it takes; `None` for a switch.
    pub(crate) takes: Option<&'static str>,
}

/// The option that sets a setting of the libraries.
pub(crate) fn option_of(setting: &str) -> Option<SettingOption> {
    let (_, name) = OPTIONS.iter().find(|(known, _)| *known == setting)?;
    let takes = match *name {
        "--allow-resource-mismatch" | "--assume-s256" | "--legacy-discovery" => None,
        "--ca-certificate" => Some("FILE"),
        "--callback-port" => Some("PORT"),
        "--client-id" => Some("ID"),
        "--header" => Some("'NAME: VALUE'"),
        "--resource" => Some("URI"),
        "--scope" => Some("SCOPES"),
        _ => Some("URL"),
    };
    Some(SettingOption { name, takes })
}

/// A hint of the libraries, which names settings by field, in terms of the command line.
pub(crate) fn settings_as_options(hint: &str) -> String {
    OPTIONS
        .iter()
        .fold(hint.to_owned(), |hint, (setting, option)| {
            hint.replace(&format!("`{setting}`"), &format!("`{option}`"))
        })
}

#[cfg(test)]
mod tests;
