//! The command line.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser};
use serde::{Deserialize, Serialize};

use crate::{commands::Command, store::KeyStore};

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
    /// The MCP server's URL.
    pub(crate) url: String,

    /// Which of several accounts on the server.
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub(crate) account: String,

    #[command(flatten)]
    pub(crate) options: ServerOptions,
}

/// What a server needs to be told apart from its URL. Given at `login` these are remembered, so
/// that later commands need nothing but the URL. Those given later come over the remembered ones.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Server options (remembered at login)")]
pub(crate) struct ServerOptions {
    /// The `resource` to ask for (RFC 8707), or `none` to leave it out. Normally the server says.
    #[arg(long, value_name = "URI")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) resource: Option<String>,

    /// Accept a `--resource` that is neither the server's URL nor published by it.
    #[arg(long, requires = "resource")]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) allow_resource_mismatch: bool,

    /// The scopes to ask for, separated by spaces. Normally the server says.
    #[arg(long, value_name = "SCOPES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) scope: Option<String>,

    /// Which authorization server to use where there are several.
    #[arg(long, value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) issuer: Option<String>,

    /// An issuer that metadata found elsewhere may claim; may be given more than once.
    #[arg(long, value_name = "URL")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) trusted_issuer: Vec<String>,

    /// Where the protected resource's metadata is, when the server does not say.
    #[arg(long, value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) resource_metadata_url: Option<String>,

    /// Where the authorization server's metadata is, when its issuer does not tell.
    #[arg(long, value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) server_metadata_url: Option<String>,

    /// The token endpoint of a server that publishes no metadata.
    #[arg(long, value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token_endpoint: Option<String>,

    /// The authorization endpoint of a server that publishes no metadata.
    #[arg(long, value_name = "URL", requires = "token_endpoint")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) authorization_endpoint: Option<String>,

    /// The registration endpoint of a server that publishes no metadata.
    #[arg(long, value_name = "URL", requires = "token_endpoint")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) registration_endpoint: Option<String>,

    /// The revocation endpoint of a server that publishes no metadata.
    #[arg(long, value_name = "URL", requires = "token_endpoint")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) revocation_endpoint: Option<String>,

    /// Look for the server's own endpoints as MCP 2025-03-26 does.
    #[arg(long)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) legacy_discovery: bool,

    /// The identifier of a client that was registered by hand.
    #[arg(long, value_name = "ID")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_id: Option<String>,

    /// The environment variable that holds the client's secret.
    #[arg(long, value_name = "NAME", requires = "client_id")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_secret_env: Option<String>,

    /// The URL of the client's own metadata document, for servers that read those.
    #[arg(long, value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_metadata_url: Option<String>,

    /// Take a server that does not list PKCE's S256 to support it.
    #[arg(long)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) assume_s256: bool,

    /// One more parameter of the authorization request, as `name=value`: what the odd server wants
    /// (`access_type=offline`, `audience=…`, `prompt=select_account`). May be given more than once.
    #[arg(long = "authorize-param", value_name = "NAME=VALUE")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) authorize_params: Vec<String>,

    /// The host of the callback: `127.0.0.1`, `[::1]` or `localhost`.
    #[arg(long, value_name = "HOST")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) callback_host: Option<String>,

    /// The port of the callback. Normally any free one.
    #[arg(long, value_name = "PORT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) callback_port: Option<u16>,

    /// The path of the callback.
    #[arg(long, value_name = "PATH")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) callback_path: Option<String>,

    /// A header for every request to the server's own origin, as `Name: value`, or to another one,
    /// as `https://origin.example Name: value`. `${NAME}` in the value stands for an environment
    /// variable.
    #[arg(long = "header", value_name = "HEADER")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) headers: Vec<String>,

    /// A file of certificate authorities (PEM) to trust besides the platform's.
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ca_certificate: Option<PathBuf>,

    /// Take the access token from this environment variable. With this or one of the next two nobody
    /// signs in, and nothing is kept.
    #[arg(long, value_name = "NAME", group = "token")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token_env: Option<String>,

    /// Take the access token from this file, which is read again when it changes.
    #[arg(long, value_name = "FILE", group = "token")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token_file: Option<PathBuf>,

    /// Take the access token from what this command prints. It is run again when the server refuses
    /// the token. Its words are parted by spaces, quotes hold one together, and no shell reads them.
    #[arg(long, value_name = "COMMAND", group = "token")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token_command: Option<String>,
}

impl ServerOptions {
    /// Whether somebody else obtains the tokens.
    pub(crate) fn have_token_source(&self) -> bool {
        self.token_env.is_some() || self.token_file.is_some() || self.token_command.is_some()
    }

    /// The same options for a person who signs in.
    pub(crate) fn without_token_source(&self) -> Self {
        Self {
            token_env: None,
            token_file: None,
            token_command: None,
            ..self.clone()
        }
    }

    /// These options over `remembered` ones: each that was given replaces the remembered one.
    pub(crate) fn over(&self, remembered: &Self) -> serde_json::Result<Self> {
        // There is one source of tokens, whichever it is.
        let mut merged = serde_json::to_value(if self.have_token_source() {
            remembered.without_token_source()
        } else {
            remembered.clone()
        })?;
        if let (Some(merged), serde_json::Value::Object(given)) =
            (merged.as_object_mut(), serde_json::to_value(self)?)
        {
            merged.extend(given);
        }
        serde_json::from_value(merged)
    }

    /// The headers whose values are written out instead of named by environment variable.
    pub(crate) fn literal_headers<'a>(&'a self) -> impl Iterator<Item = &'a str> {
        let literal = self.headers.iter().filter(|header| !header.contains("${"));
        let own = |header: &'a String| match header.split_once(' ') {
            Some((origin, header)) if origin.contains("://") => header,
            _ => header.as_str(),
        };
        literal
            .map(own)
            .filter_map(|header| header.split(':').next())
    }
}

/// The libraries' names of settings and the options that set them.
const OPTIONS: &[(&str, &str)] = &[
    ("allow_mismatch", "--allow-resource-mismatch"),
    ("callback", "--callback-port"),
    ("client", "--client-id"),
    ("endpoints", "--token-endpoint"),
    ("issuer", "--issuer"),
    ("legacy_discovery", "--legacy-discovery"),
    ("pkce", "--assume-s256"),
    ("resource", "--resource"),
    ("resource_metadata_url", "--resource-metadata-url"),
    ("scopes", "--scope"),
    ("server_metadata_url", "--server-metadata-url"),
    ("trusted_issuers", "--trusted-issuer"),
];

/// A hint of the libraries, which names settings by field, in terms of the command line.
pub(crate) fn settings_as_options(hint: &str) -> String {
    OPTIONS
        .iter()
        .fold(hint.to_owned(), |hint, (setting, option)| {
            hint.replace(&format!("`{setting}`"), &format!("`{option}`"))
        })
}
