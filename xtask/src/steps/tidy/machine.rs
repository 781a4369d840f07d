//! No tracked file says where it was written: no host name and no path of the machine.

use std::path::Path;

use crate::{finding::Finding, shell::Shell, workspace::Workspace};

use super::Tree;

/// Folders of people, and what may follow: names that stand for anybody.
const HOMES: &[&str] = &["/home/", "/Users/", "/root/", "C:\\Users\\"];
const ANYBODY: &[&str] = &["me/", "you/", "user/", "<"];

/// Suffixes of names that only a network of one's own knows.
const PRIVATE: &[&str] = &[".lan", ".intranet", ".internal", ".localdomain"];

/// Such a name that is the same everywhere.
const WELL_KNOWN: &[&str] = &["metadata.google.internal", "instance-data.ec2.internal"];

/// What must not stand in a tracked file.
#[derive(Debug, Clone, Default)]
pub(super) struct Machine {
    pub(super) words: Vec<String>,
}

impl Machine {
    /// The folders and the name of this machine.
    pub(super) fn this(workspace: &Workspace) -> Self {
        let root = workspace.root();
        let mut words = vec![root.display().to_string()];
        let parent = root.parent().map(Path::to_owned).unwrap_or_default();
        // A folder right below the root of the file system is a word too, with its slashes.
        if parent.components().count() > 1 {
            words.push(format!("{}/", parent.display()));
        }
        let host = Shell::new("hostname").args::<[&str; 0]>([]).read_quietly();
        let host = host.unwrap_or_default().trim().to_owned();
        // A short name is an ordinary word.
        if host.len() >= 6 && host != "localhost" {
            words.push(host);
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
                for word in self.words.iter().filter(|word| line.contains(*word)) {
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
