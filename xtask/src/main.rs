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
    let (steps, rest) = match CommandLine::parse(&arguments) {
        CommandLine::Steps(steps, rest) => (steps, rest),
        CommandLine::Help => {
            print_usage();
            return ExitCode::SUCCESS;
        }
        CommandLine::Wrong(error) => {
            if let Some(error) = error {
                line(&error);
            }
            print_usage();
            return ExitCode::from(2);
        }
    };
    let workspace = match Workspace::find() {
        Ok(workspace) => workspace,
        Err(failure) => {
            line(&failure.to_string());
            return ExitCode::FAILURE;
        }
    };
    run(&workspace, &steps, rest)
}

/// What the arguments ask for.
enum CommandLine<'a> {
    Steps(Vec<&'static Step>, &'a [String]),
    Help,
    /// Why nothing can be run; `None` where nothing was asked for.
    Wrong(Option<String>),
}

impl<'a> CommandLine<'a> {
    fn parse(arguments: &'a [String]) -> Self {
        let Some((name, rest)) = arguments.split_first() else {
            return Self::Wrong(None);
        };
        let is_help = |word: &str| matches!(word, "--help" | "-h");
        if is_help(name) || name == "help" {
            return Self::Help;
        }
        let steps: Vec<&Step> = match &**name {
            "ci" => STEPS.iter().filter(|step| step.in_ci).collect(),
            name => STEPS.iter().filter(|step| step.name == name).collect(),
        };
        let Some(step) = steps.first() else {
            return Self::Wrong(Some(format!("there is no step `{name}`")));
        };
        match step.unknown(rest) {
            None => Self::Steps(steps, rest),
            Some(word) if is_help(word) => Self::Help,
            Some(word) => Self::Wrong(Some(format!("{name} does not take `{word}`"))),
        }
    }
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

fn print_usage() {
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_is_no_error() {
        let outcome = |line: &str| {
            let arguments: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
            match CommandLine::parse(&arguments) {
                CommandLine::Steps(steps, rest) => format!("{} {}", steps[0].name, rest.len()),
                CommandLine::Help => "help".to_owned(),
                CommandLine::Wrong(error) => error.unwrap_or_default(),
            }
        };
        for (line, expected) in [
            ("--help", "help"),
            ("-h", "help"),
            ("help", "help"),
            ("ci --help", "help"),
            ("fmt --help", "help"),
            // Arguments of cargo test.
            ("test --help", "test 1"),
            ("fmt", "fmt 0"),
            ("", ""),
            ("fm", "there is no step `fm`"),
            ("ci fmt", "ci does not take `fmt`"),
            ("fmt --what", "fmt does not take `--what`"),
        ] {
            assert_eq!(outcome(line), expected, "{line}");
        }
    }
}
