//! The suite's own mode for what a revision of MCP requires.

use super::suite::{Suite, clients_of, keep};
use crate::report::{Failure, Report, now};

/// Milliseconds that a client may take while all of them run at once.
const TIMEOUT: &str = "180000";

impl Suite {
    /// Has the suite run what a revision requires of a client; the runs that did not pass.
    pub(super) fn required_at_once(&self, revision: &str) -> Result<Vec<String>, Failure> {
        let list = self.list_required(revision)?;
        let required: Vec<&str> = clients_of(&list).collect();
        if required.is_empty() {
            return Err(Failure::new(format!(
                "the suite requires nothing at {revision}"
            )));
        }
        let results = self.clean_results(&format!("required-{revision}"))?;
        let began = now();
        let ran = self
            .client(&results)
            .args(["--requirements", revision, "--timeout", TIMEOUT])
            .complete()?;
        keep(&results, &ran)?;
        let missed = missed(&ran.stdout, &required);
        let passed = required.len() - missed.len();
        let seconds = began.elapsed().as_secs_f32();
        Report::default().line(&format!(
            "required at {revision}: {passed} of {}, all at once, in {seconds:.0} s",
            required.len()
        ));
        if missed.is_empty() && !ran.status.success() {
            return Err(Failure::new(format!(
                "the suite is not content with what {revision} requires; see {}",
                results.join("suite.txt").display()
            )));
        }
        Ok(missed.iter().map(|it| format!("{it}@{revision}")).collect())
    }
}

/// What of `required` the suite's summary does not say to have passed: `✓ NAME: N passed, 0 failed`.
fn missed<'a>(summary: &str, required: &[&'a str]) -> Vec<&'a str> {
    let has_passed = |name: &str| {
        summary.lines().any(|line| {
            let counts = line
                .strip_prefix("✓ ")
                .and_then(|line| line.strip_prefix(name));
            counts.is_some_and(|counts| {
                counts.starts_with(": ")
                    && !counts.starts_with(": 0 ")
                    && counts.ends_with(", 0 failed")
            })
        })
    };
    required
        .iter()
        .copied()
        .filter(|name| !has_passed(name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_passed_when_the_summary_says_so() {
        let summary = "✓ auth/one: 18 passed, 0 failed\n✗ auth/two: 2 passed, 1 failed\n\
            ✓ auth/three-b: 1 passed, 0 failed\n✓ auth/four: 0 passed, 0 failed\n";
        let required = ["auth/one", "auth/two", "auth/three", "auth/four"];
        assert_eq!(
            missed(summary, &required),
            ["auth/two", "auth/three", "auth/four"]
        );
    }
}
