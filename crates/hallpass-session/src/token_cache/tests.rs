use std::{sync::Barrier, thread};

use hallpass_core::{
    AccessToken, CredentialKey, Grant, Issuer, Record, ServerMetadata, ServerUrl,
    SettingsFingerprint, Timestamp, record::GrantKind,
};

use super::*;
use crate::freshness::Freshness;

fn token(text: &str, generation: Generation) -> Token {
    let key = CredentialKey::new(ServerUrl::parse("https://mcp.example/mcp").unwrap());
    let metadata = ServerMetadata::new(Issuer::parse("https://as.example").unwrap());
    let mut record = Record::new(key, metadata, SettingsFingerprint::default());
    record.generation = generation;
    let now = Timestamp::from_unix_seconds(0);
    let grant = Grant::new(
        GrantKind::AuthorizationCode,
        AccessToken::new(text.to_owned()),
        now,
    );
    let now = Moment {
        wall: now,
        monotonic: std::time::Duration::ZERO,
    };
    Token::new(&record, &grant, None, Freshness::new(&grant, None, now)).unwrap()
}

fn text(cache: &TokenCache) -> Option<String> {
    let token = cache.current()?;
    Some(token.access_token().expose().to_owned())
}

#[test]
fn every_thread_sees_the_newest_token() {
    let cache = TokenCache::default();
    let changed = Barrier::new(5);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for round in 0..20 {
                    changed.wait();
                    let expected = (round % 3 > 0).then(|| format!("access-{round}"));
                    assert_eq!(text(&cache), expected);
                    assert_eq!(text(&cache), expected);
                    changed.wait();
                }
            });
        }
        for round in 0..20 {
            match round % 3 {
                0 => cache.clear(),
                _ => drop(cache.publish(token(&format!("access-{round}"), Generation::default()))),
            }
            changed.wait();
            changed.wait();
        }
    });
}

#[test]
fn tokens_of_many_sessions_are_not_mixed_up() {
    let many: Vec<_> = (0..48).map(|_| TokenCache::default()).collect();
    for (number, cache) in many.iter().enumerate() {
        cache.publish(token(&format!("access-{number}"), Generation::default()));
    }
    for _ in 0..2 {
        for (number, cache) in many.iter().enumerate() {
            assert_eq!(text(cache), Some(format!("access-{number}")));
        }
    }
}

#[test]
fn cleared_token_is_freed_with_its_last_clone() {
    let cache = TokenCache::default();
    cache.publish(token("access", Generation::default()));
    let is_alive = cache.current().unwrap().liveness();
    assert!(is_alive());
    cache.clear();
    assert!(!is_alive(), "its secrets are wiped");
}

#[test]
fn older_record_is_not_published() {
    let cache = TokenCache::default();
    let (old, new) = (Generation::default(), Generation::default().next());
    cache.publish_unless_older(token("new", new)).unwrap();
    assert!(cache.publish_unless_older(token("old", old)).is_none());
    assert_eq!(text(&cache).as_deref(), Some("new"));
    assert!(!cache.clear_unless_newer(old));
    assert!(cache.clear_unless_newer(new));
    assert_eq!(text(&cache), None);
}
