use serde_json::json;

use super::*;

/// A refresh token that was posted at these seconds, by the processes 1, 2, 3…
fn posted(seconds: &[f32], replaced_at: Option<f32>) -> RefreshToken {
    let posts = (1..).zip(seconds).map(|(process, at)| Post {
        at: Duration::from_secs_f32(*at),
        process,
    });
    RefreshToken {
        posts: posts.collect(),
        replaced_at: replaced_at.map(Duration::from_secs_f32),
        reused_at: None,
    }
}

/// Process 1, which ended or was killed at this second.
fn first_process(ended_at: Option<f32>, killed: bool) -> Processes {
    let ended_at = ended_at.map(Duration::from_secs_f32);
    BTreeMap::from([(1, Process { ended_at, killed })])
}

#[track_caller]
fn check_gaps(seconds: &[f32], too_soon: usize) {
    let killed = first_process(Some(0.1), true);
    let found = posts_too_soon(&[posted(seconds, None)], &killed, false);
    assert_eq!(found.len(), too_soon, "{seconds:?}: {found:?}");
}

#[test]
fn posts_after_their_pauses_are_fine() {
    check_gaps(&[], 0);
    check_gaps(&[5.0], 0);
    check_gaps(&[0.0, 6.0], 0);
    // The request left a moment before it arrived.
    check_gaps(&[0.0, 5.8], 0);
    check_gaps(&[0.0, 6.0, 54.0], 0);
    check_gaps(&[0.0, 6.0, 54.0, 150.0, 342.0, 726.0, 1446.0, 2166.0], 0);
}

#[test]
fn posts_before_the_end_of_their_pause_are_found() {
    check_gaps(&[0.0, 0.0], 1);
    check_gaps(&[0.0, 2.0], 1);
    check_gaps(&[0.0, 5.4], 1);
    check_gaps(&[0.0, 6.0, 12.0], 1);
    check_gaps(&[0.0, 6.0, 53.0], 1);
    check_gaps(&[0.0, 6.0, 54.0, 114.0], 1);
    check_gaps(&[0.0, 2.0, 4.0, 6.0], 3);
    check_gaps(&[0.0, 6.0, 54.0, 150.0, 342.0, 726.0, 1446.0, 2100.0], 1);
}

#[test]
fn each_refresh_token_has_pauses_of_its_own() {
    let tokens = [posted(&[0.0], None), posted(&[1.0], None)];
    assert!(posts_too_soon(&tokens, &Processes::new(), false).is_empty());
}

#[test]
fn silent_server_pause_begins_when_the_process_has_waited_to_the_end() {
    for (second, ended_at, killed, too_soon) in [
        // The process gave up after 30 s.
        (36.0, Some(32.0), false, 0),
        (31.0, Some(32.0), false, 1),
        // The one that waits for the lock comes at once.
        (29.9, Some(30.0), false, 1),
        // It lives yet, as a proxy does.
        (31.0, None, false, 1),
        // It was killed, or was told to end, before.
        (6.0, Some(2.0), true, 0),
        (6.0, Some(2.0), false, 0),
        (2.1, Some(2.0), true, 1),
    ] {
        let processes = first_process(ended_at, killed);
        let found = posts_too_soon(&[posted(&[0.0, second], None)], &processes, true);
        assert_eq!(found.len(), too_soon, "{second} {ended_at:?}: {found:?}");
    }
}

/// A refresh token that was replaced a moment after its first post, and came back after six seconds.
fn reused() -> RefreshToken {
    RefreshToken {
        reused_at: Some(Duration::from_secs_f32(6.1)),
        ..posted(&[0.0, 6.0], Some(0.1))
    }
}

#[track_caller]
fn check_cause(token: RefreshToken, process: &Processes, expected: Option<Cause>) {
    let found = revocations(&[token], process);
    let causes: Vec<Cause> = found.into_iter().map(|it| it.cause).collect();
    assert_eq!(causes, Vec::from_iter(expected));
}

#[test]
fn token_that_was_not_reused_is_no_revocation() {
    let killed = first_process(Some(0.2), true);
    check_cause(posted(&[0.0, 6.0], None), &killed, None);
    check_cause(posted(&[0.0], Some(0.1)), &killed, None);
    // The second post is the one that was answered, or the server has a grace.
    check_cause(posted(&[0.0, 6.0], Some(6.1)), &killed, None);
    check_cause(posted(&[0.0, 6.0], Some(0.1)), &killed, None);
}

#[test]
fn answer_that_was_lost_with_a_killed_process_explains_a_revocation() {
    // It may have died before the server was done.
    for ended_at in [0.05, 0.2, 5.0] {
        let killed = first_process(Some(ended_at), true);
        check_cause(reused(), &killed, Some(Cause::LostWithProcess(1)));
    }
}

#[test]
fn revocation_without_a_killed_process_is_not_explained() {
    for process in [
        // It ended by itself, or was killed long after, or lives.
        first_process(Some(0.2), false),
        first_process(Some(5.9), true),
        first_process(None, false),
        Processes::new(),
    ] {
        check_cause(reused(), &process, Some(Cause::NotLost(1)));
    }
    // The second post overtook the first, whose process was killed.
    let overtaken = RefreshToken {
        replaced_at: Some(Duration::from_secs_f32(6.05)),
        ..reused()
    };
    let killed = first_process(Some(0.2), true);
    check_cause(overtaken, &killed, Some(Cause::NotLost(2)));
}

#[test]
fn sign_in_without_a_revocation_before_it_is_counted() {
    let at = Duration::from_secs;
    let revocations = [5, 25].map(|second| Revocation {
        at: at(second),
        cause: Cause::LostWithProcess(1),
    });
    assert_eq!(sign_ins_without_revocation(&[at(0)], &revocations), 0);
    let sign_ins = [at(0), at(10), at(30)];
    assert_eq!(sign_ins_without_revocation(&sign_ins, &revocations), 0);
    let sign_ins = [at(0), at(10), at(20), at(30)];
    assert_eq!(sign_ins_without_revocation(&sign_ins, &revocations), 1);
}

#[test]
fn answer_that_names_the_next_attempt_is_known() {
    for (answer, named) in [
        (
            json!({ "message": "the next attempt is due in 42 s" }),
            true,
        ),
        (json!({ "hints": ["try again in 2 minutes"] }), true),
        (json!({ "error": { "retry_after_seconds": 7 } }), true),
        (
            json!({ "message": "the token could not be refreshed" }),
            false,
        ),
        (
            json!({ "message": "http://127.0.0.1:42/s answered 503" }),
            false,
        ),
        (json!({ "exit_code": 5, "data": null }), false),
    ] {
        assert_eq!(names_next_attempt(&answer), named, "{answer}");
    }
}
