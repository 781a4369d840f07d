//! The rules of a store for many users.

use std::{sync::Arc, time::Duration};

use hallpass_core::{
    CredentialKey, CredentialStore, Record, Subject, Tenant,
    store::{LockKind, Saved, StoreErrorKind},
};

use super::{
    SHORT,
    rule::{Rule, Violation},
};

const LONG: Duration = Duration::from_secs(30);

pub(super) async fn check(
    store: Arc<dyn CredentialStore>,
    second: Arc<dyn CredentialStore>,
) -> Result<(), Violation> {
    subjects(&*store).await?;
    views(&store, &second).await?;
    erasure(&*store, &*second).await?;
    pages(&*store, &*second).await
}

/// A record of a user of a tenant.
fn record_of(rule: Rule, name: &str, tenant: &str, user: &str) -> Result<Record, Violation> {
    let mut record = rule.record(name)?;
    let subject = Subject::new(user).ok();
    let tenant = Tenant::new(tenant).ok();
    let subject = subject
        .zip(tenant)
        .map(|(subject, tenant)| subject.with_tenant(tenant));
    record.key.subject = rule.some(subject, "a subject")?;
    Ok(record)
}

async fn subjects(store: &dyn CredentialStore) -> Result<(), Violation> {
    let rule = Rule("users of any name are told apart, byte by byte");
    let long = "x".repeat(250);
    let names = [
        ("", ""),
        ("", "a"),
        ("a", ""),
        ("a", "a"),
        ("aa", ""),
        ("acme", "auth0|5f7c"),
        ("acme", "auth0|5f7C"),
        ("acme", "spiffe://cluster/ns/a"),
        ("acme", "a+b@c.example"),
        ("acme", "../../etc/passwd"),
        ("acme", "\0\n\u{202e}\u{e9}"),
        ("acme\0", "b"),
        ("acme", "\0b"),
        (&long, &long),
    ];
    for (number, (tenant, user)) in (0..).zip(names) {
        let mut record = record_of(rule, "subjects", tenant, user)?;
        record.sign_ins = number;
        let mut guard = rule.lock(store, &record.key).await?;
        rule.loads(store, &record.key, None).await?;
        rule.save(store, &record, None, &mut guard).await?;
        rule.done(guard.release().await)?;
    }
    for (number, (tenant, user)) in (0..).zip(names) {
        let key = record_of(rule, "subjects", tenant, user)?.key;
        let found = rule.done(store.load(&key).await)?;
        let found = found.map(|record| (record.key, record.sign_ins));
        rule.same(&found, &Some((key.clone(), number)))?;
        let listed = rule.done(store.list().await)?.credentials;
        rule.same(&listed.iter().filter(|found| **found == key).count(), &1)?;
    }
    Ok(())
}

async fn views(
    store: &Arc<dyn CredentialStore>,
    second: &Arc<dyn CredentialStore>,
) -> Result<(), Violation> {
    let rule = Rule("a tenant's view has the tenant's credentials and no others");
    let mut own = record_of(rule, "views", "views-a", "user")?;
    let other = record_of(rule, "views", "views-b", "user")?;
    let view = Arc::clone(store).tenant(own.key.subject.tenant());
    let mut guard = rule.lock(&*view, &own.key).await?;
    own.generation = rule.save(&*view, &own, None, &mut guard).await?;
    let mut foreign = rule.lock(&**second, &other.key).await?;
    rule.save(&**second, &other, None, &mut foreign).await?;
    rule.loads(&*view, &own.key, Some(&own)).await?;
    rule.loads(&**second, &own.key, Some(&own)).await?;
    let listed = rule.done(view.list().await)?.credentials;
    rule.same(&listed, &vec![own.key.clone()])?;
    let page = rule.done(view.list_page(None, None, 10).await)?.credentials;
    rule.same(&page, &listed)?;

    let rule = Rule("a tenant's view refuses the key of another tenant");
    let (key, kind) = (&other.key, StoreErrorKind::OtherTenant);
    rule.refused(view.load(key).await, kind)?;
    rule.refused(view.load_issuer(key, &other.issuer).await, kind)?;
    rule.refused(view.records(key).await, kind)?;
    rule.refused(view.lock(key, LockKind::SignIn, SHORT).await, kind)?;
    rule.refused(view.lock_and_load(key, SHORT, None).await, kind)?;
    rule.refused(view.save(&other, None, &mut foreign).await, kind)?;
    rule.refused(
        view.save_and_release(&other, None, &mut foreign).await,
        kind,
    )?;
    rule.refused(view.remove(key, &other.issuer, &mut foreign).await, kind)?;
    rule.refused(view.reserve(key, &mut foreign).await, kind)?;
    rule.refused(view.erase(key, SHORT).await, kind)?;
    let listed = view.list_page(Some(key.subject.tenant()), None, 10).await;
    rule.refused(listed, kind)?;
    let found = rule.done(second.load(key).await)?;
    rule.some(found, "the other tenant's record").map(drop)
}

async fn erasure(
    store: &dyn CredentialStore,
    second: &dyn CredentialStore,
) -> Result<(), Violation> {
    let rule = Rule("an erased credential stays away, and its generation is not used again");
    let (record, guard) = rule.saved(store, "erasure").await?;
    rule.done(guard.release().await)?;
    let key = &record.key;
    rule.same(&rule.done(second.erase(key, LONG).await)?, &true)?;
    rule.same(&rule.done(second.erase(key, LONG).await)?, &false)?;
    for store in [store, second] {
        rule.loads(store, key, None).await?;
        rule.does_not_list(store, key).await?;
    }
    let mut guard = rule.lock(store, key).await?;
    let first = record.generation;
    let saved = rule.done(store.save(&record, Some(first), &mut guard).await)?;
    rule.same(&saved, &Saved::Conflict { found: None })?;
    let again = rule.save(store, &record, None, &mut guard).await?;
    if again <= first {
        return rule.broken(format!("generation {again} after {first} was erased"));
    }
    Ok(())
}

/// How many credentials the rule makes.
const MANY: usize = 7;

async fn pages(store: &dyn CredentialStore, second: &dyn CredentialStore) -> Result<(), Violation> {
    let rule = Rule("the pages of a list have each credential once, whatever is saved meanwhile");
    let record = |number: usize| record_of(rule, &format!("page-{number}"), "pages", "user");
    let mut wanted = Vec::new();
    for number in 0..MANY {
        let record = record(number)?;
        let mut guard = rule.lock(store, &record.key).await?;
        rule.save(store, &record, None, &mut guard).await?;
        wanted.push(record.key);
    }
    wanted.sort();
    let tenant = wanted[0].subject.tenant().clone();
    let (whole, next) = all_pages(rule, store, Some(&tenant), MANY, async |_| Ok(())).await?;
    rule.same(&(sorted(whole), next), &(wanted.clone(), 1))?;
    // Others are saved and erased between the pages.
    let between = async |page: usize| {
        let other = record(MANY + page)?;
        let mut guard = rule.lock(second, &other.key).await?;
        rule.save(second, &other, None, &mut guard).await?;
        rule.done(guard.release().await)?;
        if page > 0 {
            let gone = record(MANY + page - 1)?;
            rule.done(second.erase(&gone.key, LONG).await)?;
        }
        Ok(())
    };
    let (found, _) = all_pages(rule, store, Some(&tenant), 2, between).await?;
    let found: Vec<_> = found
        .into_iter()
        .filter(|key| wanted.contains(key))
        .collect();
    rule.same(&sorted(found), &wanted)?;
    let (found, _) = all_pages(rule, store, None, 3, async |_| Ok(())).await?;
    let listed = rule.done(store.list().await)?.credentials;
    rule.same(&sorted(found), &sorted(listed))
}

fn sorted(mut keys: Vec<CredentialKey>) -> Vec<CredentialKey> {
    keys.sort();
    keys
}

/// All credentials, page by page, and how many pages they are.
async fn all_pages(
    rule: Rule,
    store: &dyn CredentialStore,
    tenant: Option<&Tenant>,
    limit: usize,
    between: impl AsyncFn(usize) -> Result<(), Violation>,
) -> Result<(Vec<CredentialKey>, usize), Violation> {
    let (mut found, mut after) = (Vec::new(), None);
    // No page may be without end: a store that repeats itself is found out.
    for page in 0..1_000 {
        let listing = rule.done(store.list_page(tenant, after.as_deref(), limit).await)?;
        if listing.credentials.len() > limit {
            rule.broken(format!(
                "{} on a page of {limit}",
                listing.credentials.len()
            ))?;
        }
        found.extend(listing.credentials);
        after = listing.next;
        if after.is_none() {
            return Ok((found, page + 1));
        }
        between(page).await?;
    }
    rule.broken("the list does not end".to_owned())?;
    Ok((found, 1_000))
}
