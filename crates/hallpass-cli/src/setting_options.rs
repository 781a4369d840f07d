//! The settings of the libraries, as the options that set them.

use clap::Args as _;
use hallpass::Hint;

use crate::{server_options::ServerOptions, text};

/// The libraries' names of settings and the options that set them.
const OPTIONS: &[(&str, &str)] = &[
    ("allow_mismatch", "--allow-resource-mismatch"),
    ("authorize_parameters", "--authorize-param"),
    ("callback", "--callback-port"),
    ("client", "--client-id"),
    ("client_identity", "--client-certificate"),
    ("dpop", "--dpop"),
    ("endpoints", "--token-endpoint"),
    ("endpoints.authorization", "--authorization-endpoint"),
    ("endpoints.registration", "--registration-endpoint"),
    ("endpoints.revocation", "--revocation-endpoint"),
    ("endpoints.token", "--token-endpoint"),
    ("headers", "--header"),
    ("issuer", "--issuer"),
    ("legacy_discovery", "--legacy-discovery"),
    ("max_message_size", "--max-message-size"),
    ("pkce", "--assume-s256"),
    ("proxy", "--proxy"),
    ("refresh_scope", "--refresh-scope"),
    ("resource", "--resource"),
    ("resource_metadata_url", "--resource-metadata-url"),
    ("scopes", "--scope"),
    ("server_metadata_url", "--server-metadata-url"),
    ("trust", "--ca-certificate"),
    ("trusted_issuers", "--trusted-issuer"),
];

/// The option that sets a setting of the libraries, with `value` or with the word for one.
pub(crate) fn option_of(setting: &str, value: Option<&str>) -> Option<String> {
    // A sign-in needs all of them, so they are named together.
    if setting == "endpoints" && value.is_none() {
        return Some(
            "--authorization-endpoint URL --token-endpoint URL --registration-endpoint URL"
                .to_owned(),
        );
    }
    let (_, option) = OPTIONS.iter().find(|(known, _)| *known == setting)?;
    let command = ServerOptions::augment_args(clap::Command::new("server"));
    let argument = command
        .get_arguments()
        .find(|argument| argument.get_long() == option.strip_prefix("--"))?;
    // A switch takes its value after `=` only.
    if argument.is_require_equals_set() {
        return Some((*option).to_owned());
    }
    let value = match value {
        Some(value) => text::quoted(value),
        None => argument.get_value_names()?.first()?.to_string(),
    };
    Some(format!("{option} {value}"))
}

/// Advice in words, with a setting as the option that sets it.
pub(crate) fn describe(hint: &Hint) -> String {
    let option = match hint {
        Hint::Setting { setting, value } => option_of(setting, value.as_deref()),
        _ => None,
    };
    option.map_or_else(|| hint.to_string(), |option| format!("set `{option}`"))
}

#[cfg(test)]
mod tests;
