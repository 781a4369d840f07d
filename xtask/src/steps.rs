//! The steps, in the order in which `ci` runs them: what fails fast comes first.

mod api;
mod bazel;
mod bench;
mod codegen;
mod conformance;
mod deny;
mod examples;
mod fleet;
mod fuzz;
mod harness;
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

/// The Secret Service is part of Linux desktops; this step uses what only Unix has.
#[cfg(not(unix))]
mod keyring {
    use crate::{report::Failure, workspace::Workspace};

    pub(super) fn run(_: &Workspace, _: &[String]) -> Result<(), Failure> {
        Err(Failure::new("the Secret Service is Linux's").fix("run this on Linux"))
    }
}

/// One step.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// What has to be here besides Rust; what it installs by itself is not named.
    pub(crate) needs: &'static str,
    /// The arguments that it takes, and what each does.
    pub(crate) takes: Takes,
    pub(crate) in_ci: bool,
    pub(crate) run: fn(&Workspace, &[String]) -> Result<(), Failure>,
}

type Takes = &'static [(&'static str, &'static str)];

/// Any word without a dash at its begin.
const NAMES: &str = "NAME…";

/// Everything: cargo reads it.
const ANYTHING: &str = "…";

impl Step {
    const fn needs(mut self, needs: &'static str) -> Self {
        self.needs = needs;
        self
    }

    const fn takes(mut self, takes: Takes) -> Self {
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
        let takes = |what: &str| {
            let options = self.takes.iter().map(|(option, _)| *option);
            options
                .flat_map(|option| option.split(' '))
                .any(|word| word == what)
        };
        arguments.iter().find(|argument| {
            let is_name = takes(NAMES) && !argument.starts_with('-');
            let is_number = takes("N") && argument.parse::<f64>().is_ok();
            !takes(argument) && !takes(ANYTHING) && !is_name && !is_number
        })
    }
}

/// Every step.
#[rustfmt::skip]
pub(crate) const STEPS: &[Step] = &[
    step("fmt", "the code is formatted", fmt),
    step("manifests", "every Cargo.toml inherits what it can, has no features, and says what it is for; no Cargo.lock is behind", manifests::run),
    step("tidy", "what is done in one place; tests that sleep or do not run; module documentation; names and sentences", tidy::run),
    step("bazel", "BUILD.bazel files, the facts of MODULE.bazel.lock and the format", bazel::run)
        .needs("Node.js")
        .takes(&[("--write", "write them"), ("--build", "then run `$BAZEL`, or `bazel`, over the workspace"),
            ("--complete", "before, have a Bazel with a network complete the lock")]),
    step("deny", "which crate may use which; licences, bans, sources and duplicates of dependencies", deny::run)
        .takes(&[("--advisories", "check advisories alone, which need a network")]),
    step("shear", "every dependency is used, and every file is part of a crate", shear::run),
    step("lint", "clippy, with warnings as errors", lint),
    step("platforms", "clippy for other platforms, where their targets are installed", platforms::run).needs("Python"),
    step("test", "unit, fake-server and documentation tests", test).takes(&[(ANYTHING, "arguments of cargo test")]),
    step("codegen", "documents that are made from code are as made", codegen::run).takes(&[("--write", "write them")]),
    step("api", "the public API of each library is the one in xtask/api", api::run)
        .needs("Rust 1.95, else it is skipped")
        .takes(&[("--write", "write it")]),
    step("docs", "the documentation builds without warnings", docs),
    step("examples", "the hosts in examples/ build and run, each in a workspace of its own", examples::run),
    step("demo", "the demonstration runs to its end", demo),
    step("conformance", "the official MCP conformance suite for clients", conformance::run)
        .needs("Node.js")
        .takes(&[(NAMES, "only runs with this in their names")]),
    step("processes", "processes that share credentials: killed at each step of a refresh, with token endpoints that fail, and with a clock that is set", processes::run)
        .takes(&[(NAMES, "only these of creations, kills, storm, faults, clock")]),
    step("fleet", "the store of a fleet against PostgreSQL, direct and through PgBouncer; by hand also with replicas", fleet::run)
        .needs("PostgreSQL, PgBouncer")
        .takes(&[(NAMES, "replicas on one database instead: rounds, steps, kills, restart, pause, clocks"),
            ("--long", "with as many replicas and accounts as a fleet has")]),
    step("keyring", "a real keyring: unlocked, locked, absent, hanging, stopped and started again, without its key", keyring::run)
        .needs("Linux, gnome-keyring"),
    step("real", "the program with real authorization servers", real::run)
        .needs("Node.js, Python, Chromium, glewlwyd")
        .takes(&[("--write", "write the table of results"), (NAMES, "only rows with this in their names")]),
    step("storm", "callers and proxies that are killed at random, with a server that detects reuse", storm::run)
        .takes(&[("--check", "fail where a promise is broken"), ("--grace", "the server accepts a used refresh token for a while"),
            ("--minutes N", "how long"), ("--seed N", "the seed of an earlier run")])
        .by_hand(),
    step("fuzz", "the readers of what comes from others, with inputs that a fuzzer makes up", fuzz::run)
        .needs("a C++ compiler")
        .takes(&[("--minutes N", "how long each target runs, instead of ten"), ("--keep", "put the inputs that reach new code into the tree"),
            (NAMES, "only these targets")])
        .by_hand(),
    step("bench", "benchmarks", bench::run)
        .takes(&[("--check", "fail where a target is missed"), (NAMES, "only these of network, proxy, session, start")])
        .by_hand(),
    step("release", "whether a release could be made now, and its archive; nothing is published", release::run)
        .needs("git")
        .takes(&[("--dry-run", "required"), ("--allow-dirty", "pack with changes that are not committed")])
        .by_hand(),
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
    check.map_err(|failure| failure.fix("cargo fmt --all"))
}

fn lint(workspace: &Workspace, _: &[String]) -> Result<(), Failure> {
    let clippy = ["clippy", "--workspace", "--all-targets", "--locked"];
    let check = workspace
        .cargo()
        .args(clippy)
        .args(["--", "-D", "warnings"]);
    let fix = "cargo clippy --workspace --all-targets --fix";
    check.run().map_err(|failure| failure.fix(fix))
}

fn test(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    let test = ["test", "--workspace", "--locked"];
    let test = workspace.cargo().args(test).args(arguments).run();
    test.map_err(|failure| failure.fix("cargo test -p CRATE NAME, for the one that failed"))
}

fn docs(workspace: &Workspace, _: &[String]) -> Result<(), Failure> {
    let doc = ["doc", "--workspace", "--no-deps", "--locked"];
    let doc = workspace
        .cargo()
        .env("RUSTDOCFLAGS", "-D warnings")
        .args(doc);
    let fix = "cargo doc --workspace --no-deps";
    doc.run().map_err(|failure| failure.fix(fix))
}

fn demo(workspace: &Workspace, _: &[String]) -> Result<(), Failure> {
    let demo = ["run", "--quiet", "--locked", "--", "demo"];
    let demo = workspace.cargo().args(demo).run();
    demo.map_err(|failure| failure.fix("cargo run -- demo"))
}
