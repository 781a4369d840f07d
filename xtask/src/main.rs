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

use report::{line, now};
use steps::{STEPS, Step};
use workspace::Workspace;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((name, rest)) = arguments.split_first() else {
        return usage("");
    };
    let steps: Vec<&Step> = match &**name {
        "ci" if rest.is_empty() => STEPS.iter().filter(|step| step.in_ci).collect(),
        name => STEPS.iter().filter(|step| step.name == name).collect(),
    };
    if steps.is_empty() {
        return usage(&format!("there is no step `{name}`"));
    }
    if let Some(argument) = steps[0].unknown(rest) {
        return usage(&format!("{name} does not take `{argument}`"));
    }
    let workspace = match Workspace::find() {
        Ok(workspace) => workspace,
        Err(failure) => {
            line(&failure.to_string());
            return ExitCode::FAILURE;
        }
    };
    run(&workspace, &steps, rest)
}

/// Runs the steps up to the first that fails, and prints the time of each.
fn run(workspace: &Workspace, steps: &[&Step], arguments: &[String]) -> ExitCode {
    let mut summary = Vec::new();
    let mut code = ExitCode::SUCCESS;
    for step in steps {
        let name = step.name;
        line(&format!("== {name}: {}", step.about));
        let began = now();
        let outcome = step.run(workspace, arguments);
        let seconds = began.elapsed().as_secs_f32();
        let verdict = if outcome.is_ok() { "ok" } else { "FAILED" };
        line(&format!("== {name}: {verdict}, {seconds:.1} s"));
        summary.push(format!("{name:<12} {seconds:>7.1} s  {verdict}"));
        if let Err(failure) = outcome {
            line(&failure.to_string());
            code = ExitCode::FAILURE;
            break;
        }
    }
    line(&format!("\n{}", summary.join("\n")));
    code
}

fn usage(error: &str) -> ExitCode {
    if !error.is_empty() {
        line(error);
    }
    line("usage: cargo xtask ci | STEP [ARGUMENT…]\n");
    line("  ci           every step marked *, in this order");
    for step in STEPS {
        let mark = if step.in_ci { '*' } else { ' ' };
        line(&format!("{mark} {:<12} {}", step.name, step.about));
        if !step.needs.is_empty() {
            line(&format!("{:15}needs {}", "", step.needs));
        }
        for (option, about) in step.takes {
            line(&format!("{:15}{option:<14} {about}", ""));
        }
    }
    ExitCode::from(2)
}
