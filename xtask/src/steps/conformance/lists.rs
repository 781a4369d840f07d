//! What the suite prints, read.

/// Two scenarios are for this revision of MCP alone.
const OLDEST: &str = "2025-03-26";

/// The revisions that the other scenarios run at.
pub(super) const REVISIONS: [&str; 2] = ["2025-11-25", "2026-07-28"];

/// One scenario at one revision.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) scenario: String,
    pub(super) revision: &'static str,
    /// An extension, which no revision includes.
    pub(super) extension: bool,
}

impl Run {
    pub(super) fn name(&self) -> String {
        format!("{}@{}", self.scenario, self.revision)
    }
}

/// The authorization runs of the suite's list: `  - auth/NAME [REVISION,REVISION]`.
pub(super) fn runs(list: &str) -> Vec<Run> {
    let lines = list
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- ")?.split_once(" ["));
    let scenarios = lines.filter(|(scenario, _)| scenario.starts_with("auth/"));
    let runs = scenarios.flat_map(|(scenario, tags)| {
        let tags: Vec<&str> = tags.trim_end_matches(']').split(',').collect();
        let extension = tags.contains(&"extension");
        let mut revisions = REVISIONS.to_vec();
        revisions.retain(|revision| extension || tags.contains(revision));
        if revisions.is_empty() {
            revisions.push(OLDEST);
        }
        revisions.into_iter().map(move |revision| Run {
            scenario: scenario.to_owned(),
            revision,
            extension,
        })
    });
    runs.collect()
}

/// The scenarios for clients in a list of what is required.
pub(super) fn clients(list: &str) -> impl Iterator<Item = &str> {
    let lines = list
        .lines()
        .skip_while(|line| !line.starts_with("Client scenarios"))
        .skip(1);
    let lines = lines.take_while(|line| line.is_empty() || line.starts_with("  - "));
    lines.filter_map(|line| line.trim().strip_prefix("- "))
}

/// The same without those of authorization.
pub(super) fn besides(list: &str, revision: &'static str) -> Vec<Run> {
    let besides = clients(list).filter(|scenario| !scenario.starts_with("auth/"));
    let run = |scenario: &str| Run {
        scenario: scenario.to_owned(),
        revision,
        extension: false,
    };
    besides.map(run).collect()
}

/// What of `required` the suite's summary does not report as passed: `✓ NAME: N passed, 0 failed`.
pub(super) fn missed<'a>(summary: &str, required: &[&'a str]) -> Vec<&'a str> {
    let has_passed = |name: &&&str| {
        let start = format!("✓ {name}: ");
        let mut counts = summary.lines().filter_map(|line| line.strip_prefix(&start));
        counts.any(|counts| !counts.starts_with("0 ") && counts.ends_with(", 0 failed"))
    };
    required
        .iter()
        .filter(|name| !has_passed(name))
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_suite_become_runs() {
        let list = "Client scenarios (test against a client):\n  - initialize [2025-11-25]\n  \
            - auth/one [2026-07-28]\n  - auth/two [2025-06-18,2025-11-25,2026-07-28]\n  \
            - auth/old [2025-03-26]\n  - auth/extra [extension]\n";
        let expected = [
            "auth/one@2026-07-28",
            "auth/two@2025-11-25",
            "auth/two@2026-07-28",
            "auth/old@2025-03-26",
            "auth/extra@2025-11-25",
            "auth/extra@2026-07-28",
        ];
        let names = |runs: Vec<Run>| runs.iter().map(Run::name).collect::<Vec<_>>();
        assert_eq!(names(runs(list)), expected);
        let list = "Server scenarios (test against a server):\n  - ping\n\nClient scenarios (test \
            against a client):\n  - tools_call\n  - auth/one\n  - retry\n\nRun and reported:\n  - other\n";
        let expected = ["tools_call@2025-11-25", "retry@2025-11-25"];
        assert_eq!(names(besides(list, "2025-11-25")), expected);
    }

    #[test]
    fn run_without_passed_check_in_summary_is_missed() {
        let summary = "✓ auth/one: 18 passed, 0 failed\n✗ auth/two: 2 passed, 1 failed\n\
            ✓ auth/three-b: 1 passed, 0 failed\n✓ auth/four: 0 passed, 0 failed\n";
        let required = ["auth/one", "auth/two", "auth/three", "auth/four"];
        assert_eq!(
            missed(summary, &required),
            ["auth/two", "auth/three", "auth/four"]
        );
    }
}
