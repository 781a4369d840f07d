//! The rules that a refresh in few steps relies on.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use hallpass_core::{
    BoxFuture, Clock, CredentialStore, Entropy, Record, State, Timestamp,
    record::{PendingRefresh, RefreshAttempt},
    store::{LockKind, Saved, StoreErrorKind},
};
use tokio::time::Instant;

use super::{
    SHORT,
    rule::{Rule, Violation},
};

/// How long a rule waits for what must come.
const LONG: Duration = Duration::from_secs(30);
/// How long a lock may stay after its release.
const MOMENT: Duration = Duration::from_secs(2);

pub(super) async fn check(
    store: Arc<dyn CredentialStore>,
    second: Arc<dyn CredentialStore>,
) -> Result<(), Violation> {
    repeated_saves(&*store).await?;
    locking(&*store, &*second).await?;
    attempts(&*store, &*second).await?;
    releases(&*store, &*second).await?;
    newer(store, second).await
}

async fn repeated_saves(store: &dyn CredentialStore) -> Result<(), Violation> {
    let rule = Rule("a save that is repeated with the same record is recognized");
    let (mut record, mut guard) = rule.saved(store, "repeated").await?;
    let first = record.generation;
    for _ in 0..2 {
        let again = rule.save(store, &record, None, &mut guard).await?;
        rule.same(&again, &first)?;
    }
    record.sign_ins += 1;
    let second = rule.save(store, &record, Some(first), &mut guard).await?;
    let again = rule.save(store, &record, Some(first), &mut guard).await?;
    rule.same(&again, &second)?;

    let rule = Rule("a save with a pending refresh is never taken for a repeated one");
    // Two processes may note the same post in the same second, and one of them must not post.
    record.pending_refresh = Some(PendingRefresh::new(at(0), at(7)));
    record.state = State::OutcomeUnknown;
    let third = rule.save(store, &record, Some(second), &mut guard).await?;
    let saved = rule.done(store.save(&record, Some(second), &mut guard).await)?;
    rule.same(&saved, &Saved::Conflict { found: Some(third) })
}

async fn locking(
    store: &dyn CredentialStore,
    second: &dyn CredentialStore,
) -> Result<(), Violation> {
    let rule =
        Rule("locking with a load gives the lock and the active record as it is under the lock");
    let key = rule.record("locking")?.key;
    let locked = rule.done(store.lock_and_load(&key, LONG, None).await)?;
    rule.same(&locked.record, &None)?;
    let (held, wanted) = (
        (locked.guard.key().clone(), locked.guard.kind()),
        (key.clone(), LockKind::Credential),
    );
    rule.same(&held, &wanted)?;
    for store in [store, second] {
        let busy = store.lock_and_load(&key, SHORT, None).await;
        rule.refused(busy, StoreErrorKind::Busy)?;
    }
    let mut guard = locked.guard;
    let mut record = rule.record("locking")?;
    record.generation = rule.save(store, &record, None, &mut guard).await?;
    rule.done(guard.release().await)?;
    let locked = rule.done(second.lock_and_load(&key, LONG, None).await)?;
    rule.same(&locked.record, &Some(record.clone()))?;
    let mut guard = locked.guard;
    record.sign_ins += 1;
    rule.save(second, &record, Some(record.generation), &mut guard)
        .await?;
    Ok(())
}

async fn attempts(
    store: &dyn CredentialStore,
    second: &dyn CredentialStore,
) -> Result<(), Violation> {
    let rule = Rule("an attempt is noted with the lock or not at all, and the answer says which");
    let (record, guard) = rule.saved(store, "attempts").await?;
    rule.done(guard.release().await)?;
    let attempt = RefreshAttempt {
        issuer: record.issuer.clone(),
        generation: record.generation,
        posts: 1,
        last: at(100),
        not_before: at(107),
    };
    let mut marked = record.clone();
    if !marked.mark(&attempt) {
        return rule.broken("the rule's attempt does not fit its record".to_owned());
    }
    let key = &record.key;
    let locked = rule.done(store.lock_and_load(key, LONG, Some(&attempt)).await)?;
    let is_marked = locked.is_marked;
    let wanted = Some(if is_marked { &marked } else { &record });
    rule.same(&locked.record.as_ref(), &wanted)?;
    for store in [store, second] {
        rule.loads(store, key, wanted).await?;
        let loaded = rule.done(store.load_issuer(key, &record.issuer).await)?;
        rule.same(&loaded.as_ref(), &wanted)?;
        let records = rule.done(store.records(key).await)?;
        rule.same(&records.first(), &wanted)?;
    }
    rule.done(locked.guard.release().await)?;

    let rule = Rule("an attempt is noted once, and for the generation that it names");
    let mut other = attempt.clone();
    other.generation = record.generation.next();
    other.posts = 2;
    let mut foreign = rule.record_for("attempts", "https://other.contract.example")?;
    foreign.generation = record.generation;
    let foreign = RefreshAttempt {
        issuer: foreign.issuer,
        posts: 2,
        ..attempt.clone()
    };
    let repeated = is_marked.then_some(&attempt);
    for refused in [Some(&other), Some(&foreign), repeated]
        .into_iter()
        .flatten()
    {
        let locked = rule.done(second.lock_and_load(key, LONG, Some(refused)).await)?;
        rule.same(&locked.is_marked, &false)?;
        rule.same(&locked.record.as_ref(), &wanted)?;
        rule.done(locked.guard.release().await)?;
    }

    let rule = Rule("attempts add up, and a save replaces them");
    let next = RefreshAttempt {
        posts: 2,
        last: at(200),
        not_before: at(261),
        ..attempt.clone()
    };
    let locked = rule.done(second.lock_and_load(key, LONG, Some(&next)).await)?;
    rule.same(&locked.is_marked, &is_marked)?;
    if is_marked {
        marked.mark(&next);
        rule.same(&locked.record, &Some(marked.clone()))?;
    }
    let mut guard = locked.guard;
    let mut renewed = record.clone();
    renewed.sign_ins += 1;
    renewed.generation = rule
        .save(second, &renewed, Some(record.generation), &mut guard)
        .await?;
    rule.done(guard.release().await)?;
    for store in [store, second] {
        rule.loads(store, key, Some(&renewed)).await?;
    }
    let locked = rule.done(store.lock_and_load(key, LONG, Some(&next)).await)?;
    rule.same(&locked.is_marked, &false)?;
    rule.same(&locked.record, &Some(renewed))
}

async fn releases(
    store: &dyn CredentialStore,
    second: &dyn CredentialStore,
) -> Result<(), Violation> {
    let rule = Rule("a save that releases is a save, and releases once it has written");
    let mut record = rule.record("releases")?;
    let mut guard = rule.lock(store, &record.key).await?;
    let saved = rule.done(store.save_and_release(&record, None, &mut guard).await)?;
    let Saved::Written(first) = saved else {
        return rule.broken(format!("{saved:?}, wanted the record to be written"));
    };
    record.generation = first;
    // In a moment: where the lock is a file's, a process that is being started may have a copy of it.
    let next = second.lock(&record.key, LockKind::Credential, MOMENT);
    let mut next = rule.done(next.await)?;
    rule.loads(second, &record.key, Some(&record)).await?;
    record.sign_ins += 1;
    let released = store
        .save_and_release(&record, Some(first), &mut guard)
        .await;
    rule.refused(released, StoreErrorKind::Guard)?;

    let rule = Rule("a save that releases and meets a conflict keeps the lock");
    let saved = rule.done(second.save_and_release(&record, None, &mut next).await)?;
    rule.same(&saved, &Saved::Conflict { found: Some(first) })?;
    let busy = store.lock(&record.key, LockKind::Credential, SHORT).await;
    rule.refused(busy, StoreErrorKind::Busy)?;
    let saved = rule.done(
        second
            .save_and_release(&record, Some(first), &mut next)
            .await,
    )?;
    match saved {
        Saved::Written(generation) if generation > first => {}
        saved => return rule.broken(format!("{saved:?} after {first}")),
    }
    rule.done(rule.lock(store, &record.key).await?.release().await)
}

async fn newer(
    store: Arc<dyn CredentialStore>,
    second: Arc<dyn CredentialStore>,
) -> Result<(), Violation> {
    let rule = Rule("a wait for a newer record ends with it, or at its limit without one");
    let (clock, entropy) = (TokioClock(Instant::now()), Counting::default());
    let wait = async |store: &dyn CredentialStore, record: &Record, limit| {
        let than = Some(record.generation);
        let found = store.await_newer(&record.key, than, limit, &clock, &entropy);
        rule.done(found.await)
    };
    let (mut record, mut guard) = rule.saved(&*store, "newer").await?;
    rule.same(&wait(&*second, &record, SHORT).await?, &None)?;
    let seen = record.clone();
    let saving = async {
        // While the lock is held, as by the process that refreshes.
        tokio::task::yield_now().await;
        record.sign_ins += 1;
        let expected = Some(record.generation);
        record.generation = rule.save(&*store, &record, expected, &mut guard).await?;
        Ok(record)
    };
    let (found, saved) = tokio::join!(wait(&*second, &seen, LONG), saving);
    rule.same(&found?, &Some(saved?))
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(1_000 + seconds)
}

/// The runtime's time.
#[derive(Debug)]
struct TokioClock(Instant);

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        at(0).saturating_add(self.monotonic())
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// Bytes that differ, which is all that a pause needs.
#[derive(Debug, Default)]
struct Counting(AtomicU8);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = self.0.fetch_add(37, Ordering::Relaxed);
        }
    }
}
