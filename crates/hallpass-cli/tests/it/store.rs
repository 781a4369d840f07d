//! Where the program keeps the key of its store. A real keyring is for `cargo xtask keyring`.

use std::fs;

use crate::program::Fixture;

/// What is said where no keyring answers.
const PASSED_OVER: &str = "ignored       when the store was created: keyring:";

#[tokio::test]
#[cfg_attr(
    not(target_os = "linux"),
    ignore = "elsewhere the keyring always answers"
)]
async fn missing_keyring_puts_key_in_file_with_reason() {
    let fixture = Fixture::new().await;
    let login = fixture.login(&[]).await.expect(0);
    assert!(
        login.stderr.contains("not in the keyring: "),
        "{}",
        login.stderr
    );
    // Said once, shown always.
    let said = fixture.run(&["status"]).await.expect(0);
    assert_eq!(said.stderr, "");
    assert!(
        said.stdout.contains("key location  key-file"),
        "{}",
        said.stdout
    );
    assert!(said.stdout.contains(PASSED_OVER), "{}", said.stdout);
    let again = fixture.run(&["--json", "status"]).await.expect(0);
    let store = &again.json()["result"]["store"];
    assert_eq!(store["backend"], "sealed-files");
    assert_eq!(store["key_location"], "key-file");
    let id = store["key_id"].as_str().unwrap();
    assert!(
        said.stdout.contains(&format!("key id        {id}")),
        "{}",
        said.stdout
    );
    let why = store["ignored"][0].as_str().unwrap();
    assert!(why.starts_with("keyring: "), "{why}");

    // The key itself is nowhere in it.
    let key = fs::read(fixture.store().join(format!("{id}.key"))).unwrap();
    let key = String::from_utf8_lossy(&key).trim().to_owned();
    for shown in [&login.stdout, &login.stderr, &said.stdout, &again.stdout] {
        assert!(!shown.contains(&key));
    }
}

#[tokio::test]
async fn key_location_is_fixed_at_creation() {
    let fixture = Fixture::new().await;
    let login = fixture.login(&["--key-store", "key-file"]).await.expect(0);
    assert!(
        !login.stderr.contains("not in the keyring"),
        "{}",
        login.stderr
    );
    let policy = fs::read(fixture.store().join("store.json")).unwrap();

    let ended = fixture
        .run(&["status", "--key-store", "keyring"])
        .await
        .expect(2);
    assert!(
        ended.stderr.contains("location `key-file`, not `keyring`"),
        "{}",
        ended.stderr
    );
    for fine in ["auto", "key-file"] {
        fixture
            .run(&["status", "--key-store", fine])
            .await
            .expect(0);
    }
    assert_eq!(
        fs::read(fixture.store().join("store.json")).unwrap(),
        policy
    );

    let mut command = fixture.command(&["status"]);
    command.env("HALLPASS_KEY_STORE", "pocket");
    let ended = fixture.sign_in(command).await.expect(2);
    assert!(
        ended.stderr.contains("is not a key location"),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
#[cfg_attr(
    not(target_os = "linux"),
    ignore = "elsewhere the keyring always answers"
)]
async fn requested_keyring_without_answer_is_an_error() {
    let fixture = Fixture::new().await;
    let ended = fixture.login(&["--key-store", "keyring"]).await.expect(2);
    assert!(
        ended.stderr.contains("the store's key (`keyring`)"),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("hint: "), "{}", ended.stderr);
    // Nothing was decided by that.
    assert!(!fixture.store().join("store.json").exists());
}

/// The older of two keys is in a keyring that hangs up on everybody. Each attempt is a connection.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn failing_keyring_is_asked_once() {
    use std::{
        io::Write as _,
        os::unix::net::UnixListener,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use serde_json::{Value, json};

    use crate::store_commands::{key_file, two_accounts};

    let fixture = two_accounts().await;
    let url = fixture.url();
    fs::remove_file(key_file(&fixture)).unwrap();
    fixture.login(&[]).await.expect(0);
    let policy = fixture.store().join("store.json");
    let mut written: Value = serde_json::from_slice(&fs::read(&policy).unwrap()).unwrap();
    written["set_aside"][0]["policy"] = json!("keyring");
    let mut file = fs::File::create(&policy).unwrap();
    file.write_all(written.to_string().as_bytes()).unwrap();

    let bus = UnixListener::bind(fixture.folder.path().join("no-bus")).unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    std::thread::spawn(move || {
        for _ in bus.incoming() {
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    for words in [vec!["status"], vec!["status", &url], vec!["store", "list"]] {
        for json in [false, true] {
            let before = asked.load(Ordering::SeqCst);
            let words = [if json { &["--json"][..] } else { &[] }, &words].concat();
            let ended = fixture.run(&words).await.expect(0);
            assert_eq!(asked.load(Ordering::SeqCst) - before, 1, "{words:?}");
            let said = format!("{}{}", ended.stdout, ended.stderr);
            let trouble = "can't get the store's key (`keyring`): ";
            assert!(said.contains(trouble), "{words:?}: {said}");
            if json {
                let result = ended.json()["result"].clone();
                assert_eq!(result["store"]["unreadable"], json!(null));
                assert_eq!(result["accounts"].as_array().unwrap().len(), 1);
            }
        }
    }
}

#[tokio::test]
async fn memory_store_keeps_nothing() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    fixture.login(&["--key-store", "memory"]).await.expect(0);
    assert!(!fixture.store().join("store.json").exists());
    fixture.run(&["token", &url]).await.expect(3);
    let status = fixture
        .run(&["--json", "status", "--key-store", "memory"])
        .await;
    assert_eq!(
        status.expect(0).json()["result"]["store"]["backend"],
        "memory"
    );
}
