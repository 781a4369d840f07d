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

mod lapsed;
mod refresh;
mod rule;
mod tenants;

use std::{sync::Arc, time::Duration};

use hallpass_core::{
    CredentialKey, CredentialStore, Generation, Issuer, State,
    store::{Guard, LockKind, Saved, StoreErrorKind},
};

use self::rule::Rule;
pub use self::{lapsed::check_lapsed, rule::Violation};

/// How long a rule waits for a lock that it must not get.
const SHORT: Duration = Duration::from_millis(50);

/// Runs every rule of the contract.
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
    listing(&*open().await).await?;
    refresh::check(open().await, open().await).await?;
    tenants::check(open().await, open().await).await
}

async fn empty(store: &dyn CredentialStore) -> Result<(), Violation> {
    let rule = Rule("an empty credential has no record, and locking it makes none");
    let record = rule.record("empty")?;
    let mut guard = rule.lock(store, &record.key).await?;
    rule.loads(store, &record.key, None).await?;
    let loaded = store.load_issuer(&record.key, &record.issuer).await;
    rule.same(&rule.done(loaded)?, &None)?;
    rule.same(&rule.done(store.records(&record.key).await)?, &Vec::new())?;
    rule.removes(store, &record, &mut guard, false).await?;
    rule.does_not_list(store, &record.key).await
}

async fn conflicts(store: &dyn CredentialStore) -> Result<(), Violation> {
    let rule = Rule("a save writes over the generation it expects and over no other");
    let (mut record, mut guard) = rule.saved(store, "conflict").await?;
    let first = record.generation;
    record.generation = Generation::new(4_711);
    let second = rule.save(store, &record, Some(first), &mut guard).await?;
    if second <= first {
        return rule.broken(format!("generation {second} after {first}"));
    }
    let mut other = record.clone();
    other.state = State::Registered;
    for expected in [None, Some(first), Some(second.next())] {
        let saved = rule.done(store.save(&other, expected, &mut guard).await)?;
        let found = Some(second);
        rule.same(&saved, &Saved::Conflict { found })?;
    }
    record.generation = second;
    rule.loads(store, &record.key, Some(&record)).await
}

async fn removal(
    store: &dyn CredentialStore,
    second: &dyn CredentialStore,
) -> Result<(), Violation> {
    let rule = Rule("a record that was removed stays away, and its generation is not used again");
    let (record, mut guard) = rule.saved(store, "removal").await?;
    let first = record.generation;
    rule.removes(store, &record, &mut guard, true).await?;
    rule.loads(store, &record.key, None).await?;
    let saved = rule.done(store.save(&record, Some(first), &mut guard).await)?;
    rule.same(&saved, &Saved::Conflict { found: None })?;
    rule.does_not_list(store, &record.key).await?;
    drop(guard);
    let mut guard = rule.lock(second, &record.key).await?;
    let again = rule.save(second, &record, None, &mut guard).await?;
    if again <= first {
        return rule.broken(format!("generation {again} after {first} was removed"));
    }
    Ok(())
}

async fn issuers(store: &dyn CredentialStore) -> Result<(), Violation> {
    let rule =
        Rule("a credential holds a record for each exact issuer, the one saved last is active");
    let one = rule.record_for("issuers", "https://as.contract.example")?;
    let other = rule.record_for("issuers", "https://as.contract.example/")?;
    let mut guard = rule.lock(store, &one.key).await?;
    let first = rule.save(store, &one, None, &mut guard).await?;
    let second = rule.save(store, &other, None, &mut guard).await?;
    rule.activates(store, &other).await?;
    let loaded = rule.done(store.load_issuer(&one.key, &one.issuer).await)?;
    rule.same(&loaded.map(|record| record.generation), &Some(first))?;
    let listed = [(other.issuer.clone(), second), (one.issuer.clone(), first)];
    same_records(store, &one.key, &listed).await?;
    let third = rule.save(store, &one, Some(first), &mut guard).await?;
    if !(first < second && second < third) {
        return rule.broken(format!("generations {first}, {second}, {third}"));
    }
    rule.activates(store, &one).await?;
    let listed = [(one.issuer.clone(), third), (other.issuer.clone(), second)];
    same_records(store, &one.key, &listed).await?;
    rule.removes(store, &one, &mut guard, true).await?;
    let listed = [(other.issuer.clone(), second)];
    same_records(store, &one.key, &listed).await?;
    let rule = Rule("removing the active record makes no other one active");
    rule.loads(store, &one.key, None).await?;
    let loaded = rule.done(store.load_issuer(&one.key, &other.issuer).await)?;
    rule.same(&loaded.map(|record| record.generation), &Some(second))
}

async fn same_records(
    store: &dyn CredentialStore,
    credential: &CredentialKey,
    wanted: &[(Issuer, Generation)],
) -> Result<(), Violation> {
    let rule =
        Rule("the records of a credential are those of all its issuers, the active one first");
    let records = rule.done(store.records(credential).await)?.into_iter();
    let found: Vec<_> = records
        .map(|record| (record.issuer, record.generation))
        .collect();
    rule.same(&found.as_slice(), &wanted)
}

async fn durability<F>(open: &F) -> Result<(), Violation>
where
    F: AsyncFn() -> Arc<dyn CredentialStore>,
{
    let rule = Rule("a saved record is the same, field by field, after the store is opened again");
    let store = open().await;
    let (record, guard) = rule.saved(&*store, "durability").await?;
    // No release, no farewell: the next handle reads what a save that returned has left.
    rule.loads(&*open().await, &record.key, Some(&record))
        .await?;
    drop(guard);
    Ok(())
}

async fn exclusion(
    store: Arc<dyn CredentialStore>,
    second: Arc<dyn CredentialStore>,
) -> Result<(), Violation> {
    let rule = Rule("a credential has one guard at a time, and a wait for it ends");
    let credential = rule.record("exclusion")?.key;
    let other = rule.record("exclusion-2")?.key;
    let guard = rule.lock(&*store, &credential).await?;
    for store in [&store, &second] {
        for wait in [Duration::ZERO, SHORT] {
            rule.refused(
                store.lock(&credential, LockKind::Credential, wait).await,
                StoreErrorKind::Busy,
            )?;
        }
        drop(rule.lock(&**store, &other).await?);
    }
    // A waiting task gets the lock when it is released.
    let waiting = async { rule.lock(&*second, &credential).await };
    let releasing = async {
        tokio::task::yield_now().await;
        drop(guard);
    };
    let (guard, ()) = tokio::join!(waiting, releasing);
    rule.done(guard?.release().await)?;
    // In a moment: where the lock is a file's, a process that is being started may have a copy of it.
    drop(rule.lock(&*store, &credential).await?);

    let rule = Rule("a counter under the guard loses no count");
    let record = rule.record("counting")?;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..16 {
        let store = Arc::clone(if number % 2 == 0 { &store } else { &second });
        let record = record.clone();
        tasks.spawn(async move {
            let mut guard = rule.lock(&*store, &record.key).await?;
            let found = rule.done(store.load(&record.key).await)?;
            let expected = found.map(|record| record.generation);
            rule.save(&*store, &record, expected, &mut guard).await
        });
    }
    let mut generations = Vec::new();
    while let Some(saved) = tasks.join_next().await {
        match saved {
            Ok(saved) => generations.push(saved?),
            Err(error) => return rule.broken(format!("a task ended early: {error}")),
        }
    }
    generations.sort();
    generations.dedup();
    rule.same(&generations.len(), &16)
}

async fn guards(
    store: &dyn CredentialStore,
    second: &dyn CredentialStore,
) -> Result<(), Violation> {
    let rule = Rule("a guard serves its own credential and its own store");
    let record = rule.record("guards")?;
    let other = rule.record("guards-2")?;
    let mut guard = rule.lock(store, &other.key).await?;
    let saved = store.save(&record, None, &mut guard).await;
    rule.refused(saved, StoreErrorKind::Guard)?;
    let removed = store.remove(&record.key, &record.issuer, &mut guard).await;
    rule.refused(removed, StoreErrorKind::Guard)?;
    drop(guard);
    let mut foreign = Guard::new(record.key.clone(), LockKind::Credential, Foreign);
    for store in [store, second] {
        let saved = store.save(&record, None, &mut foreign).await;
        rule.refused(saved, StoreErrorKind::Guard)?;
        let removed = store
            .remove(&record.key, &record.issuer, &mut foreign)
            .await;
        rule.refused(removed, StoreErrorKind::Guard)?;
    }
    rule.loads(store, &record.key, None).await
}

async fn sign_in_locks(
    store: &dyn CredentialStore,
    second: &dyn CredentialStore,
) -> Result<(), Violation> {
    let rule = Rule("a sign-in lock excludes other sign-ins, and no changes of the credential");
    let record = rule.record("sign-in-locks")?;
    let key = &record.key;
    let mut sign_in = rule.done(store.lock(key, LockKind::SignIn, SHORT).await)?;
    for store in [store, second] {
        let busy = store.lock(key, LockKind::SignIn, SHORT).await;
        rule.refused(busy, StoreErrorKind::Busy)?;
    }
    let guard = second.lock(key, LockKind::Credential, SHORT).await;
    drop(rule.done(guard)?);

    let rule = Rule("a sign-in lock does not allow changes of the credential");
    let saved = store.save(&record, None, &mut sign_in).await;
    rule.refused(saved, StoreErrorKind::Guard)?;
    let removed = store.remove(key, &record.issuer, &mut sign_in).await;
    rule.refused(removed, StoreErrorKind::Guard)?;
    let reserved = store.reserve(key, &mut sign_in).await;
    match reserved {
        Ok(()) => Ok(()),
        reserved => rule.refused(reserved, StoreErrorKind::Guard),
    }
}

async fn reserves(
    store: &dyn CredentialStore,
    second: &dyn CredentialStore,
) -> Result<(), Violation> {
    let rule = Rule("reserving saves nothing, and a save works with it and without");
    let mut record = rule.record("reserves")?;
    let credential = record.key.clone();
    let mut guard = rule.lock(store, &credential).await?;
    rule.done(store.reserve(&credential, &mut guard).await)?;
    drop(guard);
    let mut guard = rule.lock(second, &credential).await?;
    rule.loads(second, &credential, None).await?;
    for _ in 0..2 {
        rule.done(second.reserve(&credential, &mut guard).await)?;
    }
    let first = rule.save(second, &record, None, &mut guard).await?;
    rule.done(second.reserve(&credential, &mut guard).await)?;
    record.sign_ins += 1;
    let saved = rule.done(second.save(&record, None, &mut guard).await)?;
    rule.same(&saved, &Saved::Conflict { found: Some(first) })?;
    record.generation = rule.save(second, &record, Some(first), &mut guard).await?;
    rule.done(second.reserve(&credential, &mut guard).await)?;
    rule.loads(store, &credential, Some(&record)).await?;
    rule.removes(second, &record, &mut guard, true).await?;
    rule.loads(store, &credential, None).await
}

async fn listing(store: &dyn CredentialStore) -> Result<(), Violation> {
    let rule = Rule("the list names every credential with a record, once");
    let credential = rule.record("issuers")?.key;
    let listing = rule.done(store.list().await)?;
    let times = listing
        .credentials
        .iter()
        .filter(|found| **found == credential)
        .count();
    rule.same(&times, &1)?;
    rule.same(&listing.problems.len(), &0)?;
    match store.diagnostics() {
        Some(diagnostics) if diagnostics.describe().is_empty() => {
            rule.broken("the store does not describe itself".to_owned())
        }
        _ => Ok(()),
    }
}

#[derive(Debug)]
struct Foreign;

impl hallpass_core::store::Lease for Foreign {}
