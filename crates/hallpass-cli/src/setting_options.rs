//! The settings of the libraries, as the options that set them.

use hallpass::Hint;

use crate::option_words::OptionWords;

/// The libraries' names of settings and the options that set them.
const OPTIONS: &[(&str, &str)] = &[
    ("allow_mismatch", "allow-resource-mismatch"),
    ("authorize_parameters", "authorize-param"),
    ("callback", "callback-port"),
    ("callback.host", "callback-host"),
    ("callback.path", "callback-path"),
    ("client", "client-id"),
    ("client.auth_method", "token-endpoint-auth-method"),
    ("client.secret", "client-secret-file"),
    ("client_identity", "client-certificate"),
    ("dpop", "dpop"),
    ("endpoints", "token-endpoint"),
    ("endpoints.authorization", "authorization-endpoint"),
    ("endpoints.registration", "registration-endpoint"),
    ("endpoints.revocation", "revocation-endpoint"),
    ("endpoints.token", "token-endpoint"),
    ("headers", "header"),
    ("issuer", "issuer"),
    ("legacy_discovery", "legacy-discovery"),
    ("max_message_size", "max-message-size"),
    ("pkce", "assume-s256"),
    ("proxy", "proxy"),
    ("refresh_scope", "refresh-scope"),
    ("resource", "resource"),
    ("resource_metadata_url", "resource-metadata-url"),
    ("scopes", "scope"),
    ("server_metadata_url", "server-metadata-url"),
    ("trust", "ca-certificate"),
    ("trusted_issuers", "trusted-issuer"),
];

/// What is set for every command alike, and does not change a sign-in.
const CONNECTION: &[&str] = &[
    "client_identity",
    "headers",
    "max_message_size",
    "proxy",
    "trust",
];

/// The settings that a hint names, with their values.
fn settings(hint: &Hint) -> Vec<(&'static str, Option<&str>)> {
    match hint {
        Hint::Setting { setting, value } => vec![(setting, value.as_deref())],
        Hint::Settings { settings } => settings
            .iter()
            .map(|(setting, value)| (*setting, value.as_deref()))
            .collect(),
        _ => Vec::new(),
    }
}

/// Whether what a hint sets concerns each request of any command, and no sign-in.
pub(crate) fn is_of_connection(hint: &Hint) -> bool {
    let settings = settings(hint);
    let mut names = settings.iter().map(|(setting, _)| setting);
    !settings.is_empty() && names.all(|setting| CONNECTION.contains(setting))
}

/// The options that a hint's settings are, with their values or `None` where only the user knows them.
/// `has` says which options are set already. Empty for a hint that names none.
pub(crate) fn options_of(
    hint: &Hint,
    has: impl Fn(&str) -> bool,
) -> Vec<(&'static str, Option<&str>)> {
    let mut options = Vec::new();
    let settings = settings(hint);
    let is_bundle = settings.len() > 1;
    for (setting, value) in settings {
        match setting {
            // A sign-in needs all of them, so they are named together.
            "endpoints" if value.is_none() => options.extend([
                ("authorization-endpoint", None),
                ("token-endpoint", None),
                ("registration-endpoint", None),
            ]),
            // The client that is set is the one to use with the rest.
            "client" if is_bundle && has("client-id") => {}
            // A login prompts for another one.
            "client.secret" if has("client-secret-prompt") => {
                options.push(("client-secret-prompt", None));
            }
            _ => {
                let option = OPTIONS.iter().find(|(known, _)| *known == setting);
                options.extend(option.map(|(_, option)| (*option, value)));
            }
        }
    }
    if options.len() > 1 && has("client-id") {
        options.retain(|(option, _)| *option != "registration-endpoint");
    }
    // The other endpoints mean nothing without it.
    let names = |name: &str| options.iter().any(|(option, _)| *option == name);
    let needs_token_endpoint = names("authorization-endpoint") || names("registration-endpoint");
    if needs_token_endpoint && !names("token-endpoint") && !has("token-endpoint") {
        options.push(("token-endpoint", None));
    }
    options
}

/// Advice in words, with a setting as the option that sets it.
pub(crate) fn describe(hint: &Hint) -> String {
    let mut words = OptionWords::default();
    for (option, value) in options_of(hint, |_| false) {
        words.set(option, value);
    }
    match words.to_string().trim_start() {
        "" => hint.to_string(),
        options => format!("set `{options}`"),
    }
}

#[cfg(test)]
mod tests;
