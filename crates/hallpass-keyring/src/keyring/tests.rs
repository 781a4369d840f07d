use std::{env, error::Error as _, process::Stdio, sync::Condvar};

use hallpass_core::{
    CredentialKey, CredentialStore as _, Issuer, Record, ServerMetadata, ServerUrl,
    SettingsFingerprint,
    store::{LockKind, StoreErrorKind},
};
use hallpass_store::FileStore;
use keyring_core::mock;
use tokio::{process::Command, task};

use super::*;

const CANARY: &str = "canary-4711";
/// Longer than anything takes that must succeed.
const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(30);
const ID: KeyId = KeyId::from_bytes([7; 16]);

type Trouble = Box<dyn Fn() -> Option<Error> + Send + Sync>;

/// A mock keyring, how often it was opened, and what opening it runs into.
#[derive(Clone)]
struct Ring {
    store: Arc<mock::Store>,
    opened: Arc<AtomicUsize>,
    trouble: Arc<Mutex<Option<Trouble>>>,
    gate: Arc<(Mutex<bool>, Condvar)>,
}

impl Ring {
    fn new() -> Self {
        Self {
            store: mock::Store::new().unwrap(),
            opened: Arc::default(),
            trouble: Arc::default(),
            gate: Arc::default(),
        }
    }

    fn keyring(&self) -> Keyring {
        let ring = self.clone();
        Keyring::over(move || {
            ring.opened.fetch_add(1, Ordering::SeqCst);
            let (closed, opening) = &*ring.gate;
            let closed = closed.lock().unwrap();
            drop(opening.wait_while(closed, |closed| *closed).unwrap());
            match &*ring.trouble.lock().unwrap_or_else(PoisonError::into_inner) {
                Some(trouble) => trouble().map_or_else(|| Ok(ring.store.clone() as _), Err),
                None => Ok(ring.store.clone() as _),
            }
        })
        .with_timeout(LONG)
    }

    fn opened(&self) -> usize {
        self.opened.load(Ordering::SeqCst)
    }

    fn hang(&self, hangs: bool) {
        *self.gate.0.lock().unwrap() = hangs;
        self.gate.1.notify_all();
    }

    fn fail(&self, trouble: impl Fn() -> Option<Error> + Send + Sync + 'static) {
        *self.trouble.lock().unwrap() = Some(Box::new(trouble));
    }

    fn mend(&self) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn entry(&self, id: KeyId) -> Entry {
        use keyring_core::api::CredentialStoreApi as _;
        self.store.build("hallpass", &id.to_string(), None).unwrap()
    }
}

/// Waits until no thread asks any more.
async fn quiet(keyring: &Keyring) {
    while keyring.inner.threads.load(Ordering::SeqCst) > 0 {
        task::yield_now().await;
    }
}

#[tokio::test]
async fn key_is_created_loaded_and_removed() {
    let ring = Ring::new();
    let key = ring.keyring().create(ID).await.unwrap();
    let again = ring.keyring().load(ID).await.unwrap();
    assert_eq!(key.expose(), again.expose());
    ring.keyring().remove(ID).await.unwrap();
    ring.keyring().remove(ID).await.unwrap();
    let error = ring.keyring().load(ID).await.unwrap_err();
    assert_eq!(error.kind(), KeyErrorKind::Absent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_loads_read_a_key_once() {
    let ring = Ring::new();
    let key = ring.keyring().create(ID).await.unwrap();
    let keyring = ring.keyring();
    let before = ring.opened();
    let mut tasks = task::JoinSet::new();
    for _ in 0..16 {
        let keyring = keyring.clone();
        tasks.spawn(async move { keyring.load(ID).await.unwrap() });
    }
    while let Some(found) = tasks.join_next().await {
        assert_eq!(found.unwrap().expose(), key.expose());
    }
    assert_eq!(ring.opened(), before + 1);
    let made = keyring.create(KeyId::from_bytes([8; 16])).await.unwrap();
    let found = keyring.load(KeyId::from_bytes([8; 16])).await.unwrap();
    assert_eq!(made.expose(), found.expose());
    assert_eq!(ring.opened(), before + 2, "who made a key knows it");
}

#[tokio::test]
async fn failures_have_kind_and_hint_and_no_secret() {
    type Make = fn() -> Error;
    let table: [(Make, KeyErrorKind); 7] = [
        (|| Error::NoEntry, KeyErrorKind::Absent),
        (|| Error::NoStorageAccess("no".into()), KeyErrorKind::Locked),
        (
            || Error::PlatformFailure("no".into()),
            KeyErrorKind::Unavailable,
        ),
        (|| Error::BadEncoding(CANARY.into()), KeyErrorKind::Unusable),
        (
            || Error::BadDataFormat(CANARY.into(), "no".into()),
            KeyErrorKind::Unusable,
        ),
        (|| Error::Ambiguous(Vec::new()), KeyErrorKind::Unusable),
        (|| Error::NoDefaultStore, KeyErrorKind::Unusable),
    ];
    for (make, kind) in table {
        let ring = Ring::new();
        ring.keyring().create(ID).await.unwrap();
        let entry = ring.entry(ID);
        let cred: &mock::Cred = entry.as_any().downcast_ref().unwrap();
        cred.set_error(make());
        let keyring = ring.keyring();
        let error = keyring.load(ID).await.unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(!error.hints().is_empty());
        let text = format!("{error} {error:?} {:?}", error.source());
        let bytes = format!("{:?}", CANARY.as_bytes());
        assert!(!text.contains(CANARY) && !text.contains(&bytes), "{text}");
        // It was this once: the next time is another attempt.
        assert!(keyring.load(ID).await.is_ok(), "{kind:?}");
    }
}

#[tokio::test]
async fn malformed_key_is_unusable() {
    let ring = Ring::new();
    for text in [
        "",
        CANARY,
        &"g".repeat(64),
        &"0".repeat(63),
        &"0".repeat(66),
    ] {
        ring.entry(ID).set_secret(text.as_bytes()).unwrap();
        let error = ring.keyring().load(ID).await.unwrap_err();
        assert_eq!(error.kind(), KeyErrorKind::Unusable);
        assert!(!format!("{error:?}").contains(CANARY));
    }
}

#[tokio::test]
async fn hanging_keyring_times_out_and_recovers() {
    let ring = Ring::new();
    let key = ring.keyring().create(ID).await.unwrap();
    let keyring = ring.keyring().with_timeout(SHORT);
    let before = ring.opened();
    ring.hang(true);
    for _ in 0..MAX_THREADS + 3 {
        let error = keyring.load(ID).await.unwrap_err();
        assert_eq!(error.kind(), KeyErrorKind::TimedOut);
    }
    assert_eq!(keyring.inner.threads.load(Ordering::SeqCst), MAX_THREADS);
    ring.hang(false);
    quiet(&keyring).await;
    assert_eq!(ring.opened(), before + MAX_THREADS);
    // The late answer is used.
    let found = keyring.load(ID).await.unwrap();
    assert_eq!(found.expose(), key.expose());
    assert_eq!(ring.opened(), before + MAX_THREADS);
}

#[tokio::test]
async fn key_of_a_cancelled_create_is_removed() {
    let ring = Ring::new();
    let keyring = ring.keyring().with_timeout(SHORT);
    ring.hang(true);
    let error = keyring.create(ID).await.unwrap_err();
    assert_eq!(error.kind(), KeyErrorKind::TimedOut);
    ring.hang(false);
    quiet(&keyring).await;
    assert!(matches!(ring.entry(ID).get_secret(), Err(Error::NoEntry)));
}

#[tokio::test]
async fn panic_in_the_backend_is_an_error() {
    let ring = Ring::new();
    ring.keyring().create(ID).await.unwrap();
    let keyring = ring.keyring();
    ring.fail(|| panic!("scripted"));
    let error = keyring.load(ID).await.unwrap_err();
    assert_eq!(error.kind(), KeyErrorKind::Unavailable);
    quiet(&keyring).await;
    ring.mend();
    assert!(keyring.load(ID).await.is_ok());
}

#[tokio::test]
async fn store_without_its_keyring_fails_until_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("store");
    let ring = Ring::new();
    let key = CredentialKey::new(ServerUrl::parse("https://mcp.example").unwrap());
    let metadata = ServerMetadata::new(Issuer::parse("https://as.example").unwrap());
    let record = Record::new(key.clone(), metadata, SettingsFingerprint::default());
    let store = FileStore::open(&folder, ring.keyring()).await.unwrap();
    let mut guard = store.lock(&key, LockKind::Credential, LONG).await.unwrap();
    let _ = store.save(&record, None, &mut guard).await.unwrap();
    drop((guard, store));

    ring.fail(|| Some(Error::PlatformFailure("no bus".into())));
    let store = FileStore::open(&folder, ring.keyring()).await.unwrap();
    let error = store.load(&key).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Key);
    assert!(error.hints()[0].to_string().contains("start the keyring"));
    assert_eq!(
        error.source().unwrap().source().unwrap().to_string(),
        "no bus"
    );
    ring.mend();
    assert!(store.load(&key).await.unwrap().is_some());
}

const ROLE: &str = "HALLPASS_KEYRING_TEST_ROLE";

/// What a process of its own does for the next test.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "another test starts it"]
async fn child() {
    if !has_role() {
        return;
    }
    let ring = Ring::new();
    ring.hang(true);
    let keyring = ring.keyring().with_timeout(SHORT);
    let error = keyring.load(ID).await.unwrap_err();
    assert_eq!(error.kind(), KeyErrorKind::TimedOut);
    assert_eq!(keyring.inner.threads.load(Ordering::SeqCst), 1);
}

#[expect(
    clippy::disallowed_methods,
    reason = "the environment is how a test tells its child what to do"
)]
fn has_role() -> bool {
    env::var(ROLE).is_ok()
}

#[tokio::test]
async fn hanging_thread_does_not_delay_the_end_of_the_process() {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "keyring::tests::child", "--ignored"])
        .env(ROLE, "hang")
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let ended = time::timeout(LONG, child.wait()).await;
    assert!(ended.unwrap().unwrap().success());
}
