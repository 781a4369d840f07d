//! The names of a server's tools and of their arguments, kept beside the credentials for completions.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use hallpass::{
    CredentialKey,
    store::{FilePermissions, read_private, replace_file},
};

use crate::{
    saved_options::{create_private, name_of},
    trusted,
};

/// How many tools of a server are remembered, how many arguments of each, and how long a name may be.
const MAX_TOOLS: usize = 500;
const MAX_ARGUMENTS: usize = 50;
const MAX_NAME: usize = 128;

/// Tools by their names, with the names of their arguments.
pub(crate) type Tools = BTreeMap<String, Vec<String>>;

/// The names of one server's tools and of their arguments, in a file of their own.
pub(crate) struct ToolNames {
    store: PathBuf,
    pub(crate) path: PathBuf,
}

impl ToolNames {
    pub(crate) fn new(key: &CredentialKey, folder: &Path) -> Self {
        Self {
            store: folder.to_owned(),
            path: folder.join("tools").join(name_of(key) + ".json"),
        }
    }

    /// Remembers the names, but those that a shell might take for more than a word.
    pub(crate) fn save<'a>(&self, tools: impl Iterator<Item = (&'a str, Vec<&'a str>)>) {
        let tools = tools.filter(|(name, _)| is_word(name)).take(MAX_TOOLS);
        let tools: Tools = tools
            .map(|(name, arguments)| {
                let arguments = arguments.into_iter().filter(|name| is_word(name));
                let arguments = arguments.take(MAX_ARGUMENTS).map(str::to_owned);
                (name.to_owned(), arguments.collect())
            })
            .collect();
        if tools == self.load() {
            return;
        }
        let write = || {
            create_private(self.path.parent().unwrap_or(&self.path))?;
            let bytes = serde_json::to_vec(&tools)?;
            replace_file(&self.path, &bytes, FilePermissions::OwnerOnly)
        };
        if let Err(error) = write() {
            tracing::debug!(%error, "the names of the tools are not remembered");
        }
    }

    pub(crate) fn load(&self) -> Tools {
        let is_trusted = trusted::check(&self.path, "the file of tool names").is_ok();
        let bytes = read_private(&self.store, &self.path).ok().flatten();
        let bytes = bytes.filter(|_| is_trusted);
        let tools = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let mut tools: Tools = tools.unwrap_or_default();
        tools.retain(|name, _| is_word(name));
        for arguments in tools.values_mut() {
            arguments.retain(|name| is_word(name));
        }
        tools
    }
}

/// Whether a server's name can stand in a command line as it is: the shell inserts it.
fn is_word(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    name.len() <= MAX_NAME
        && name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && name.chars().all(fits)
}
