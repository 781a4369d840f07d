//! The changelog of the next release: one file below `changes/` for each change.

use std::fs;

use crate::{report::Failure, workspace::Workspace};

/// The changes as a list under the version.
pub(super) fn make(workspace: &Workspace, version: &str) -> Result<String, Failure> {
    let mut changes = Vec::new();
    for entry in fs::read_dir(workspace.root().join("changes"))
        .into_iter()
        .flatten()
    {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        changes.push((name.into_owned(), fs::read_to_string(&path)?));
    }
    changes.sort();
    render(version, &changes)
}

/// The changelog of these files, each by its name and its text.
pub(super) fn render(version: &str, changes: &[(String, String)]) -> Result<String, Failure> {
    if changes.is_empty() {
        return Err(Failure::new("no change is written down below changes/")
            .fix("put a file there, with a line or two for the changelog"));
    }
    let mut text = format!("# {version}\n\n");
    for (name, change) in changes {
        let change = change.trim();
        if name.strip_suffix(".md").is_none() || change.is_empty() || change.starts_with('#') {
            return Err(
                Failure::new(format!("changes/{name} is no entry of a changelog"))
                    .fix("make it a .md file with a line or two, and no heading"),
            );
        }
        // A file of several entries has their marks itself.
        let entry = if change.starts_with("- ") {
            change.to_owned()
        } else {
            format!("- {}", change.replace('\n', "\n  "))
        };
        text = text + &entry + "\n";
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(entries: &[(&str, &str)]) -> Result<String, String> {
        let entries: Vec<_> = entries
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect();
        render("1.2.3", &entries).map_err(|failure| failure.to_string())
    }

    #[test]
    fn changes_with_and_without_marks_become_list() {
        let text = changes(&[
            ("a.md", "One\nthing.\n"),
            ("b.md", "- Two\n  lines.\n- More.\n"),
        ]);
        let expected = "# 1.2.3\n\n- One\n  thing.\n- Two\n  lines.\n- More.\n";
        assert_eq!(text.unwrap(), expected);
    }

    #[test]
    fn invalid_entry_is_refused_by_its_name() {
        for (name, text) in [("a.txt", "x"), ("a.md", " \n"), ("a.md", "# Added\n\nx\n")] {
            let error = changes(&[(name, text)]).unwrap_err();
            assert!(error.contains(name), "{error}");
        }
        assert!(changes(&[]).unwrap_err().contains("put a file there"));
    }
}
