//! What a store refuses when it opens, and what it says.

use hallpass_core::{Remedy, StoreError, store::StoreErrorKind};
use hallpass_postgres::{PostgresStore, migrate};

use crate::{
    fixture::{Database, data_keys, hints, key, options, record, save},
    server::{PASSWORD, Server},
};

/// The error of opening a URL, and its hints.
async fn refusal(url: &str) -> (StoreError, String) {
    let error = PostgresStore::open(&options(url), data_keys(1))
        .await
        .unwrap_err();
    let hints = hints(&error);
    for text in [error.to_string(), hints.clone(), format!("{error:?}")] {
        assert!(!text.contains(PASSWORD), "{text}");
    }
    (error, hints)
}

#[tokio::test]
async fn server_that_may_lose_sign_ins_is_refused_with_the_line_to_set() {
    let Some(database) = Database::new("may_lose").await else {
        return;
    };
    let url = database.server.url("hallpass", "may_lose");
    for (setting, line) in [
        ("synchronous_commit = off", "synchronous_commit = on"),
        (
            "default_transaction_read_only = on",
            "connect to the primary",
        ),
    ] {
        database.server.sql(
            "postgres",
            &format!("ALTER DATABASE may_lose SET {setting}"),
        );
        let (error, hints) = refusal(&url).await;
        assert!(hints.contains(line), "{error}: {hints}");
        let name = setting.split(' ').next().unwrap();
        database
            .server
            .sql("postgres", &format!("ALTER DATABASE may_lose RESET {name}"));
    }
    let strict = options(&url).with_durable_storage_elsewhere(false);
    let error = PostgresStore::open(&strict, data_keys(1))
        .await
        .unwrap_err();
    assert!(
        hints(&error).contains("durable_storage_elsewhere = true"),
        "{error}"
    );
    PostgresStore::open(&options(&url), data_keys(1))
        .await
        .unwrap();
}

#[tokio::test]
async fn unknown_schema_is_refused_and_migrate_makes_it() {
    let Some(server) = Server::shared() else {
        return;
    };
    server.create_database("schemas");
    let url = server.url("hallpass", "schemas");
    let (error, hints) = refusal(&url).await;
    assert_eq!(error.remedy(), Remedy::Configure);
    assert!(hints.contains("migrate"), "{error}: {hints}");

    let owner = options(&server.url("hallpass_migrate", "schemas"));
    let first = migrate(&owner, "hallpass").await.unwrap();
    assert_eq!(first.from, 0);
    let again = migrate(&owner, "hallpass").await.unwrap();
    assert_eq!((again.from, again.to), (first.to, first.to));
    PostgresStore::open(&options(&url), data_keys(1))
        .await
        .unwrap();

    server.sql(
        "schemas",
        "INSERT INTO hallpass.schema_version (version) VALUES (99)",
    );
    let (error, hints) = refusal(&url).await;
    assert_eq!(error.kind(), StoreErrorKind::Newer);
    assert!(hints.contains("newer release"), "{hints}");
    let error = migrate(&owner, "hallpass").await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Newer);
}

#[tokio::test]
async fn two_migrations_at_once_both_succeed() {
    let Some(server) = Server::shared() else {
        return;
    };
    server.create_database("two_migrations");
    let owner = options(&server.url("hallpass_migrate", "two_migrations"));
    let (one, two) = tokio::join!(migrate(&owner, "hallpass"), migrate(&owner, "hallpass"));
    let mut from = [one.unwrap().from, two.unwrap().from];
    from.sort_unstable();
    assert_eq!(from, [0, 1]);
}

#[tokio::test]
async fn role_of_a_replica_may_change_rows_and_no_tables() {
    let Some(database) = Database::new("roles").await else {
        return;
    };
    let replica = options(&database.server.url("hallpass", "roles"));
    let error = migrate(&replica, "hallpass").await.unwrap_err();
    assert_eq!(error.remedy(), Remedy::Configure, "{error}");
    let owner = options(&database.server.url("hallpass_migrate", "roles"));
    let error = migrate(&owner, "nobody").await.unwrap_err();
    assert!(hints(&error).contains("CREATE ROLE"), "{error}");
    // The rights that were granted stay: nothing of a migration that failed is there.
    PostgresStore::open(&replica, data_keys(1)).await.unwrap();

    database.sql("REVOKE INSERT ON hallpass.credential FROM hallpass");
    let (error, hints) = refusal(&database.server.url("hallpass", "roles")).await;
    assert!(error.to_string().contains("`hallpass`"), "{error}");
    assert!(hints.contains("migrate"), "{hints}");
    database.sql("REVOKE USAGE ON SCHEMA hallpass FROM hallpass");
    let (_, hints) = refusal(&database.server.url("hallpass", "roles")).await;
    assert!(hints.contains("migrate"), "{hints}");
}

#[tokio::test]
async fn wrong_url_password_user_or_database_says_which() {
    let Some(database) = Database::new("urls").await else {
        return;
    };
    let port = database.server.port();
    for (url, remedy, hint) in [
        (
            format!("postgresql://hallpass_migrate:wrong@127.0.0.1:{port}/urls"),
            Remedy::Configure,
            "password",
        ),
        (
            format!("postgresql://stranger:{PASSWORD}@127.0.0.1:{port}/urls"),
            Remedy::Configure,
            "role",
        ),
        (
            format!("postgresql://hallpass:{PASSWORD}@127.0.0.1:{port}/absent"),
            Remedy::Configure,
            "create the database",
        ),
        (
            format!("postgresql://hallpass_migrate@127.0.0.1:{port}/urls"),
            Remedy::Configure,
            "authenticates",
        ),
        (
            "postgresql://hallpass@127.0.0.1:1/urls".to_owned(),
            Remedy::Retry,
            "host and port",
        ),
        (
            "postgresql://hallpass@%2Fabsent/urls".to_owned(),
            Remedy::Configure,
            "socket",
        ),
        (
            format!("postgresql://hallpass@127.0.0.1:{port}/urls?sslmode=verify-full"),
            Remedy::Configure,
            "CA certificates",
        ),
    ] {
        let (error, hints) = refusal(&url).await;
        assert_eq!(error.remedy(), remedy, "{url}: {error}");
        assert!(hints.contains(hint), "{url}: {error}: {hints}");
        assert!(error.to_string().contains("the database"), "{error}");
    }
}

#[tokio::test]
async fn other_wrapping_key_is_noticed_when_the_store_opens() {
    let Some(database) = Database::new("wrapping_key").await else {
        return;
    };
    let store = database.open().await;
    save(&store, &record(&key("acme", "user"))).await;
    let replica = database.options("hallpass");
    let error = PostgresStore::open(&replica, data_keys(2))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Key);
    assert_eq!(error.remedy(), Remedy::Configure);
    assert!(hints(&error).contains("wrapping key"), "{error}");
}

#[tokio::test]
async fn asynchronous_standbys_are_warned_of() {
    let Some(database) = Database::new("standbys").await else {
        return;
    };
    assert_eq!(database.open().await.warnings(), [] as [String; 0]);
    let standby = database.server.standby();
    while database.sql("SELECT count(*) FROM pg_stat_replication") == "0" {}
    let store = database.open().await;
    let warnings = store.warnings().join("\n");
    assert!(warnings.contains("synchronous_standby_names"), "{warnings}");
    drop(standby);
}
