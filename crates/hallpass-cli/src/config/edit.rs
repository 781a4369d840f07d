//! Changes of the file: as a whole or not at all, and what a user wrote around them stays.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use hallpass::store::{FilePermissions, replace_file};
use serde_json::Value;
use toml_edit::{Array, DocumentMut, Item, Table, value};

use super::{Config, Entry, WHAT};
use crate::{exit::CommandError, saved_options::create_private, trusted};

impl Config {
    /// Writes an entry under a name.
    pub(crate) fn add(
        &self,
        name: &str,
        entry: &Entry,
        replaces: bool,
    ) -> Result<(), CommandError> {
        self.put([(name, entry)], replaces)
    }

    /// Writes entries under new names: all of them, or none.
    pub(crate) fn add_all<'a>(
        &self,
        entries: impl IntoIterator<Item = (&'a str, &'a Entry)>,
    ) -> Result<(), CommandError> {
        self.put(entries, false)
    }

    fn put<'a>(
        &self,
        entries: impl IntoIterator<Item = (&'a str, &'a Entry)>,
        replaces: bool,
    ) -> Result<(), CommandError> {
        self.change(|document, now| {
            let servers = document.entry("servers").or_insert_with(|| {
                let mut servers = Table::new();
                servers.set_implicit(true);
                Item::Table(servers)
            });
            for (name, entry) in entries {
                now.check_free(name, &entry.key, replaces)?;
                let table = table(entry)?;
                if let Some(servers) = servers.as_table_like_mut() {
                    servers.insert(name, Item::Table(table));
                }
            }
            Ok(())
        })
    }

    /// Takes the entry of a name out.
    pub(crate) fn remove(&self, name: &str) -> Result<(), CommandError> {
        self.change(|document, _| {
            let servers = document
                .get_mut("servers")
                .and_then(Item::as_table_like_mut);
            servers.and_then(|servers| servers.remove(name));
            Ok(())
        })
    }

    /// Changes the current file, which may have changed since it was read. Other processes that change it
    /// wait.
    fn change(
        &self,
        change: impl FnOnce(&mut DocumentMut, &Self) -> Result<(), CommandError>,
    ) -> Result<(), CommandError> {
        let Some(path) = self.path() else {
            return Err(CommandError::usage("no configuration file is known")
                .hint("set `--config` or `HALLPASS_CONFIG`"));
        };
        let unwritable =
            |error| CommandError::usage(format!("{} can't be written: {error}", path.display()));
        let (_, folder) = behind(path).map_err(unwritable)?;
        trusted::check(&folder, WHAT)?;
        let _lock = lock(path).map_err(unwritable)?;
        let text = trusted::read(path, WHAT)?.unwrap_or_default();
        let mut document: DocumentMut = text.parse().map_err(CommandError::usage)?;
        change(&mut document, &Self::parse(&text, path.to_owned())?)?;
        write(path, &document.to_string()).map_err(unwritable)
    }
}

/// An entry as it stands in the file.
fn table(entry: &Entry) -> Result<Table, CommandError> {
    let mut table = Table::new();
    table.insert("url", value(entry.key.server.as_str()));
    if entry.key.account != hallpass::Account::default() {
        table.insert("account", value(entry.key.account.as_str()));
    }
    for (option, set) in entry.options.to_map().map_err(CommandError::new)? {
        table.insert(&option, item(&set));
    }
    Ok(table)
}

/// Held while the file is changed: a lock on a file beside it, which stays. Who can open it can keep others
/// from changing the file, so it is for its owner alone.
fn lock(path: &Path) -> io::Result<File> {
    let (path, folder) = behind(path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(folder.join(format!(".{name}.lock")))?;
    file.lock()?;
    Ok(file)
}

/// The file that a path stands for, which may be a link, and its folder.
fn behind(path: &Path) -> io::Result<(PathBuf, PathBuf)> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).to_owned();
    // It may be the folder of the credentials as well.
    create_private(&folder)?;
    Ok((path, folder))
}

/// Replaces a file as a whole.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let (path, _) = behind(path)?;
    replace_file(&path, text.as_bytes(), FilePermissions::Keep)
}

fn item(set: &Value) -> Item {
    match set {
        Value::Bool(on) => value(*on),
        Value::Number(number) => value(number.as_i64().unwrap_or_default()),
        Value::Array(list) => {
            let texts = list.iter().filter_map(Value::as_str);
            value(texts.collect::<Array>())
        }
        other => value(other.as_str().unwrap_or_default()),
    }
}
