//! A token that is bound to a key, for somebody else's request: with a proof of it (RFC 9449 §7).

use std::sync::Arc;

use hallpass::{
    AuthScheme, CredentialKey,
    record::DpopKey,
    store::{CredentialStore, FileStore, KeyFile, KeySources, LockKind, Saved},
};
use serde_json::Value;

use crate::program::Fixture;

/// A key for proofs that nothing but this test uses (PKCS#8).
const KEY: &str = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgSiTfn5yyqmPu7JHOC5Td9YGDRiuxlcuwhEeC7o2Xt5ChRANCAATmAIpBQ3ZAKUGtKcyodV2yCox/iCqPilu7gSOSVXsSkriXuPmLVjwTn2VSnWEzx93cnLD5cTf/mgzE7rKfJ4SH";

#[tokio::test]
async fn dpop_token_is_printed_with_proof_only() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    fixture.login(&["--key-store", "key-file"]).await.expect(0);
    let token = fixture.run(&["token", &url]).await.expect(0).stdout;
    let token = token.trim_end();
    bind(&fixture).await;
    for command in [&["token"][..], &["token", "--header"], &["exec"]] {
        let mut arguments = vec![command[0], &url];
        arguments.extend(&command[1..]);
        arguments.extend(
            ["--", "/bin/echo", "ran"]
                .iter()
                .filter(|_| command[0] == "exec"),
        );
        let ended = fixture.run(&arguments).await.expect(2);
        assert_eq!(ended.stdout, "");
        assert!(
            ended.stderr.contains("--method POST --url URL"),
            "{}",
            ended.stderr
        );
    }

    let request = ["--method", "post", "--url", &url, "--dpop-nonce", "n1"];
    let ended = fixture
        .run(&[&["token", &url], &request[..]].concat())
        .await
        .expect(0);
    let lines: Vec<_> = ended.stdout.lines().collect();
    let [authorization, proof] = lines[..] else {
        panic!("{lines:?}");
    };
    assert_eq!(authorization, format!("Authorization: DPoP {token}"));
    let claims = claims(proof.strip_prefix("DPoP: ").unwrap());
    assert_eq!(claims["htm"], "POST");
    assert_eq!(claims["htu"], url);
    assert_eq!(claims["nonce"], "n1");

    let command = ["--", "/usr/bin/env"];
    let ended = fixture
        .run(&[&["exec", &url], &request[..], &command].concat())
        .await
        .expect(0);
    let line = format!("HALLPASS_TOKEN_AUTHORIZATION=DPoP {token}\n");
    assert!(ended.stdout.contains(&line), "{}", ended.stdout);
    assert!(
        ended.stdout.contains("\nHALLPASS_TOKEN_DPOP=ey"),
        "{}",
        ended.stdout
    );
}

/// Binds the token of the account to a key.
async fn bind(fixture: &Fixture) {
    let folder = fixture.store();
    let sources = KeySources::in_order(vec![Arc::new(KeyFile::in_folder(&folder))]);
    let store = FileStore::open(folder, sources).await.unwrap();
    let key = CredentialKey::new(fixture.url().parse().unwrap());
    let mut record = store.load(&key).await.unwrap().unwrap();
    let grant = record.grant.as_mut().unwrap();
    grant.scheme = AuthScheme::Dpop;
    grant.dpop_key = Some(DpopKey::new(KEY));
    let wait = std::time::Duration::from_secs(5);
    let mut guard = store.lock(&key, LockKind::Credential, wait).await.unwrap();
    let saved = store
        .save(&record, Some(record.generation), &mut guard)
        .await;
    assert!(matches!(saved.unwrap(), Saved::Written(_)));
}

/// The claims of a proof (RFC 7515 §3.1).
fn claims(proof: &str) -> Value {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
    let claims = proof.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}
