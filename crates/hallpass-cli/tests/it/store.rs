//! Where the program keeps the key of its store. A real keyring is for `cargo xtask keyring`.

use std::fs;

use crate::program::Desk;

/// What is said where no keyring answers.
const PASSED_OVER: &str = "ignored       when the store was created: keyring:";

#[tokio::test]
#[cfg_attr(
    not(target_os = "linux"),
    ignore = "elsewhere the keyring always answers"
)]
async fn without_a_keyring_the_key_is_in_a_file_and_status_says_why() {
    let desk = Desk::new().await;
    let login = desk.login(&[]).await.expect(0);
    assert!(
        login.stderr.contains("and not in the keyring: "),
        "{}",
        login.stderr
    );
    // Said once, shown always.
    let said = desk.run(&["status"]).await.expect(0);
    assert_eq!(said.stderr, "");
    assert!(
        said.stdout.contains("key location  key-file"),
        "{}",
        said.stdout
    );
    assert!(said.stdout.contains(PASSED_OVER), "{}", said.stdout);
    let again = desk.run(&["--json", "status"]).await.expect(0);
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
    let key = fs::read(desk.store().join(format!("{id}.key"))).unwrap();
    let key = String::from_utf8_lossy(&key).trim().to_owned();
    for shown in [&login.stdout, &login.stderr, &said.stdout, &again.stdout] {
        assert!(!shown.contains(&key));
    }
}

#[tokio::test]
async fn the_place_is_decided_when_the_store_is_created() {
    let desk = Desk::new().await;
    let login = desk.login(&["--key-store", "key-file"]).await.expect(0);
    assert!(
        !login.stderr.contains("not in the keyring"),
        "{}",
        login.stderr
    );
    let policy = fs::read(desk.store().join("store.json")).unwrap();

    let ended = desk
        .run(&["status", "--key-store", "keyring"])
        .await
        .expect(2);
    assert!(
        ended.stderr.contains("policy `key-file`, not `keyring`"),
        "{}",
        ended.stderr
    );
    for fine in ["auto", "key-file"] {
        desk.run(&["status", "--key-store", fine]).await.expect(0);
    }
    assert_eq!(fs::read(desk.store().join("store.json")).unwrap(), policy);

    let mut command = desk.command(&["status"]);
    command.env("HALLPASS_KEY_STORE", "pocket");
    let ended = desk.sign_in(command).await.expect(2);
    assert!(ended.stderr.contains("names no place"), "{}", ended.stderr);
}

#[tokio::test]
#[cfg_attr(
    not(target_os = "linux"),
    ignore = "elsewhere the keyring always answers"
)]
async fn a_keyring_that_was_asked_for_and_does_not_answer_is_an_error() {
    let desk = Desk::new().await;
    let ended = desk.login(&["--key-store", "keyring"]).await.expect(1);
    assert!(
        ended.stderr.contains("policy `keyring`"),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("hint: "), "{}", ended.stderr);
    // Nothing was decided by that.
    assert!(!desk.store().join("store.json").exists());
}

/// The older of two keys is in a keyring that hangs up on everybody. Each attempt is a connection.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn whoever_looks_asks_a_keyring_in_trouble_once() {
    use std::{
        io::Write as _,
        os::unix::net::UnixListener,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use serde_json::{Value, json};

    use crate::keeping::{key_file, two_accounts};

    let desk = two_accounts().await;
    let url = desk.url();
    fs::remove_file(key_file(&desk)).unwrap();
    desk.login(&[]).await.expect(0);
    let policy = desk.store().join("store.json");
    let mut written: Value = serde_json::from_slice(&fs::read(&policy).unwrap()).unwrap();
    written["set_aside"][0]["policy"] = json!("keyring");
    let mut file = fs::File::create(&policy).unwrap();
    file.write_all(written.to_string().as_bytes()).unwrap();

    let bus = UnixListener::bind(desk.folder.path().join("no-bus")).unwrap();
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
            let ended = desk.run(&words).await.expect(0);
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
async fn in_memory_nothing_is_kept() {
    let desk = Desk::new().await;
    let url = desk.url();
    desk.login(&["--key-store", "memory"]).await.expect(0);
    assert!(!desk.store().join("store.json").exists());
    desk.run(&["token", &url]).await.expect(3);
    let status = desk
        .run(&["--json", "status", "--key-store", "memory"])
        .await;
    assert_eq!(
        status.expect(0).json()["result"]["store"]["backend"],
        "memory"
    );
}
