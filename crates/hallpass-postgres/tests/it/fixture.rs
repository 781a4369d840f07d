//! A migrated database for a test, and stores on it.

use std::sync::Arc;

use hallpass_core::{
    AccessToken, ClientId, CredentialKey, CredentialStore, Grant, Issuer, Record, RefreshToken,
    Registration, ServerMetadata, ServerSettings, ServerUrl, SettingsFingerprint, State,
    StoreError, Subject, Tenant, Timestamp,
    record::{GrantKind, RegistrationOrigin},
    store::Saved,
};
use hallpass_postgres::{PostgresOptions, PostgresStore, migrate};
use hallpass_seal::{
    DataKeys, KeyEncryption, KeyError, KeyId, KeyLocation, KeySource, LocalKeyEncryption,
    SealingKey,
};
use hallpass_testkit::FakeClock;

use crate::server::Server;

/// What no dump, log or error may have.
pub(crate) const CANARY: &str = "canary-token-0815";

pub(crate) struct Database {
    pub(crate) server: &'static Server,
    pub(crate) name: String,
}

impl Database {
    /// A database of this name with the schema; `None` where PostgreSQL is not installed.
    pub(crate) async fn new(name: &str) -> Option<Self> {
        let server = Server::shared()?;
        server.create_database(name);
        let database = Self {
            server,
            name: name.to_owned(),
        };
        migrate(&database.options("hallpass_migrate"), "hallpass")
            .await
            .unwrap();
        Some(database)
    }

    pub(crate) fn options(&self, role: &str) -> PostgresOptions {
        options(&self.server.url(role, &self.name))
    }

    pub(crate) async fn open(&self) -> PostgresStore {
        self.open_with(data_keys(1)).await
    }

    pub(crate) async fn open_with(&self, data_keys: DataKeys) -> PostgresStore {
        PostgresStore::open(&self.options("hallpass"), data_keys)
            .await
            .unwrap()
    }

    pub(crate) fn sql(&self, sql: &str) -> String {
        self.server.sql(&self.name, sql).trim().to_owned()
    }
}

/// The options of a URL. The tests' server does not flush to the disk, which makes them faster.
pub(crate) fn options(url: &str) -> PostgresOptions {
    PostgresOptions::from_url(url)
        .unwrap()
        .with_durable_storage_elsewhere(true)
}

/// Data keys that are wrapped with a local key.
pub(crate) fn data_keys(wrapping: u8) -> DataKeys {
    let clock = FakeClock::new(Timestamp::from_unix_seconds(1_000));
    DataKeys::new(wrapping_key(wrapping), Arc::new(clock))
}

pub(crate) fn wrapping_key(number: u8) -> Arc<dyn KeyEncryption> {
    Arc::new(LocalKeyEncryption::new(
        OneKey(number),
        KeyId::from_bytes([number; 16]),
    ))
}

#[derive(Debug)]
struct OneKey(u8);

impl KeySource for OneKey {
    fn key_location(&self) -> KeyLocation {
        KeyLocation::Host
    }

    fn create(&self, id: KeyId) -> hallpass_core::BoxFuture<'_, Result<SealingKey, KeyError>> {
        self.load(id)
    }

    fn load(&self, _: KeyId) -> hallpass_core::BoxFuture<'_, Result<SealingKey, KeyError>> {
        Box::pin(async { Ok(SealingKey::from_bytes([self.0; 32])) })
    }

    fn describe(&self) -> String {
        "a key of the test".to_owned()
    }
}

pub(crate) fn key(tenant: &str, user: &str) -> CredentialKey {
    let subject = Subject::new(user)
        .unwrap()
        .with_tenant(Tenant::new(tenant).unwrap());
    CredentialKey::new(
        ServerUrl::parse("https://mcp.example.com/mcp?secret=canary-query-1").unwrap(),
    )
    .with_subject(subject)
}

/// A signed-in record, whose tokens are canaries.
pub(crate) fn record(key: &CredentialKey) -> Record {
    let metadata = ServerMetadata::new(Issuer::parse("https://as.example.com").unwrap());
    let mut record = Record::new(key.clone(), metadata, SettingsFingerprint::default());
    let now = Timestamp::from_unix_seconds(1_000);
    let mut grant = Grant::new(
        GrantKind::AuthorizationCode,
        AccessToken::new(format!("{CANARY}-access")),
        now,
    );
    grant.refresh_token = Some(RefreshToken::new(format!("{CANARY}-refresh")));
    record.grant = Some(grant);
    record.state = State::SignedIn;
    record
}

/// Saves a record over whatever is there.
pub(crate) async fn save(store: &PostgresStore, record: &Record) {
    let wait = std::time::Duration::from_secs(60);
    let locked = store.lock_and_load(&record.key, wait, None).await.unwrap();
    let mut guard = locked.guard;
    let mut record = record.clone();
    let expected = locked.record.map(|found| {
        record.sign_ins = found.sign_ins + 1;
        found.generation
    });
    let saved = store
        .save_and_release(&record, expected, &mut guard)
        .await
        .unwrap();
    assert!(matches!(saved, Saved::Written(_)), "{saved:?}");
}

/// Saves the record of a signed-in user, whose access token ends at this time.
pub(crate) async fn sign_in(
    store: &PostgresStore,
    user: &str,
    refresh_token: &str,
    expires_at: i64,
) {
    let mut record = record(&key("acme", user));
    record.settings = ServerSettings::default().fingerprint();
    record.metadata.token_endpoint = Some("https://as.example.com/token".parse().unwrap());
    let client = ClientId::new("client-1");
    record.registration = Some(Registration::new(RegistrationOrigin::Dynamic, client));
    let grant = record.grant.as_mut().unwrap();
    grant.refresh_token = Some(RefreshToken::new(refresh_token));
    grant.expires_at = Some(Timestamp::from_unix_seconds(expires_at));
    save(store, &record).await;
}

/// The advice of an error, as a user reads it.
pub(crate) fn hints(error: &StoreError) -> String {
    let hints = error.hints().iter().map(|hint| format!("{hint:?}"));
    hints.collect::<Vec<_>>().join("\n")
}
