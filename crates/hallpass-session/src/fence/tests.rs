use hallpass_core::{Issuer, ServerMetadata, ServerUrl, SettingsFingerprint, Slot};

use super::*;

const NOW: Timestamp = Timestamp::from_unix_seconds(1_000);
const LATER: Timestamp = Timestamp::from_unix_seconds(2_000);

fn record() -> Record {
    let slot = Slot::new(ServerUrl::parse("https://mcp.example.com").unwrap());
    let issuer = Issuer::parse("https://as.example.com").unwrap();
    let mut record = Record::new(
        slot,
        ServerMetadata::new(issuer),
        SettingsFingerprint::default(),
    );
    record.state = State::SignedIn;
    record
}

fn posts(record: &Record) -> Option<(u32, Timestamp)> {
    record.fence.map(|fence| (fence.posts, fence.since))
}

#[test]
fn two_posts_close_the_fence() {
    let once = raised(&record(), NOW);
    assert_eq!(posts(&once), Some((1, NOW)));
    assert_eq!(once.state, State::OutcomeUnknown);
    assert!(is_open(&record()) && is_open(&once));

    let twice = raised(&once, LATER);
    assert_eq!(
        posts(&twice),
        Some((2, NOW)),
        "the doubt began with the first"
    );
    assert!(!is_open(&twice));
}

#[test]
fn a_post_that_was_not_acted_on_leaves_no_trace() {
    assert_eq!(lowered(&raised(&record(), NOW), None), record());
    let once = raised(&record(), NOW);
    assert_eq!(lowered(&raised(&once, LATER), once.fence), once);
}

#[test]
fn an_outage_keeps_the_doubt_and_does_not_use_the_posts_up() {
    let mut standing = record();
    for _ in 0..10 {
        let before = standing.fence;
        standing = doubted(&raised(&standing, NOW), before);
        assert_eq!(posts(&standing), Some((1, NOW)));
    }
}
