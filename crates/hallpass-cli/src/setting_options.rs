//! The settings of the libraries, as the options that set them.

use hallpass::Hint;

use crate::text;

/// The libraries' names of settings and the options that set them.
const OPTIONS: &[(&str, &str)] = &[
    ("allow_mismatch", "--allow-resource-mismatch"),
    ("callback", "--callback-port"),
    ("client", "--client-id"),
    ("endpoints", "--token-endpoint"),
    ("endpoints.authorization", "--authorization-endpoint"),
    ("endpoints.registration", "--registration-endpoint"),
    ("endpoints.revocation", "--revocation-endpoint"),
    ("endpoints.token", "--token-endpoint"),
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

impl SettingOption {
    /// The option with a value, or with a word for it.
    pub(crate) fn with_value(self, value: Option<&str>) -> String {
        match (self.takes, value) {
            (None, _) => self.name.to_owned(),
            (Some(_), Some(value)) => format!("{} {}", self.name, text::quoted(value)),
            (Some(what), None) => format!("{} {what}", self.name),
        }
    }
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

/// Advice in words, with settings as the options that set them.
pub(crate) fn describe(hint: &Hint) -> String {
    let Hint::Setting { setting, value } = hint else {
        return settings_as_options(&hint.to_string());
    };
    match option_of(setting) {
        Some(option) => format!("set `{}`", option.with_value(value.as_deref())),
        None => hint.to_string(),
    }
}

/// A hint of the libraries, which names settings by field, in terms of the command line.
pub(crate) fn settings_as_options(hint: &str) -> String {
    OPTIONS
        .iter()
        .fold(hint.to_owned(), |hint, (setting, option)| {
            hint.replace(&format!("`{setting}`"), &format!("`{option}`"))
        })
}
