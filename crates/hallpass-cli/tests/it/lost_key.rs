//! A key that is not there any more: whoever only looks is told what is out of reach. Whoever needs it
//! sets its accounts aside, which is said once, and they are there again when it comes back.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::json;

use crate::{
    program::Fixture,
    store_commands::{TWO, accounts, key_file, note, result, two_accounts},
};

const SAID: &str = "of the store is lost";

/// Takes the key away; from where to where.
fn lose(fixture: &Fixture) -> (PathBuf, PathBuf) {
    let key = key_file(fixture);
    let kept = fixture.folder.path().join("found again");
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
async fn lost_key_makes_accounts_unreadable_and_is_reported_once() {
    let fixture = two_accounts().await;
    let url = fixture.url();
    let before = sealed(&fixture.store());
    let (key, kept) = lose(&fixture);

    let ended = fixture.run(&["--json", "token", &url]).await.expect(3);
    assert!(ended.stderr.contains(SAID), "{}", ended.stderr);
    let answer = ended.json();
    assert_eq!(answer["error"]["code"], "sign-in-required");
    let notices = answer["notices"].as_array().unwrap();
    assert_eq!(notices.len(), 1);
    assert_eq!(notices[0]["kind"], "key-lost");
    let message = notices[0]["message"].as_str().unwrap();
    assert!(message.contains("2 accounts"), "{message}");

    let ended = fixture.run(&["--json", "token", &url]).await.expect(3);
    assert!(!ended.stderr.contains(SAID), "{}", ended.stderr);
    assert_eq!(ended.json().get("notices"), None);
    let store = result(&fixture, &["status"]).await["store"].clone();
    assert_eq!(store["key_location"], "key-file");
    let aside = &store["unreadable"][0];
    let name = key.file_stem().unwrap().to_str().unwrap();
    assert_eq!(aside["key_id"], name);
    assert_eq!(aside["accounts"], 2);
    assert!(aside["since"].is_i64());
    let said = fixture.run(&["status"]).await.expect(0).stdout;
    assert!(said.contains("2 accounts are unreadable"), "{said}");

    fixture.login(&[]).await.expect(0);
    fixture.run(&["call", &url, "ping"]).await.expect(0);
    assert_eq!(accounts(&fixture, &[]).await, ["default"]);
    for (path, bytes) in &before {
        assert_eq!(&fs::read(path).unwrap(), bytes, "written over");
    }

    fs::rename(&kept, &key).unwrap();
    assert_eq!(accounts(&fixture, &[]).await, TWO);
    fixture
        .run(&["call", &url, "ping", "--account", "work"])
        .await
        .expect(0);
    let store = result(&fixture, &["status"]).await["store"].clone();
    assert_eq!(store["unreadable"], json!([]));
}

/// Every file of the store.
fn everything(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(everything(&path));
        } else {
            let bytes = fs::read(&path).unwrap();
            found.insert(path, bytes);
        }
    }
    found
}

/// Who asks what is there gets it said, and nothing is given up by that.
#[tokio::test]
async fn read_only_commands_report_lost_key_and_change_nothing() {
    let fixture = two_accounts().await;
    let url = fixture.url();
    let (key, kept) = lose(&fixture);
    let id = key.file_stem().unwrap().to_str().unwrap();
    let before = everything(&fixture.store());
    let lost = format!("the key {id} of the store is lost: a key file in ");
    let row = format!("  unreadable    2 accounts are unreadable: their key {id} is missing");
    for words in [vec!["status"], vec!["status", &url], vec!["store", "list"]] {
        let ended = fixture.run(&words).await.expect(0);
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert!(said.lines().any(|line| line == row), "{row}\nin\n{said}");
        assert!(said.contains(&lost), "{said}");
        assert!(said.contains("hint: bring the key back"), "{said}");
        assert!(said.contains("leaves them unreadable and makes a new key"));
        assert!(!said.contains("note: the key"), "{said}");

        let ended = fixture
            .run(&[&["--json"], &words[..]].concat())
            .await
            .expect(0);
        let answer = ended.json();
        assert_eq!(answer.get("notices"), None);
        let problem = answer["result"]["problems"][0].as_str().unwrap();
        assert!(problem.starts_with(&lost), "{problem}");
        assert_eq!(
            answer["result"]["store"]["unreadable"],
            json!([{"key_id": id, "key_location": "key-file", "accounts": 2, "since": null}])
        );
        assert_eq!(everything(&fixture.store()), before, "{words:?}");
    }
    let status = result(&fixture, &["status", &url]).await;
    assert_eq!(status["accounts"][0]["state"], "unreadable");
    fs::rename(&kept, &key).unwrap();
    assert_eq!(accounts(&fixture, &[]).await, TWO);
}

#[tokio::test]
async fn doctor_reports_lost_key_and_changes_nothing() {
    let fixture = two_accounts().await;
    lose(&fixture);
    let policy = fixture.store().join("store.json");
    let before = fs::read(&policy).unwrap();
    let ended = fixture.run(&["doctor", &fixture.url()]).await;
    assert_ne!(ended.code, 0);
    assert!(ended.stdout.contains("store-key"), "{}", ended.stdout);
    assert!(
        ended.stdout.contains("leaves them unreadable"),
        "{}",
        ended.stdout
    );
    assert_eq!(fs::read(&policy).unwrap(), before);
    assert!(!ended.stderr.contains("note: the key"), "{}", ended.stderr);
}

/// What is sealed anew, copied and forgotten once the key is given up, and a new sign-in is there.
async fn set_aside() -> (Fixture, String, (PathBuf, PathBuf)) {
    let fixture = two_accounts().await;
    let lost = lose(&fixture);
    fixture.login(&[]).await.expect(0);
    let id = lost.0.file_stem().unwrap().to_str().unwrap().to_owned();
    (fixture, id, lost)
}

#[tokio::test]
async fn export_reports_unreadable_accounts() {
    let (fixture, id, _) = set_aside().await;
    let away = format!("2 accounts are unreadable: their key {id} is lost");
    let passphrase = note(&fixture, "passphrase", "horse");
    let bundle = fixture.folder.path().join("bundle");
    let file = bundle.to_str().unwrap();
    let export = [
        "store",
        "export",
        file,
        "--with-passphrase-file",
        &passphrase,
    ];
    let ended = fixture.run(&export).await.expect(2);
    assert!(
        ended.stderr.contains(&format!("error: {away}\n")),
        "{}",
        ended.stderr
    );
    let hint = "`--leave-out-unreadable` exports the rest";
    assert!(ended.stderr.contains(hint), "{}", ended.stderr);
    assert!(!bundle.exists());

    let mut less = vec!["--json"];
    less.extend(export);
    less.push("--leave-out-unreadable");
    let ended = fixture.run(&less).await.expect(0);
    assert!(
        ended.stderr.contains(&format!("left out: {away}\n")),
        "{}",
        ended.stderr
    );
    let done = ended.json()["result"].clone();
    assert_eq!(done["problems"], json!([away]));
    assert_eq!(done["accounts"].as_array().unwrap().len(), 1);
    assert_eq!(done["accounts"][0]["account"], "default");
}

#[tokio::test]
async fn rekey_reports_unreadable_accounts() {
    let (fixture, id, (key, kept)) = set_aside().await;
    let before = sealed(&fixture.store());
    let ended = fixture.run(&["--json", "store", "rekey"]).await.expect(0);
    let away = format!("2 accounts are unreadable: their key {id} is lost");
    assert!(
        ended.stderr.contains(&format!("not changed: {away}\n")),
        "{}",
        ended.stderr
    );
    assert_eq!(ended.json()["result"]["problems"], json!([away]));
    let ended = fixture.run(&["store", "rekey"]).await.expect(0);
    let what = "what can be read is now encrypted with the key ";
    assert!(ended.stdout.starts_with(what), "{}", ended.stdout);
    let after = sealed(&fixture.store());
    let same = before
        .iter()
        .filter(|(path, bytes)| after.get(*path) == Some(bytes));
    assert_eq!(same.count(), 2);
    fs::rename(kept, key).unwrap();
    assert_eq!(accounts(&fixture, &[]).await, TWO);
}

#[tokio::test]
async fn forget_deletes_unreadable_file() {
    let (fixture, id, (key, kept)) = set_aside().await;
    let url = fixture.url();
    let before = sealed(&fixture.store());
    assert_eq!(before.len(), 3);
    let forget = ["store", "forget", &url, "--account", "work"];
    let ended = fixture.run(&forget).await.expect(2);
    for words in [
        format!("can't tell whether {url} (work) is signed in"),
        format!("is sealed with the key {id}, which is missing"),
        "hint: bring the key back".to_owned(),
        "hint: or `--yes` deletes it unread".to_owned(),
    ] {
        assert!(ended.stderr.contains(&words), "{words}: {}", ended.stderr);
    }
    assert_eq!(sealed(&fixture.store()), before);

    let done = result(&fixture, &[&forget[..], &["--yes"]].concat()).await;
    assert_eq!(done["had_records"], true);
    assert_eq!(done["deleted_unreadable"], 1);
    assert_eq!(done["moved_to"], json!(null));
    assert_eq!(sealed(&fixture.store()).len(), 2);
    let ended = fixture.run(&forget).await.expect(0);
    assert!(
        ended.stdout.starts_with("there were no credentials of "),
        "{}",
        ended.stdout
    );

    // Both what is here and what was set aside.
    let ended = fixture
        .run(&["store", "forget", &url, "--yes"])
        .await
        .expect(0);
    assert!(ended.stdout.contains("deleted unread"), "{}", ended.stdout);
    fs::rename(kept, key).unwrap();
    assert!(accounts(&fixture, &[]).await.is_empty());
    let store = result(&fixture, &["status"]).await["store"].clone();
    assert_eq!(store["unreadable"], json!([]));
}

/// To forget one account, no key is given up: the others are there again when it comes back.
#[tokio::test]
async fn forget_works_without_key() {
    let fixture = two_accounts().await;
    let url = fixture.url();
    let policy = fixture.store().join("store.json");
    let before = (fs::read(&policy).unwrap(), sealed(&fixture.store()));
    let (key, kept) = lose(&fixture);
    let forget = ["store", "forget", &url];
    let ended = fixture.run(&forget).await.expect(2);
    assert!(
        ended.stderr.contains("which is missing"),
        "{}",
        ended.stderr
    );
    assert_eq!(
        (fs::read(&policy).unwrap(), sealed(&fixture.store())),
        before
    );
    let ended = fixture
        .run(&[&forget[..], &["--yes"]].concat())
        .await
        .expect(0);
    assert_eq!(ended.stderr, "");
    assert_eq!(fs::read(&policy).unwrap(), before.0);
    fs::rename(kept, key).unwrap();
    assert_eq!(accounts(&fixture, &[]).await, ["work"]);
}

/// Where the key is there and its place gives it to nobody now, nothing is moved or deleted unsaid.
#[cfg(unix)]
#[tokio::test]
async fn forget_with_failing_key_works() {
    use std::os::unix::fs::PermissionsExt as _;

    let fixture = two_accounts().await;
    let url = fixture.url();
    let key = key_file(&fixture);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let before = sealed(&fixture.store());
    let forget = ["store", "forget", &url];
    let ended = fixture.run(&forget).await.expect(2);
    assert!(
        ended.stderr.contains("is open to other users"),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("chmod 600"), "{}", ended.stderr);
    assert_eq!(sealed(&fixture.store()), before);
    fixture
        .run(&[&forget[..], &["--yes"]].concat())
        .await
        .expect(0);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(accounts(&fixture, &[]).await, ["work"]);
}

/// Killed wherever it writes something: the next run comes to the same end, and somebody was told.
#[cfg(unix)]
#[tokio::test]
async fn process_killed_at_lost_key_loses_nothing() {
    use tokio::io::{AsyncBufReadExt as _, BufReader};

    let fixture = two_accounts().await;
    let url = fixture.url();
    let (_, kept) = lose(&fixture);
    let original = fixture.folder.path().join("original");
    fs::rename(fixture.store(), &original).unwrap();
    let mut killed = 0;
    for step in 1.. {
        let _ = fs::remove_dir_all(fixture.store());
        copy(&original, &fixture.store());
        let before = sealed(&fixture.store());
        let mut command = fixture.command(&["token", &url]);
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
        let next = fixture.run(&["token", &url]).await.expect(3);
        told += next.stderr.matches("note: the key").count();
        assert!(told >= 1, "step {step}: {}", next.stderr);
        let result = result(&fixture, &["status"]).await;
        assert_eq!(result["accounts"], json!([]), "step {step}");
        let aside = result["store"]["unreadable"].as_array().unwrap();
        assert_eq!(aside.len(), 1, "step {step}: {aside:?}");
        assert_eq!(aside[0]["accounts"], 2);
        assert_eq!(sealed(&fixture.store()), before);
        let last = fixture.run(&["token", &url]).await.expect(3);
        assert!(!last.stderr.contains("note: the key"), "{}", last.stderr);
        let id = aside[0]["key_id"].as_str().unwrap();
        fs::copy(&kept, fixture.store().join(format!("{id}.key"))).unwrap();
        assert_eq!(accounts(&fixture, &[]).await, TWO);
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
