use hallpass_core::{AccessToken, RefreshToken};

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(seconds)
}

fn check(lifetime: Option<i64>, refreshable: bool, expected: Option<i64>) {
    let mut grant = Grant::new(
        GrantKind::AuthorizationCode,
        AccessToken::new("a"),
        at(1_000),
    );
    grant.expires_at = lifetime.map(|seconds| at(1_000 + seconds));
    grant.refresh_token = refreshable.then(|| RefreshToken::new("r"));
    assert_eq!(
        stale_at(&grant),
        expected.map(|seconds| at(1_000 + seconds)),
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
        let mut grant = Grant::new(kind, AccessToken::new("a"), at(1_000));
        grant.expires_at = Some(at(1_300));
        assert_eq!(stale_at(&grant), Some(at(1_240)), "{kind:?}");
    }
}

#[test]
fn negative_lifetime_has_no_margin() {
    check(Some(-5), true, Some(-5));
    check(Some(0), true, Some(0));
}
