//! The rules of a store whose locks end by a timeout.

use std::sync::Arc;

use hallpass_core::{
    CredentialStore,
    store::{Guard, Saved, StoreErrorKind},
};

use super::rule::{Rule, Violation};

/// Runs the rules of a store whose leases run out, as those of a database do. `open` is as in
/// [`check`](super::check), and `lapse` ends the lease of a guard as its timeout would: the next caller can take the
/// lock.
///
/// # Errors
///
/// The first rule that the backend broke.
pub async fn check_lapsed<F, L>(open: F, lapse: L) -> Result<(), Violation>
where
    F: AsyncFn() -> Arc<dyn CredentialStore>,
    L: AsyncFn(&mut Guard),
{
    let (store, second) = (&*open().await, &*open().await);
    let rule = Rule("a guard whose lease ran out saves as long as nothing else was saved");
    let (mut record, mut guard) = rule.saved(store, "lapsed").await?;
    lapse(&mut guard).await;
    record.sign_ins += 1;
    record.generation = rule
        .save(store, &record, Some(record.generation), &mut guard)
        .await?;
    rule.loads(second, &record.key, Some(&record)).await?;

    let rule =
        Rule("a guard whose lock was taken over still saves, until the new holder has saved");
    lapse(&mut guard).await;
    let mut next = rule.lock(second, &record.key).await?;
    record.sign_ins += 1;
    let late = record.generation;
    record.generation = rule.save(store, &record, Some(late), &mut guard).await?;
    let mut other = record.clone();
    other.sign_ins += 10;
    let saved = rule.done(second.save(&other, Some(late), &mut next).await)?;
    let found = Some(record.generation);
    rule.same(&saved, &Saved::Conflict { found })?;
    other.generation = rule.save(second, &other, found, &mut next).await?;
    record.sign_ins += 1;
    let saved = rule.done(store.save_and_release(&record, found, &mut guard).await)?;
    let found = Some(other.generation);
    rule.same(&saved, &Saved::Conflict { found })?;

    let rule = Rule("a guard whose lease ran out removes nothing");
    let removed = store.remove(&record.key, &record.issuer, &mut guard).await;
    rule.refused(removed, StoreErrorKind::LeaseLost)?;
    rule.loads(second, &record.key, Some(&other)).await?;

    let rule = Rule("a guard whose lock was taken over does not release the new holder's lock");
    let _ = guard.release().await;
    let busy = store.lock_and_load(&record.key, super::SHORT, None).await;
    rule.refused(busy, StoreErrorKind::Busy)?;
    rule.done(next.release().await)
}
