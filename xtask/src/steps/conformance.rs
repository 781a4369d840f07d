//! The official MCP conformance suite, client side, authorisation: every run of it, one at a time,
//! strictly.
//!
//! The suite itself says which runs there are: each authorisation scenario at each wire that it is
//! listed for, an extension at both. A run counts when it ran, when no check of it failed or
//! warned, and when the client ended well. A scenario that was skipped, or that is not there, is a
//! failure as any other.
//!
//! The client is an example of the facade. It does not learn which scenario it is in, and how it
//! differs from the example that a host reads is printed.
//!
//! What the suite requires of a client besides authorisation, at both wires, is run and counted
//! apart: authorisation is no excuse for a transport that loses a header.
//!
//! Arguments name the runs to make, by a part of their names; then nothing else is judged.

mod suite;

use std::{collections::HashSet, fs};

use crate::{
    report::{Failure, Report, now},
    workspace::Workspace,
};

use suite::{Run, Suite, Verdict};

/// The runs of the pinned version.
const RUNS: usize = 53;
/// Its required runs besides authorisation.
const BESIDES: usize = 11;

pub(super) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    workspace
        .cargo()
        .args(["build", "--locked", "--package", "hallpass"])
        .args(["--example", "conformance"])
        .run()?;
    let suite = Suite::install(workspace)?;
    let (all, besides) = (suite.runs()?, suite.required_besides()?);
    if (all.len(), besides.len()) != (RUNS, BESIDES) {
        let (found, besides) = (all.len(), besides.len());
        let what = format!("the suite lists {found} and {besides} runs, not {RUNS} and {BESIDES}");
        return Err(Failure::new(what).mend("look at the version in xtask/conformance"));
    }
    if !arguments.is_empty() {
        let is_wanted = |run: &&Run| {
            let name = run.name();
            arguments.iter().any(|part| name.contains(part.as_str()))
        };
        let wanted: Vec<&Run> = all.iter().chain(&besides).filter(is_wanted).collect();
        if wanted.is_empty() {
            return Err(Failure::new("no run has such a name").mend("cargo xtask conformance"));
        }
        return judge(&suite, &make(&suite, &wanted)?);
    }
    let mut missed = make(&suite, &besides.iter().collect::<Vec<_>>())?;
    missed.extend(make(&suite, &all.iter().collect::<Vec<_>>())?);
    compare(workspace)?;
    judge(&suite, &missed)
}

fn judge(suite: &Suite, missed: &[String]) -> Result<(), Failure> {
    match missed {
        [] => Ok(()),
        [first, ..] => Err(Failure::new(format!(
            "{} runs did not pass; what they said is below {}",
            missed.len(),
            suite.results().display()
        ))
        .mend(format!("cargo xtask conformance {first}"))),
    }
}

/// Makes the runs and prints the table; the names of those that did not pass.
fn make(suite: &Suite, wanted: &[&Run]) -> Result<Vec<String>, Failure> {
    let report = Report::default();
    let began = now();
    let mut missed = Vec::new();
    for run in wanted {
        let started = now();
        let verdict = suite.run(run)?;
        let seconds = started.elapsed().as_secs_f32();
        report.line(&format!("{:<56} {seconds:>5.1} s  {verdict}", run.name()));
        if !matches!(verdict, Verdict::Passed { .. }) {
            missed.push(run.name());
        }
    }
    let passed = wanted.len() - missed.len();
    let seconds = began.elapsed().as_secs_f32();
    report.line(&format!("{passed} of {} in {seconds:.0} s", wanted.len()));
    Ok(missed)
}

/// Prints how much of the client is the example that a host reads, and what is not.
fn compare(workspace: &Workspace) -> Result<(), Failure> {
    let examples = workspace.root().join("crates").join("hallpass");
    let read = |name: &str| fs::read_to_string(examples.join("examples").join(name));
    let host = read("host.rs")?;
    let client = read("conformance/main.rs")? + &read("conformance/calls.rs")?;
    let known: HashSet<&str> = host.lines().map(str::trim).collect();
    let own = client
        .lines()
        .filter(|line| !known.contains(line.trim()))
        .count();
    Report::default().line(&format!(
        "the client: {} lines, {own} of them not in examples/host.rs; see them with \
         `git diff --no-index crates/hallpass/examples/host.rs \
         crates/hallpass/examples/conformance/main.rs`",
        client.lines().count()
    ));
    Ok(())
}
