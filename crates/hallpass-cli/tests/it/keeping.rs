//! `hallpass store …`: what is kept moves, is copied and is forgotten, and none of it is lost.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::program::{Desk, Ended};

pub(crate) const TWO: [&str; 2] = ["default", "work"];

/// A store with two accounts, whose key is in a file.
pub(crate) async fn two_accounts() -> Desk {
    let desk = Desk::new().await;
    for account in TWO {
        desk.login(&["--key-store", "key-file", "--account", account])
            .await
            .expect(0);
    }
    desk
}

pub(crate) fn note(desk: &Desk, name: &str, text: &str) -> String {
    let path = desk.folder.path().join(name);
    let mut file = fs::File::create(&path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Runs a command and gives its result.
pub(crate) async fn result(desk: &Desk, arguments: &[&str]) -> Value {
    let json: Vec<_> = ["--json"].iter().chain(arguments).copied().collect();
    desk.run(&json).await.expect(0).json()["result"].clone()
}

pub(crate) async fn accounts(desk: &Desk, options: &[&str]) -> Vec<String> {
    let arguments: Vec<_> = ["store", "list"].iter().chain(options).copied().collect();
    let listed = result(desk, &arguments).await;
    assert_eq!(listed["problems"], serde_json::json!([]));
    let accounts = listed["accounts"].as_array().unwrap();
    for account in accounts {
        assert_eq!(account["server"], desk.url());
        assert_eq!(
            account["issuers"],
            serde_json::json!([desk.issuer.issuer()])
        );
        assert_eq!(account["has_grant"], true);
    }
    let name = |account: &Value| account["account"].as_str().unwrap().to_owned();
    let mut names: Vec<_> = accounts.iter().map(name).collect();
    names.sort();
    names
}

fn keys(store: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(store).unwrap().filter_map(Result::ok);
    let paths = files.map(|file| file.path());
    paths
        .filter(|path| path.extension().is_some_and(|it| it == "key"))
        .collect()
}

/// The only key file of the store.
pub(crate) fn key_file(desk: &Desk) -> PathBuf {
    let mut keys = keys(&desk.store());
    assert_eq!(keys.len(), 1);
    keys.remove(0)
}

#[tokio::test]
async fn a_new_key_takes_the_place_of_the_old_one() {
    let desk = two_accounts().await;
    let before = result(&desk, &["status"]).await["store"]["key_id"].clone();
    let done = result(&desk, &["store", "rekey"]).await;
    assert_eq!(done["key_location"], "key-file");
    assert_eq!(done["replaced_key_id"], before);
    assert_ne!(done["key_id"], before);
    assert_eq!(done["problems"], serde_json::json!([]));
    assert_eq!(accounts(&desk, &[]).await, TWO);
    assert_eq!(keys(&desk.store()).len(), 1);
    desk.run(&["call", &desk.url(), "ping"]).await.expect(0);
}

#[tokio::test]
async fn a_key_moves_to_a_passphrase_and_back() {
    let desk = two_accounts().await;
    let file = note(&desk, "passphrase", "canary horse\n");
    let opened = ["--passphrase-file", &file];
    let said = desk
        .run(&[
            "store",
            "move",
            "passphrase",
            "--with-passphrase-file",
            &file,
        ])
        .await
        .expect(0);
    assert!(
        said.stdout.contains("key location: passphrase"),
        "{}",
        said.stdout
    );
    assert_eq!(keys(&desk.store()).len(), 0, "it is kept nowhere");
    assert_eq!(accounts(&desk, &opened).await, TWO);

    // Without it nothing opens, and nothing is lost.
    let wrong = note(&desk, "wrong", "canary donkey");
    for (options, words) in [
        (vec![], "nobody is there to type the passphrase"),
        (
            vec!["--passphrase-file", &wrong],
            "is not the one that the store was created with",
        ),
        (vec!["--passphrase-env", "UNSET"], "`UNSET` is not set"),
    ] {
        let arguments: Vec<_> = ["token", &desk.url()]
            .iter()
            .copied()
            .chain(options)
            .map(str::to_owned)
            .collect();
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let ended = desk.run(&arguments).await.expect(1);
        assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
        assert!(!ended.stderr.contains("canary"), "{}", ended.stderr);
    }
    for (variable, options) in [
        ("HALLPASS_PASSPHRASE", vec![]),
        ("MINE", vec!["--passphrase-env", "MINE"]),
    ] {
        let mut command = desk.command(&["call", &desk.url(), "ping"]);
        command.args(options).env(variable, "canary horse");
        desk.wait(command.spawn().unwrap()).await.expect(0);
    }

    let back = ["store", "move", "key-file", "--passphrase-file", &file];
    desk.run(&back).await.expect(0);
    assert_eq!(accounts(&desk, &[]).await, TWO);
    let again = desk.run(&["store", "move", "key-file"]).await.expect(2);
    assert!(again.stderr.contains("already"), "{}", again.stderr);
}

#[tokio::test]
async fn a_store_can_begin_with_a_passphrase() {
    let desk = Desk::new().await;
    let file = note(&desk, "passphrase", "canary horse");
    let options = ["--key-store", "passphrase", "--passphrase-file", &file];
    let login = desk.login(&options).await.expect(0);
    assert!(!login.stderr.contains("canary"), "{}", login.stderr);
    assert_eq!(keys(&desk.store()).len(), 0);
    assert_eq!(
        accounts(&desk, &["--passphrase-file", &file]).await,
        ["default"]
    );
}

#[tokio::test]
async fn an_export_opens_elsewhere_and_overwrites_nothing() {
    let desk = two_accounts().await;
    let file = note(&desk, "passphrase", "canary horse");
    let with = ["--with-passphrase-file", &file];
    let bundle = desk.folder.path().join("bundle");
    let bundle = bundle.to_str().unwrap();
    let export: Vec<_> = ["store", "export", bundle]
        .into_iter()
        .chain(with)
        .collect();
    let done = result(&desk, &export).await;
    assert_eq!(done["accounts"].as_array().unwrap().len(), 2);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(bundle).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let sealed = fs::read(bundle).unwrap();
    assert!(!String::from_utf8_lossy(&sealed).contains("mcp"));
    let again = desk.run(&export).await.expect(2);
    assert!(again.stderr.contains("there already"), "{}", again.stderr);
    assert_eq!(fs::read(bundle).unwrap(), sealed);

    let elsewhere = desk.folder.path().join("elsewhere");
    let there = [
        "--store",
        elsewhere.to_str().unwrap(),
        "--key-store",
        "key-file",
    ];
    let import = |passphrase: &str| {
        let arguments = [
            "store",
            "import",
            bundle,
            "--with-passphrase-file",
            passphrase,
        ];
        arguments.map(str::to_owned).to_vec()
    };
    let run = async |arguments: Vec<String>| -> Ended {
        let mut command = desk.command(&["--json"]);
        command.args(arguments).args(there);
        desk.wait(command.spawn().unwrap()).await
    };
    let wrong = note(&desk, "wrong", "canary donkey");
    let ended = run(import(&wrong)).await.expect(1);
    assert!(
        ended.stderr.contains("check the passphrase"),
        "{}",
        ended.stderr
    );
    let done = run(import(&file)).await.expect(0).json()["result"].clone();
    assert_eq!(done["imported"].as_array().unwrap().len(), 2);
    assert_eq!(accounts(&desk, &there).await, TWO);
    let done = run(import(&file)).await.expect(0).json()["result"].clone();
    assert_eq!(done["imported"], serde_json::json!([]));
    assert_eq!(done["skipped"].as_array().unwrap().len(), 2);
    let call = ["call", &desk.url(), "ping"].map(str::to_owned).to_vec();
    run(call).await.expect(0);

    let nothing = note(&desk, "nothing", "no export");
    let arguments = ["store", "import", &nothing, "--with-passphrase-file", &file];
    let ended = desk.run(&arguments).await.expect(1);
    assert!(
        ended.stderr.contains("no export of a store"),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn what_cannot_be_opened_is_said_and_left() {
    let desk = two_accounts().await;
    let credentials = fs::read_dir(desk.store().join("slots")).unwrap();
    let sealed = |path: &Path| path.extension().is_some_and(|it| it == "sealed");
    let torn = credentials
        .map(|file| file.unwrap().path())
        .find(|path| sealed(path))
        .unwrap();
    let whole = fs::read(&torn).unwrap();
    let mut file = fs::File::create(&torn).unwrap();
    file.write_all(&whole[..whole.len() / 2]).unwrap();

    let listed = desk.run(&["store", "list"]).await.expect(0);
    assert!(
        listed.stdout.contains("can't be opened"),
        "{}",
        listed.stdout
    );
    let passphrase = note(&desk, "passphrase", "horse");
    let bundle = desk.folder.path().join("bundle");
    let export = [
        "store",
        "export",
        bundle.to_str().unwrap(),
        "--with-passphrase-file",
        &passphrase,
    ];
    let ended = desk.run(&export).await.expect(1);
    assert!(
        ended.stderr.contains("--leave-out-unreadable"),
        "{}",
        ended.stderr
    );
    assert!(!bundle.exists());
    let mut less = export.to_vec();
    less.push("--leave-out-unreadable");
    desk.run(&less).await.expect(0);
    desk.run(&["store", "rekey"]).await.expect(0);
    assert_eq!(fs::read(&torn).unwrap().len(), whole.len() / 2);

    // Forgetting what can't be opened makes room, and deletes nothing.
    for account in TWO {
        let arguments = [
            "store",
            "forget",
            &desk.url(),
            "--account",
            account,
            "--yes",
        ];
        desk.run(&arguments).await.expect(0);
    }
    assert!(!torn.exists());
    let moved = desk
        .store()
        .join("moved-away/1")
        .join(torn.file_name().unwrap());
    assert_eq!(fs::read(moved).unwrap().len(), whole.len() / 2);
    assert!(accounts(&desk, &[]).await.is_empty());
}

#[tokio::test]
async fn forgetting_needs_a_word_while_somebody_is_signed_in() {
    let desk = two_accounts().await;
    let url = desk.url();
    let ended = desk.run(&["store", "forget", &url]).await.expect(2);
    assert!(ended.stderr.contains("hallpass logout"), "{}", ended.stderr);
    assert_eq!(accounts(&desk, &[]).await, TWO);
    let requests = desk.issuer.recorder().requests().len();
    desk.run(&["store", "forget", &url, "--yes"])
        .await
        .expect(0);
    assert_eq!(accounts(&desk, &[]).await, ["work"]);
    assert_eq!(desk.issuer.recorder().requests().len(), requests);
    let again = desk.run(&["store", "forget", &url]).await.expect(0);
    assert!(
        again.stdout.contains("nothing was kept"),
        "{}",
        again.stdout
    );
}

#[tokio::test]
async fn a_key_that_was_overwritten_is_a_reason_to_begin_anew_and_not_to_delete() {
    let desk = two_accounts().await;
    let url = desk.url();
    let key = key_file(&desk);
    note(&desk, key.to_str().unwrap(), "something else\n");
    let ended = desk.run(&["token", &url]).await.expect(1);
    assert!(ended.stderr.contains("no key file"), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("hallpass store reset"),
        "{}",
        ended.stderr
    );

    let done = result(&desk, &["store", "reset", "--key-store", "key-file"]).await;
    let moved = done["moved_to"].as_str().unwrap();
    assert_eq!(
        fs::read_dir(moved).unwrap().count(),
        3,
        "the policy and two accounts"
    );
    desk.login(&[]).await.expect(0);
    assert_eq!(accounts(&desk, &[]).await, ["default"]);
}

#[tokio::test]
async fn without_a_store_there_is_nothing_to_look_after() {
    let desk = Desk::new().await;
    let url = desk.url();
    assert!(accounts(&desk, &[]).await.is_empty());
    for arguments in [
        vec!["store", "rekey"],
        vec!["store", "move", "key-file"],
        vec!["store", "export", "bundle"],
        vec!["store", "forget", &url],
    ] {
        let ended = desk.run(&arguments).await.expect(2);
        assert!(
            ended.stderr.contains("there is no store"),
            "{}",
            ended.stderr
        );
    }
    assert!(!desk.store().exists());
}

/// A change of the key that is killed wherever it writes something: what is then there opens with the
/// old key or with the new one, and all of it.
#[cfg(unix)]
#[tokio::test]
async fn a_change_of_the_key_that_is_killed_loses_nothing() {
    use tokio::io::{AsyncBufReadExt as _, BufReader};

    let file_of = |desk: &Desk| note(desk, "passphrase", "canary horse");
    for arguments in [vec!["store", "rekey"], vec!["store", "move", "passphrase"]] {
        let desk = two_accounts().await;
        let file = file_of(&desk);
        let mut killed = 0;
        // After as many steps as there are, it comes to its end.
        for step in 1.. {
            let mut command = desk.command(&arguments);
            command
                .args(["--with-passphrase-file", &file, "--passphrase-file", &file])
                .env("HALLPASS_LOG", "hallpass_store=trace");
            let mut child = command.spawn().unwrap();
            let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
            let mut seen = 0;
            while let Some(line) = log.next_line().await.unwrap() {
                seen += usize::from(line.contains("replacing a file"));
                if seen == step {
                    break;
                }
            }
            if seen < step {
                assert!(child.wait().await.unwrap().success());
                break;
            }
            child.kill().await.unwrap();
            killed += 1;
            assert_eq!(accounts(&desk, &["--passphrase-file", &file]).await, TWO);
            if result(&desk, &["status", "--passphrase-file", &file]).await["store"]["key_location"]
                == "passphrase"
                && arguments[1] == "move"
            {
                // It has moved: back, to be killed a step later.
                desk.run(&["store", "move", "key-file", "--passphrase-file", &file])
                    .await
                    .expect(0);
            }
        }
        // A key file, the policy, two accounts, the policy once more: each aside and in place.
        let least = if arguments[1] == "rekey" { 10 } else { 8 };
        assert!(killed >= least, "{arguments:?}: killed {killed} times");
    }
}
