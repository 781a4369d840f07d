//! Everything that the other programs keep, read once.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use hallpass::{CredentialKey, ServerUrl};
use serde_json::Value;

use super::{
    credentials::Candidate,
    entry, file, mcp_remote,
    mcp_remote_cache::{self, CachedCredentials},
    plan::{FoundServer, Step},
    source::{self, File, Platform, Source},
};
use crate::{config::Config, environment::Environment, exit::CommandError};

/// What was found, and what could not be read.
#[derive(Debug, Default)]
pub(super) struct Scan {
    pub(super) found: Vec<FoundServer>,
    pub(super) problems: Vec<Problem>,
    /// The files that were looked for.
    pub(super) files: Vec<File>,
    /// What mcp-remote keeps, by what it calls it.
    kept: BTreeMap<String, CachedCredentials>,
    /// What it calls the credentials of which server.
    names: BTreeMap<String, CredentialKey>,
    pub(super) folder: Option<PathBuf>,
    /// Whether the project here has files that were not read.
    pub(super) ignored: bool,
}

/// A file that could not be read; the others count nevertheless.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) source: Source,
    pub(super) what: String,
}

impl Scan {
    /// Reads all of them: of those that are not `wanted` nothing is kept but what mcp-remote calls
    /// their servers.
    pub(super) fn new(
        wanted: impl Fn(Source) -> bool,
        environment: &Environment,
        here: &Path,
        project: bool,
    ) -> Self {
        let mut reading = Self::default();
        let all = source::files(Platform::this(), environment, Some(here));
        let read = source::files(Platform::this(), environment, project.then_some(here));
        reading.ignored = all
            .iter()
            .any(|file| !read.contains(file) && wanted(file.source) && file.path.exists());
        for file in read {
            let wanted = wanted(file.source);
            match file::read(&file.path) {
                Ok(None) => {}
                Ok(Some(value)) => reading.servers(&file, &value, here, wanted),
                Err(_) if !wanted => {}
                Err(what) => reading.problems.push(Problem {
                    source: file.source,
                    what,
                }),
            }
            if wanted {
                reading.files.push(file);
            }
        }
        reading.folder = source::mcp_remote(environment).filter(|_| wanted(Source::McpRemote));
        if let Some(folder) = &reading.folder {
            match mcp_remote_cache::all(folder) {
                Ok(kept) => reading.kept = kept,
                Err(error) => reading.problems.push(Problem {
                    source: Source::McpRemote,
                    what: format!("{} can't be read: {error}", folder.display()),
                }),
            }
        }
        reading
    }

    fn servers(&mut self, file: &File, value: &Value, here: &Path, wanted: bool) {
        let mut tables = vec![&value[file.member]];
        if file.source == Source::ClaudeCode {
            // Its servers for one project alone are in the user's file as well.
            let here = here.to_string_lossy();
            tables.push(&value["projects"][here.as_ref()][file.member]);
        }
        for (name, server) in tables.into_iter().filter_map(Value::as_object).flatten() {
            let remote = entry::read(server);
            if let Ok(remote) = &remote
                && let Some(kept_as) = &remote.kept_as
                && let Ok(server) = ServerUrl::parse(&remote.url)
            {
                self.names
                    .insert(kept_as.clone(), CredentialKey::new(server));
            }
            if wanted {
                self.found.push(FoundServer {
                    source: file.source,
                    file: file.path.clone(),
                    name: name.clone(),
                    remote,
                });
            }
        }
    }

    /// The credentials of servers that are in our file, or will be; and how many there are of others.
    pub(super) fn offers(&self, steps: &[Step], config: &Config) -> (Vec<Candidate>, usize) {
        let mut ours: BTreeMap<&CredentialKey, (&str, _)> = BTreeMap::new();
        for (name, entry) in config.servers() {
            ours.insert(&entry.key, (name, &entry.options));
        }
        for addition in steps.iter().filter_map(Step::addition) {
            let entry = &addition.entry;
            ours.insert(&entry.key, (&addition.name, &entry.options));
        }
        let mut names = self.names.clone();
        for key in ours.keys() {
            for url in [
                key.server.as_str().to_owned(),
                format!("{}/", key.server.as_str()),
            ] {
                let kept_as = mcp_remote::kept_as(&url, "", &BTreeMap::new());
                names.entry(kept_as).or_insert_with(|| (*key).clone());
            }
        }
        let mut best: BTreeMap<&CredentialKey, (bool, &CachedCredentials)> = BTreeMap::new();
        let mut others = 0;
        for (kept_as, kept) in &self.kept {
            let Some(key) = names.get(kept_as).filter(|key| ours.contains_key(key)) else {
                others += 1;
                continue;
            };
            // What a file names comes before what its URL alone would be kept as, and then the newest.
            let is_named = self.names.contains_key(kept_as);
            let is_better = |(named, before): &(bool, &CachedCredentials)| {
                (is_named, kept.written) > (*named, before.written)
            };
            if best.get(key).is_none_or(is_better) {
                best.insert(key, (is_named, kept));
            }
        }
        let offer = |(key, (_, kept)): (&CredentialKey, (bool, &CachedCredentials))| {
            let (name, options) = ours.get(key)?;
            Some(Candidate {
                name: (*name).to_owned(),
                key: key.clone(),
                options: (*options).clone(),
                kept: kept.clone(),
            })
        };
        (best.into_iter().filter_map(offer).collect(), others)
    }

    /// What to say where one source alone was asked for, and has nothing.
    pub(super) fn nothing(&self) -> CommandError {
        if let Some(problem) = self.problems.first() {
            return CommandError::usage(problem.what.clone()).hint(
                "nothing was written; fix the file, or choose another program with `--from`",
            );
        }
        let files = self.files.iter().map(|file| file.path.as_path());
        let files = files.chain(self.folder.as_deref());
        let files: Vec<String> = files.map(|path| path.display().to_string()).collect();
        let failed = CommandError::usage("no such configuration exists on this machine");
        if files.is_empty() {
            failed.hint("its location is unknown: `HOME` is not set")
        } else {
            failed.hint(format!("looked for {}", files.join(", ")))
        }
    }
}
