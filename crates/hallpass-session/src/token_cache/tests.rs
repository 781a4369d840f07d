use std::{sync::Barrier, thread};

use hallpass_core::{
    AccessToken, CredentialKey, Grant, Issuer, Record, ServerMetadata, ServerUrl,
    SettingsFingerprint, Timestamp, record::GrantKind,
};

use super::*;

fn token(text: &str) -> Token {
    let key = CredentialKey::new(ServerUrl::parse("https://mcp.example/mcp").unwrap());
    let metadata = ServerMetadata::new(Issuer::parse("https://as.example").unwrap());
    let record = Record::new(key, metadata, SettingsFingerprint::default());
    let now = Timestamp::from_unix_seconds(0);
    let grant = Grant::new(
        GrantKind::AuthorizationCode,
        AccessToken::new(text.to_owned()),
        now,
    );
    Token::new(&record, &grant, None).unwrap()
}

fn text(published: &Published) -> Option<String> {
    let token = published.get()?;
    Some(token.access_token().expose().to_owned())
}

#[test]
fn every_thread_sees_the_newest_though_it_remembers_an_older_one() {
    let published = Published::nothing();
    let changed = Barrier::new(5);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for round in 0..20 {
                    changed.wait();
                    let expected = (round % 3 > 0).then(|| format!("access-{round}"));
                    // The first look finds it, the second one remembers it.
                    assert_eq!(text(&published), expected);
                    assert_eq!(text(&published), expected);
                    changed.wait();
                }
            });
        }
        for round in 0..20 {
            match round % 3 {
                0 => published.clear(),
                _ => published.set(&token(&format!("access-{round}"))),
            }
            changed.wait();
            changed.wait();
        }
    });
}

#[test]
fn more_sessions_than_a_thread_remembers_are_not_mixed_up() {
    let many: Vec<_> = (0..3 * CACHE_SLOTS).map(|_| Published::nothing()).collect();
    for (number, published) in many.iter().enumerate() {
        published.set(&token(&format!("access-{number}")));
    }
    for _ in 0..2 {
        for (number, published) in many.iter().enumerate() {
            assert_eq!(text(published), Some(format!("access-{number}")));
        }
    }
}

#[test]
fn what_a_thread_remembers_keeps_no_token() {
    let published = Published::nothing();
    published.set(&token("access"));
    let seen = published.get().unwrap().downgrade();
    assert!(seen.upgrade().is_some());
    published.clear();
    assert!(seen.upgrade().is_none(), "nobody holds it any more");
}
