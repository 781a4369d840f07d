//! The official MCP conformance suite, client side, authorisation: every run of it, one at a time,
//! strictly.
//!
//! The suite itself says which runs there are: each authorisation scenario at each wire that it is
//! listed for, an extension at both. A run counts when it ran, when no check of it failed or
//! warned, and when the client ended well. A scenario that was skipped, or that is not there, is a
//! failure as any other.

mod suite;

use crate::{
    report::{Failure, Report, now},
    workspace::Workspace,
};

use suite::{Run, Suite, Verdict};

/// The runs of the pinned version.
const RUNS: usize = 53;

pub(super) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    let wanted: Vec<&String> = arguments
        .iter()
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    workspace
        .cargo()
        .args(["build", "--locked", "--package", "hallpass"])
        .args(["--example", "conformance"])
        .run()?;
    let suite = Suite::install(workspace)?;
    let report = Report::default();
    let all = suite.runs()?;
    let began = now();
    let (mut passed, mut ran) = (0, 0);
    let mut missed = Vec::new();
    for run in &all {
        if !wanted.is_empty() && !wanted.iter().any(|part| run.name().contains(part.as_str())) {
            continue;
        }
        ran += 1;
        let started = now();
        let verdict = suite.run(run)?;
        let seconds = started.elapsed().as_secs_f32();
        report.line(&format!("{:<62} {seconds:>5.1} s  {verdict}", run.name()));
        match verdict {
            Verdict::Passed { .. } => passed += 1,
            _ => missed.push(run),
        }
    }
    let seconds = began.elapsed().as_secs_f32();
    report.line(&format!("{passed} of {} in {seconds:.0} s", all.len()));
    judge(&all, ran, &missed, !wanted.is_empty())
}

fn judge(all: &[Run], ran: usize, missed: &[&Run], some: bool) -> Result<(), Failure> {
    if all.len() != RUNS {
        let what = format!("the suite lists {} runs instead of {RUNS}", all.len());
        return Err(Failure::new(what).mend("look at the pinned version in xtask/conformance"));
    }
    if !some && ran != RUNS {
        return Err(Failure::new(format!("{ran} of {RUNS} runs were made")));
    }
    match missed {
        [] => Ok(()),
        [first, ..] => Err(Failure::new(format!("{} runs did not pass", missed.len()))
            .mend(format!("cargo xtask conformance {}", first.name()))),
    }
}
