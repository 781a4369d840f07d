//! Tokens for somebody else's request: `token` and `exec`.

use std::sync::Arc;

use hallpass::{
    AuthScheme, DpopKey, Slot,
    store::{CredentialStore, FileStore, KeyFile, KeySources, Saved},
};
use serde_json::Value;

use crate::program::{Desk, Ended};

/// A key for proofs that nothing but this test uses (PKCS#8).
const KEY: &str = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgSiTfn5yyqmPu7JHOC5Td9YGDRiuxlcuwhEeC7o2Xt5ChRANCAATmAIpBQ3ZAKUGtKcyodV2yCox/iCqPilu7gSOSVXsSkriXuPmLVjwTn2VSnWEzx93cnLD5cTf/mgzE7rKfJ4SH";

#[tokio::test]
async fn the_header_is_one_that_curl_reads() {
    let desk = Desk::new().await;
    let url = desk.url();
    desk.login(&[]).await.expect(0);
    let token = desk.run(&["token", &url]).await.expect(0).stdout;
    let header = desk
        .run(&["token", &url, "--header"])
        .await
        .expect(0)
        .stdout;
    assert_eq!(header, format!("Authorization: Bearer {token}"));
    let json = desk.run(&["--json", "token", &url]).await.expect(0).json();
    let header = header.trim_end().strip_prefix("Authorization: ").unwrap();
    assert_eq!(json["result"]["headers"]["Authorization"], header);

    // A bearer token needs no proof, whatever the request is.
    let request = ["token", &url, "--header", "--method", "GET", "--url", &url];
    let ended = desk.run(&request).await.expect(0);
    assert_eq!(ended.stdout, format!("Authorization: {header}\n"));
    desk.run(&["token", &url, "--method", "GET"])
        .await
        .expect(2);
}

#[cfg(unix)]
#[tokio::test]
async fn a_command_finds_the_token_and_nothing_else_changes() {
    let desk = Desk::new().await;
    let url = desk.url();
    desk.login(&[]).await.expect(0);
    let token = desk.run(&["token", &url]).await.expect(0).stdout;
    let exec = async |options: &[&str], command: &[&str]| -> Ended {
        desk.run(&[&["exec", &url], options, &["--"], command].concat())
            .await
    };
    let shown = exec(&[], &["/bin/sh", "-c", "printenv HALLPASS_TOKEN"])
        .await
        .expect(0);
    assert_eq!(
        (shown.stdout.as_str(), shown.stderr.as_str()),
        (token.as_str(), "")
    );
    let shown = exec(&["--env", "MY_TOKEN"], &["/usr/bin/env"])
        .await
        .expect(0)
        .stdout;
    assert!(shown.contains(&format!("MY_TOKEN={token}")), "{shown}");
    assert!(!shown.contains("HALLPASS_TOKEN="), "{shown}");

    // No shell reads the arguments, and the end is the command's own.
    let words = exec(&[], &["/bin/echo", "$HOME", "a  b", "--json"])
        .await
        .expect(0);
    assert_eq!(words.stdout, "$HOME a  b --json\n");
    exec(&[], &["/bin/sh", "-c", "exit 42"]).await.expect(42);
    let killed = exec(&[], &["/bin/sh", "-c", "kill -9 $$"]).await;
    assert_eq!(killed.code, -1, "it ended by the signal itself");
    for (command, code) in [("/nowhere/at-all", 127), ("/", 126)] {
        let ended = exec(&[], &[command]).await.expect(code);
        assert!(
            ended.stderr.contains(&format!("can't run `{command}`")),
            "{}",
            ended.stderr
        );
    }
    exec(&["--env", "A=B"], &["/bin/true"]).await.expect(2);
    desk.run(&["exec", &url]).await.expect(2);
}

#[cfg(unix)]
#[tokio::test]
async fn nothing_runs_without_a_token() {
    let desk = Desk::new().await;
    let url = desk.url();
    let ended = desk
        .run(&["exec", &url, "--", "/bin/echo", "ran"])
        .await
        .expect(3);
    assert_eq!(ended.stdout, "");
    assert!(
        ended.stderr.contains(&format!("hallpass login {url}")),
        "{}",
        ended.stderr
    );
}

/// Binds the token of the account to a key.
async fn bind(desk: &Desk) {
    let folder = desk.store();
    let sources = KeySources::in_order(vec![Arc::new(KeyFile::in_folder(&folder))]);
    let store = FileStore::open(folder, sources).await.unwrap();
    let slot = Slot::new(desk.url().parse().unwrap());
    let mut record = store.load(&slot).await.unwrap().unwrap();
    let grant = record.grant.as_mut().unwrap();
    grant.scheme = AuthScheme::Dpop;
    grant.dpop_key = Some(DpopKey::new(KEY));
    let wait = std::time::Duration::from_secs(5);
    let mut guard = store.lock(&slot, wait).await.unwrap();
    let saved = store
        .save(&record, Some(record.generation), &mut guard)
        .await;
    assert!(matches!(saved.unwrap(), Saved::Written(_)));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_token_that_is_bound_to_a_key_comes_with_a_proof_or_not_at_all() {
    let desk = Desk::new().await;
    let url = desk.url();
    desk.login(&["--key-store", "key-file"]).await.expect(0);
    let token = desk.run(&["token", &url]).await.expect(0).stdout;
    let token = token.trim_end();
    bind(&desk).await;
    for command in [&["token"][..], &["token", "--header"], &["exec"]] {
        let mut arguments = vec![command[0], &url];
        arguments.extend(&command[1..]);
        arguments.extend(
            ["--", "/bin/echo", "ran"]
                .iter()
                .filter(|_| command[0] == "exec"),
        );
        let ended = desk.run(&arguments).await.expect(2);
        assert_eq!(ended.stdout, "");
        assert!(
            ended.stderr.contains("--method POST --url URL"),
            "{}",
            ended.stderr
        );
    }

    let request = ["--method", "post", "--url", &url, "--dpop-nonce", "n1"];
    let ended = desk
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
    let ended = desk
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

/// The claims of a proof (RFC 7515 §3.1).
fn claims(proof: &str) -> Value {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
    let claims = proof.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}
