//! What maintainers run: `cargo xtask ci`, and each of its steps as a command of its own.
//!
//! A step installs what it needs beyond Rust under `target/`. A step that fails prints the command that
//! fixes it or shows more. A step that can't run fails, or says SKIPPED.

mod finding;
mod report;
mod shell;
mod steps;
mod tools;
mod tree;
mod workspace;

use std::process::ExitCode;

use report::Report;
use steps::{STEPS, Step};
use workspace::Workspace;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let report = Report::default();
    let workspace = match Workspace::find() {
        Ok(workspace) => workspace,
        Err(failure) => return report.fatal(&failure),
    };
    match arguments.split_first() {
        Some((name, [])) if name == "ci" => run(report, &workspace, ci(), &[]),
        Some((name, rest)) => match STEPS.iter().find(|step| step.name == name) {
            Some(step) => match step.unknown(rest) {
                None => run(report, &workspace, [step], rest),
                Some(argument) => usage(&report, &format!("{name} does not take `{argument}`")),
            },
            None => usage(&report, &format!("there is no step `{name}`")),
        },
        None => usage(&report, ""),
    }
}

fn ci() -> impl Iterator<Item = &'static Step> {
    STEPS.iter().filter(|step| step.in_ci)
}

fn run(
    mut report: Report,
    workspace: &Workspace,
    steps: impl IntoIterator<Item = &'static Step>,
    arguments: &[String],
) -> ExitCode {
    for step in steps {
        report.begin(step.name, step.about);
        let outcome = step.run(workspace, arguments);
        if !report.end(step.name, &outcome) {
            break;
        }
    }
    report.summary()
}

fn usage(report: &Report, why: &str) -> ExitCode {
    if !why.is_empty() {
        report.line(why);
    }
    report.line("usage: cargo xtask ci | STEP [ARGUMENT…]");
    report.line("");
    report.line("  ci           every step marked *, in this order");
    for step in STEPS {
        let mark = if step.in_ci { '*' } else { ' ' };
        report.line(&format!("{mark} {:<12} {}", step.name, step.about));
        if !step.needs.is_empty() {
            report.line(&format!("{:15}needs {}", "", step.needs));
        }
        for (option, about) in step.takes {
            report.line(&format!("{:15}{option:<14} {about}", ""));
        }
    }
    ExitCode::from(2)
}
