//! The files of the workspace, as the checks see them: in memory, by their path from the root.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use crate::{
    report::{Failure, line},
    shell::Shell,
    workspace::Workspace,
};

/// What every check of files is about.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tree {
    /// The text of each file that is tracked or could be, by its path from the root.
    pub(crate) files: BTreeMap<String, String>,
}

/// A Rust file of the tree.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RustFile<'a> {
    pub(crate) path: &'a str,
    pub(crate) text: &'a str,
}

impl Tree {
    /// The files that git knows or would take; without git, all that are neither hidden nor built.
    pub(crate) fn read(workspace: &Workspace) -> Result<Self, Failure> {
        let root = workspace.root();
        let list = [
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ];
        let mut paths = Vec::new();
        let git = Shell::new("git").args(list).current_dir(root);
        if let Ok(text) = git.read_quietly() {
            paths.extend(text.split('\0').map(str::to_owned));
        } else {
            line("-- git lists no files here, so all that are there count");
            walk(root, root, workspace.target(), &mut paths)?;
        }
        let mut files = BTreeMap::new();
        for path in paths.into_iter().filter(|path| !path.is_empty()) {
            // A file that was deleted and one that is no text have nothing to be looked at.
            if let Ok(text) = fs::read_to_string(root.join(&path)) {
                files.insert(path, text);
            }
        }
        Ok(Self { files })
    }

    /// A file's text; empty where it is missing.
    pub(crate) fn text(&self, path: &str) -> &str {
        self.files.get(path).map(String::as_str).unwrap_or_default()
    }

    pub(crate) fn rust_files(&self) -> impl Iterator<Item = RustFile<'_>> {
        let files = self.files.iter();
        files
            .filter(|(path, _)| Path::new(path).extension().is_some_and(|end| end == "rs"))
            .map(|(path, text)| RustFile { path, text })
    }
}

impl<'a> RustFile<'a> {
    /// Whether it is compiled for tests only.
    pub(crate) fn is_test(self) -> bool {
        self.path.contains("/tests/") || self.path.ends_with("/tests.rs")
    }

    /// The lines that are no comments, with their numbers.
    pub(crate) fn code(self) -> impl Iterator<Item = (usize, &'a str)> {
        let lines = self.text.lines().enumerate();
        lines
            .map(|(number, line)| (number + 1, line.trim()))
            .filter(|(_, line)| !line.starts_with("//"))
    }

    /// The same without the unit tests at the end.
    pub(crate) fn product_code(self) -> impl Iterator<Item = (usize, &'a str)> {
        self.code()
            .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
    }
}

fn walk(root: &Path, folder: &Path, built: &Path, paths: &mut Vec<String>) -> Result<(), Failure> {
    for entry in fs::read_dir(folder)? {
        let path: PathBuf = entry?.path();
        let name = path.file_name().unwrap_or_default();
        let is_left_out = ["target", "node_modules", ".git"]
            .iter()
            .any(|one| name == *one);
        if is_left_out || path == built {
            continue;
        }
        if path.is_dir() {
            walk(root, &path, built, paths)?;
        } else {
            let path = path.strip_prefix(root).unwrap_or(&path);
            paths.push(path.to_string_lossy().replace('\\', "/"));
        }
    }
    Ok(())
}
