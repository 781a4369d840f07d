//! `config.toml`: servers by name.
//!
//! ```toml
//! [servers.example]
//! url = "https://mcp.example.com/mcp"
//! scope = "read write"
//! ```
//!
//! A key of a server is the option of the command line without its dashes; `url` and `account` say
//! which server and which account. The file is read as a whole. A faulty entry, as one with an unknown
//! key, is an error for its own server, because a setting that is overlooked is worse. For every other
//! server it is a warning that names the line.

mod edit;

use std::{
    any::TypeId,
    collections::BTreeMap,
    num::NonZeroU32,
    path::{Path, PathBuf},
};

use clap::Args;
use hallpass::{Account, CredentialKey, ServerUrl};
use serde_json::{Map, Value};
use toml_edit::{Document, Item, Key};

use crate::{
    exit::CommandError,
    program::Program,
    server_options::{PORT, POSITIVE_NUMBER, ServerOptions, server_url, url_hint},
    text, trusted,
};

/// What the file is to the user.
const WHAT: &str = "the configuration";

/// The file, and what it says.
#[derive(Debug, Default)]
pub(crate) struct Config {
    path: Option<PathBuf>,
    servers: BTreeMap<String, Entry>,
    faults: Vec<Fault>,
}

/// A part of the file that can't be used.
#[derive(Debug)]
struct Fault {
    /// The name of the server, unless the part belongs to no server.
    name: Option<String>,
    /// The server, where its URL can be read.
    key: Option<CredentialKey>,
    what: String,
    hint: Option<&'static str>,
}

impl Fault {
    fn new(what: String) -> Self {
        Self {
            name: None,
            key: None,
            what,
            hint: None,
        }
    }

    fn error(&self) -> CommandError {
        let failed = CommandError::usage(self.what.clone());
        self.hint.into_iter().fold(failed, CommandError::hint)
    }
}

/// One server of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) key: CredentialKey,
    pub(crate) options: ServerOptions,
}

impl Config {
    /// Reads the file that the command line, the environment or the platform names. The
    /// platform's need not exist.
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
            ..Self::default()
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
        let at = |key: &Key, what: String| format!("{}: {what}", place(key.span()));
        let mut servers: BTreeMap<String, Entry> = BTreeMap::new();
        let mut faults = Vec::new();
        for (name, _) in document.as_table() {
            let Some((key, item)) = document.as_table().get_key_value(name) else {
                continue;
            };
            if name != "servers" {
                faults.push(Fault::new(at(key, unknown(name, &["servers".to_owned()]))));
                continue;
            }
            let Some(table) = item.as_table_like() else {
                return Err(CommandError::usage(at(
                    key,
                    "`servers` is to be a table".to_owned(),
                )));
            };
            for (name, _) in table.iter() {
                let Some((key, item)) = table.get_key_value(name) else {
                    continue;
                };
                if !is_name(name) {
                    faults.push(Fault {
                        hint: Some(NAME_FORM),
                        ..Fault::new(at(key, format!("`{name}` can't name a server")))
                    });
                    continue;
                }
                let entry = match read_entry(item, &path, &at, key)? {
                    Ok(entry) => entry,
                    Err(what) => {
                        faults.push(Fault {
                            name: Some(name.to_owned()),
                            key: credential_key(item),
                            ..Fault::new(what)
                        });
                        continue;
                    }
                };
                let twin = servers.iter().find(|(_, other)| other.key == entry.key);
                if let Some((twin, _)) = twin {
                    let what =
                        format!("`{name}` and `{twin}` are the same account of the same server");
                    let failed = CommandError::usage(at(key, what));
                    return Err(failed.hint("give one of them an `account`"));
                }
                servers.insert(name.to_owned(), entry);
            }
        }
        Ok(Self {
            path: Some(path),
            servers,
            faults,
        })
    }

    /// What is wrong in the file, one text each.
    pub(crate) fn warnings(&self) -> impl Iterator<Item = &str> {
        self.faults.iter().map(|fault| fault.what.as_str())
    }

    /// What is wrong outside of the servers that can't be read.
    pub(crate) fn other_warnings(&self) -> impl Iterator<Item = &str> {
        let faults = self.faults.iter().filter(|fault| fault.name.is_none());
        faults.map(|fault| fault.what.as_str())
    }

    /// The servers of the file that can't be read: the name, the credential where its URL can be read, and
    /// what is wrong.
    pub(crate) fn unreadable(&self) -> impl Iterator<Item = (&str, Option<&CredentialKey>, &str)> {
        let faults = self.faults.iter();
        faults.filter_map(|fault| Some((fault.name.as_deref()?, fault.key.as_ref(), &*fault.what)))
    }

    /// The fault of the entry that a server or its usual account has.
    fn check(&self, key: &CredentialKey) -> Result<(), CommandError> {
        let usual = CredentialKey::new(key.server.clone());
        let has_entry = self.servers.values().any(|entry| entry.key == *key);
        let fault = self.faults.iter().find(|fault| {
            let of = fault.key.as_ref();
            of == Some(key) || !has_entry && of == Some(&usual)
        });
        fault.map_or(Ok(()), |fault| Err(fault.error()))
    }

    pub(crate) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    pub(crate) fn servers(&self) -> &BTreeMap<String, Entry> {
        &self.servers
    }

    /// Checks that a server can be added under this name: neither the name nor the account may exist,
    /// unless the entry of that name is replaced.
    pub(crate) fn check_free(
        &self,
        name: &str,
        key: &CredentialKey,
        replaces: bool,
    ) -> Result<(), CommandError> {
        let faulty = self.faults.iter().filter_map(|fault| fault.name.as_deref());
        if !replaces && (self.servers.contains_key(name) || faulty.clone().any(|it| it == name)) {
            let what = format!("a server `{name}` exists already");
            return Err(CommandError::usage(what));
        }
        let entries = self.servers.iter().map(|(name, entry)| (name, &entry.key));
        let faulty = self.faults.iter();
        let faulty = faulty.filter_map(|fault| Some((fault.name.as_ref()?, fault.key.as_ref()?)));
        let mut others = entries.chain(faulty).filter(|(other, _)| *other != name);
        if let Some((other, _)) = others.find(|(_, entry)| *entry == key) {
            let what = format!("this account of the server is in the file already: `{other}`");
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
        let is_it = |fault: &&Fault| fault.name.as_deref() == Some(server);
        if let Some(fault) = self.faults.iter().find(is_it) {
            return Err(fault.error());
        }
        if !server.contains("://") {
            let file = match &self.path {
                Some(path) => format!(" in {}", path.display()),
                None => String::new(),
            };
            let failed = CommandError::usage(format!(
                "`{server}` is not the URL of an MCP server, nor the name of one{file}"
            ));
            // A server may be missing because of what is wrong in the file.
            let fault = self.faults.iter().find(|fault| fault.name.is_none());
            let names = self.servers.keys().map(String::as_str);
            return Err(match text::nearest(server, names) {
                Some(name) => failed.hint(format!("did you mean `{name}`?")),
                None => match fault {
                    Some(fault) => failed.hint(fault.what.clone()),
                    None if is_name(server) && !server.contains('.') => failed.hint(format!(
                        "`hallpass add {server} URL` adds a server of that name"
                    )),
                    None if server.contains(char::is_whitespace) => failed.hint(NAME_FORM),
                    None => failed.hint(url_hint(server)),
                },
            });
        }
        let server = server_url(server)?;
        Ok(CredentialKey::new(server).with_account(account.unwrap_or_default()))
    }

    /// What the file says of a credential: its own entry, else that of the same server's usual account.
    pub(crate) fn options(&self, key: &CredentialKey) -> Result<ServerOptions, CommandError> {
        self.check(key)?;
        let of = |key: &CredentialKey| self.servers.values().find(|entry| entry.key == *key);
        let usual = CredentialKey::new(key.server.clone());
        let found = of(key).or_else(|| of(&usual));
        Ok(found.map(|entry| entry.options.clone()).unwrap_or_default())
    }
}

/// What a name may be.
pub(crate) const NAME_FORM: &str = "a name has letters, digits, `-`, `_` and `.`";

/// Whether a text can name a server.
pub(crate) fn is_name(text: &str) -> bool {
    let fits = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    !text.is_empty() && text.chars().all(fits)
}

/// The server and the account of an entry that is faulty elsewhere.
fn credential_key(item: &Item) -> Option<CredentialKey> {
    let table = item.as_table_like()?;
    let server = ServerUrl::parse(table.get("url")?.as_str()?).ok()?;
    let account = match table.get("account") {
        Some(account) => Account::parse(account.as_str()?).ok()?,
        None => Account::default(),
    };
    Some(CredentialKey::new(server).with_account(account))
}

/// Reads an entry. The inner error is what is wrong with it.
fn read_entry(
    item: &Item,
    path: &Path,
    fail: &dyn Fn(&Key, String) -> String,
    name: &Key,
) -> Result<Result<Entry, String>, CommandError> {
    let mut entry = match parse_entry(item, fail, name) {
        Ok(entry) => entry,
        Err(what) => return Ok(Err(what)),
    };
    if let Some(what) = entry.options.contradiction().map_err(CommandError::new)? {
        return Ok(Err(fail(name, format!("`{}`: {what}", name.get()))));
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    entry.options.files_from(folder)?;
    Ok(Ok(entry))
}

fn parse_entry(
    item: &Item,
    fail: &dyn Fn(&Key, String) -> String,
    name: &Key,
) -> Result<Entry, String> {
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
                    .map_err(|_| wrong(format!("it is to be {}", kind_of_value(option))))?;
                options.insert(option.to_owned(), value);
            }
        }
    }
    let Some(server) = server else {
        return Err(fail(name, format!("`{}` has no `url`", name.get())));
    };
    let options = serde_json::from_value(Value::Object(options))
        .map_err(|error| fail(name, format!("`{}`: {error}", name.get())))?;
    Ok(Entry {
        key: CredentialKey::new(server).with_account(account),
        options,
    })
}

/// Every key of a server, also by its old names.
pub(crate) fn keys() -> Vec<String> {
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

/// What the value of an option is, in words.
fn kind_of_value(option: &str) -> String {
    let command = ServerOptions::augment_args(clap::Command::new("server"));
    let mut arguments = command.get_arguments();
    let is_it = |argument: &&clap::Arg| {
        let aliases = argument.get_all_aliases().unwrap_or_default();
        argument.get_long() == Some(option) || aliases.contains(&option)
    };
    let Some(argument) = arguments.find(is_it) else {
        return "text".to_owned();
    };
    let values = argument.get_possible_values();
    let values: Vec<_> = values
        .iter()
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    let kind = argument.get_value_parser().type_id();
    if let Some((last, others @ [_, ..])) = values.split_last() {
        format!("{} or {last}", others.join(", "))
    } else if kind == TypeId::of::<u16>() {
        PORT.to_owned()
    } else if kind == TypeId::of::<NonZeroU32>() {
        POSITIVE_NUMBER.to_owned()
    } else if matches!(argument.get_action(), clap::ArgAction::Append) {
        "text, or a list of texts".to_owned()
    } else {
        "text".to_owned()
    }
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
    let known = known.iter().map(String::as_str);
    match text::nearest(&key.replace('_', "-"), known) {
        Some(name) => format!("unknown key `{key}`; did you mean `{name}`?"),
        None => format!("unknown key `{key}`"),
    }
}

#[cfg(test)]
mod tests;
