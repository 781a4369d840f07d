//! `config.toml`: servers by name.
//!
//! ```toml
//! [servers.example]
//! url = "https://mcp.example.com/mcp"
//! scope = "read write"
//! ```
//!
//! A key of a server is the option of the command line without its dashes; `url` and `account` say
//! which server and whose account. The file is read as a whole before anything is done, and a key
//! that nobody knows is an error that names its line: a setting that is overlooked is worse.

mod edit;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use clap::Args;
use hallpass::{Account, CredentialKey, ServerUrl};
use serde_json::{Map, Value};
use toml_edit::{Document, Item, Key};

use crate::{exit::CommandError, program::Program, server_options::ServerOptions, trusted};

/// What the file is to the user.
const WHAT: &str = "the configuration";

/// The file, and what it says.
#[derive(Debug, Default)]
pub(crate) struct Config {
    path: Option<PathBuf>,
    servers: BTreeMap<String, Entry>,
}

/// One server of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) key: CredentialKey,
    pub(crate) options: ServerOptions,
}

impl Config {
    /// Reads the file that the command line, the environment or the platform names. Where nobody
    /// named it, it need not be there.
    pub(crate) fn read(program: &Program) -> Result<Self, CommandError> {
        let named = program.options.config.clone();
        let named = named.or_else(|| program.environment.get("HALLPASS_CONFIG").map(Into::into));
        let is_named = named.is_some();
        let Some(path) = named.or_else(|| program.environment.config_file()) else {
            return Ok(Self::default());
        };
        if let Some(text) = trusted::read(&path, WHAT)? {
            return Self::parse(&text, path);
        }
        if is_named && !program.may_create_config {
            let what = format!("there is no configuration file {}", path.display());
            return Err(CommandError::usage(what));
        }
        Ok(Self {
            path: Some(path),
            servers: BTreeMap::new(),
        })
    }

    fn parse(text: &str, path: PathBuf) -> Result<Self, CommandError> {
        let place = |at: Option<std::ops::Range<usize>>| {
            let before = at.and_then(|at| text.get(..at.start)).unwrap_or_default();
            format!("{}:{}", path.display(), before.matches('\n').count() + 1)
        };
        let document = Document::parse(text).map_err(|error| {
            let (place, what) = (place(error.span()), error.message().to_owned());
            CommandError::usage(format!("{place}: {what}"))
        })?;
        let fail =
            |key: &Key, what: String| CommandError::usage(format!("{}: {what}", place(key.span())));
        let mut servers: BTreeMap<String, Entry> = BTreeMap::new();
        for (name, _) in document.as_table() {
            let Some((key, item)) = document.as_table().get_key_value(name) else {
                continue;
            };
            if name != "servers" {
                return Err(fail(key, unknown(name, &["servers".to_owned()])));
            }
            let Some(table) = item.as_table_like() else {
                return Err(fail(key, "`servers` is to be a table".to_owned()));
            };
            for (name, _) in table.iter() {
                let Some((key, item)) = table.get_key_value(name) else {
                    continue;
                };
                if !is_name(name) {
                    return Err(fail(key, format!("`{name}` can't name a server")).hint(NAME_FORM));
                }
                let entry = read_entry(item, &path, &|key, what| fail(key, what), key)?;
                let twin = servers.iter().find(|(_, other)| other.key == entry.key);
                if let Some((twin, _)) = twin {
                    let what =
                        format!("`{name}` and `{twin}` are the same account of the same server");
                    return Err(fail(key, what).hint("give one of them an `account`"));
                }
                servers.insert(name.to_owned(), entry);
            }
        }
        Ok(Self {
            path: Some(path),
            servers,
        })
    }

    pub(crate) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    pub(crate) fn servers(&self) -> &BTreeMap<String, Entry> {
        &self.servers
    }

    /// Whether a server can have this name here: neither it nor its account may be there, unless the
    /// one with the name is replaced.
    pub(crate) fn has_place_for(
        &self,
        name: &str,
        key: &CredentialKey,
        replaces: bool,
    ) -> Result<(), CommandError> {
        if self.servers.contains_key(name) && !replaces {
            return Err(
                CommandError::usage(format!("there is a server `{name}` already"))
                    .hint("`hallpass add --replace` puts another in its place"),
            );
        }
        let mut others = self.servers.iter().filter(|(other, _)| *other != name);
        if let Some((other, _)) = others.find(|(_, entry)| entry.key == *key) {
            let what = format!("this account of the server has a name: `{other}`");
            return Err(CommandError::usage(what).hint("`--account NAME` names another account"));
        }
        Ok(())
    }

    /// The credential that a name or a URL with an account stands for. The account of a name is the
    /// file's, unless one is given.
    pub(crate) fn key(
        &self,
        server: &str,
        account: Option<&str>,
    ) -> Result<CredentialKey, CommandError> {
        let account = account.map(Account::parse).transpose();
        let account = account.map_err(CommandError::usage)?;
        if let Some(entry) = self.servers.get(server) {
            let key = entry.key.clone();
            return Ok(match account {
                Some(account) => key.with_account(account),
                None => key,
            });
        }
        if !server.contains("://") {
            let file = match &self.path {
                Some(path) => format!(" in {}", path.display()),
                None => String::new(),
            };
            let failed = CommandError::usage(format!(
                "`{server}` is not the URL of an MCP server, nor the name of one{file}"
            ));
            let names: Vec<String> = self.servers.keys().cloned().collect();
            return Err(match nearest(server, &names) {
                Some(name) => failed.hint(format!("did you mean `{name}`?")),
                None if is_name(server) => failed.hint(format!(
                    "`hallpass add {server} URL` gives a server that name"
                )),
                None => failed.hint("a URL begins with https://, or with http:// on this machine"),
            });
        }
        let server = ServerUrl::parse(server).map_err(CommandError::usage)?;
        Ok(CredentialKey::new(server).with_account(account.unwrap_or_default()))
    }

    /// What the file says of a credential: its own entry, else that of the same server's usual account.
    pub(crate) fn options(&self, key: &CredentialKey) -> ServerOptions {
        let of = |key: &CredentialKey| self.servers.values().find(|entry| entry.key == *key);
        let usual = CredentialKey::new(key.server.clone());
        let found = of(key).or_else(|| of(&usual));
        found.map(|entry| entry.options.clone()).unwrap_or_default()
    }
}

/// What a name may be.
pub(crate) const NAME_FORM: &str = "a name has letters, digits, `-`, `_` and `.`";

/// Whether a text can name a server.
pub(crate) fn is_name(text: &str) -> bool {
    let fits = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    !text.is_empty() && text.chars().all(fits)
}

fn read_entry(
    item: &Item,
    path: &Path,
    fail: &dyn Fn(&Key, String) -> CommandError,
    name: &Key,
) -> Result<Entry, CommandError> {
    let Some(table) = item.as_table_like() else {
        return Err(fail(name, format!("`{}` is to be a table", name.get())));
    };
    let keys = keys();
    let (mut options, mut server, mut account) = (Map::new(), None, Account::default());
    for (option, _) in table.iter() {
        let Some((key, item)) = table.get_key_value(option) else {
            continue;
        };
        if !keys.iter().any(|known| known == option) {
            return Err(fail(key, unknown(option, &keys)));
        }
        let wrong = |what: String| fail(key, format!("`{option}`: {what}"));
        let value =
            json(item).ok_or_else(|| wrong("a value of this kind is not expected".to_owned()))?;
        match (option, value.as_str()) {
            ("url", Some(text)) => {
                server = Some(ServerUrl::parse(text).map_err(|error| wrong(error.to_string()))?);
            }
            ("account", Some(text)) => {
                account = Account::parse(text).map_err(|error| wrong(error.to_string()))?;
            }
            ("url" | "account", None) => return Err(wrong("it is to be a string".to_owned())),
            _ => {
                let one = Map::from_iter([(option.to_owned(), value.clone())]);
                serde_json::from_value::<ServerOptions>(Value::Object(one))
                    .map_err(|error| wrong(error.to_string()))?;
                options.insert(option.to_owned(), value);
            }
        }
    }
    let Some(server) = server else {
        return Err(fail(name, format!("`{}` has no `url`", name.get())));
    };
    let mut options: ServerOptions =
        serde_json::from_value(Value::Object(options)).map_err(CommandError::usage)?;
    if let Some(what) = options.contradiction().map_err(CommandError::new)? {
        return Err(fail(name, format!("`{}`: {what}", name.get())));
    }
    options.files_from(path.parent().unwrap_or(Path::new("")))?;
    Ok(Entry {
        key: CredentialKey::new(server).with_account(account),
        options,
    })
}

/// Every key of a server, also by its old names.
fn keys() -> Vec<String> {
    let command = ServerOptions::augment_args(clap::Command::new("server"));
    let options = command.get_arguments().filter_map(clap::Arg::get_long);
    let old = command
        .get_arguments()
        .filter_map(clap::Arg::get_all_aliases);
    ["url", "account"]
        .into_iter()
        .chain(options)
        .chain(old.flatten())
        .map(str::to_owned)
        .collect()
}

fn json(item: &Item) -> Option<Value> {
    let value = item.as_value()?;
    if let Some(list) = value.as_array() {
        let texts = list.iter().map(|value| value.as_str().map(Value::from));
        return texts.collect::<Option<Vec<_>>>().map(Value::Array);
    }
    value
        .as_str()
        .map(Value::from)
        .or_else(|| value.as_bool().map(Value::from))
        .or_else(|| value.as_integer().map(Value::from))
}

fn unknown(key: &str, known: &[String]) -> String {
    match nearest(key, known) {
        Some(name) => format!("nobody knows the key `{key}`; did you mean `{name}`?"),
        None => format!("nobody knows the key `{key}`"),
    }
}

/// The name that a mistyped one was probably meant to be.
fn nearest<'a>(text: &str, names: &'a [String]) -> Option<&'a str> {
    let text = text.replace('_', "-");
    let near = names.iter().map(|name| (distance(&text, name), name));
    let (distance, name) = near.min()?;
    (distance <= 1 + name.len() / 4).then_some(name)
}

/// How many letters have to change, come or go.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (above, letter) in one.chars().enumerate() {
        let mut corner = above;
        let mut left = above + 1;
        for (at, &there) in other.iter().enumerate() {
            let changed = corner + usize::from(letter != there);
            corner = row.get(at + 1).copied().unwrap_or_default();
            let new = changed.min(corner + 1).min(left + 1);
            if let Some(place) = row.get_mut(at) {
                *place = left;
            }
            left = new;
        }
        if let Some(last) = row.last_mut() {
            *last = left;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
