use hallpass_core::{CredentialKey, Issuer, ServerMetadata, ServerUrl, SettingsFingerprint};

use super::*;

const NOW: Timestamp = Timestamp::from_unix_seconds(1_000);

/// Always the same byte.
#[derive(Debug)]
struct Dice(u8);

impl Entropy for Dice {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0);
    }
}

fn record() -> Record {
    let key = CredentialKey::new(ServerUrl::parse("https://mcp.example.com").unwrap());
    let issuer = Issuer::parse("https://as.example.com").unwrap();
    let mut record = Record::new(
        key,
        ServerMetadata::new(issuer),
        SettingsFingerprint::default(),
    );
    record.state = State::SignedIn;
    record
}

fn marked(record: &Record, now: Timestamp, entropy: &dyn Entropy) -> Record {
    super::marked(record, &attempt(record, now, entropy))
}

#[test]
fn pauses_vary_by_a_fifth_from_the_third_post_on() {
    let seconds = |posts, dice| pause(posts, &Dice(dice)).as_secs_f64();
    for (posts, middle) in [
        (2, 60.0),
        (3, 120.0),
        (5, 480.0),
        (6, 900.0),
        (u32::MAX, 900.0),
    ] {
        for (dice, factor) in [(0, 0.8), (255, 1.2)] {
            let difference = seconds(posts, dice) - middle * factor;
            assert!(difference.abs() < 0.01, "{posts} {dice}: {difference}");
        }
    }
    assert_eq!(pause(1, &Dice(0)), PAUSE_BEFORE_SECOND_POST);
    assert_eq!(pause(1, &Dice(255)), PAUSE_BEFORE_SECOND_POST);
}

#[test]
fn mark_contains_the_pause_before_the_post() {
    let once = marked(&record(), NOW, &Dice(0));
    let pending = once.pending_refresh.as_ref().unwrap();
    assert_eq!((pending.posts, pending.since, pending.last), (1, NOW, NOW));
    assert_eq!(once.state, State::OutcomeUnknown);
    let left = remaining(pending, false, NOW).unwrap();
    assert_eq!(left, PAUSE_BEFORE_SECOND_POST + WHOLE_SECOND);
    let later = NOW.saturating_add(left);
    assert_eq!(remaining(pending, false, later), None);
    let twice = marked(&once, later, &Dice(0)).pending_refresh.unwrap();
    assert_eq!((twice.posts, twice.since, twice.last), (2, NOW, later));
}

#[test]
fn post_that_was_not_processed_leaves_the_record_as_it_was() {
    let marked_once = marked(&record(), NOW, &Dice(0));
    assert_eq!(not_processed(&marked_once, None, None, NOW), record());
    let marked_twice = marked(&marked_once, NOW, &Dice(0));
    let before = marked_once.pending_refresh.as_ref();
    assert_eq!(not_processed(&marked_twice, before, None, NOW), marked_once);
}

#[test]
fn refusals_in_a_row_double_the_pause_up_to_a_day() {
    let settings = ServerSettings::default();
    let error = TokenError::remembered(
        http::StatusCode::BAD_REQUEST,
        Some("invalid_target"),
        Some("not here"),
    );
    let mut record = record();
    let mut quarters = Vec::new();
    for _ in 0..10 {
        let marked = marked(&record, NOW, &Dice(0));
        let before = record.pending_refresh.as_ref();
        let refusal = refusal(before, &error, &settings, NOW);
        record = refused(&marked, before, refusal, NOW);
        let pending = record.pending_refresh.as_ref().unwrap();
        let pause = remaining(pending, false, NOW).unwrap().as_secs();
        quarters.push((pause - WHOLE_SECOND.as_secs()) / 900);
    }
    assert_eq!(quarters, [1, 2, 4, 8, 16, 32, 64, 96, 96, 96]);
    assert_eq!(record.state, State::SignedIn);
}
