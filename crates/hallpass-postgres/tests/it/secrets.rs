//! What an attacker has of a database, its backups and logs: nothing that opens.

use hallpass_core::{CredentialKey, CredentialStore, store::StoreErrorKind};
use hallpass_testkit::LeakCheck;

use crate::fixture::{CANARY, Database, key, record, save};

#[tokio::test]
async fn database_its_dump_and_its_log_hold_no_secret() {
    let Some(database) = Database::new("canaries").await else {
        return;
    };
    let store = database.open().await;
    let key = key("acme", "user@example.com");
    save(&store, &record(&key)).await;
    save(&store, &record(&key)).await;
    let mut leaks = LeakCheck::new();
    leaks.watch("token", CANARY);
    leaks.watch("query of the server's URL", "canary-query-1");
    leaks
        .check("the dump", &database.server.dump("canaries"))
        .unwrap();
    leaks.check("the log", &database.server.log()).unwrap();
    leaks.check("the store", &format!("{store:?}")).unwrap();
    // Sealed bytes are there, so the check has looked at what matters.
    assert!(
        database
            .server
            .dump("canaries")
            .contains(&hex::encode("hallpass"))
    );
}

#[tokio::test]
async fn row_copied_to_another_key_tenant_or_generation_does_not_open() {
    let Some(database) = Database::new("copied_rows").await else {
        return;
    };
    let store = database.open().await;
    let (own, other, foreign) = (key("acme", "a"), key("acme", "b"), key("evil", "a"));
    for key in [&own, &other, &foreign] {
        save(&store, &record(key)).await;
    }
    let id = |key: &CredentialKey| hex::encode(key.digest());
    let copy = |from: &CredentialKey, to: &CredentialKey| {
        format!(
            "UPDATE hallpass.credential t SET sealed = f.sealed, data_key = f.data_key, generation = f.generation
             FROM hallpass.credential f WHERE f.key_id = '\\x{}' AND t.key_id = '\\x{}'",
            id(from),
            id(to)
        )
    };
    database.sql(&copy(&own, &other));
    database.sql(&copy(&own, &foreign));
    // The row is an older one with the number of a later one.
    database.sql(&format!(
        "UPDATE hallpass.credential SET generation = generation + 100 WHERE key_id = '\\x{}'",
        id(&own)
    ));
    for (key, kind) in [
        (&own, StoreErrorKind::Damaged),
        (&other, StoreErrorKind::Damaged),
        // Its tenant is not the one that the data key is for.
        (&foreign, StoreErrorKind::Key),
    ] {
        let error = store.load(key).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(&key.id()), "{error}");
    }
    // The same where the row's owner is changed, so that a list finds it.
    database.sql("UPDATE hallpass.credential SET tenant = 'acme' WHERE tenant = 'evil'");
    let listing = store.list().await.unwrap();
    assert_eq!((listing.credentials.len(), listing.problems.len()), (0, 3));
}
