//! The contract of [`CredentialStore`], as a test that any backend can run against itself.
//!
//! ```
//! # use std::sync::Arc;
//! # use hallpass_core::CredentialStore;
//! # use hallpass_store::{MemoryStore, contract};
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! let records = MemoryStore::new();
//! contract::check(async || Arc::new(records.clone()) as Arc<dyn CredentialStore>).await
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod case;

use std::{sync::Arc, time::Duration};

use hallpass_core::{
    CredentialKey, CredentialStore, Generation, Issuer, State,
    store::{Guard, LockKind, Saved, StoreErrorKind},
};

use self::case::Case;
pub use self::case::Violation;

/// How long a case waits for a lock that it must not get.
const SHORT: Duration = Duration::from_millis(50);

/// Runs every case of the contract.
///
/// `open` gives another handle on the same records each time, as another process would have it.
/// They are empty in the beginning, and afterwards hold accounts of `https://*.contract.example`.
///
/// # Errors
///
/// The first rule that the backend broke.
pub async fn check<F>(open: F) -> Result<(), Violation>
where
    F: AsyncFn() -> Arc<dyn CredentialStore>,
{
    empty(&*open().await).await?;
    conflicts(&*open().await).await?;
    removal(&*open().await, &*open().await).await?;
    issuers(&*open().await).await?;
    durability(&open).await?;
    exclusion(open().await, open().await).await?;
    guards(&*open().await, &*open().await).await?;
    sign_in_locks(&*open().await, &*open().await).await?;
    reserves(&*open().await, &*open().await).await?;
    listing(&*open().await).await
}

async fn empty(store: &dyn CredentialStore) -> Result<(), Violation> {
    let case = Case("an empty credential has no record, and locking it makes none");
    let record = case.record("empty")?;
    let mut guard = case.lock(store, &record.key).await?;
    case.same(&case.done(store.load(&record.key).await)?, &None)?;
    let loaded = store.load_issuer(&record.key, &record.issuer).await;
    case.same(&case.done(loaded)?, &None)?;
    case.same(&case.done(store.records(&record.key).await)?, &Vec::new())?;
    let removed = store.remove(&record.key, &record.issuer, &mut guard).await;
    case.same(&case.done(removed)?, &false)?;
    let listing = case.done(store.list().await)?;
    case.same(&listing.credentials.contains(&record.key), &false)
}

async fn conflicts(store: &dyn CredentialStore) -> Result<(), Violation> {
    let case = Case("a save writes over the generation it expects and over no other");
    let mut record = case.record("conflict")?;
    let mut guard = case.lock(store, &record.key).await?;
    let first = case.save(store, &record, None, &mut guard).await?;
    record.generation = Generation::new(4_711);
    let second = case.save(store, &record, Some(first), &mut guard).await?;
    if second <= first {
        return case.broken(format!("generation {second} after {first}"));
    }
    let mut other = record.clone();
    other.state = State::Registered;
    for expected in [None, Some(first), Some(second.next())] {
        let saved = case.done(store.save(&other, expected, &mut guard).await)?;
        let found = Some(second);
        case.same(&saved, &Saved::Conflict { found })?;
    }
    record.generation = second;
    case.same(&case.done(store.load(&record.key).await)?, &Some(record))
}

async fn removal(
    store: &dyn CredentialStore,
    second: &dyn CredentialStore,
) -> Result<(), Violation> {
    let case = Case("a record that was removed stays away, and its generation is not used again");
    let record = case.record("removal")?;
    let mut guard = case.lock(store, &record.key).await?;
    let first = case.save(store, &record, None, &mut guard).await?;
    let removed = store.remove(&record.key, &record.issuer, &mut guard).await;
    case.same(&case.done(removed)?, &true)?;
    case.same(&case.done(store.load(&record.key).await)?, &None)?;
    let saved = case.done(store.save(&record, Some(first), &mut guard).await)?;
    case.same(&saved, &Saved::Conflict { found: None })?;
    let listing = case.done(store.list().await)?;
    case.same(&listing.credentials.contains(&record.key), &false)?;
    drop(guard);
    let mut guard = case.lock(second, &record.key).await?;
    let again = case.save(second, &record, None, &mut guard).await?;
    if again <= first {
        return case.broken(format!("generation {again} after {first} was removed"));
    }
    Ok(())
}

async fn issuers(store: &dyn CredentialStore) -> Result<(), Violation> {
    let case =
        Case("a credential holds a record for each exact issuer, the one saved last is active");
    let one = case.record_for("issuers", "https://as.contract.example")?;
    let other = case.record_for("issuers", "https://as.contract.example/")?;
    let mut guard = case.lock(store, &one.key).await?;
    let first = case.save(store, &one, None, &mut guard).await?;
    let second = case.save(store, &other, None, &mut guard).await?;
    let active = case.done(store.load(&one.key).await)?;
    case.same(
        &active.map(|record| record.issuer),
        &Some(other.issuer.clone()),
    )?;
    let loaded = case.done(store.load_issuer(&one.key, &one.issuer).await)?;
    case.same(&loaded.map(|record| record.generation), &Some(first))?;
    let listed = [(other.issuer.clone(), second), (one.issuer.clone(), first)];
    same_records(store, &one.key, &listed).await?;
    let third = case.save(store, &one, Some(first), &mut guard).await?;
    if !(first < second && second < third) {
        return case.broken(format!("generations {first}, {second}, {third}"));
    }
    let active = case.done(store.load(&one.key).await)?;
    case.same(
        &active.map(|record| record.issuer),
        &Some(one.issuer.clone()),
    )?;
    let listed = [(one.issuer.clone(), third), (other.issuer.clone(), second)];
    same_records(store, &one.key, &listed).await?;
    let removed = store.remove(&one.key, &one.issuer, &mut guard).await;
    case.same(&case.done(removed)?, &true)?;
    let listed = [(other.issuer.clone(), second)];
    same_records(store, &one.key, &listed).await?;
    let case = Case("removing the active record makes no other one active");
    case.same(&case.done(store.load(&one.key).await)?, &None)?;
    let loaded = case.done(store.load_issuer(&one.key, &other.issuer).await)?;
    case.same(&loaded.map(|record| record.generation), &Some(second))
}

async fn same_records(
    store: &dyn CredentialStore,
    credential: &CredentialKey,
    wanted: &[(Issuer, Generation)],
) -> Result<(), Violation> {
    let case =
        Case("the records of a credential are those of all its issuers, the active one first");
    let records = case.done(store.records(credential).await)?.into_iter();
    let found: Vec<_> = records
        .map(|record| (record.issuer, record.generation))
        .collect();
    case.same(&found.as_slice(), &wanted)
}

async fn durability<F>(open: &F) -> Result<(), Violation>
where
    F: AsyncFn() -> Arc<dyn CredentialStore>,
{
    let case = Case("a saved record is the same, field by field, after the store is opened again");
    let mut record = case.record("durability")?;
    let store = open().await;
    let mut guard = case.lock(&*store, &record.key).await?;
    record.generation = case.save(&*store, &record, None, &mut guard).await?;
    // No release, no farewell: the next handle reads what a save that returned has left.
    let loaded = case.done(open().await.load(&record.key).await)?;
    drop(guard);
    case.same(&loaded, &Some(record))
}

async fn exclusion(
    store: Arc<dyn CredentialStore>,
    second: Arc<dyn CredentialStore>,
) -> Result<(), Violation> {
    let case = Case("a credential has one guard at a time, and a wait for it ends");
    let credential = case.record("exclusion")?.key;
    let other = case.record("exclusion-2")?.key;
    let guard = case.lock(&*store, &credential).await?;
    for store in [&store, &second] {
        for wait in [Duration::ZERO, SHORT] {
            case.refused(
                store.lock(&credential, LockKind::Credential, wait).await,
                StoreErrorKind::Busy,
            )?;
        }
        drop(case.lock(&**store, &other).await?);
    }
    // A waiting task gets the lock when it is released.
    let waiting = async { case.lock(&*second, &credential).await };
    let releasing = async {
        tokio::task::yield_now().await;
        drop(guard);
    };
    let (guard, ()) = tokio::join!(waiting, releasing);
    case.done(guard?.release().await)?;
    // In a moment: where the lock is a file's, a process that is being started may have a copy of it.
    drop(case.lock(&*store, &credential).await?);

    let case = Case("who counts under the guard loses no count");
    let record = case.record("counting")?;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..16 {
        let store = Arc::clone(if number % 2 == 0 { &store } else { &second });
        let record = record.clone();
        tasks.spawn(async move {
            let mut guard = case.lock(&*store, &record.key).await?;
            let found = case.done(store.load(&record.key).await)?;
            let expected = found.map(|record| record.generation);
            case.save(&*store, &record, expected, &mut guard).await
        });
    }
    let mut generations = Vec::new();
    while let Some(saved) = tasks.join_next().await {
        match saved {
            Ok(saved) => generations.push(saved?),
            Err(error) => return case.broken(format!("a task ended early: {error}")),
        }
    }
    generations.sort();
    generations.dedup();
    case.same(&generations.len(), &16)
}

async fn guards(
    store: &dyn CredentialStore,
    second: &dyn CredentialStore,
) -> Result<(), Violation> {
    let case = Case("a guard serves its own credential and its own store");
    let record = case.record("guards")?;
    let other = case.record("guards-2")?;
    let mut guard = case.lock(store, &other.key).await?;
    let saved = store.save(&record, None, &mut guard).await;
    case.refused(saved, StoreErrorKind::Guard)?;
    let removed = store.remove(&record.key, &record.issuer, &mut guard).await;
    case.refused(removed, StoreErrorKind::Guard)?;
    drop(guard);
    let mut foreign = Guard::new(record.key.clone(), LockKind::Credential, Foreign);
    for store in [store, second] {
        let saved = store.save(&record, None, &mut foreign).await;
        case.refused(saved, StoreErrorKind::Guard)?;
        let removed = store
            .remove(&record.key, &record.issuer, &mut foreign)
            .await;
        case.refused(removed, StoreErrorKind::Guard)?;
    }
    case.same(&case.done(store.load(&record.key).await)?, &None)
}

async fn sign_in_locks(
    store: &dyn CredentialStore,
    second: &dyn CredentialStore,
) -> Result<(), Violation> {
    let case = Case("a sign-in lock excludes other sign-ins, and no changes of the credential");
    let record = case.record("sign-in-locks")?;
    let key = &record.key;
    let mut sign_in = case.done(store.lock(key, LockKind::SignIn, SHORT).await)?;
    for store in [store, second] {
        let busy = store.lock(key, LockKind::SignIn, SHORT).await;
        case.refused(busy, StoreErrorKind::Busy)?;
    }
    let guard = second.lock(key, LockKind::Credential, SHORT).await;
    drop(case.done(guard)?);

    let case = Case("a sign-in lock does not allow changes of the credential");
    let saved = store.save(&record, None, &mut sign_in).await;
    case.refused(saved, StoreErrorKind::Guard)?;
    let removed = store.remove(key, &record.issuer, &mut sign_in).await;
    case.refused(removed, StoreErrorKind::Guard)?;
    let reserved = store.reserve(key, &mut sign_in).await;
    match reserved {
        Ok(()) => Ok(()),
        reserved => case.refused(reserved, StoreErrorKind::Guard),
    }
}

async fn reserves(
    store: &dyn CredentialStore,
    second: &dyn CredentialStore,
) -> Result<(), Violation> {
    let case = Case("reserving saves nothing, and a save works with it and without");
    let mut record = case.record("reserves")?;
    let credential = record.key.clone();
    let mut guard = case.lock(store, &credential).await?;
    case.done(store.reserve(&credential, &mut guard).await)?;
    drop(guard);
    let mut guard = case.lock(second, &credential).await?;
    case.same(&case.done(second.load(&credential).await)?, &None)?;
    for _ in 0..2 {
        case.done(second.reserve(&credential, &mut guard).await)?;
    }
    let first = case.save(second, &record, None, &mut guard).await?;
    case.done(second.reserve(&credential, &mut guard).await)?;
    let saved = case.done(second.save(&record, None, &mut guard).await)?;
    case.same(&saved, &Saved::Conflict { found: Some(first) })?;
    record.generation = case.save(second, &record, Some(first), &mut guard).await?;
    case.done(second.reserve(&credential, &mut guard).await)?;
    case.same(
        &case.done(store.load(&credential).await)?,
        &Some(record.clone()),
    )?;
    let removed = second.remove(&credential, &record.issuer, &mut guard).await;
    case.same(&case.done(removed)?, &true)?;
    case.same(&case.done(store.load(&credential).await)?, &None)
}

async fn listing(store: &dyn CredentialStore) -> Result<(), Violation> {
    let case = Case("the list names every credential with a record, once");
    let credential = case.record("issuers")?.key;
    let listing = case.done(store.list().await)?;
    let times = listing
        .credentials
        .iter()
        .filter(|found| **found == credential)
        .count();
    case.same(&times, &1)?;
    case.same(&listing.problems.len(), &0)?;
    match store.diagnostics() {
        Some(diagnostics) if diagnostics.describe().is_empty() => {
            case.broken("the store does not describe itself".to_owned())
        }
        _ => Ok(()),
    }
}

#[derive(Debug)]
struct Foreign;

impl hallpass_core::store::Lease for Foreign {}
