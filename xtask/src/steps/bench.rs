//! The one place for benchmarks: release profile, a table, and targets kept beside it.
//!
//! A benchmark is a `bench` target of a crate that prints lines of `ROW<tab>VALUE<tab>UNIT`. With
//! `--check` each row that has a target must meet it; a target without a row is a failure too.

use std::fs;

use serde_json::Value;

use crate::{
    report::{Failure, Report},
    workspace::Workspace,
};

/// Which crate holds which benchmark.
const BENCHES: &[(&str, &str)] = &[("network", "hallpass")];

pub(super) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    let check = arguments.iter().any(|argument| argument == "--check");
    let wanted: Vec<&String> = arguments
        .iter()
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    let targets = workspace.root().join("xtask").join("bench-targets.json");
    let targets: Value = serde_json::from_slice(&fs::read(&targets)?)
        .map_err(|error| Failure::new(format!("{} is no JSON: {error}", targets.display())))?;
    let mut missed = Vec::new();
    for (name, package) in BENCHES {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            missed.extend(run_one(workspace, name, package, &targets[name])?);
        }
    }
    match missed.as_slice() {
        [] => Ok(()),
        rows if check => Err(Failure::new(format!("targets missed: {}", rows.join(", ")))
            .mend("make it faster, or change xtask/bench-targets.json and say why")),
        _ => Ok(()),
    }
}

/// Runs one benchmark and prints its table; the rows that missed their target.
fn run_one(
    workspace: &Workspace,
    name: &str,
    package: &str,
    targets: &Value,
) -> Result<Vec<String>, Failure> {
    let report = Report::default();
    let bench = [
        "bench",
        "--quiet",
        "--locked",
        "--package",
        package,
        "--bench",
        name,
    ];
    let output = workspace.cargo().args(bench).read()?;
    let mut rows: Vec<(String, f64, String)> = Vec::new();
    for line in output.lines() {
        if let [row, value, unit] = line.split('\t').collect::<Vec<_>>()[..]
            && let Ok(value) = value.parse()
        {
            rows.push((row.to_owned(), value, unit.to_owned()));
        }
    }
    let mut missed = Vec::new();
    for (row, value, unit) in &rows {
        let target = targets[row]["at_most"].as_f64();
        let verdict = match target {
            Some(target) if *value <= target => format!("at most {target}: ok"),
            Some(target) => {
                missed.push(row.clone());
                format!("at most {target}: MISSED")
            }
            None => String::new(),
        };
        report.line(&format!(
            "{name:<10} {row:<52} {value:>12.1} {unit:<10} {verdict}"
        ));
    }
    let known = targets
        .as_object()
        .into_iter()
        .flat_map(|targets| targets.keys());
    missed.extend(
        known
            .filter(|row| !rows.iter().any(|(name, ..)| name == *row))
            .cloned(),
    );
    Ok(missed)
}
