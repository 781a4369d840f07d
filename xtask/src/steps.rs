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
    Step {
        name: "fmt",
        about: "the code is formatted",
        needs: "",
        takes: &[],
        in_ci: true,
        run: fmt,
    },
    Step {
        name: "manifests",
        about: "every Cargo.toml inherits what it can, has no features, is a member and says what it is for",
        needs: "",
        takes: &[],
        in_ci: true,
        run: manifests::run,
    },
    Step {
        name: "tidy",
        about: "who depends on whom, the public API, what is done in one place, names that are gone, tests that sleep or do not run, long files, names of machines",
        needs: "",
        takes: &[],
        in_ci: true,
        run: tidy::run,
    },
    Step {
        name: "bazel",
        about: "BUILD.bazel files, the facts of MODULE.bazel.lock and the format; with --build, Bazel builds it",
        needs: "Node.js",
        takes: &["--check", "--write", "--build", "--complete"],
        in_ci: true,
        run: bazel::run,
    },
    Step {
        name: "deny",
        about: "licences, bans, sources and duplicates of dependencies",
        needs: "",
        takes: &["--advisories"],
        in_ci: true,
        run: deny::run,
    },
    Step {
        name: "lint",
        about: "clippy, with warnings as errors",
        needs: "",
        takes: &[],
        in_ci: true,
        run: lint,
    },
    Step {
        name: "platforms",
        about: "clippy for other platforms, where their targets are installed",
        needs: "Python",
        takes: &[],
        in_ci: true,
        run: platforms::run,
    },
    Step {
        name: "test",
        about: "unit, fake-server and documentation tests; what follows goes to cargo test",
        needs: "",
        takes: &[ANYTHING],
        in_ci: true,
        run: test,
    },
    Step {
        name: "codegen",
        about: "documents and tables that are made from code are as made",
        needs: "",
        takes: &["--check", "--write"],
        in_ci: true,
        run: codegen::run,
    },
    Step {
        name: "docs",
        about: "the documentation builds without warnings",
        needs: "",
        takes: &[],
        in_ci: true,
        run: docs,
    },
    Step {
        name: "examples",
        about: "the hosts below examples/ build and run, each on its own",
        needs: "",
        takes: &[],
        in_ci: true,
        run: examples::run,
    },
    Step {
        name: "demo",
        about: "the demonstration goes the whole way",
        needs: "",
        takes: &[],
        in_ci: true,
        run: demo,
    },
    Step {
        name: "conformance",
        about: "the official MCP conformance suite, client side, authorisation",
        needs: "Node.js",
        takes: &[NAMES],
        in_ci: true,
        run: conformance::run,
    },
    Step {
        name: "processes",
        about: "processes that share credentials: killed at each step of a refresh, and before token endpoints that break",
        needs: "",
        takes: &[NAMES],
        in_ci: true,
        run: processes::run,
    },
    Step {
        name: "keyring",
        about: "a real keyring: unlocked, locked, absent, hanging, gone between two opens, its key lost",
        needs: "Linux, gnome-keyring",
        takes: &[],
        in_ci: true,
        run: keyring::run,
    },
    Step {
        name: "real",
        about: "the program against real authorization servers",
        needs: "Node.js, Python, Chromium",
        takes: &["--write", NAMES],
        in_ci: true,
        run: real::run,
    },
    Step {
        name: "storm",
        about: "callers and proxies that are killed at random before a server that detects reuse; with --check, against the promises",
        needs: "",
        takes: &["--check", "--grace", "--minutes", NUMBER, "--seed", NUMBER],
        in_ci: false,
        run: storm::run,
    },
    Step {
        name: "bench",
        about: "benchmarks; with --check, against their targets",
        needs: "",
        takes: &["--check", NAMES],
        in_ci: false,
        run: bench::run,
    },
    Step {
        name: "release",
        about: "with --dry-run: whether a release could be made now, and its archive",
        needs: "git",
        takes: &["--dry-run", "--allow-dirty"],
        in_ci: false,
        run: release::run,
    },
];

fn fmt(workspace: &Workspace, _: &[String]) -> Result<(), Failure> {
    let check = workspace.cargo().args(["fmt", "--all", "--check"]).run();
    check.map_err(|failure| failure.mend("cargo fmt --all"))
}

fn lint(workspace: &Workspace, _: &[String]) -> Result<(), Failure> {
    let clippy = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ];
    let check = workspace.cargo().args(clippy).run();
    check.map_err(|failure| failure.mend("cargo clippy --workspace --all-targets --fix"))
}

fn test(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    let test = workspace
        .cargo()
        .args(["test", "--workspace", "--locked"])
        .args(arguments)
        .run();
    test.map_err(|failure| failure.mend("cargo test -p CRATE NAME, for the one that failed"))
}

fn docs(workspace: &Workspace, _: &[String]) -> Result<(), Failure> {
    let doc = workspace.cargo().env("RUSTDOCFLAGS", "-D warnings");
    let doc = doc
        .args(["doc", "--workspace", "--no-deps", "--locked"])
        .run();
    doc.map_err(|failure| failure.mend("cargo doc --workspace --no-deps"))
}

fn demo(workspace: &Workspace, _: &[String]) -> Result<(), Failure> {
    let demo = workspace
        .cargo()
        .args(["run", "--quiet", "--locked", "--", "demo"])
        .run();
    demo.map_err(|failure| failure.mend("cargo run -- demo"))
}

#[cfg(test)]
mod tests;
