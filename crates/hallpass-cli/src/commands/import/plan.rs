//! What would be done about each server that was found. Nothing that is there is replaced.

use std::path::PathBuf;

use hallpass::{CredentialKey, ServerUrl};

use super::{
    remote::{Omitted, Remote},
    source::Source,
};
use crate::{
    config::{Config, Entry, is_name},
    settings,
};

/// A server in a host's file.
#[derive(Debug)]
pub(super) struct FoundServer {
    pub(super) source: Source,
    pub(super) file: PathBuf,
    /// Its name there.
    pub(super) name: String,
    /// What is known of it, or why nothing comes of it.
    pub(super) remote: Result<Remote, String>,
}

/// What becomes of one.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) source: Source,
    pub(super) file: PathBuf,
    pub(super) name: String,
    /// The server, where its URL is one.
    pub(super) key: Option<CredentialKey>,
    pub(super) outcome: Outcome,
    pub(super) left: Vec<Omitted>,
    /// What mcp-remote calls its credentials.
    pub(super) kept_as: Option<String>,
}

#[derive(Debug)]
pub(super) enum Outcome {
    /// It goes into our file, under this name.
    Add(Box<PlannedEntry>),
    /// Nothing; why.
    Skipped(String),
}

/// An entry of our file to be.
#[derive(Debug)]
pub(super) struct PlannedEntry {
    pub(super) name: String,
    pub(super) entry: Entry,
    pub(super) taken: Vec<String>,
}

impl Step {
    pub(super) fn addition(&self) -> Option<&PlannedEntry> {
        match &self.outcome {
            Outcome::Add(addition) => Some(addition),
            Outcome::Skipped(_) => None,
        }
    }

    pub(super) fn addition_mut(&mut self) -> Option<&mut PlannedEntry> {
        match &mut self.outcome {
            Outcome::Add(addition) => Some(addition),
            Outcome::Skipped(_) => None,
        }
    }
}

/// Decides about all of them, in their order: of two that get in each other's way the first counts.
pub(super) fn plan(found: Vec<FoundServer>, config: &Config) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for found in found {
        let step = step(found, config, &steps);
        steps.push(step);
    }
    steps
}

fn step(found: FoundServer, config: &Config, before: &[Step]) -> Step {
    let mut step = Step {
        source: found.source,
        file: found.file,
        name: found.name,
        key: None,
        outcome: Outcome::Skipped(String::new()),
        left: Vec::new(),
        kept_as: None,
    };
    let remote = match found.remote {
        Ok(remote) => remote,
        Err(why) => {
            step.outcome = Outcome::Skipped(why);
            return step;
        }
    };
    let key = match key(&remote.url) {
        Ok(key) => key,
        Err(why) => {
            step.outcome = Outcome::Skipped(why);
            return step;
        }
    };
    step.outcome = match addition(&step.name, &key, &remote, config, before) {
        Ok(addition) => Outcome::Add(Box::new(addition)),
        Err(why) => Outcome::Skipped(why),
    };
    step.key = Some(key);
    step.left = remote.left;
    step.kept_as = remote.kept_as;
    step
}

fn key(url: &str) -> Result<CredentialKey, String> {
    if !url.contains("://") {
        // Not repeated: what is in the place of a URL may be a secret.
        return Err("its URL is not valid".to_owned());
    }
    let server = ServerUrl::parse(url).map_err(|error| error.to_string())?;
    Ok(CredentialKey::new(server))
}

/// The entry to be, or what is in its way.
fn addition(
    there: &str,
    key: &CredentialKey,
    remote: &Remote,
    config: &Config,
    before: &[Step],
) -> Result<PlannedEntry, String> {
    // Whatever account of it: who wants another one says so.
    let mut servers = config.servers().iter();
    if let Some((name, _)) = servers.find(|(_, entry)| entry.key.server == key.server) {
        return Err(format!("it exists already: `{name}`"));
    }
    let additions = || {
        before
            .iter()
            .filter_map(|step| Some((step, step.addition()?)))
    };
    let mut twins = additions();
    if let Some((step, addition)) = twins.find(|(_, addition)| addition.entry.key == *key) {
        return Err(format!(
            "the same as `{}` of {}",
            addition.name, step.source
        ));
    }
    let name = name(there).ok_or(
        "its name is not allowed here: `hallpass add NAME URL` adds it under another name",
    )?;
    let is_taken = config.servers().contains_key(&name)
        || additions().any(|(_, addition)| addition.name == name);
    if is_taken {
        return Err(format!(
            "the name `{name}` is taken: `hallpass add NAME URL` adds it under another name"
        ));
    }
    settings::check(&remote.options).map_err(|failed| failed.into_source().to_string())?;
    Ok(PlannedEntry {
        name,
        entry: Entry {
            key: key.clone(),
            options: remote.options.clone(),
        },
        taken: remote.taken(),
    })
}

/// A host's name as a name here.
fn name(there: &str) -> Option<String> {
    let ours = |character: char| {
        if is_name(&character.to_string()) {
            character
        } else {
            '-'
        }
    };
    let name: String = there.trim().chars().map(ours).collect();
    let name = name.trim_matches('-').to_owned();
    is_name(&name).then_some(name)
}

#[cfg(test)]
mod tests;
