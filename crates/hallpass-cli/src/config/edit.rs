//! Changes of the file: as a whole or not at all, and what a person wrote around them stays.

use std::{fs, io, path::Path};

use serde_json::Value;
use toml_edit::{Array, DocumentMut, Item, Table, value};

use super::{Config, Entry};
use crate::{exit::Failed, remembered::create_private};

impl Config {
    /// Writes an entry under a name.
    pub(crate) fn add(&self, name: &str, entry: &Entry) -> Result<(), Failed> {
        self.add_all([(name, entry)])
    }

    /// Writes entries under their names: all of them, or none.
    pub(crate) fn add_all<'a>(
        &self,
        entries: impl IntoIterator<Item = (&'a str, &'a Entry)>,
    ) -> Result<(), Failed> {
        self.change(|document| {
            let servers = document.entry("servers").or_insert_with(|| {
                let mut servers = Table::new();
                servers.set_implicit(true);
                Item::Table(servers)
            });
            for (name, entry) in entries {
                let table = table(entry)?;
                if let Some(servers) = servers.as_table_like_mut() {
                    servers.insert(name, Item::Table(table));
                }
            }
            Ok(())
        })
    }

    /// Takes the entry of a name out.
    pub(crate) fn remove(&self, name: &str) -> Result<(), Failed> {
        self.change(|document| {
            let servers = document
                .get_mut("servers")
                .and_then(Item::as_table_like_mut);
            servers.and_then(|servers| servers.remove(name));
            Ok(())
        })
    }

    fn change(
        &self,
        change: impl FnOnce(&mut DocumentMut) -> Result<(), Failed>,
    ) -> Result<(), Failed> {
        let Some(path) = self.path() else {
            return Err(Failed::usage("there is no place for a configuration file")
                .hint("name one with --config, or set HALLPASS_CONFIG"));
        };
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(Failed::new(error)),
        };
        let mut document: DocumentMut = text.parse().map_err(Failed::usage)?;
        change(&mut document)?;
        write(path, &document.to_string())
            .map_err(|error| Failed::usage(format!("{} can't be written: {error}", path.display())))
    }
}

/// An entry as it stands in the file.
fn table(entry: &Entry) -> Result<Table, Failed> {
    let mut table = Table::new();
    table.insert("url", value(entry.slot.server.as_str()));
    if entry.slot.profile != hallpass::Profile::default() {
        table.insert("account", value(entry.slot.profile.as_str()));
    }
    for (option, set) in entry.options.to_map().map_err(Failed::new)? {
        table.insert(&option, item(&set));
    }
    Ok(table)
}

/// Replaces a file as a whole; where it is a link, the file behind it.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    // It may be the folder of the credentials as well.
    create_private(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    io::Write::write_all(&mut file, text.as_bytes())?;
    if let Ok(before) = fs::metadata(&path) {
        file.as_file().set_permissions(before.permissions())?;
    }
    file.as_file().sync_all()?;
    file.persist(&path)?;
    Ok(())
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
