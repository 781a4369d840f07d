//! What may come into the tree, and who may use whom: `deny.toml` and `layers.toml`, judged by a
//! pinned cargo-deny.
//!
//! An allowance that nothing needs fails too: a skipped duplicate that is no longer twice in the
//! tree, a licence that no dependency has, a crate that does not use what it may. Advisories need a
//! network and are asked for by `--advisories`.

use crate::{report::Failure, shell::Shell, tools, workspace::Workspace};

const VERSION: &str = "0.20.2";

pub(super) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    let program = tools::install(workspace, "cargo-deny", VERSION)?;
    let check = |config: &str, what: &[&str]| {
        Shell::new(&program)
            .args(["--locked", "--config", config, "check"])
            .args(what)
            .current_dir(workspace.root())
            .run()
    };
    if arguments.iter().any(|argument| argument == "--advisories") {
        let check = check("deny.toml", &["advisories"]);
        return check.map_err(|failure| failure.mend("cargo update -p CRATE"));
    }
    let all = [
        "--hide-inclusion-graph",
        "--deny=unmatched-skip",
        "--deny=unnecessary-skip",
        "--deny=unused-wrapper",
        "--deny=license-not-encountered",
        "bans",
        "licenses",
        "sources",
    ];
    check("deny.toml", &all)
        .map_err(|failure| failure.mend("edit deny.toml, or take another dependency"))?;
    let layers = ["--hide-inclusion-graph", "--deny=unused-wrapper", "bans"];
    check("layers.toml", &layers)
        .map_err(|failure| failure.mend("edit layers.toml, or the Cargo.toml of what it names"))
}
