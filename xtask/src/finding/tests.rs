use super::*;

#[test]
fn an_exception_takes_a_finding_out_and_a_stale_one_is_a_finding() {
    let exception = || Exception {
        place: "outer",
        rule: "features",
        reason: "a reason",
    };
    let finding = || Finding::new("outer", "features", "w");
    assert_eq!(judge(vec![finding()], &[exception()]), []);
    let stale = judge(vec![], &[exception()]);
    assert_eq!(
        stale[0].what,
        "the exception «a reason» is no longer needed"
    );
}

#[test]
fn each_finding_is_a_line_and_the_mending_command_follows() {
    let findings = [
        Finding::new("a", "rule", "wrong"),
        Finding::new("b", "rule", "wrong too"),
    ];
    assert!(report(&[], "mend").is_ok());
    let failure = report(&findings, "edit it").unwrap_err().to_string();
    assert_eq!(
        failure,
        "a: wrong (rule)\nb: wrong too (rule)\n  mend it with: edit it"
    );
}
