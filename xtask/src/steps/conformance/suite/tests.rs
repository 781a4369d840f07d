use serde_json::json;

use super::*;

#[test]
fn the_suite_says_which_runs_there_are() {
    let check = |line: &str, expected: &[&str]| {
        let runs = runs_of(line);
        let names: Vec<_> = runs.iter().map(Run::name).collect();
        assert_eq!(names, expected, "{line}");
    };
    check("Client scenarios (test against a client):", &[]);
    check("  - initialize [2025-06-18,2025-11-25]", &[]);
    check("  - auth/one [2026-07-28]", &["auth/one@2026-07-28"]);
    check(
        "  - auth/two [2025-06-18,2025-11-25,2026-07-28]",
        &["auth/two@2025-11-25", "auth/two@2026-07-28"],
    );
    check("  - auth/old [2025-03-26]", &["auth/old@2025-03-26"]);
    check(
        "  - auth/extra [extension]",
        &["auth/extra@2025-11-25", "auth/extra@2026-07-28"],
    );
}

#[test]
fn the_suite_says_what_is_required_besides_authorisation() {
    let list = "Required for X (3 scenarios, frozen):\n\nServer scenarios (test against a server):\n  \
                - ping\n\nClient scenarios (test against a client):\n  - tools_call\n  - auth/one\n  \
                - retry\n\nRun and reported, but never scored:\n  extension (1):\n    - other [client]\n";
    let runs = required_of(list, "2025-11-25");
    let names: Vec<_> = runs.iter().map(Run::name).collect();
    assert_eq!(names, ["tools_call@2025-11-25", "retry@2025-11-25"]);
}

#[test]
fn a_run_passes_when_nothing_failed_nothing_warned_and_the_client_ended_well() {
    let check = |statuses: &[&str], succeeded, expected: &str| {
        let checks: Vec<_> = statuses
            .iter()
            .enumerate()
            .map(|(number, status)| json!({ "id": format!("c{number}"), "status": status }))
            .collect();
        let verdict = verdict(&Value::Array(checks), succeeded);
        assert_eq!(verdict.to_string(), expected, "{statuses:?}");
    };
    check(&["SUCCESS", "INFO"], true, "ok, 1 checks");
    check(&["SUCCESS", "WARNING"], true, "FAILED: c1");
    check(&["FAILURE", "SUCCESS"], false, "FAILED: c0");
    check(&["SUCCESS"], false, "FAILED: the client did not end well");
    check(&[], true, "SKIPPED");
    check(&["INFO"], true, "SKIPPED");
}
