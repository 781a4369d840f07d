//! The steps, in the order in which `ci` runs them: what fails fast comes first.

mod bazel;
mod bench;
mod codegen;
mod conformance;
mod deny;
mod examples;
#[cfg(unix)]
mod keyring;
mod manifests;
mod npm;
mod platforms;
mod processes;
mod python;
mod real;
mod release;
mod shear;
mod storm;
mod tidy;

use crate::{report::Failure, workspace::Workspace};

/// The Secret Service is Linux's; what is used of it here, Unix's.
#[cfg(not(unix))]
mod keyring {
    use crate::{report::Failure, workspace::Workspace};

    pub(super) fn run(_: &Workspace, _: &[String]) -> Result<(), Failure> {
        Err(Failure::new("the Secret Service is Linux's").mend("run this on Linux"))
    }
}

/// One step.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// What has to be here besides Rust; what it installs by itself is not named.
    pub(crate) needs: &'static str,
    /// The arguments that it takes.
    pub(crate) takes: &'static [&'static str],
    pub(crate) in_ci: bool,
    pub(crate) run: fn(&Workspace, &[String]) -> Result<(), Failure>,
}

/// Stands for words without dashes: which of its parts a step shall run.
const NAMES: &str = "NAME…";

/// Stands for the number after an option.
const NUMBER: &str = "N";

/// Stands for whatever is handed on to cargo.
const ANYTHING: &str = "…";

impl Step {
    const fn needs(mut self, needs: &'static str) -> Self {
        self.needs = needs;
        self
    }

    const fn takes(mut self, takes: &'static [&'static str]) -> Self {
        self.takes = takes;
        self
    }

    /// Leaves it out of `ci`.
    const fn by_hand(mut self) -> Self {
        self.in_ci = false;
        self
    }

    /// Runs it; a failure names a command, if only this one.
    pub(crate) fn run(&self, workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
        let words = arguments.iter().map(String::as_str);
        let words: Vec<&str> = ["cargo xtask", self.name]
            .into_iter()
            .chain(words)
            .collect();
        let again = words.join(" ");
        (self.run)(workspace, arguments).map_err(|failure| failure.or_again(&again))
    }

    /// The first argument that it does not know.
    pub(crate) fn unknown<'a>(&self, arguments: &'a [String]) -> Option<&'a String> {
        let takes = |what: &str| self.takes.contains(&what);
        arguments.iter().find(|argument| {
            let is_name = takes(NAMES) && !argument.starts_with('-');
            let is_number = takes(NUMBER) && argument.parse::<f64>().is_ok();
            !takes(argument) && !takes(ANYTHING) && !is_name && !is_number
        })
    }
}

/// Every step.
pub(crate) const STEPS: &[Step] = &[
    step("fmt", "the code is formatted", fmt),
    step("manifests", "every Cargo.toml inherits what it can, has no features, is a member and says what it is for", manifests::run),
    step("tidy", "the public API, what is done in one place, names that are gone, what comes with a crate, tests that sleep or do not run", tidy::run),
    step("bazel", "BUILD.bazel files, the facts of MODULE.bazel.lock and the format; with --build, Bazel builds it", bazel::run).needs("Node.js").takes(&["--check", "--write", "--build", "--complete"]),
    step("deny", "who may use whom; licences, bans, sources and duplicates of dependencies", deny::run).takes(&["--advisories"]),
    step("shear", "every dependency is used, and every file is part of a crate", shear::run),
    step("lint", "clippy, with warnings as errors", lint),
    step("platforms", "clippy for other platforms, where their targets are installed", platforms::run).needs("Python"),
    step("test", "unit, fake-server and documentation tests; what follows goes to cargo test", test).takes(&[ANYTHING]),
    step("codegen", "documents and tables that are made from code are as made", codegen::run).takes(&["--check", "--write"]),
    step("docs", "the documentation builds without warnings", docs),
    step("examples", "the hosts below examples/ build and run, each on its own", examples::run),
    step("demo", "the demonstration goes the whole way", demo),
    step("conformance", "the official MCP conformance suite, client side, authorisation", conformance::run).needs("Node.js").takes(&[NAMES]),
    step("processes", "processes that share credentials: killed at each step of a refresh, and before token endpoints that break", processes::run).takes(&[NAMES]),
    step("keyring", "a real keyring: unlocked, locked, absent, hanging, gone between two opens, its key lost", keyring::run).needs("Linux, gnome-keyring"),
    step("real", "the program against real authorization servers", real::run).needs("Node.js, Python, Chromium").takes(&["--write", NAMES]),
    step("storm", "callers and proxies that are killed at random before a server that detects reuse; with --check, against the promises", storm::run).takes(&["--check", "--grace", "--minutes", NUMBER, "--seed", NUMBER]).by_hand(),
    step("bench", "benchmarks; with --check, against their targets", bench::run).takes(&["--check", NAMES]).by_hand(),
    step("release", "with --dry-run: whether a release could be made now, and its archive", release::run).needs("git").takes(&["--dry-run", "--allow-dirty"]).by_hand(),
];

const fn step(
    name: &'static str,
    about: &'static str,
    run: fn(&Workspace, &[String]) -> Result<(), Failure>,
) -> Step {
    Step {
        name,
        about,
        needs: "",
        takes: &[],
        in_ci: true,
        run,
    }
}

fn fmt(workspace: &Workspace, _: &[String]) -> Result<(), Failure> {
    let check = workspace.cargo().args(["fmt", "--all", "--check"]).run();
    check.map_err(|failure| failure.mend("cargo fmt --all"))
}

fn lint(workspace: &Workspace, _: &[String]) -> Result<(), Failure> {
    let clippy = ["clippy", "--workspace", "--all-targets", "--locked"];
    let check = workspace
        .cargo()
        .args(clippy)
        .args(["--", "-D", "warnings"]);
    let mend = "cargo clippy --workspace --all-targets --fix";
    check.run().map_err(|failure| failure.mend(mend))
}

fn test(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    let test = ["test", "--workspace", "--locked"];
    let test = workspace.cargo().args(test).args(arguments).run();
    test.map_err(|failure| failure.mend("cargo test -p CRATE NAME, for the one that failed"))
}

fn docs(workspace: &Workspace, _: &[String]) -> Result<(), Failure> {
    let doc = ["doc", "--workspace", "--no-deps", "--locked"];
    let doc = workspace
        .cargo()
        .env("RUSTDOCFLAGS", "-D warnings")
        .args(doc);
    let mend = "cargo doc --workspace --no-deps";
    doc.run().map_err(|failure| failure.mend(mend))
}

fn demo(workspace: &Workspace, _: &[String]) -> Result<(), Failure> {
    let demo = ["run", "--quiet", "--locked", "--", "demo"];
    let demo = workspace.cargo().args(demo).run();
    demo.map_err(|failure| failure.mend("cargo run -- demo"))
}

#[cfg(test)]
mod tests;
