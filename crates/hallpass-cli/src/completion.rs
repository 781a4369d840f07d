//! What a shell asks for while the user types: commands, options, names of servers and of tools.
//!
//! The script of `hallpass completions` starts this program with [`VARIABLE`] set and the words of the
//! line after `--`. Nothing is asked over the network: the names of tools are those that `tools` and `call`
//! saw last.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser as _;
use clap_complete::{CompleteEnv, CompletionCandidate};
use hallpass::{
    CredentialKey,
    store::{FilePermissions, read_private, replace_file},
};

use crate::{
    arguments::Arguments,
    config::Config,
    environment::Environment,
    output::Output,
    program::Program,
    saved_options::{SavedOptions, create_private, name_of},
    setup, store,
};

/// The variable that names the shell that asks.
pub(crate) const VARIABLE: &str = "HALLPASS_COMPLETE";

/// How many tools of a server are remembered, and how long a name may be.
const MAX_TOOLS: usize = 500;
const MAX_NAME: usize = 128;

/// Answers the shell, if it is a shell that asks.
pub(crate) fn answer() -> Option<ExitCode> {
    let environment = CompleteEnv::with_factory(Arguments::described).var(VARIABLE);
    match environment.try_complete(std::env::args_os(), None) {
        Ok(true) => Some(ExitCode::SUCCESS),
        Ok(false) => None,
        // A line that is being typed is no place for an error.
        Err(_) => Some(ExitCode::FAILURE),
    }
}

/// The servers of the configuration, and those with a sign-in that it has no name for.
pub(crate) fn servers() -> Vec<CompletionCandidate> {
    let Some(program) = program(&words()) else {
        return Vec::new();
    };
    let config = Config::read(&program).unwrap_or_default();
    let named = config.servers();
    let saved = store::folder(&program).and_then(|folder| SavedOptions::credentials(&folder));
    let is_named = |key: &CredentialKey| named.values().any(|entry| entry.key == *key);
    let urls = saved.unwrap_or_default().into_iter();
    let urls = urls.filter(|key| !is_named(key) && key.server.url().query().is_none());
    let urls = urls.map(|key| CompletionCandidate::new(key.server.as_str()));
    let names = named.iter().map(|(name, entry)| {
        let url = entry.key.server.to_string();
        CompletionCandidate::new(name).help(Some(url.into()))
    });
    names.chain(urls).collect()
}

/// The tools of the server that the line names.
pub(crate) fn tools() -> Vec<CompletionCandidate> {
    let words = words();
    let names = program(&words).and_then(|program| {
        let config = Config::read(&program).ok()?;
        let after = words
            .iter()
            .skip_while(|word| !matches!(word.as_str(), "call" | "tools"));
        let server = after
            .skip(1)
            .find(|word| config.servers().contains_key(*word) || word.contains("://"))?;
        let key = setup::key(&program, server, value_of("--account", &words)).ok()?;
        Some(ToolNames::new(&key, &store::folder(&program).ok()?).load())
    });
    let names = names.unwrap_or_default().into_iter();
    names.map(CompletionCandidate::new).collect()
}

/// The words of the line, as far as they are text.
fn words() -> Vec<String> {
    let words = std::env::args_os().skip_while(|word| word != OsStr::new("--"));
    let text = words.skip(1).map(OsString::into_string);
    text.filter_map(Result::ok).collect()
}

/// The value of an option: the next word, or what follows `=`.
fn value_of<'a>(option: &str, words: &'a [String]) -> Option<&'a str> {
    words.iter().enumerate().find_map(|(at, word)| {
        let rest = word.strip_prefix(option)?;
        match rest.strip_prefix('=') {
            None if rest.is_empty() => words.get(at + 1).map(String::as_str),
            value => value,
        }
    })
}

/// A run of the program with the folders that the line names.
fn program(words: &[String]) -> Option<Program> {
    let mut options = Arguments::try_parse_from(["hallpass", "list"]).ok()?.global;
    options.store = value_of("--store", words).map(PathBuf::from);
    options.config = value_of("--config", words).map(PathBuf::from);
    let environment = Environment::read().non_interactive();
    let output = Output::new(false, &environment);
    Some(Program::new(options, environment, output))
}

/// The names of a server's tools, kept beside the credentials for completions.
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
    pub(crate) fn save<'a>(&self, names: impl Iterator<Item = &'a str>) {
        let names: Vec<&str> = names.filter(|name| is_word(name)).take(MAX_TOOLS).collect();
        if names == self.load() {
            return;
        }
        let write = || {
            create_private(self.path.parent().unwrap_or(&self.path))?;
            let bytes = serde_json::to_vec(&names)?;
            replace_file(&self.path, &bytes, FilePermissions::OwnerOnly)
        };
        if let Err(error) = write() {
            tracing::debug!(%error, "the names of the tools are not remembered");
        }
    }

    fn load(&self) -> Vec<String> {
        let bytes = read_private(&self.store, &self.path).ok().flatten();
        let names = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let names: Vec<String> = names.unwrap_or_default();
        names.into_iter().filter(|name| is_word(name)).collect()
    }
}

/// Whether a server's name can stand in a command line as it is: the shell inserts it.
fn is_word(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    name.len() <= MAX_NAME
        && name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && name.chars().all(fits)
}
