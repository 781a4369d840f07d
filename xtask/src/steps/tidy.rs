//! The rules that the compiler, clippy and cargo-deny don't know: what is done in one place, which tests
//! may wait or not run, module documentation, the project's language, and tests for what `SECURITY.md`
//! promises.
//!
//! What breaks a rule for a good reason is in [`EXCEPTIONS`], and an exception that nothing needs is
//! an error.

mod language;
mod places;
mod security;

use crate::{
    finding::{self, Finding},
    report::Failure,
    tree::{RustFile, Tree},
    workspace::Workspace,
};

/// A file, the rule that it may break, and the reason.
type Exception = (&'static str, &'static str, &'static str);

#[rustfmt::skip]
const EXCEPTIONS: &[Exception] = &[
    ("crates/hallpass-cli/benches/proxy/main.rs", "sleep", "idle is what is measured"),
    ("crates/hallpass-cli/benches/proxy/place.rs", "sleep", "the other server does not say when it listens"),
    ("crates/hallpass-http/src/body.rs", "sleep", "time has to pass while the reader asks for nothing"),
    ("crates/hallpass-http/tests/it/server.rs", "sleep", "a server that is slow on purpose"),
    ("crates/hallpass-keyring/src/keyring/tests.rs", "ignore", "another test runs it in a process of its own"),
    ("crates/hallpass-login/src/callback_server.rs", "sleep", "a pause of the accept loop when the system has no descriptor left"),
    ("crates/hallpass-rmcp/tests/it/streams.rs", "sleep", "that nothing more comes can only be waited for"),
    ("crates/hallpass-session/src/system.rs", "sleep", "the `Clock` of the operating system"),
    ("crates/hallpass-postgres/src/lease.rs", "sleep", "a lock of another replica is tried again and again"),
    ("crates/hallpass-postgres/src/replica.rs", "sleep", "a heartbeat is of real time, whatever clock a host gives"),
    ("crates/hallpass-postgres/examples/fleet/kills.rs", "sleep", "the moment of the kill, which orders nothing"),
    ("crates/hallpass-postgres/examples/fleet/outage.rs", "sleep", "the database is away for that long"),
    ("crates/hallpass-postgres/examples/fleet/pause.rs", "sleep", "a lease of the database has to end"),
    ("crates/hallpass-postgres/examples/fleet/replica.rs", "sleep", "a replica tries again later, as a host does"),
    ("crates/hallpass-store/src/contract/refresh.rs", "sleep", "a `Clock` that really waits"),
    ("crates/hallpass-store/tests/it/lapsed.rs", "sleep", "the row of another task is tried again and again"),
    ("crates/hallpass-store/src/file/lock.rs", "sleep", "a file lock of another process is tried again and again"),
    ("crates/hallpass-store/tests/it/processes.rs", "ignore", "other tests run it in processes of their own"),
    ("crates/hallpass-testkit/src/clock.rs", "sleep", "a `Clock` that really waits"),
    ("crates/hallpass-testkit/src/listen.rs", "sleep", "a pause of the accept loop when the system has no descriptor left"),
    ("xtask/src/steps/keyring/service.rs", "sleep", "a real service does not say when it is ready"),
    ("xtask/src/steps/real.rs", "sleep", "an access token has to expire"),
    ("xtask/src/steps/tidy.rs", "sleep", "it looks for them"),
];

pub(super) fn run(workspace: &Workspace, _: &[String]) -> Result<(), Failure> {
    let tree = Tree::read(workspace)?;
    let mut findings = except(tree.rust_files().flat_map(file).collect(), EXCEPTIONS);
    findings.extend(places::check(&tree));
    findings.extend(language::check(&tree));
    findings.extend(security::check(&tree));
    finding::report(
        &findings,
        "edit the file that is named, or the tables in xtask/src/steps/tidy",
    )
}

/// The rules of one Rust file: its documentation and its tests.
fn file(file: RustFile<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |rule, what: String| findings.push(Finding::new(file.path, rule, what));
    let first = file.text.lines().find(|line| !line.trim().is_empty());
    if !file.is_test() && !first.is_some_and(|line| line.starts_with("//!")) {
        add(
            "module-docs",
            "it does not begin with its documentation".to_owned(),
        );
    }
    let is_ours = file.path.starts_with("crates/") || file.path.starts_with("xtask/");
    for (number, line) in file.code() {
        if line.starts_with("#[ignore")
            || line.starts_with("#[cfg_attr(") && line.contains("ignore")
        {
            add("ignore", format!("line {number} ignores a test"));
        }
        let sleeps = ["thread::sleep(", "time::sleep("]
            .iter()
            .any(|call| line.contains(call));
        if is_ours && (sleeps || line.starts_with("sleep(")) {
            let what =
                format!("line {number} sleeps: order comes from gates, waiting from a `Clock`");
            add("sleep", what);
        }
    }
    findings
}

/// Takes out what is excepted, and puts in the exceptions that nothing needs.
fn except(mut findings: Vec<Finding>, exceptions: &[Exception]) -> Vec<Finding> {
    let stale = exceptions.iter().filter(|(place, rule, _)| {
        let before = findings.len();
        findings.retain(|finding| finding.place != *place || finding.rule != *rule);
        findings.len() == before
    });
    let stale = stale.map(|(place, rule, reason)| {
        Finding::new(
            *place,
            rule,
            format!("the exception «{reason}» is no longer needed"),
        )
    });
    let stale: Vec<Finding> = stale.collect();
    findings.extend(stale);
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rust_file_that_breaks_rule_is_found() {
        let rules = |path, text| {
            let findings = file(RustFile { path, text });
            findings.into_iter().map(|it| it.rule).collect::<Vec<_>>()
        };
        let test = "crates/a/src/tests.rs";
        assert_eq!(rules("crates/a/src/lib.rs", "// Docs.\n"), ["module-docs"]);
        assert_eq!(
            rules(test, "#[cfg_attr(windows, ignore)]\n#[test]\n"),
            ["ignore"]
        );
        assert_eq!(
            rules(test, "    tokio::time::sleep(SHORT).await;\n"),
            ["sleep"]
        );
        assert!(rules(test, "// thread::sleep(SHORT)\nclock.sleep(SHORT).await;\n").is_empty());
    }

    #[test]
    fn exception_without_finding_is_finding() {
        let finding = || vec![Finding::new("a.rs", "sleep", "w")];
        assert_eq!(except(finding(), &[("a.rs", "sleep", "r")]), []);
        assert_eq!(except(finding(), &[("b.rs", "sleep", "r")]).len(), 2);
    }
}
