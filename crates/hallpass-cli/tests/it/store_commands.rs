//! `hallpass store …`: what is kept moves, is copied and is forgotten, and none of it is lost.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::program::{Fixture, Output};

pub(crate) const TWO: [&str; 2] = ["default", "work"];

/// A store with two accounts, whose key is in a file.
pub(crate) async fn two_accounts() -> Fixture {
    let fixture = Fixture::new().await;
    for account in TWO {
        fixture
            .login(&["--key-store", "key-file", "--account", account])
            .await
            .expect(0);
    }
    fixture
}

pub(crate) fn note(fixture: &Fixture, name: &str, text: &str) -> String {
    let path = fixture.folder.path().join(name);
    let mut file = fs::File::create(&path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Runs a command and gives its result.
pub(crate) async fn result(fixture: &Fixture, arguments: &[&str]) -> Value {
    let json: Vec<_> = ["--json"].iter().chain(arguments).copied().collect();
    fixture.run(&json).await.expect(0).json()["result"].clone()
}

pub(crate) async fn accounts(fixture: &Fixture, options: &[&str]) -> Vec<String> {
    let arguments: Vec<_> = ["store", "list"].iter().chain(options).copied().collect();
    let listed = result(fixture, &arguments).await;
    assert_eq!(listed["problems"], serde_json::json!([]));
    let accounts = listed["accounts"].as_array().unwrap();
    for account in accounts {
        assert_eq!(account["server"], fixture.url());
        assert_eq!(
            account["issuers"],
            serde_json::json!([fixture.issuer.issuer()])
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
pub(crate) fn key_file(fixture: &Fixture) -> PathBuf {
    let mut keys = keys(&fixture.store());
    assert_eq!(keys.len(), 1);
    keys.remove(0)
}

#[tokio::test]
async fn rekey_replaces_key() {
    let fixture = two_accounts().await;
    let before = result(&fixture, &["status"]).await["store"]["key_id"].clone();
    let done = result(&fixture, &["store", "rekey"]).await;
    assert_eq!(done["key_location"], "key-file");
    assert_eq!(done["replaced_key_id"], before);
    assert_ne!(done["key_id"], before);
    assert_eq!(done["problems"], serde_json::json!([]));
    assert_eq!(accounts(&fixture, &[]).await, TWO);
    assert_eq!(keys(&fixture.store()).len(), 1);
    fixture
        .run(&["call", &fixture.url(), "ping"])
        .await
        .expect(0);
}

#[tokio::test]
async fn key_moves_to_passphrase_and_back() {
    let fixture = two_accounts().await;
    let file = note(&fixture, "passphrase", "canary horse\n");
    let opened = ["--passphrase-file", &file];
    let said = fixture
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
    assert_eq!(keys(&fixture.store()).len(), 0, "it is kept nowhere");
    assert_eq!(accounts(&fixture, &opened).await, TWO);

    for (options, place) in [
        (opened, format!("the passphrase in `{file}`")),
        (
            ["--passphrase-env", "MINE"],
            "the passphrase in the environment variable `MINE`".to_owned(),
        ),
    ] {
        let mut command = fixture.command(&["status", "--json"]);
        command.args(options).env("MINE", "canary horse");
        let status = fixture.wait(command.spawn().unwrap()).await.expect(0);
        let status = &status.json()["result"];
        let description = status["store"]["description"].as_str().unwrap();
        assert!(description.ends_with(&place), "{description}");
    }

    // Without it nothing opens, and nothing is lost.
    let wrong = note(&fixture, "wrong", "canary donkey");
    for (options, words) in [
        (vec![], "no terminal: can't prompt for the passphrase"),
        (
            vec!["--passphrase-file", &wrong],
            "is not the one that the store was created with",
        ),
        (
            vec!["--passphrase-env", "UNSET"],
            "the environment variable that `--passphrase-env` names (not shown: it may be a secret) is not set",
        ),
    ] {
        let arguments: Vec<_> = ["token", &fixture.url()]
            .iter()
            .copied()
            .chain(options)
            .map(str::to_owned)
            .collect();
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let ended = fixture.run(&arguments).await.expect(2);
        assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
        assert!(!ended.stderr.contains("canary"), "{}", ended.stderr);
    }
    for (variable, options) in [
        ("HALLPASS_PASSPHRASE", vec![]),
        ("MINE", vec!["--passphrase-env", "MINE"]),
    ] {
        let mut command = fixture.command(&["call", &fixture.url(), "ping"]);
        command.args(options).env(variable, "canary horse");
        fixture.wait(command.spawn().unwrap()).await.expect(0);
    }

    let back = ["store", "move", "key-file", "--passphrase-file", &file];
    fixture.run(&back).await.expect(0);
    assert_eq!(accounts(&fixture, &[]).await, TWO);
    let again = fixture.run(&["store", "move", "key-file"]).await.expect(2);
    assert!(again.stderr.contains("already"), "{}", again.stderr);
}

#[tokio::test]
async fn new_store_with_passphrase_opens() {
    let fixture = Fixture::new().await;
    let file = note(&fixture, "passphrase", "canary horse");
    let options = ["--key-store", "passphrase", "--passphrase-file", &file];
    let login = fixture.login(&options).await.expect(0);
    assert!(!login.stderr.contains("canary"), "{}", login.stderr);
    assert_eq!(keys(&fixture.store()).len(), 0);
    assert_eq!(
        accounts(&fixture, &["--passphrase-file", &file]).await,
        ["default"]
    );
}

#[tokio::test]
async fn export_is_imported_without_overwriting() {
    let fixture = two_accounts().await;
    let file = note(&fixture, "passphrase", "canary horse");
    let with = ["--with-passphrase-file", &file];
    let bundle = fixture.folder.path().join("bundle");
    let bundle = bundle.to_str().unwrap();
    let export: Vec<_> = ["store", "export", bundle]
        .into_iter()
        .chain(with)
        .collect();
    let done = result(&fixture, &export).await;
    assert_eq!(done["accounts"].as_array().unwrap().len(), 2);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(bundle).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let sealed = fs::read(bundle).unwrap();
    assert!(!String::from_utf8_lossy(&sealed).contains("mcp"));
    let again = fixture.run(&export).await.expect(2);
    assert!(again.stderr.contains("exists already"), "{}", again.stderr);
    assert_eq!(fs::read(bundle).unwrap(), sealed);

    let elsewhere = fixture.folder.path().join("elsewhere");
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
    let run = async |arguments: Vec<String>| -> Output {
        let mut command = fixture.command(&["--json"]);
        command.args(arguments).args(there);
        fixture.wait(command.spawn().unwrap()).await
    };
    let wrong = note(&fixture, "wrong", "canary donkey");
    let ended = run(import(&wrong)).await.expect(1);
    assert!(
        ended.stderr.contains("check the passphrase"),
        "{}",
        ended.stderr
    );
    let done = run(import(&file)).await.expect(0).json()["result"].clone();
    assert_eq!(done["imported"].as_array().unwrap().len(), 2);
    assert_eq!(accounts(&fixture, &there).await, TWO);
    let done = run(import(&file)).await.expect(0).json()["result"].clone();
    assert_eq!(done["imported"], serde_json::json!([]));
    assert_eq!(done["skipped"].as_array().unwrap().len(), 2);
    let call = ["call", &fixture.url(), "ping"].map(str::to_owned).to_vec();
    run(call).await.expect(0);

    let nothing = note(&fixture, "nothing", "no export");
    let arguments = ["store", "import", &nothing, "--with-passphrase-file", &file];
    let ended = fixture.run(&arguments).await.expect(1);
    assert!(
        ended.stderr.contains("not an export of a store"),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn unreadable_records_are_reported_and_kept() {
    let fixture = two_accounts().await;
    let credentials = fs::read_dir(fixture.store().join("slots")).unwrap();
    let sealed = |path: &Path| path.extension().is_some_and(|it| it == "sealed");
    let torn = credentials
        .map(|file| file.unwrap().path())
        .find(|path| sealed(path))
        .unwrap();
    let whole = fs::read(&torn).unwrap();
    let mut file = fs::File::create(&torn).unwrap();
    file.write_all(&whole[..whole.len() / 2]).unwrap();

    let listed = fixture.run(&["store", "list"]).await.expect(0);
    assert!(listed.stdout.contains("can't be read"), "{}", listed.stdout);
    let passphrase = note(&fixture, "passphrase", "horse");
    let bundle = fixture.folder.path().join("bundle");
    let export = [
        "store",
        "export",
        bundle.to_str().unwrap(),
        "--with-passphrase-file",
        &passphrase,
    ];
    let ended = fixture.run(&export).await.expect(1);
    assert!(
        ended.stderr.contains("--leave-out-unreadable"),
        "{}",
        ended.stderr
    );
    assert!(!bundle.exists());
    let mut less = export.to_vec();
    less.push("--leave-out-unreadable");
    fixture.run(&less).await.expect(0);
    fixture.run(&["store", "rekey"]).await.expect(0);
    assert_eq!(fs::read(&torn).unwrap().len(), whole.len() / 2);

    // Forgetting what can't be read makes room, and deletes nothing.
    for account in TWO {
        let arguments = [
            "store",
            "forget",
            &fixture.url(),
            "--account",
            account,
            "--yes",
        ];
        fixture.run(&arguments).await.expect(0);
    }
    assert!(!torn.exists());
    let moved = fixture
        .store()
        .join("moved-away/1")
        .join(torn.file_name().unwrap());
    assert_eq!(fs::read(moved).unwrap().len(), whole.len() / 2);
    assert!(accounts(&fixture, &[]).await.is_empty());
}

#[tokio::test]
async fn missing_passphrase_without_terminal_names_its_options() {
    let fixture = two_accounts().await;
    let bundle = note(&fixture, "bundle", "an export");
    let new = format!("{bundle}.new");
    for (words, of) in [
        (&["store", "export", &new][..], "the export"),
        (&["store", "import", &bundle], "the export"),
        (&["store", "move", "passphrase"], "the store from now on"),
    ] {
        let ended = fixture.run(words).await.expect(2);
        assert_eq!(
            ended.stderr,
            format!(
                "error: no terminal: can't prompt for the passphrase of {of}\n  hint: name a file \
                 (`--with-passphrase-file`) or an environment variable (`--with-passphrase-env`)\n"
            )
        );
    }
    assert_eq!(accounts(&fixture, &[]).await, TWO);
}

#[tokio::test]
async fn unreadable_passphrase_is_not_blamed_on_the_store_key() {
    let fixture = two_accounts().await;
    let bundle = note(&fixture, "bundle", "an export");
    let new = format!("{bundle}.new");
    let file = fixture.folder.path().join("nothing");
    let file = ["--with-passphrase-file", file.to_str().unwrap()];
    let variable = ["--with-passphrase-env", "UNSET"];
    for words in [
        &["store", "export", &new][..],
        &["store", "import", &bundle],
        &["store", "move", "passphrase"],
    ] {
        let ended = fixture.run(&[words, &file].concat()).await.expect(2);
        let expected = format!("error: the passphrase in `{}` can't be read\n", file[1]);
        assert!(ended.stderr.starts_with(&expected), "{}", ended.stderr);
        let ended = fixture.run(&[words, &variable].concat()).await.expect(2);
        let expected = "error: the environment variable that `--with-passphrase-env` names (not shown: it may \
                        be a secret) is not set\n";
        assert_eq!(ended.stderr, expected, "{words:?}");
    }
    assert_eq!(accounts(&fixture, &[]).await, TWO);
}

#[tokio::test]
async fn import_of_missing_file_names_it() {
    let fixture = two_accounts().await;
    let nothing = fixture.folder.path().join("nothing");
    let words = ["store", "import", nothing.to_str().unwrap()];
    let ended = fixture.run(&words).await.expect(2);
    let expected = format!("error: can't read `{}`\n  because: ", nothing.display());
    assert!(ended.stderr.starts_with(&expected), "{}", ended.stderr);
    assert!(!ended.stderr.contains("hint:"), "{}", ended.stderr);
}

#[tokio::test]
async fn forget_while_signed_in_needs_confirmation() {
    let fixture = two_accounts().await;
    let url = fixture.url();
    let ended = fixture.run(&["store", "forget", &url]).await.expect(2);
    let line = format!("`hallpass logout {url}` revokes the tokens first");
    assert!(ended.stderr.contains(&line), "{}", ended.stderr);
    assert_eq!(accounts(&fixture, &[]).await, TWO);
    let requests = fixture.issuer.recorder().requests().len();
    fixture
        .run(&["store", "forget", &url, "--yes"])
        .await
        .expect(0);
    assert_eq!(accounts(&fixture, &[]).await, ["work"]);
    assert_eq!(fixture.issuer.recorder().requests().len(), requests);
    let again = fixture.run(&["store", "forget", &url]).await.expect(0);
    assert!(
        again.stdout.contains("there were no credentials"),
        "{}",
        again.stdout
    );
}

#[tokio::test]
async fn reset_after_overwritten_key_moves_files() {
    let fixture = two_accounts().await;
    let url = fixture.url();
    let key = key_file(&fixture);
    note(&fixture, key.to_str().unwrap(), "something else\n");
    let ended = fixture.run(&["token", &url]).await.expect(2);
    assert!(ended.stderr.contains("not a key file"), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("hallpass store reset"),
        "{}",
        ended.stderr
    );

    let done = result(
        &fixture,
        &["store", "reset", "--yes", "--key-store", "key-file"],
    )
    .await;
    let moved = done["moved_to"].as_str().unwrap();
    assert_eq!(
        fs::read_dir(moved).unwrap().count(),
        3,
        "the policy and two accounts"
    );
    fixture.login(&[]).await.expect(0);
    assert_eq!(accounts(&fixture, &[]).await, ["default"]);
}

#[tokio::test]
async fn reset_without_confirmation_changes_nothing() {
    let fixture = two_accounts().await;
    let ended = fixture.run(&["store", "reset"]).await.expect(2);
    assert!(
        ended.stderr.contains("`--yes` confirms it"),
        "{}",
        ended.stderr
    );
    assert_eq!(accounts(&fixture, &[]).await, TWO);
}

#[tokio::test]
async fn undone_reset_restores_accounts_and_keeps_newer_store() {
    let fixture = two_accounts().await;
    let ended = fixture.run(&["store", "reset", "--undo"]).await.expect(2);
    assert!(
        ended.stderr.contains("no store was moved away"),
        "{}",
        ended.stderr
    );
    let reset = ["store", "reset", "--yes", "--key-store", "key-file"];
    let moved = result(&fixture, &reset).await["moved_to"].clone();
    fixture.login(&["--account", "newer"]).await.expect(0);

    let undone = result(&fixture, &["store", "reset", "--undo"]).await;
    assert_eq!(undone["restored_from"], moved);
    assert_eq!(accounts(&fixture, &[]).await, TWO);
    fixture.run(&["token", &fixture.url()]).await.expect(0);

    // And once more: the newer store was kept.
    let again = result(&fixture, &["store", "reset", "--undo"]).await;
    assert_eq!(again["restored_from"], undone["moved_to"]);
    assert_eq!(accounts(&fixture, &[]).await, ["newer"]);
}

#[tokio::test]
async fn store_commands_without_store_fail() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    assert!(accounts(&fixture, &[]).await.is_empty());
    for arguments in [
        vec!["store", "rekey"],
        vec!["store", "move", "key-file"],
        vec!["store", "export", "bundle"],
        vec!["store", "forget", &url],
    ] {
        let ended = fixture.run(&arguments).await.expect(2);
        assert!(
            ended.stderr.contains("there is no store"),
            "{}",
            ended.stderr
        );
    }
    assert!(!fixture.store().exists());
}

/// A change of the key that is killed wherever it writes something: what is then there opens with the
/// old key or with the new one, and all of it.
#[cfg(unix)]
#[tokio::test]
async fn killed_rekey_loses_nothing() {
    use tokio::io::{AsyncBufReadExt as _, BufReader};

    let file_of = |fixture: &Fixture| note(fixture, "passphrase", "canary horse");
    for arguments in [vec!["store", "rekey"], vec!["store", "move", "passphrase"]] {
        let fixture = two_accounts().await;
        let file = file_of(&fixture);
        let mut killed = 0;
        // After as many steps as there are, it comes to its end.
        for step in 1.. {
            let mut command = fixture.command(&arguments);
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
            assert_eq!(accounts(&fixture, &["--passphrase-file", &file]).await, TWO);
            if result(&fixture, &["status", "--passphrase-file", &file]).await["store"]["key_location"]
                == "passphrase"
                && arguments[1] == "move"
            {
                // It has moved: back, to be killed a step later.
                fixture
                    .run(&["store", "move", "key-file", "--passphrase-file", &file])
                    .await
                    .expect(0);
            }
        }
        // A key file, the policy, two accounts, the policy once more: each aside and in place.
        let least = if arguments[1] == "rekey" { 10 } else { 8 };
        assert!(killed >= least, "{arguments:?}: killed {killed} times");
    }
}
