//! A key that is not there any more: its accounts are set aside, which is said once, and are there
//! again when it comes back.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::json;

use crate::{
    keeping::{TWO, accounts, key_file, result, two_accounts},
    program::Desk,
};

const SAID: &str = "of the store is lost";

/// Takes the key away; from where to where.
fn lose(desk: &Desk) -> (PathBuf, PathBuf) {
    let key = key_file(desk);
    let kept = desk.folder.path().join("found again");
    fs::rename(&key, &kept).unwrap();
    (key, kept)
}

fn sealed(store: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = fs::read_dir(store.join("slots")).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|it| it == "sealed"))
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

#[tokio::test]
async fn its_accounts_are_set_aside_and_it_is_said_once() {
    let desk = two_accounts().await;
    let url = desk.url();
    let before = sealed(&desk.store());
    let (key, kept) = lose(&desk);

    let ended = desk.run(&["--json", "token", &url]).await.expect(3);
    assert!(ended.stderr.contains(SAID), "{}", ended.stderr);
    let answer = ended.json();
    assert_eq!(answer["error"]["code"], "sign-in-needed");
    let notices = answer["notices"].as_array().unwrap();
    assert_eq!(notices.len(), 1);
    assert_eq!(notices[0]["kind"], "key-lost");
    let message = notices[0]["message"].as_str().unwrap();
    assert!(message.contains("2 accounts"), "{message}");

    let ended = desk.run(&["--json", "token", &url]).await.expect(3);
    assert!(!ended.stderr.contains(SAID), "{}", ended.stderr);
    assert_eq!(ended.json().get("notices"), None);
    let store = result(&desk, &["status"]).await["store"].clone();
    assert_eq!(store["policy"], "key-file");
    let aside = &store["set_aside"][0];
    let name = key.file_stem().unwrap().to_str().unwrap();
    assert_eq!(aside["key_id"], name);
    assert_eq!(aside["accounts"], 2);
    assert!(aside["since"].is_i64());
    let said = desk.run(&["status"]).await.expect(0).stdout;
    assert!(said.contains("2 accounts are set aside"), "{said}");

    desk.login(&[]).await.expect(0);
    desk.run(&["call", &url, "ping"]).await.expect(0);
    assert_eq!(accounts(&desk, &[]).await, ["default"]);
    for (path, bytes) in &before {
        assert_eq!(&fs::read(path).unwrap(), bytes, "written over");
    }

    fs::rename(&kept, &key).unwrap();
    assert_eq!(accounts(&desk, &[]).await, TWO);
    desk.run(&["call", &url, "ping", "--account", "work"])
        .await
        .expect(0);
    let store = result(&desk, &["status"]).await["store"].clone();
    assert_eq!(store["set_aside"], json!([]));
}

#[tokio::test]
async fn the_doctor_finds_it_and_changes_nothing() {
    let desk = two_accounts().await;
    lose(&desk);
    let policy = desk.store().join("store.json");
    let before = fs::read(&policy).unwrap();
    let ended = desk.run(&["doctor", &desk.url()]).await;
    assert_ne!(ended.code, 0);
    assert!(ended.stdout.contains("store-key"), "{}", ended.stdout);
    assert!(ended.stdout.contains("sets them aside"), "{}", ended.stdout);
    assert_eq!(fs::read(&policy).unwrap(), before);
    assert!(!ended.stderr.contains("note: the key"), "{}", ended.stderr);
}

/// Killed wherever it writes something: the next run comes to the same end, and somebody was told.
#[cfg(unix)]
#[tokio::test]
async fn whoever_finds_it_may_be_killed_anywhere() {
    use tokio::io::{AsyncBufReadExt as _, BufReader};

    let desk = two_accounts().await;
    let (_, kept) = lose(&desk);
    let original = desk.folder.path().join("original");
    fs::rename(desk.store(), &original).unwrap();
    let mut killed = 0;
    for step in 1.. {
        let _ = fs::remove_dir_all(desk.store());
        copy(&original, &desk.store());
        let before = sealed(&desk.store());
        let mut command = desk.command(&["store", "list"]);
        command.env("HALLPASS_LOG", "hallpass_store=trace");
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let (mut seen, mut told) = (0_usize, 0_usize);
        while let Some(line) = log.next_line().await.unwrap() {
            seen += usize::from(line.contains("replacing a file"));
            told += usize::from(line.contains("note: the key"));
            if seen == step {
                break;
            }
        }
        child.kill().await.unwrap();
        // What it still said before it was gone.
        while let Some(line) = log.next_line().await.unwrap() {
            told += usize::from(line.contains("note: the key"));
        }
        killed += usize::from(seen == step);
        let next = desk.run(&["--json", "status"]).await.expect(0);
        told += next.stderr.matches("note: the key").count();
        assert!(told >= 1, "step {step}: {}", next.stderr);
        let result = next.json()["result"].clone();
        assert_eq!(result["accounts"], json!([]), "step {step}");
        let aside = result["store"]["set_aside"].as_array().unwrap();
        assert_eq!(aside.len(), 1, "step {step}: {aside:?}");
        assert_eq!(aside[0]["accounts"], 2);
        assert_eq!(sealed(&desk.store()), before);
        let last = desk.run(&["status"]).await.expect(0);
        assert!(!last.stderr.contains("note: the key"), "{}", last.stderr);
        let id = aside[0]["key_id"].as_str().unwrap();
        fs::copy(&kept, desk.store().join(format!("{id}.key"))).unwrap();
        assert_eq!(accounts(&desk, &[]).await, TWO);
        if seen < step {
            break;
        }
    }
    // A key file, the policy, and that it was said: each aside and in place.
    assert_eq!(killed, 6);
}

#[cfg(unix)]
fn copy(from: &Path, to: &Path) {
    use std::os::unix::fs::DirBuilderExt as _;

    fs::DirBuilder::new().mode(0o700).create(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(&path, &to).unwrap();
        }
    }
}
