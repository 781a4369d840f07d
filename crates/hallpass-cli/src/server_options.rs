//! What a server needs to be told apart from its URL: one noun for the command line, the
//! configuration file and what is remembered.
//!
//! An option is spelled the same in all three: `--client-id ID` on the command line is
//! `client-id = "ID"` in a file. Each layer lies over the next: the command line over the
//! configuration, the configuration over what was remembered at the last login.

use std::{
    io,
    num::NonZeroU32,
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use hallpass::{Account, CredentialKey, ServerUrl};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::exit::CommandError;

/// The options of a server. `login` saves them, so that later commands need only the URL. An option
/// on the command line overrides the saved one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[command(next_help_heading = "Server options")]
pub(crate) struct ServerOptions {
    /// The `resource` to request (RFC 8707), or `none` to leave it out [default: from the server's
    /// metadata].
    #[arg(long, value_name = "URI")]
    pub(crate) resource: Option<String>,

    /// Accept a `--resource` that is neither the server's URL nor in its metadata.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) allow_resource_mismatch: Option<bool>,

    /// The scopes to request, separated by spaces [default: from the server].
    #[arg(long, value_name = "SCOPES")]
    pub(crate) scope: Option<String>,

    /// The authorization server to use, and the only one that the MCP server may name. With
    /// `from-resource` any that it names counts as chosen by you, and no question is asked about it.
    #[arg(long, value_name = "URL")]
    pub(crate) issuer: Option<String>,

    /// Accept this issuer in metadata that was read from another URL. Repeatable.
    #[arg(long, value_name = "URL")]
    #[serde(deserialize_with = "one_or_more")]
    pub(crate) trusted_issuer: Vec<String>,

    /// The URL of the protected resource metadata (RFC 9728) [default: discovered].
    #[arg(long, value_name = "URL")]
    pub(crate) resource_metadata_url: Option<String>,

    /// The URL of the authorization server metadata (RFC 8414) [default: discovered].
    #[arg(long, value_name = "URL")]
    pub(crate) server_metadata_url: Option<String>,

    /// The token endpoint of an authorization server without metadata.
    #[arg(long, value_name = "URL")]
    pub(crate) token_endpoint: Option<String>,

    /// The authorization endpoint of an authorization server without metadata.
    #[arg(long, value_name = "URL")]
    pub(crate) authorization_endpoint: Option<String>,

    /// The registration endpoint of an authorization server without metadata.
    #[arg(long, value_name = "URL")]
    pub(crate) registration_endpoint: Option<String>,

    /// The revocation endpoint of an authorization server without metadata.
    #[arg(long, value_name = "URL")]
    pub(crate) revocation_endpoint: Option<String>,

    /// Also use the discovery of MCP 2025-03-26: the MCP server is its own authorization server.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) legacy_discovery: Option<bool>,

    /// The identifier of a client that is already registered.
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: Option<String>,

    /// The authorization server that the client is registered with [default: the one of the first
    /// sign-in]. The client's identifier and secret are sent to no other.
    #[arg(long, value_name = "URL")]
    pub(crate) client_issuer: Option<String>,

    /// Read the client's secret from this environment variable.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["client_secret_file", "client_secret_prompt"])]
    pub(crate) client_secret_env: Option<String>,

    /// Read the client's secret from this file. Only its owner should be able to read it.
    #[arg(long, value_name = "FILE", conflicts_with = "client_secret_prompt")]
    pub(crate) client_secret_file: Option<PathBuf>,

    /// Prompt for the client's secret once. It is stored, encrypted, with the credentials.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) client_secret_prompt: Option<bool>,

    /// How the client authenticates at the token endpoint [default: from the server's metadata].
    #[arg(long, value_name = "METHOD", value_enum)]
    pub(crate) token_endpoint_auth_method: Option<AuthMethod>,

    /// The client's private key (PKCS#8, PEM), for `private_key_jwt`. The file is read for each
    /// refresh; the key is never stored.
    #[arg(long, value_name = "FILE")]
    pub(crate) client_key: Option<PathBuf>,

    /// The identifier (`kid`) of the client's private key.
    #[arg(long, value_name = "ID")]
    pub(crate) client_key_id: Option<String>,

    /// The URL of a client ID metadata document, for servers that support it.
    #[arg(long, value_name = "URL")]
    pub(crate) client_metadata_url: Option<String>,

    /// The client name on the consent page, if the client registers itself.
    #[arg(long, value_name = "NAME")]
    pub(crate) client_name: Option<String>,

    /// Assume that the authorization server supports PKCE with S256, even if its metadata does not
    /// list it.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) assume_s256: Option<bool>,

    /// Bind tokens to a key (DPoP, RFC 9449), even if the server does not require it.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) dpop: Option<bool>,

    /// An extra parameter of the authorization request, such as `access_type=offline` or
    /// `prompt=select_account`. Repeatable.
    #[arg(long, value_name = "NAME=VALUE")]
    #[serde(deserialize_with = "one_or_more")]
    pub(crate) authorize_param: Vec<String>,

    /// The host of the redirect URI: `127.0.0.1`, `[::1]` or `localhost`.
    #[arg(long, value_name = "HOST")]
    pub(crate) callback_host: Option<String>,

    /// Send a refresh token at most this many times while the server does not answer [default: no
    /// limit].
    #[arg(long, value_name = "NUMBER", alias = "max-refresh-posts", value_parser = positive_number)]
    #[serde(alias = "max-refresh-posts")]
    pub(crate) max_refresh_attempts: Option<NonZeroU32>,

    /// Name the scopes of the sign-in in each refresh, for a server that issues a token of other scopes
    /// otherwise.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) refresh_scope: Option<bool>,

    /// The port of the redirect URI [default: any free port].
    #[arg(long, value_name = "PORT", value_parser = port)]
    pub(crate) callback_port: Option<u16>,

    /// The path of the redirect URI [default: `/callback`; for a client that registers itself, one below
    /// it for each issuer].
    #[arg(long, value_name = "PATH")]
    pub(crate) callback_path: Option<String>,

    /// How to speak to the server: `http` (streamable HTTP), `sse` (HTTP+SSE of MCP 2024-11-05), or
    /// `auto`, which tries `sse` where the server refuses `http` as an older one does [default: auto].
    #[arg(
        long,
        value_name = "TRANSPORT",
        value_enum,
        hide_possible_values = true
    )]
    pub(crate) transport: Option<Transport>,

    /// The largest message to accept from the server, in MiB [default: 32].
    #[arg(long, value_name = "MIB", value_parser = positive_number)]
    pub(crate) max_message_size: Option<NonZeroU32>,

    /// Add a header to every request to the server's origin (`Name: value`) or to another origin
    /// (`https://origin.example Name: value`). `${NAME}` in the value is replaced by that environment
    /// variable. Repeatable.
    #[arg(long, value_name = "HEADER")]
    #[serde(deserialize_with = "one_or_more")]
    pub(crate) header: Vec<String>,

    /// Trust the certificate authorities in this file (PEM) in addition to the system's.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_certificate: Option<PathBuf>,

    /// The TLS client certificate (PEM, with its chain).
    #[arg(long, value_name = "FILE")]
    pub(crate) client_certificate: Option<PathBuf>,

    /// The private key of the TLS client certificate [default: in the same file].
    #[arg(long, value_name = "FILE")]
    pub(crate) client_certificate_key: Option<PathBuf>,

    /// The proxy for every request (`http`, `https`, `socks5` or `socks5h`), or `none` [default: from
    /// the environment]. `${NAME}` is replaced by that environment variable.
    #[arg(long, value_name = "URL")]
    pub(crate) proxy: Option<String>,

    /// Read the access token from this environment variable. No sign-in is needed, and no token is
    /// stored.
    #[arg(long, value_name = "NAME", group = "token")]
    pub(crate) token_env: Option<String>,

    /// Read the access token from this file. It is read again when it changes.
    #[arg(long, value_name = "FILE", group = "token")]
    pub(crate) token_file: Option<PathBuf>,

    /// Read the access token from the output of this command. It is run again when the server rejects
    /// the token. It is split at spaces outside quotes, and no shell runs it.
    #[arg(long, value_name = "COMMAND", group = "token")]
    pub(crate) token_command: Option<String>,
}

/// What a port is.
pub(crate) const PORT: &str = "a number from 0 to 65535";

/// What a limit is.
pub(crate) const POSITIVE_NUMBER: &str = "a whole number above 0";

pub(crate) fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| format!("expected {PORT}"))
}

fn positive_number(text: &str) -> Result<NonZeroU32, String> {
    text.parse()
        .map_err(|_| format!("expected {POSITIVE_NUMBER}"))
}

/// A server, and which account on it.
#[derive(Debug, Args)]
pub(crate) struct Server {
    /// The MCP server's URL, or its name in the configuration file.
    pub(crate) url: String,

    /// The account on the server [default: the account of the configured server, or `default`].
    #[arg(long, value_name = "NAME")]
    pub(crate) account: Option<String>,

    #[command(flatten)]
    pub(crate) options: ServerOptions,

    #[command(flatten)]
    end: EndOfServerOptions,
}

impl Server {
    /// One that a command names in a way of its own.
    pub(crate) fn new(url: String, account: Option<String>, options: ServerOptions) -> Self {
        Self {
            url,
            account,
            options,
            end: EndOfServerOptions {},
        }
    }
}

/// The credential of a URL and an account's name, if one is given.
pub(crate) fn credential_key(
    url: &str,
    account: Option<&str>,
) -> Result<CredentialKey, CommandError> {
    if !url.contains("://") {
        let what = format!("`{url}` is not the URL of an MCP server");
        return Err(CommandError::usage(what).hint(url_hint(url)));
    }
    let server = server_url(url)?;
    let account = match account {
        Some(account) => Account::parse(account).map_err(CommandError::usage)?,
        None => Account::default(),
    };
    Ok(CredentialKey::new(server).with_account(account))
}

/// What to write instead of a text that is no URL. `http` is allowed for this machine alone, and
/// parsed only there.
pub(crate) fn url_hint(text: &str) -> String {
    let text = without_scheme(text);
    let host = text.split('/').next().unwrap_or_default();
    let is_host = host.contains(['.', ':']) || host == "localhost";
    let whole = ["http", "https"].map(|scheme| format!("{scheme}://{text}"));
    let meant = whole
        .iter()
        .find(|url| is_host && ServerUrl::parse(url).is_ok());
    match meant {
        Some(url) => format!("did you mean `{url}`?"),
        None => "a URL begins with https://, or with http:// on this machine".to_owned(),
    }
}

/// A URL without its scheme, also one that is misspelled: `htp://`, `https:/`, `http//`.
fn without_scheme(text: &str) -> &str {
    if let Some((_, rest)) = text.split_once("://") {
        return rest;
    }
    let after = |scheme| {
        let rest = text.strip_prefix(scheme)?;
        let without = rest.trim_start_matches([':', '/']);
        (without != rest).then_some(without)
    };
    after("https").or_else(|| after("http")).unwrap_or(text)
}

/// The server of a URL, and what may have been meant by a text that is none.
pub(crate) fn server_url(text: &str) -> Result<ServerUrl, CommandError> {
    ServerUrl::parse(text).map_err(|error| CommandError::usage(error).hint(url_hint(text)))
}

/// Nothing. What a command says after its server is its own, and stands under the usual headings.
#[derive(Debug, Args)]
#[command(next_help_heading = None::<&'static str>)]
struct EndOfServerOptions {}

/// How a client authenticates (RFC 7591 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub(crate) enum AuthMethod {
    /// No authentication: only the client identifier.
    None,
    /// The secret in the `Authorization` header.
    ClientSecretBasic,
    /// The secret in the request body.
    ClientSecretPost,
    /// A JWT that is signed with the client's private key.
    PrivateKeyJwt,
}

/// How a server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Transport {
    /// Streamable HTTP, or HTTP+SSE where the server refuses that as an older one does.
    Auto,
    /// Streamable HTTP.
    Http,
    /// HTTP+SSE (MCP 2024-11-05).
    Sse,
}

impl AuthMethod {
    /// Its registered name.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }
}

/// Options that mean something only beside another one.
pub(crate) const NEED: &[(&str, &[&str])] = &[
    ("allow-resource-mismatch", &["resource"]),
    ("authorization-endpoint", &["token-endpoint"]),
    ("client-certificate-key", &["client-certificate"]),
    ("client-issuer", &["client-id"]),
    ("client-key", &["client-id", "client-metadata-url"]),
    ("client-key-id", &["client-key"]),
    ("client-secret-env", &["client-id"]),
    ("client-secret-file", &["client-id"]),
    ("client-secret-prompt", &["client-id"]),
    ("registration-endpoint", &["token-endpoint"]),
    ("revocation-endpoint", &["token-endpoint"]),
    ("token-endpoint-auth-method", &["client-id"]),
];

/// Options of which one is set at most: where a client's secret comes from, and a token.
pub(crate) const EITHER: &[&[&str]] = &[
    &[
        "client-secret-env",
        "client-secret-file",
        "client-secret-prompt",
    ],
    TOKEN_SOURCE,
];

/// Options that say where tokens come from.
pub(crate) const TOKEN_SOURCE: &[&str] = &["token-env", "token-file", "token-command"];

impl ServerOptions {
    /// Whether the tokens come from an external source.
    pub(crate) fn have_token_source(&self) -> bool {
        self.token_env.is_some() || self.token_file.is_some() || self.token_command.is_some()
    }

    /// The same options for a user who signs in.
    pub(crate) fn without_token_source(&self) -> Self {
        Self {
            token_env: None,
            token_file: None,
            token_command: None,
            ..self.clone()
        }
    }

    /// These options over those `below`: each that is here replaces the one below, and takes what
    /// belonged to that one with it.
    pub(crate) fn over(&self, below: &Self) -> serde_json::Result<Self> {
        let (given, mut merged) = (self.to_map()?, below.to_map()?);
        for (belongs, to) in NEED {
            let replaced = |option: &&&str| match (given.get(**option), merged.get(**option)) {
                (Some(given), Some(below)) => given != below,
                _ => false,
            };
            if to.iter().any(|option| replaced(&option)) {
                merged.remove(*belongs);
            }
        }
        for either in EITHER {
            if either.iter().any(|option| given.contains_key(*option)) {
                merged.retain(|option, _| !either.contains(&option.as_str()));
            }
        }
        merged.extend(given);
        serde_json::from_value(Value::Object(merged))
    }

    /// The options that are set, by name.
    pub(crate) fn to_map(&self) -> serde_json::Result<Map<String, Value>> {
        let Value::Object(mut map) = serde_json::to_value(self)? else {
            return Ok(Map::new());
        };
        map.retain(|_, value| {
            !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty())
        });
        Ok(map)
    }

    /// What is wrong with them together, if anything is.
    pub(crate) fn contradiction(&self) -> serde_json::Result<Option<String>> {
        let set = self.to_map()?;
        let is_on = |option: &str| {
            set.get(option)
                .is_some_and(|value| *value != Value::Bool(false))
        };
        for either in EITHER {
            let mut set = either.iter().filter(|option| is_on(option));
            if let (Some(one), Some(other)) = (set.next(), set.next()) {
                return Ok(Some(format!("`{one}` and `{other}` can't both be set")));
            }
        }
        let lacking = NEED
            .iter()
            .find(|(option, need)| is_on(option) && !need.iter().any(|other| is_on(other)));
        Ok(lacking.map(|(option, need)| format!("`{option}` needs `{}`", need.join("` or `"))))
    }

    /// Files that are named from `folder`, so that they mean the same from everywhere.
    pub(crate) fn files_from(&mut self, folder: &Path) -> io::Result<()> {
        let files = [
            &mut self.ca_certificate,
            &mut self.client_certificate,
            &mut self.client_certificate_key,
            &mut self.client_key,
            &mut self.client_secret_file,
            &mut self.token_file,
        ];
        for file in files.into_iter().flatten() {
            *file = std::path::absolute(folder.join(&file))?;
        }
        Ok(())
    }

    /// The headers whose values are written out instead of named by environment variable.
    pub(crate) fn literal_headers(&self) -> impl Iterator<Item = &str> {
        let literal = self.header.iter().filter(|header| !header.contains("${"));
        literal.map(|header| header_name(header))
    }
}

/// The name in `[ORIGIN ]Name: value`.
pub(crate) fn header_name(header: &str) -> &str {
    let header = match header.split_once(' ') {
        Some((origin, header)) if origin.contains("://") => header,
        _ => header,
    };
    header.split(':').next().unwrap_or_default()
}

/// A list, or one text in place of a list of one.
fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct Visitor;

    impl<'de> serde::de::Visitor<'de> for Visitor {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a string or a list of strings")
        }

        fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
            Ok(vec![text.to_owned()])
        }

        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
            Vec::deserialize(serde::de::value::SeqAccessDeserializer::new(list))
        }
    }

    deserializer.deserialize_any(Visitor)
}

#[cfg(test)]
mod tests;
