//! The rules that the compiler and clippy don't know: who may depend on whom, how long a file may
//! be, what is done in one place, the names that are gone, and what must not stand in a tracked file.
//!
//! The rules are data in the modules below; what breaks one for a good reason is in [`EXCEPTIONS`],
//! and an exception that nothing needs is an error.

mod api;
mod dependencies;
mod exceptions;
mod language;
mod lines;
mod machine;
mod modules;
mod named;
mod places;
mod readmes;
mod trees;

use crate::{
    finding::{self, Exception, Finding},
    report::Failure,
    tree::Tree,
    workspace::Workspace,
};
use api::{ADAPTERS, Adapters};
use dependencies::TABLES;
pub(super) use dependencies::{Tables, Used};
use exceptions::EXCEPTIONS;
use language::LANGUAGE;
pub(super) use language::Language;
pub(super) use machine::Machine;
use places::SINGLE_PLACES;
pub(super) use places::SinglePlace;

pub(super) fn run(workspace: &Workspace, _: &[String]) -> Result<(), Failure> {
    let rules = Rules {
        tables: TABLES,
        adapters: ADAPTERS,
        single_places: SINGLE_PLACES,
        language: LANGUAGE,
        machine: Machine::this(workspace),
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
    pub(super) tables: Tables,
    pub(super) adapters: Adapters,
    pub(super) single_places: &'static [SinglePlace],
    pub(super) language: Language,
    pub(super) machine: Machine,
    pub(super) exceptions: &'static [Exception],
}

/// Every way in which the tree breaks a rule.
pub(super) fn check(tree: &Tree, rules: &Rules) -> Vec<Finding> {
    let mut findings = dependencies::check(tree, rules.tables);
    findings.extend(api::check(tree, rules.adapters));
    findings.extend(lines::check(tree));
    findings.extend(places::check(tree, rules.single_places));
    findings.extend(language::check(tree, &rules.language));
    findings.extend(rules.machine.check(tree));
    findings.extend(modules::check(tree));
    findings.extend(named::check(tree));
    findings.extend(readmes::check(tree));
    findings.extend(trees::check(tree));
    findings.sort();
    findings.dedup();
    finding::judge(findings, rules.exceptions)
}
