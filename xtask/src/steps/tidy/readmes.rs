//! Each crate that is published says in its README when to use it alone, and names itself.

use toml::Value;

use crate::{finding::Finding, tree::Tree};

/// The headings under which it is said.
const ALONE: [&str; 2] = ["## When to use it alone", "## Who takes it alone"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (folder, manifest) in tree.packages() {
        let package = manifest.get("package");
        let is_published = package.and_then(|it| it.get("publish")) != Some(&Value::Boolean(false));
        let path = format!("{folder}/README.md");
        let Some(text) = tree.files.get(&path).filter(|_| is_published) else {
            continue;
        };
        let name = folder.rsplit('/').next().unwrap_or(folder);
        if !text.starts_with(&format!("# {name}\n")) {
            let what = format!("it does not begin with `# {name}`");
            findings.push(Finding::new(&path, "readme", what));
        }
        if !text.lines().any(|line| ALONE.contains(&line)) {
            let what = format!("it has no `{}`", ALONE[0]);
            findings.push(Finding::new(&path, "readme", what));
        }
    }
    findings
}
