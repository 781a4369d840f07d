//! Data keys and wrapping keys that are rotated while records are saved, and tenants that are erased.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hallpass_core::{
    CredentialStore, Tenant, Timestamp,
    record::RefreshAttempt,
    store::{LockKind, Saved, StoreErrorKind},
};
use hallpass_postgres::PostgresStore;
use hallpass_seal::{DataKeys, KeyId, LocalKeyEncryption};
use hallpass_store::{KeyFile, Passphrase};
use hallpass_testkit::FakeClock;

use crate::fixture::{Database, data_keys, key, record, save, wrapping_key};

fn tenant() -> Tenant {
    Tenant::new("acme").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_rotated_while_records_are_saved() {
    let Some(database) = Database::new("rotation").await else {
        return;
    };
    let store = database.open_with(data_keys(1)).await;
    for user in ["idle-1", "idle-2", "busy"] {
        save(&store, &record(&key("acme", user))).await;
    }
    // Another replica saves all the time, and knows both wrapping keys.
    let busy = database
        .open_with(data_keys(1).with_previous(wrapping_key(2)))
        .await;
    let ends = Arc::new(AtomicBool::new(false));
    let saving = tokio::spawn({
        let ends = Arc::clone(&ends);
        async move {
            let mut count = 0;
            while !ends.load(Ordering::SeqCst) || count < 20 {
                save(&busy, &record(&key("acme", "busy"))).await;
                count += 1;
            }
            busy
        }
    });
    let first = database.sql("SELECT id FROM hallpass.data_key");
    store.rotate_data_key(&tenant()).await.unwrap();
    assert!(store.reseal(&tenant()).await.unwrap() >= 2);
    assert_eq!(store.remove_retired_data_keys().await.unwrap(), 1);
    assert_ne!(database.sql("SELECT id FROM hallpass.data_key"), first);

    // The wrapping key: one that knows both wraps with the new one.
    let rotating = database
        .open_with(data_keys(2).with_previous(wrapping_key(1)))
        .await;
    assert_eq!(rotating.rewrap_data_keys().await.unwrap(), 1);
    ends.store(true, Ordering::SeqCst);
    let busy = saving.await.unwrap();
    let only_new = database.open_with(data_keys(2)).await;
    for user in ["idle-1", "idle-2", "busy"] {
        assert!(only_new.load(&key("acme", user)).await.unwrap().is_some());
        assert!(busy.load(&key("acme", user)).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn refresh_that_is_noted_survives_the_rotation_of_keys() {
    let Some(database) = Database::new("rotation_note").await else {
        return;
    };
    let store = database.open().await;
    let key = key("acme", "user");
    save(&store, &record(&key)).await;
    let record = store.load(&key).await.unwrap().unwrap();
    let attempt = RefreshAttempt {
        issuer: record.issuer.clone(),
        generation: record.generation,
        posts: 1,
        last: Timestamp::from_unix_seconds(2_000),
        not_before: Timestamp::from_unix_seconds(2_006),
    };
    let wait = Duration::from_secs(60);
    let locked = store
        .lock_and_load(&key, wait, Some(&attempt))
        .await
        .unwrap();
    assert!(locked.is_marked);
    store.rotate_data_key(&tenant()).await.unwrap();
    assert_eq!(store.reseal(&tenant()).await.unwrap(), 1);
    assert_eq!(store.load(&key).await.unwrap(), locked.record);
    // And the holder saves over the row that was sealed again.
    let (mut guard, mut renewed) = (locked.guard, record);
    renewed.sign_ins += 1;
    let expected = Some(renewed.generation);
    let saved = store
        .save_and_release(&renewed, expected, &mut guard)
        .await
        .unwrap();
    assert!(matches!(saved, Saved::Written(_)));
}

#[tokio::test]
async fn erased_tenant_s_backups_do_not_open() {
    let Some(database) = Database::new("erased_tenant").await else {
        return;
    };
    let store = database.open().await;
    let (own, other) = (key("acme", "user"), key("other", "user"));
    save(&store, &record(&own)).await;
    save(&store, &record(&other)).await;
    let mut guard = store
        .lock(&own, LockKind::Credential, Duration::from_secs(60))
        .await
        .unwrap();
    let held = store.load(&own).await.unwrap().unwrap();
    database.sql("CREATE TABLE backup AS SELECT * FROM hallpass.credential WHERE tenant = 'acme'");
    assert_eq!(store.erase_tenant(&tenant()).await.unwrap(), 1);
    for table in ["credential", "data_key"] {
        let left = database.sql(&format!(
            "SELECT count(*) FROM hallpass.{table} WHERE tenant = 'acme'"
        ));
        assert_eq!(left, "0", "{table}");
    }
    // A refresh that is under way can't be saved.
    let saved = store
        .save(&held, Some(held.generation), &mut guard)
        .await
        .unwrap();
    assert_eq!(saved, Saved::Conflict { found: None });
    let left = database.sql("SELECT count(*) FROM hallpass.data_key WHERE tenant = 'acme'");
    assert_eq!(left, "0", "the late save has made a data key");
    // The backup's row under a key that is there.
    database.sql(
        "UPDATE backup SET data_key = (SELECT id FROM hallpass.data_key);
         INSERT INTO hallpass.credential SELECT * FROM backup",
    );
    let error = store.load(&own).await.unwrap_err();
    assert!(
        matches!(error.kind(), StoreErrorKind::Key | StoreErrorKind::Damaged),
        "{error}"
    );
    assert!(store.load(&other).await.unwrap().is_some());
    database.sql("DELETE FROM hallpass.credential WHERE tenant = 'acme'");
    // The tenant may come back, with a new key.
    save(&store, &record(&own)).await;
    assert!(store.load(&own).await.unwrap().is_some());
}

#[tokio::test]
async fn wrapping_key_in_a_file_or_of_a_passphrase_opens_what_it_wrapped() {
    let Some(database) = Database::new("local_keys").await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let clock = || Arc::new(FakeClock::new(Timestamp::from_unix_seconds(1_000)));
    let file = || KeyFile::in_folder(folder.path().join("keys"));
    let made = LocalKeyEncryption::create(file()).await.unwrap();
    let id = made.key_id();
    let store = database
        .open_with(DataKeys::new(Arc::new(made), clock()))
        .await;
    let key = key("acme", "user");
    save(&store, &record(&key)).await;

    // From the file to a passphrase.
    let old = Arc::new(LocalKeyEncryption::new(file(), id));
    let salt = KeyId::generate().unwrap();
    let passphrase = |text: &str, id| LocalKeyEncryption::new(Passphrase::new(text), id);
    let new = || Arc::new(passphrase("correct horse", salt));
    let both = DataKeys::new(new(), clock()).with_previous(old);
    let both = database.open_with(both).await;
    assert_eq!(both.rewrap_data_keys().await.unwrap(), 1);
    let only_new = database.open_with(DataKeys::new(new(), clock())).await;
    assert!(only_new.load(&key).await.unwrap().is_some());
    for wrong in [
        passphrase("wrong horse", salt),
        passphrase("correct horse", id),
    ] {
        let keys = DataKeys::new(Arc::new(wrong), clock());
        let opened = PostgresStore::open(&database.options("hallpass"), keys).await;
        assert_eq!(opened.unwrap_err().kind(), StoreErrorKind::Key);
    }
}
