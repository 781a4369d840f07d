//! No tracked file says where it was written: no host name and no path of the machine.

use std::{
    ffi::OsStr,
    path::{Component, Path},
};

use crate::{finding::Finding, shell::Shell, tree::Tree, workspace::Workspace};

/// Folders of people, and what may follow: names that stand for anybody.
const HOMES: &[&str] = &["/home/", "/Users/", "/root/", "C:\\Users\\"];
const ANYBODY: &[&str] = &["me/", "you/", "user/", "<"];

/// Suffixes of names that only a network of one's own knows.
const PRIVATE: &[&str] = &[".lan", ".intranet", ".internal", ".localdomain"];

/// Such a name that is the same everywhere.
const WELL_KNOWN: &[&str] = &["metadata.google.internal", "instance-data.ec2.internal"];

/// Folders right below the root of the file system that say nothing of a machine.
const ORDINARY: &[&str] = &[
    "app",
    "build",
    "builds",
    "home",
    "mnt",
    "opt",
    "src",
    "srv",
    "tmp",
    "usr",
    "var",
    "workspace",
];

/// What must not stand in a tracked file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Machine {
    words: Vec<String>,
}

impl Machine {
    /// The folders and the name of this machine.
    pub(super) fn this(workspace: &Workspace) -> Self {
        let host = Shell::new("hostname").args::<[&str; 0]>([]).read_quietly();
        Self::new(workspace.root(), host.unwrap_or_default().trim())
    }

    /// A machine of this name, with the workspace in this folder.
    pub(crate) fn new(root: &Path, host: &str) -> Self {
        let mut words = Vec::new();
        for folder in root.ancestors().take(2) {
            let mut names = folder
                .components()
                .filter(|part| matches!(part, Component::Normal(_)));
            let first = names.next().map(|name| name.as_os_str().to_owned());
            let is_ordinary = |name: &OsStr| ORDINARY.iter().any(|ordinary| name == *ordinary);
            if first.is_some_and(|name| names.next().is_some() || !is_ordinary(&name)) {
                words.push(folder.display().to_string());
            }
        }
        // A name of letters alone may be an ordinary word.
        if host.len() >= 6 && host.contains(|c: char| c.is_ascii_digit() || c == '-') {
            words.push(host.to_owned());
        }
        Self { words }
    }

    pub(super) fn check(&self, tree: &Tree) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (path, text) in &tree.files {
            for (number, line) in text.lines().enumerate() {
                let mut add = |what: &str| {
                    let what = format!("line {} names {what}", number + 1);
                    findings.push(Finding::new(path, "machine", what));
                };
                for word in self.words.iter().filter(|word| has_word(line, word)) {
                    add(word);
                }
                for home in HOMES {
                    let mut rest = line.split(home).skip(1);
                    if rest.any(|rest| !ANYBODY.iter().any(|name| rest.starts_with(name))) {
                        add("somebody's folder");
                    }
                }
                if let Some(host) = private_host(line) {
                    add(host);
                }
            }
        }
        findings
    }
}

/// Whether a line has the word, and not as a part of a longer one.
fn has_word(line: &str, word: &str) -> bool {
    let goes_on = |c: char| c.is_alphanumeric() || "_-.*}".contains(c);
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(goes_on) && !after.is_some_and(|c| c.is_alphanumeric() || c == '-')
    })
}

/// A host in an address of the line that only a network of one's own knows.
fn private_host(line: &str) -> Option<&str> {
    let addresses = line.split("://").skip(1);
    let mut hosts = addresses.filter_map(|rest| {
        let end = |c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '-');
        rest.split(end).next()
    });
    let private = |host: &str| PRIVATE.iter().any(|suffix| host.ends_with(suffix));
    hosts.find(|host| private(host) && !WELL_KNOWN.contains(host))
}
