//! Vault's Transit engine.

use std::{error::Error as _, sync::Arc, time::Duration};

use hallpass_core::{
    AccessToken, FixedToken, HttpError, Remedy, Timestamp, block_on, http::HttpErrorKind,
};
use hallpass_kms::VaultTransit;
use hallpass_seal::{DataKeys, KeyEncryption as _, KeyErrorKind, SealingKey};
use hallpass_testkit::{FakeClock, ScriptedClient, ScriptedResponse};

use crate::transit::{TOKEN, Transit};

fn token(text: &str) -> Arc<FixedToken> {
    Arc::new(FixedToken::new(AccessToken::new(text), "the test"))
}

fn vault(transit: &Arc<Transit>) -> VaultTransit {
    VaultTransit::new(
        transit.clone(),
        "https://vault.example.com",
        "hallpass",
        token(TOKEN),
    )
    .unwrap()
}

#[test]
fn wrapped_key_opens_for_its_tenant_and_no_other() {
    let transit = Arc::new(Transit::new());
    let vault = vault(&transit);
    let key = SealingKey::generate().unwrap();
    let wrapped = block_on(vault.wrap(&key, b"acme")).unwrap();
    assert!(wrapped.starts_with(b"vault:v1:"));
    let opened = block_on(vault.unwrap(&wrapped, b"acme")).unwrap();
    assert_eq!(opened.expose(), key.expose());
    let error = block_on(vault.unwrap(&wrapped, b"evil")).unwrap_err();
    assert_eq!(
        (error.kind(), error.remedy()),
        (KeyErrorKind::Unusable, Remedy::Configure)
    );
}

#[test]
fn rotated_key_opens_old_data_keys_until_they_are_rewrapped() {
    let transit = Arc::new(Transit::new());
    let clock = FakeClock::new(Timestamp::from_unix_seconds(1_000));
    let keys = || DataKeys::new(Arc::new(vault(&transit)), Arc::new(clock.clone()));
    let old = block_on(keys().generate(b"acme")).unwrap();
    transit.rotate();
    let new = block_on(keys().rewrap(&old, b"acme")).unwrap();
    assert!(new.wrapped.starts_with(b"vault:v2:"));
    transit.set_min_decryption_version(2);
    block_on(keys().open(&new, b"acme")).unwrap();
    let error = block_on(keys().open(&old, b"acme")).unwrap_err();
    assert!(
        format!("{:?}", error.hints()).contains("min_decryption_version"),
        "{error:?}"
    );
    // Vault's own words are the cause.
    assert!(
        error.source().unwrap().to_string().contains("too old"),
        "{error:?}"
    );
}

#[test]
fn data_key_is_unwrapped_once_in_the_cache_time_and_serves_while_vault_is_sealed() {
    let transit = Arc::new(Transit::new());
    let clock = FakeClock::new(Timestamp::from_unix_seconds(1_000));
    let keys = DataKeys::new(Arc::new(vault(&transit)), Arc::new(clock.clone()));
    let wrapped = block_on(keys.generate(b"acme")).unwrap();
    block_on(keys.open(&wrapped, b"acme")).unwrap();
    transit.set_sealed(true);
    block_on(keys.open(&wrapped, b"acme")).unwrap();
    assert_eq!(transit.requests(), 2);
    clock.advance(Duration::from_secs(600));
    let error = block_on(keys.open(&wrapped, b"acme")).unwrap_err();
    assert_eq!(
        (error.kind(), error.remedy()),
        (KeyErrorKind::Unavailable, Remedy::Retry)
    );
}

#[test]
fn refusal_says_what_to_do() {
    let transit = Arc::new(Transit::new());
    let key = SealingKey::generate().unwrap();
    let new = |address, name, secret| {
        VaultTransit::new(transit.clone(), address, name, token(secret)).unwrap()
    };
    let address = "https://vault.example.com/";
    for (vault, kind, hint) in [
        (
            new(address, "hallpass", "hvs.wrong"),
            KeyErrorKind::Locked,
            "policy",
        ),
        (
            new(address, "other", TOKEN),
            KeyErrorKind::Absent,
            "name of the key",
        ),
        (
            vault(&transit).with_mount("kv/team").unwrap(),
            KeyErrorKind::Absent,
            "mount",
        ),
        (
            vault(&transit).with_namespace("team/b").unwrap(),
            KeyErrorKind::Locked,
            "policy",
        ),
    ] {
        let error = block_on(vault.wrap(&key, b"acme")).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(format!("{:?}", error.hints()).contains(hint), "{error:?}");
        assert!(error.to_string().contains(vault.key_name()), "{error}");
    }
    let in_namespace = vault(&transit).with_namespace("/team/a/").unwrap();
    assert_eq!(in_namespace.key_name(), "vault:team/a/transit/hallpass");
    block_on(in_namespace.wrap(&key, b"acme")).unwrap();
}

#[test]
fn address_and_names_that_are_none_are_refused() {
    let transit = Arc::new(Transit::new());
    for (address, key) in [
        ("http://vault.example.com", "hallpass"),
        ("vault", "hallpass"),
        ("https://vault.example.com", "../sys/seal"),
        ("https://vault.example.com", ""),
        ("https://vault.example.com", "a?b"),
    ] {
        let made = VaultTransit::new(transit.clone(), address, key, token(TOKEN));
        assert!(made.is_err(), "{address} {key}");
    }
    assert!(vault(&transit).with_mount("a/../b").is_err());
    assert!(vault(&transit).with_namespace("a b").is_err());
}

#[test]
fn no_error_shows_the_token_or_the_key() {
    let transit = Arc::new(Transit::new());
    let key = SealingKey::from_bytes([0xab; 32]);
    let wrapped = block_on(vault(&transit).wrap(&key, b"acme")).unwrap();
    let plaintext = "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=";
    for body in [
        format!(r#"{{"errors":["bad: {plaintext} {TOKEN}"]}}"#),
        format!("bad {plaintext} {TOKEN}"),
        "<html>".to_owned(),
        format!(r#"{{"data":{{"plaintext":"{plaintext}AAAA","ciphertext":"{plaintext}"}}}}"#),
    ] {
        for status in [200, 302, 400, 403, 500] {
            transit.answer_with(status, &body);
            let vault = vault(&transit);
            let errors = [
                block_on(vault.wrap(&key, b"acme")).unwrap_err(),
                block_on(vault.unwrap(&wrapped, b"acme")).unwrap_err(),
            ];
            for error in errors {
                let text = format!("{error} {error:?} {vault:?} {}", vault.describe());
                assert!(!text.contains(TOKEN), "{text}");
            }
            let error = block_on(vault.wrap(&key, b"acme")).unwrap_err();
            assert!(!format!("{error:?}").contains(plaintext), "{error:?}");
        }
    }
}

#[test]
fn vault_that_is_away_is_an_error_to_retry() {
    let client = ScriptedClient::new();
    client.on(
        "/v1/transit/encrypt/hallpass",
        [ScriptedResponse::error(HttpErrorKind::Connect)],
    );
    let vault = VaultTransit::new(
        Arc::new(client),
        "https://vault.example.com",
        "hallpass",
        token(TOKEN),
    )
    .unwrap();
    let error = block_on(vault.wrap(&SealingKey::generate().unwrap(), b"acme")).unwrap_err();
    assert_eq!(error.remedy(), Remedy::Retry);
    let cause = error.source().unwrap().downcast_ref::<HttpError>().unwrap();
    assert!(
        cause
            .to_string()
            .starts_with("key management request to https://vault"),
        "{cause}"
    );
}
