//! What loads and refreshes cost: the database's part, without a token endpoint.
//!
//! `cost OWNER_URL REPLICA_URL [ACCOUNTS]` migrates the database, fills it, and prints rates for pools of 4 and 16
//! connections.

#![expect(clippy::print_stdout, reason = "an example for the terminal")]

use std::{env, error::Error, sync::Arc, time::Duration};

use hallpass_core::{
    AccessToken, BoxFuture, CredentialKey, CredentialStore as _, Grant, Issuer, Record,
    RefreshToken, ServerMetadata, ServerUrl, SettingsFingerprint, State, Subject, Timestamp,
    record::{GrantKind, RefreshAttempt},
    store::Saved,
};
use hallpass_postgres::{PostgresOptions, PostgresStore, migrate};
use hallpass_seal::{
    DataKeys, KeyError, KeyId, KeyLocation, KeySource, LocalKeyEncryption, SealingKey,
};
use hallpass_testkit::FakeClock;
use tokio::{task::JoinSet, time::Instant};

type Any = Box<dyn Error + Send + Sync>;

const WAIT: Duration = Duration::from_secs(60);

/// How many work at the same time.
const TASKS: usize = 256;

#[tokio::main]
async fn main() -> Result<(), Any> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [owner, replica, rest @ ..] = &arguments[..] else {
        return Err("usage: cost OWNER_URL REPLICA_URL [ACCOUNTS]".into());
    };
    let accounts = rest.first().map_or(Ok(10_000), |number| number.parse())?;
    migrate(&PostgresOptions::from_url(owner)?, "hallpass").await?;
    for pool in [4, 16] {
        let options = PostgresOptions::from_url(replica)?.with_pool_size(pool);
        let store = PostgresStore::open(&options, keys()).await?;
        each(&store, accounts, "first saves", pool, refresh).await?;
        each(&store, accounts, "refreshes", pool, refresh).await?;
        each(&store, accounts, "loads", pool, load).await?;
        store.close().await?;
    }
    Ok(())
}

/// Does it for each account, and prints the rate.
async fn each(
    store: &PostgresStore,
    accounts: usize,
    what: &str,
    pool: usize,
    work: fn(PostgresStore, CredentialKey) -> BoxFuture<'static, Result<(), Any>>,
) -> Result<(), Any> {
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for first in 0..TASKS {
        let store = store.clone();
        tasks.spawn(async move {
            let mut times = Vec::new();
            for number in (first..accounts).step_by(TASKS) {
                let begun = Instant::now();
                work(store.clone(), key(number)?).await?;
                times.push(begun.elapsed());
            }
            Ok::<_, Any>(times)
        });
    }
    let mut times = Vec::new();
    while let Some(done) = tasks.join_next().await {
        times.extend(done??);
    }
    times.sort();
    let part = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e3;
    let rate = f64::from(u32::try_from(times.len())?) / begun.elapsed().as_secs_f64();
    let (half, most) = (part(50), part(99));
    println!("{what}, pool {pool}: {rate:.0}/s, p50 {half:.1} ms, p99 {most:.1} ms");
    Ok(())
}

fn load(store: PostgresStore, key: CredentialKey) -> BoxFuture<'static, Result<(), Any>> {
    Box::pin(async move {
        store.load(&key).await?;
        Ok(())
    })
}

/// The two statements of a refresh.
fn refresh(store: PostgresStore, key: CredentialKey) -> BoxFuture<'static, Result<(), Any>> {
    Box::pin(async move {
        let attempt = RefreshAttempt {
            issuer: Issuer::parse("https://as.example.com")?,
            generation: hallpass_core::Generation::new(0),
            posts: 1,
            last: Timestamp::from_unix_seconds(1_000),
            not_before: Timestamp::from_unix_seconds(1_006),
        };
        let locked = store.lock_and_load(&key, WAIT, Some(&attempt)).await?;
        let (mut guard, found) = (locked.guard, locked.record);
        let expected = found.as_ref().map(|found| found.generation);
        let mut record = match found {
            Some(found) => found,
            None => record(&key)?,
        };
        record.sign_ins += 1;
        match store
            .save_and_release(&record, expected, &mut guard)
            .await?
        {
            Saved::Written(_) => Ok(()),
            Saved::Conflict { .. } => Err("another process changes the accounts".into()),
        }
    })
}

fn key(number: usize) -> Result<CredentialKey, Any> {
    let server = ServerUrl::parse("https://mcp.example.com/mcp")?;
    Ok(CredentialKey::new(server).with_subject(Subject::new(&format!("user-{number}"))?))
}

/// About as large as those of real servers.
fn record(key: &CredentialKey) -> Result<Record, Any> {
    let metadata = ServerMetadata::new(Issuer::parse("https://as.example.com")?);
    let mut record = Record::new(key.clone(), metadata, SettingsFingerprint::default());
    let now = Timestamp::from_unix_seconds(1_000);
    let token = AccessToken::new("a".repeat(900));
    let mut grant = Grant::new(GrantKind::AuthorizationCode, token, now);
    grant.refresh_token = Some(RefreshToken::new("r".repeat(300)));
    record.grant = Some(grant);
    record.state = State::SignedIn;
    Ok(record)
}

fn keys() -> DataKeys {
    let clock = FakeClock::new(Timestamp::from_unix_seconds(1_000));
    let wrapping = LocalKeyEncryption::new(FixedKey, KeyId::from_bytes([1; 16]));
    DataKeys::new(Arc::new(wrapping), Arc::new(clock))
}

#[derive(Debug)]
struct FixedKey;

impl KeySource for FixedKey {
    fn key_location(&self) -> KeyLocation {
        KeyLocation::Host
    }

    fn create(&self, id: KeyId) -> BoxFuture<'_, Result<SealingKey, KeyError>> {
        self.load(id)
    }

    fn load(&self, _: KeyId) -> BoxFuture<'_, Result<SealingKey, KeyError>> {
        Box::pin(async { Ok(SealingKey::from_bytes([7; 32])) })
    }

    fn describe(&self) -> String {
        "a fixed key".to_owned()
    }
}
