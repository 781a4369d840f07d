//! What an attacker has of a database, its backups and logs: nothing that opens.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use hallpass_core::{
    CredentialKey, CredentialStore,
    store::{LockKind, StoreErrorKind},
};
use hallpass_postgres::PostgresStore;
use hallpass_testkit::LeakCheck;

use crate::{
    fixture::{CANARY, Database, data_keys, key, record, save},
    server::PASSWORD,
};

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

/// Keeps what is logged: the fields of events and spans.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<String>>);

impl tracing::field::Visit for Logged {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        use std::fmt::Write as _;
        writeln!(self.0.lock().unwrap(), "{field} = {value:?}").unwrap();
    }

    fn record_error(
        &mut self,
        field: &tracing::field::Field,
        error: &(dyn std::error::Error + 'static),
    ) {
        let mut causes = Some(error);
        while let Some(error) = causes {
            self.record_debug(field, &format_args!("{error} {error:?}"));
            causes = error.source();
        }
    }
}

impl tracing::Subscriber for Logged {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        span.record(&mut self.clone());
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, values: &tracing::span::Record<'_>) {
        values.record(&mut self.clone());
    }

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test]
async fn logs_and_errors_hold_no_secret_and_no_user() {
    let Some(database) = Database::new("logged").await else {
        return;
    };
    let logged = Logged::default();
    let _default = tracing::subscriber::set_default(logged.clone());
    let store = database.open().await;
    let key = key("acme-canary", "user-canary@example.com");
    save(&store, &record(&key)).await;
    let guard = store
        .lock(&key, LockKind::Credential, Duration::ZERO)
        .await
        .unwrap();
    let mut errors = vec![
        store
            .lock(&key, LockKind::Credential, Duration::ZERO)
            .await
            .unwrap_err(),
    ];
    // Every kind of error that a row can have.
    for change in [
        "UPDATE hallpass.credential SET sealed = 'short'",
        "UPDATE hallpass.data_key SET wrapped = 'short'",
        "UPDATE hallpass.data_key SET wrapping_key = 'other'",
        "UPDATE hallpass.data_key SET algorithm = 99",
        "ALTER TABLE hallpass.credential DROP COLUMN sealed",
        "DROP SCHEMA hallpass CASCADE",
    ] {
        database.sql(change);
        // Another store has no key in memory.
        errors.extend(store.load(&key).await.err());
        let other = PostgresStore::open(&database.options("hallpass"), data_keys(1)).await;
        errors.extend(other.err());
    }
    // A release that fails is logged.
    drop(guard);
    store.close().await.unwrap_err();
    let mut leaks = LeakCheck::new();
    for (name, secret) in [
        ("token", CANARY),
        ("query of the server's URL", "canary-query-1"),
        ("tenant", "acme-canary"),
        ("user", "user-canary@example.com"),
        ("password", PASSWORD),
    ] {
        leaks.watch(name, secret);
    }
    assert!(errors.len() > 6, "{errors:?}");
    for error in errors {
        let text = format!("{error} {error:?} {:?}", error.hints());
        leaks.check("an error", &text).unwrap();
    }
    let logged = logged.0.lock().unwrap().clone();
    assert!(logged.contains("a lock was not released"), "{logged}");
    leaks.check("the log", &logged).unwrap();
}
