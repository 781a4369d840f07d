//! A server's options as words of a command line that is shown to a user: what was given stays, what
//! changes stands in the place of what it replaces, and no secret is among them.

use std::{fmt, sync::LazyLock};

use clap::{Arg, ArgAction, Args as _, Command};
use serde_json::{Map, Value};
use url::Url;

use crate::{
    server_options::{EITHER, NEED, ServerOptions, header_name},
    text,
};

/// Options in the order in which they were added.
#[derive(Debug, Clone, Default)]
pub(crate) struct OptionWords(Vec<Word>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Word {
    /// The option's name without its dashes.
    name: String,
    value: Option<String>,
    /// Whether the user gave it, and the value may be a secret.
    is_given: bool,
}

impl OptionWords {
    /// The options that are set, in the order of the help.
    pub(crate) fn new(options: &ServerOptions) -> Self {
        let map = options.to_map().unwrap_or_default();
        let mut words = Vec::new();
        for name in ARGUMENTS.iter().filter_map(Arg::get_long) {
            let values = match map.get(name) {
                None => continue,
                Some(Value::Array(list)) => list.as_slice(),
                Some(one) => std::slice::from_ref(one),
            };
            words.extend(values.iter().map(|value| Word {
                name: name.to_owned(),
                value: match value {
                    Value::Bool(true) => None,
                    Value::String(text) => Some(text.clone()),
                    other => Some(other.to_string()),
                },
                is_given: true,
            }));
        }
        Self(words)
    }

    /// Whether an option is among them.
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|word| word.name == name)
    }

    /// Sets an option; `None` stands for the value that only the user knows. The former value goes, with
    /// the options that belong to it alone. Of an option that is given several times, only the value for
    /// the same name goes.
    pub(crate) fn set(&mut self, name: &str, value: Option<&str>) {
        let Some(argument) = ARGUMENTS.iter().find(|it| it.get_long() == Some(name)) else {
            return;
        };
        let is_switch = argument.is_require_equals_set();
        let placeholder = || {
            let names = argument.get_value_names().unwrap_or_default();
            names.first().map(ToString::to_string)
        };
        let value = match value {
            _ if is_switch => None,
            Some(value) => Some(value.to_owned()),
            None => placeholder(),
        };
        let word = Word {
            name: name.to_owned(),
            value,
            is_given: false,
        };
        let either = EITHER.iter().find(|either| either.contains(&name));
        let others = either.copied().unwrap_or_default();
        self.0
            .retain(|it| it.name == name || !others.contains(&it.name.as_str()));
        let is_repeatable = matches!(argument.get_action(), ArgAction::Append);
        let key = word.key();
        let mut same = self.0.iter_mut().filter(|it| it.name == name);
        let same = same.find(|it| {
            !is_repeatable || it.value == word.value || key.is_some() && it.key() == key
        });
        let Some(same) = same else {
            self.0.push(word);
            return;
        };
        if same.value != word.value {
            *same = word;
            let belongs = NEED.iter().filter(|(_, to)| to.contains(&name));
            let belongs: Vec<_> = belongs.map(|(option, _)| *option).collect();
            self.0
                .retain(|word| !word.is_given || !belongs.contains(&word.name.as_str()));
        }
    }

    /// The same without some options.
    pub(crate) fn without(mut self, names: &[&str]) -> Self {
        self.0.retain(|word| !names.contains(&word.name.as_str()));
        self
    }

    /// The values of an option as they stand in the configuration file, without secrets.
    pub(crate) fn values_of(&self, name: &str) -> Vec<Value> {
        let words = self.0.iter().filter(|word| word.name == name);
        let value = |word: &Word| match word.shown().0 {
            None => Value::Bool(true),
            Some(text) if is_number(name) => {
                text.parse().map_or_else(|_| text.into(), Value::Number)
            }
            Some(text) => text.into(),
        };
        words.map(value).collect()
    }

    /// What the line leaves out, because it may be a secret.
    pub(crate) fn notes(&self) -> impl Iterator<Item = String> {
        self.0.iter().filter_map(|word| word.shown().1)
    }
}

/// With a space before each.
impl fmt::Display for OptionWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for word in &self.0 {
            let (name, (value, _)) = (&word.name, word.shown());
            match value.as_deref() {
                None => write!(f, " --{name}")?,
                Some("false") => write!(f, " --{name}=false")?,
                Some(value) => write!(f, " --{name} {}", text::quoted(value))?,
            }
        }
        Ok(())
    }
}

impl Word {
    /// What tells one value of a repeatable option from another: the name in it.
    fn key(&self) -> Option<String> {
        let value = self.value.as_deref()?;
        match self.name.as_str() {
            "authorize-param" => Some(value.split_once('=')?.0.to_owned()),
            "header" if value.contains(':') => Some(header_name(value).to_ascii_lowercase()),
            _ => None,
        }
    }

    /// The value, and what the user has to do so that the line works where that is a secret.
    fn shown(&self) -> (Option<String>, Option<String>) {
        let Some(value) = &self.value else {
            return (None, None);
        };
        if !self.is_given {
            return (Some(value.clone()), None);
        }
        match without_secret(&self.name, value) {
            Some((value, note)) => (Some(value), Some(note)),
            None => (Some(value.clone()), None),
        }
    }
}

/// Whether the value of an option is a number in the configuration file.
fn is_number(name: &str) -> bool {
    matches!(
        name,
        "callback-port" | "max-message-size" | "max-refresh-attempts"
    )
}

/// The options without those that may hold a secret.
pub(crate) fn without_secrets(options: &ServerOptions) -> serde_json::Result<ServerOptions> {
    let is_shown = |name: &str, value: &Value| {
        let text = value.as_str();
        text.is_none_or(|text| without_secret(name, text).is_none())
    };
    let mut shown = Map::new();
    for (name, mut value) in options.to_map()? {
        if let Value::Array(values) = &mut value {
            values.retain(|value| is_shown(&name, value));
        }
        if is_shown(&name, &value) {
            shown.insert(name, value);
        }
    }
    serde_json::from_value(Value::Object(shown))
}

/// The options of a server, in the order of the help.
static ARGUMENTS: LazyLock<Vec<Arg>> = LazyLock::new(|| {
    let command = ServerOptions::augment_args(Command::new("server"));
    command.get_arguments().cloned().collect()
});

/// What stands in the place of an option's value that may hold a secret, and what the user has to do so
/// that the line works. `None` where the value is shown and saved as it is.
fn without_secret(name: &str, value: &str) -> Option<(String, String)> {
    match name {
        "header" => header_without_secret(value),
        "proxy" if value.contains('@') => proxy_without_secret(value),
        "authorize-param" => parameter_without_secret(value),
        "token-command" if !value.split(' ').all(is_plain) => {
            let note = "with the command of `--token-command` in place of COMMAND".to_owned();
            Some(("COMMAND".to_owned(), note))
        }
        _ => url_without_secret(name, value),
    }
}

/// A header whose value may be a secret, with a variable in the place of that value.
fn header_without_secret(header: &str) -> Option<(String, String)> {
    let name = header_name(header);
    let (before, value) = header.split_at(header.find(name)? + name.len());
    let value = value.trim_start_matches(':').trim();
    if value.contains("${") || is_plain_name(name) && value.split(' ').all(is_plain) {
        return None;
    }
    let variable: String = name
        .chars()
        .map(|c| match c {
            c if c.is_ascii_alphanumeric() => c.to_ascii_uppercase(),
            _ => '_',
        })
        .collect();
    let note = format!("with the header's value in the environment variable {variable}");
    Some((format!("{before}: ${{{variable}}}"), note))
}

/// A proxy whose user name and password are written out, with a variable in their place. Without a
/// scheme the text begins with them.
fn proxy_without_secret(proxy: &str) -> Option<(String, String)> {
    let is_scheme = |it: &str| it.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let (scheme, rest) = match proxy.split_once("://") {
        Some((scheme, rest)) if is_scheme(scheme.trim_start()) => (format!("{scheme}://"), rest),
        _ => (String::new(), proxy),
    };
    let (user, host) = rest.rsplit_once('@')?;
    let password = user.split_once(':').map_or(user, |(_, password)| password);
    if password.contains("${") {
        return None;
    }
    let note = "with the proxy's user name and password in the environment variable PROXY_USER";
    Some((format!("{scheme}${{PROXY_USER}}@{host}"), note.to_owned()))
}

/// Parameters of authorization requests whose values are no secrets: of OpenID Connect Core §3.1.2.1, and of
/// providers.
const PUBLIC_PARAMETERS: &[&str] = &[
    "access_type",
    "acr_values",
    "audience",
    "claims",
    "connection",
    "display",
    "domain_hint",
    "hd",
    "include_granted_scopes",
    "kc_idp_hint",
    "login_hint",
    "max_age",
    "organization",
    "prompt",
    "tenant",
    "ui_locales",
];

/// A parameter of the authorization request that may be a credential, or a URL that may hold one.
fn parameter_without_secret(parameter: &str) -> Option<(String, String)> {
    let (name, value) = parameter.split_once('=')?;
    let option = format!("authorize-param {name}");
    let is_url = Url::parse(value).is_ok_and(|url| url.has_host());
    let is_known = PUBLIC_PARAMETERS.contains(&name);
    if is_known || is_url && is_plain_name(name) || value.split(' ').all(is_plain) {
        let (bare, note) = url_without_secret(&option, value)?;
        return Some((format!("{name}={bare}"), note));
    }
    Some((
        format!("{name}=VALUE"),
        format!("with the value of `--{option}` in place of VALUE"),
    ))
}

/// A URL with a query or a user, which may hold a key.
fn url_without_secret(name: &str, value: &str) -> Option<(String, String)> {
    let mut url = Url::parse(value)
        .ok()
        .filter(|url| !url.cannot_be_a_base())?;
    if !url.username().is_empty() || url.password().is_some() {
        let note = format!("with the user and the whole query of `--{name}`");
        url.set_query(None);
        // Fails only for URLs without a host.
        let _ = (url.set_username(""), url.set_password(None));
        return Some((url.into(), note));
    }
    url.query()?;
    let (bare, _) = value.split_once('?')?;
    Some((
        bare.to_owned(),
        format!("with the whole query of `--{name}`"),
    ))
}

/// Whether a header or a parameter of this name is no credential.
fn is_plain_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [
        "auth",
        "cookie",
        "credential",
        "key",
        "pass",
        "secret",
        "session",
        "sign",
        "token",
    ]
    .iter()
    .all(|word| !name.contains(word))
}

/// Whether a word consists of words of a language and small numbers, and so is no secret of any strength.
fn is_plain(word: &str) -> bool {
    let is_number = |part: &str| part.len() <= 4 && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_word = |part: &str| {
        let mut letters = part.bytes();
        letters
            .next()
            .is_none_or(|first| first.is_ascii_alphabetic())
            && letters.all(|byte| byte.is_ascii_lowercase())
    };
    let mut parts = word.split(['-', '_', '.', '/']);
    word.len() <= 20 && parts.all(|part| is_number(part) || is_word(part))
}

#[cfg(test)]
mod tests;
