//! The one place for benchmarks: release profile, a table, and targets kept beside it.
//!
//! A benchmark is a `bench` target of a crate, or a workspace of its own where it needs what no crate
//! may depend on. It prints lines of `ROW<tab>VALUE<tab>UNIT`. With `--check` each row that has a
//! target must meet it; a target without a row is a failure too.

use std::fs;

use serde_json::Value;

use crate::{
    report::{Failure, line},
    shell::Shell,
    steps::npm,
    workspace::Workspace,
};

/// Where a benchmark is.
#[derive(Clone, Copy)]
enum Home {
    /// A `bench` target of this package.
    Package(&'static str),
    /// The program of a workspace in this folder.
    Workspace(&'static str),
    /// A `bench` target of this package, which gets the folder where the npm packages of a folder in
    /// `xtask` are installed.
    BesideNpm(&'static str, &'static str),
}

const BENCHES: &[(&str, Home)] = &[
    ("network", Home::Package("hallpass")),
    ("proxy", Home::BesideNpm("hallpass-cli", "bench-proxy")),
    ("session", Home::Workspace("bench/session-vs-rmcp")),
    ("start", Home::Package("hallpass-cli")),
];

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
    for (name, home) in BENCHES {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            missed.extend(run_one(workspace, name, *home, &targets[name])?);
        }
    }
    match missed.as_slice() {
        [] => Ok(()),
        rows if check => Err(Failure::new(format!("targets missed: {}", rows.join(", ")))
            .fix("make it faster, or change xtask/bench-targets.json and give the reason")),
        _ => Ok(()),
    }
}

/// Runs one benchmark and prints its table; the rows that missed their target.
fn run_one(
    workspace: &Workspace,
    name: &str,
    home: Home,
    targets: &Value,
) -> Result<Vec<String>, Failure> {
    let output = command(workspace, name, home)?.read()?;
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
        let limit = |key: &str| targets[row][key].as_f64();
        let (verdict, met) = match (limit("at_most"), limit("at_least")) {
            (Some(most), _) => (format!("at most {most}: "), *value <= most),
            (None, Some(least)) => (format!("at least {least}: "), *value >= least),
            (None, None) => (String::new(), true),
        };
        let verdict = match (verdict.is_empty(), met) {
            (true, _) => verdict,
            (false, true) => verdict + "ok",
            (false, false) => verdict + "MISSED",
        };
        missed.extend((!met).then(|| row.clone()));
        line(&format!(
            "{name:<10} {row:<52} {value:>12.1} {unit:<10} {verdict}"
        ));
    }
    let mut known: Vec<&String> = targets
        .as_object()
        .into_iter()
        .flatten()
        .map(|it| it.0)
        .collect();
    known.retain(|target| !rows.iter().any(|(row, ..)| row == *target));
    missed.extend(known.into_iter().cloned());
    Ok(missed)
}

fn command(workspace: &Workspace, name: &str, home: Home) -> Result<Shell, Failure> {
    let cargo = workspace.cargo();
    let bench = |cargo: Shell, package| {
        cargo
            .args(["bench", "--quiet", "--locked", "--package", package])
            .args(["--bench", name])
    };
    Ok(match home {
        Home::Package(package) => bench(cargo, package),
        Home::BesideNpm(package, packages) => {
            let installed = workspace.below_target(packages);
            let source = workspace.root().join("xtask").join(packages);
            npm::install(&source, &installed, "the benchmark needs")?;
            bench(cargo, package).args(["--".as_ref(), installed.as_os_str()])
        }
        Home::Workspace(folder) => {
            let manifest = workspace.root().join(folder).join("Cargo.toml");
            cargo
                .args(["run", "--quiet", "--release", "--locked", "--manifest-path"])
                .args([manifest])
                .env("CARGO_TARGET_DIR", workspace.target())
        }
    })
}
