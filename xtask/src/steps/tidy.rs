//! The rules that the compiler, clippy and cargo-deny don't know: what the public API may name, what is
//! done in one place, the names that are gone, and which tests may wait or not run.
//!
//! The rules are data in the modules below; what breaks one for a good reason is in [`EXCEPTIONS`],
//! and an exception that nothing needs is an error.

mod api;
mod exceptions;
mod files;
mod language;
mod layers;
mod places;
mod readmes;

use crate::{
    finding::{self, Exception, Finding},
    report::Failure,
    tree::Tree,
    workspace::Workspace,
};
use api::{ADAPTERS, Adapters};
use exceptions::EXCEPTIONS;
use language::LANGUAGE;
pub(super) use language::Language;
use places::SINGLE_PLACES;
pub(super) use places::SinglePlace;

pub(super) fn run(workspace: &Workspace, _: &[String]) -> Result<(), Failure> {
    let rules = Rules {
        adapters: ADAPTERS,
        single_places: SINGLE_PLACES,
        language: LANGUAGE,
        exceptions: EXCEPTIONS,
    };
    finding::report(
        &check(&Tree::read(workspace)?, &rules),
        "edit the file that is named, or say why in xtask/src/steps/tidy/exceptions.rs",
    )
}

/// What the tree is checked against.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) adapters: Adapters,
    pub(super) single_places: &'static [SinglePlace],
    pub(super) language: Language,
    pub(super) exceptions: &'static [Exception],
}

/// Every way in which the tree breaks a rule.
pub(super) fn check(tree: &Tree, rules: &Rules) -> Vec<Finding> {
    let mut findings = api::check(tree, rules.adapters);
    findings.extend(files::check(tree));
    findings.extend(places::check(tree, rules.single_places));
    findings.extend(language::check(tree, &rules.language));
    findings.extend(readmes::check(tree));
    findings.extend(layers::check(tree));
    findings.sort();
    findings.dedup();
    finding::judge(findings, rules.exceptions)
}
