use hallpass_core::{AccessToken, RefreshToken};

use super::*;

const OBTAINED: i64 = 1_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(seconds)
}

/// A moment whose wall time is this many seconds after the grant was obtained.
fn moment(wall: i64, monotonic: u64) -> Moment {
    Moment {
        wall: at(OBTAINED + wall),
        monotonic: Duration::from_secs(monotonic),
    }
}

fn grant(kind: GrantKind, lifetime: Option<i64>, refreshable: bool) -> Grant {
    let mut grant = Grant::new(kind, AccessToken::new("a"), at(OBTAINED));
    grant.expires_at = lifetime.map(|seconds| at(OBTAINED + seconds));
    grant.refresh_token = refreshable.then(|| RefreshToken::new("r"));
    grant
}

fn check(lifetime: Option<i64>, refreshable: bool, expected: Option<i64>) {
    let grant = grant(GrantKind::AuthorizationCode, lifetime, refreshable);
    let stale = Freshness::new(&grant, None, moment(0, 0)).stale;
    assert_eq!(
        stale.map(|stale| stale.wall().as_unix_seconds() - OBTAINED),
        expected,
        "lifetime {lifetime:?}, refreshable {refreshable}"
    );
}

#[test]
fn margin_is_a_minute_or_a_quarter_of_the_lifetime() {
    check(Some(3_600), true, Some(3_540));
    check(Some(240), true, Some(180));
    check(Some(100), true, Some(75));
    check(Some(8), true, Some(6));
    check(Some(2), true, Some(2));
    check(Some(1), true, Some(1));
}

#[test]
fn unknown_lifetime_has_no_margin() {
    check(None, true, None);
}

#[test]
fn token_without_replacement_has_no_margin() {
    check(Some(3_600), false, Some(3_600));
}

#[test]
fn service_token_has_a_margin() {
    for kind in [GrantKind::ClientCredentials, GrantKind::JwtBearer] {
        let freshness = Freshness::new(&grant(kind, Some(300), false), None, moment(0, 0));
        let stale = freshness.stale.unwrap();
        assert_eq!(stale.wall(), at(OBTAINED + 240), "{kind:?}");
    }
}

#[test]
fn negative_lifetime_has_no_margin() {
    check(Some(-5), true, Some(-5));
    check(Some(0), true, Some(0));
}

#[test]
fn token_is_stale_when_either_clock_says_so() {
    let grant = grant(GrantKind::AuthorizationCode, Some(3_600), true);
    // The token is read 100 s after it was obtained.
    let freshness = Freshness::new(&grant, None, moment(100, 7));
    let stale = freshness.stale.unwrap();
    for (wall, monotonic, has_come) in [
        (100, 7, false),
        (3_539, 8, false),
        (3_540, 8, true),
        (100, 7 + 3_439, false),
        (100, 7 + 3_440, true),
        // The clock was set back by a day.
        (-86_400, 7 + 3_440, true),
    ] {
        let now = moment(wall, monotonic);
        assert_eq!(stale.has_come(now), has_come, "{wall} {monotonic}");
        assert_eq!(stale.remaining(now).is_zero(), has_come);
    }
}

#[test]
fn token_from_the_future_is_stale_and_alive_for_its_lifetime() {
    let grant = grant(GrantKind::AuthorizationCode, Some(3_600), true);
    let fresh = |wall| {
        let now = moment(wall, 50);
        !Freshness::new(&grant, None, now)
            .stale
            .unwrap()
            .has_come(now)
    };
    assert!(fresh(0) && fresh(-60) && !fresh(-61) && !fresh(-18_000));
    let expires = Freshness::new(&grant, None, moment(-18_000, 50))
        .expires
        .unwrap();
    assert!(!expires.has_come(moment(-18_000, 50 + 3_599)));
    assert!(expires.has_come(moment(-18_000, 50 + 3_600)));
}

/// The caller may have looked at the clock just before the grant was read.
#[test]
fn token_from_the_future_is_stale_for_an_earlier_look_at_the_clock() {
    let grant = grant(GrantKind::AuthorizationCode, Some(3_600), true);
    let (before, now) = (moment(-18_000, 49), moment(-18_000, 50));
    let first = Freshness::new(&grant, None, now);
    let again = Freshness::new(&grant, Some(&first), moment(-18_000, 51));
    for freshness in [first, again] {
        assert!(freshness.stale.unwrap().has_come(before));
        assert!(!freshness.expires.unwrap().has_come(before));
    }
}

#[test]
fn token_that_is_read_again_gets_no_second_lifetime() {
    let grant = grant(GrantKind::AuthorizationCode, Some(3_600), true);
    let first = Freshness::new(&grant, None, moment(0, 0));
    // The clock was set back by five hours, and a thousand seconds have passed.
    let again = Freshness::new(&grant, Some(&first), moment(-17_000, 1_000));
    let (expires, stale) = (again.expires.unwrap(), again.stale.unwrap());
    assert!(!stale.has_come(moment(-14_461, 3_539)) && stale.has_come(moment(-14_460, 3_540)));
    assert!(!expires.has_come(moment(-14_401, 3_599)) && expires.has_come(moment(-14_400, 3_600)));
}

#[test]
fn wall_time_of_an_earlier_moment_follows_the_clock() {
    let sent = moment(0, 10);
    for (wall, monotonic, expected) in [
        (0, 10, 0),
        (3, 13, 0),
        // Rounded down, a clock that runs on may be a second ahead.
        (4, 13, 0),
        (18_003, 13, 18_000),
        (-17_997, 13, -18_000),
    ] {
        let found = sent.wall_as_of(moment(wall, monotonic));
        assert_eq!(found, at(OBTAINED + expected), "{wall} {monotonic}");
    }
}
