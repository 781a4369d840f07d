//! Real processes: this test program, started again in the role of [`child`].

use std::{
    env,
    fs::File,
    io::{BufRead as _, BufReader, Lines, Read as _},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use hallpass_core::{
    AccessToken, CredentialKey, CredentialStore as _, Generation,
    store::{LockKind, Saved, StoreDiagnostics as _, StoreErrorKind},
};
use hallpass_store::{FileStore, KeyFile};

use crate::{
    fixture::{LONG, Place, record, save},
    reserve,
};

const ROLE: &str = "HALLPASS_STORE_TEST_ROLE";
const FOLDER: &str = "HALLPASS_STORE_TEST_FOLDER";
const NAME: &str = "HALLPASS_STORE_TEST_NAME";
/// How often each of several processes counts up.
const COUNTS: u64 = 25;

/// What a process of its own does for another test.
#[tokio::test]
#[ignore = "other tests start it"]
async fn child() {
    let Some(role) = input(ROLE) else { return };
    let folder = input(FOLDER).unwrap();
    let name = input(NAME).unwrap();
    let gate = Path::new(&folder).with_extension("gate");
    let open = || FileStore::open(&folder, KeyFile::in_folder(&folder));
    match role.as_str() {
        "create" => {
            println!("ready");
            File::open(gate).unwrap().lock_shared().unwrap();
            let store = open().await.unwrap();
            let saved = save(&store, &record(&name), None).await.unwrap();
            assert_eq!(saved, Saved::Written(Generation::new(1)));
            println!("key {}", store.key_id());
        }
        "miss the key" => {
            println!("ready");
            File::open(gate).unwrap().lock_shared().unwrap();
            let store = open().await.unwrap();
            let (told, heard) = std::sync::mpsc::channel();
            store.set_missing_key_handler(move |lost| told.send(lost.files).unwrap());
            let found = store.load(&record("one").key).await.unwrap();
            assert!(found.is_none());
            let saved = save(&store, &record(&name), None).await.unwrap();
            assert_eq!(saved, Saved::Written(Generation::new(1)));
            println!("told {:?}", heard.try_iter().collect::<Vec<_>>());
            println!("key {}", store.key_id());
        }
        "count" => {
            println!("ready");
            File::open(gate).unwrap().lock_shared().unwrap();
            let store = open().await.unwrap();
            let one = record("one");
            for _ in 0..COUNTS {
                let mut guard = store
                    .lock(&one.key, LockKind::Credential, LONG)
                    .await
                    .unwrap();
                let found = store.load(&one.key).await.unwrap();
                let found = found.map(|record| record.generation);
                let saved = store.save(&one, found, &mut guard).await.unwrap();
                assert!(matches!(saved, Saved::Written(_)), "{saved:?}");
            }
        }
        "hold" => {
            let store = open().await.unwrap();
            let guard = store
                .lock(&record("one").key, LockKind::Credential, LONG)
                .await
                .unwrap();
            println!("held");
            // Until the parent ends this process.
            let _ = std::io::stdin().read(&mut [0]);
            drop(guard);
        }
        "save for ever" => {
            let store = open().await.unwrap();
            let mut one = record("one");
            loop {
                let mut guard = store
                    .lock(&one.key, LockKind::Credential, LONG)
                    .await
                    .unwrap();
                let found = store.load(&one.key).await.unwrap().unwrap().generation;
                let token = format!("token {}", found.next());
                one.grant.as_mut().unwrap().access_token = AccessToken::new(token);
                let saved = store.save(&one, Some(found), &mut guard).await.unwrap();
                assert_eq!(saved, Saved::Written(found.next()));
                println!("saved {}", found.next());
            }
        }
        "rekey for ever" => {
            let mut store = open().await.unwrap();
            loop {
                let rekeyed = store.rekey(KeyFile::in_folder(&folder)).await.unwrap();
                assert!(rekeyed.problems.is_empty());
                store = rekeyed.store;
                println!("rekeyed");
            }
        }
        "save too much" => {
            let store = open().await.unwrap();
            let mut one = record("one");
            let token = "x".repeat(256 * 1024);
            one.grant.as_mut().unwrap().access_token = AccessToken::new(token);
            let expected = Some(Generation::new(1));
            let error = save(&store, &one, expected).await.unwrap_err();
            println!(
                "error {:?} {}",
                error.kind(),
                error
                    .hints()
                    .first()
                    .map(ToString::to_string)
                    .unwrap_or_default()
            );
        }
        other => {
            let store = open().await.unwrap();
            let is_known = reserve::child(other, &store).await;
            assert!(is_known, "there is no role {other}");
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the environment is how a test tells its child what to do"
)]
fn input(name: &str) -> Option<String> {
    env::var(name).ok()
}

pub(crate) fn arguments() -> [&'static str; 4] {
    ["--exact", "processes::child", "--ignored", "--nocapture"]
}

pub(crate) fn start(mut command: Command, role: &str, place: &Place, name: &str) -> Running {
    let mut child = command
        .env(ROLE, role)
        .env(FOLDER, &place.path)
        .env(NAME, name)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    Running { child, lines }
}

/// A process that is ended with the test, whatever its outcome.
pub(crate) struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    fn start(role: &str, place: &Place, name: &str) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(arguments());
        start(command, role, place, name)
    }

    /// The rest of the first line that begins with `word`.
    fn line(&mut self, word: &str) -> String {
        let mut lines = self.lines.by_ref().map(Result::unwrap);
        // The test harness writes the test's name before the first line and ends it with none.
        let found = lines.find_map(|line| line.split_once(word).map(|(_, rest)| rest.to_owned()));
        // None when the process ended before it said that.
        found.unwrap()
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn succeed(mut self) {
        for _ in self.lines.by_ref() {}
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts eight processes that wait at a gate, opens it, and lets them finish.
fn eight(role: &str, place: &Place, mut each: impl FnMut(&mut Running)) {
    let gate = File::create(place.path.with_extension("gate")).unwrap();
    gate.lock().unwrap();
    let mut running: Vec<_> = (0..8)
        .map(|number| Running::start(role, place, &format!("slot-{number}")))
        .collect();
    for process in &mut running {
        process.line("ready");
    }
    gate.unlock().unwrap();
    for process in &mut running {
        each(process);
    }
    running.into_iter().for_each(Running::succeed);
}

#[tokio::test]
async fn concurrent_processes_create_one_key() {
    let place = Place::new();
    let mut keys = Vec::new();
    eight("create", &place, |process| keys.push(process.line("key ")));
    keys.dedup();
    assert_eq!(keys.len(), 1, "{keys:?}");
    assert_eq!(place.with("key").len(), 1);
    let listing = place.open().await.unwrap().list().await.unwrap();
    assert_eq!(listing.credentials.len(), 8);
    assert_eq!(listing.problems.len(), 0);
}

#[tokio::test]
async fn concurrent_processes_replace_a_lost_key_once() {
    let place = Place::new();
    let store = place.open().await.unwrap();
    let _ = save(&store, &record("one"), None).await.unwrap();
    drop(store);
    let before = std::fs::read(place.only("sealed")).unwrap();
    let lost = place.only("key");
    let kept = place.path.with_extension("kept");
    std::fs::rename(&lost, &kept).unwrap();
    let (mut keys, mut told) = (Vec::new(), Vec::new());
    eight("miss the key", &place, |process| {
        told.push(process.line("told "));
        keys.push(process.line("key "));
    });
    keys.dedup();
    assert_eq!(keys.len(), 1, "{keys:?}");
    assert_eq!(place.with("key").len(), 1);
    told.retain(|told| told != "[]");
    assert_eq!(told, ["[1]"]);
    std::fs::rename(&kept, &lost).unwrap();
    let store = place.open().await.unwrap();
    let listing = store.list().await.unwrap();
    assert_eq!((listing.credentials.len(), listing.problems.len()), (9, 0));
    let sealed = place.with("sealed");
    assert!(sealed.iter().any(|it| std::fs::read(it).unwrap() == before));
}

#[tokio::test]
async fn concurrent_processes_lose_no_save() {
    let place = Place::new();
    eight("count", &place, |_| {});
    let store = place.open().await.unwrap();
    let found = store.load(&record("one").key).await.unwrap().unwrap();
    assert_eq!(found.generation, Generation::new(8 * COUNTS));
}

#[tokio::test]
async fn lock_ends_with_its_process() {
    let place = Place::new();
    let store = place.open().await.unwrap();
    let credential = record("one").key;
    for _ in 0..5 {
        let mut holder = Running::start("hold", &place, "");
        holder.line("held");
        let busy = store
            .lock(&credential, LockKind::Credential, Duration::from_millis(20))
            .await;
        let busy = busy.unwrap_err();
        assert_eq!(busy.kind(), StoreErrorKind::Busy);
        let name = format!("process {} still holds", holder.child.id());
        assert!(busy.to_string().starts_with(&name), "{busy}");
        let seen = store
            .lock_holder(&credential, LockKind::Credential)
            .await
            .unwrap();
        assert_eq!(seen, Some(format!("process {}", holder.child.id())));
        // Another task waits already when the holder is killed.
        let waiting = store.lock(&credential, LockKind::Credential, LONG);
        let killing = async { holder.kill() };
        let (guard, ()) = tokio::join!(waiting, killing);
        drop(guard.unwrap());
        until_free(&store, &credential).await;
    }
    // To look is not to leave anything behind.
    let other = record("other").key;
    let files = place.files().len();
    assert_eq!(
        store
            .lock_holder(&other, LockKind::Credential)
            .await
            .unwrap(),
        None
    );
    assert_eq!(place.files().len(), files);
}

/// Waits until the lock is free. A process that another test starts has a copy of every handle that is
/// open here, and so of the lock, until it is its own program.
async fn until_free(store: &FileStore, credential: &CredentialKey) {
    let free = async {
        while store
            .lock_holder(credential, LockKind::Credential)
            .await
            .unwrap()
            .is_some()
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, free).await.unwrap();
}

#[tokio::test]
async fn process_killed_in_a_save_keeps_saved_records() {
    let place = Place::new();
    let store = place.open().await.unwrap();
    let one = record("one");
    let _ = save(&store, &one, None).await.unwrap();
    for saves in 1..=20 {
        let mut process = Running::start("save for ever", &place, "");
        let mut said = 0;
        for _ in 0..=saves % 3 {
            said = process.line("saved ").parse().unwrap();
        }
        linger(&place, saves);
        process.kill();
        let found = store.load(&one.key).await.unwrap().unwrap();
        let generation = found.generation.get();
        assert!(generation >= said, "{generation} after {said}");
        let token = found.grant.unwrap().access_token;
        assert_eq!(token.expose(), format!("token {generation}"));
    }
    // Whatever the last one left behind, the next save goes through.
    let found = store.load(&one.key).await.unwrap().unwrap();
    let saved = save(&store, &one, Some(found.generation)).await.unwrap();
    assert!(matches!(saved, Saved::Written(_)));
    assert!(place.with("tmp").is_empty());
}

/// Passes a little time, more with each round, so that each kill meets the other process somewhere
/// else. Nothing depends on how much it is.
fn linger(place: &Place, round: usize) {
    for _ in 0..round * 40 {
        std::fs::read(place.path.join("store.json")).unwrap();
    }
}

#[tokio::test]
async fn process_killed_in_a_rekey_loses_no_record() {
    let place = Place::new();
    let store = place.open().await.unwrap();
    let names = ["one", "two", "three", "four"];
    for name in names {
        let _ = save(&store, &record(name), None).await.unwrap();
    }
    for round in 0..20 {
        let mut process = Running::start("rekey for ever", &place, "");
        process.line("rekeyed");
        linger(&place, round);
        process.kill();
        let store = place.open().await.unwrap();
        for name in names {
            let found = store.load(&record(name).key).await.unwrap().unwrap();
            assert_eq!(found.grant, record(name).grant);
        }
    }
}

/// A limit on the size of files stands for a full disk: the write fails half way, as there.
#[tokio::test]
async fn save_on_full_disk_keeps_the_saved_record() {
    let place = Place::new();
    let store = place.open().await.unwrap();
    let one = record("one");
    let _ = save(&store, &one, None).await.unwrap();
    let before = std::fs::read(place.only("sealed")).unwrap();
    let mut command = Command::new("sh");
    command
        .args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$0\" \"$@\""])
        .arg(env::current_exe().unwrap())
        .args(arguments());
    let mut process = start(command, "save too much", &place, "");
    let error = process.line("error ");
    assert!(error.starts_with("Io make room"), "{error}");
    process.succeed();
    assert_eq!(std::fs::read(place.only("sealed")).unwrap(), before);
    assert!(place.with("tmp").is_empty());
    let found = store.load(&one.key).await.unwrap().unwrap();
    assert_eq!(found.grant, one.grant);
}
