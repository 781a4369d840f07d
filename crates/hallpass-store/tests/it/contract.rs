//! Both stores keep the contract, and a store that does not is found out.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hallpass_core::{
    Account, Clock, CredentialKey, CredentialStore, Entropy, Generation, Issuer, Record,
    StoreFuture, Tenant,
    record::RefreshAttempt,
    store::{Guard, Lease, Listing, LockKind, Locked, Saved},
};
use hallpass_store::{FileStore, KeyFile, MemoryStore, contract};

#[tokio::test]
async fn memory_store_keeps_the_contract() {
    let store = MemoryStore::new();
    contract::check(async || Arc::new(store.clone()) as Arc<dyn CredentialStore>)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn file_store_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    contract::check(async || {
        let store = FileStore::open(&path, KeyFile::in_folder(&path)).await;
        Arc::new(store.unwrap()) as Arc<dyn CredentialStore>
    })
    .await
    .unwrap();
}

/// A way to break the contract.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Flaw {
    None,
    Forgets,
    IgnoresExpected,
    IgnoresGuards,
    LocksNothing,
    LosesTheActive,
    ListsNothing,
    HidesTheInactive,
    RemovesNothing,
    RestartsGenerations,
    ReservesByRemoving,
    OneLock,
    SavesUnderSignInLock,
    ForgetsRepeatedSaves,
    NotesNothing,
    KeepsLockAfterSave,
    NeverNewer,
    ErasesNothing,
    PagesTwice,
}

#[tokio::test]
async fn store_that_breaks_a_rule_violates_the_contract() {
    for (flaw, rule) in [
        (Flaw::None, None),
        (Flaw::Forgets, Some("not used again")),
        (Flaw::IgnoresExpected, Some("the generation it expects")),
        (Flaw::IgnoresGuards, Some("its own credential")),
        (Flaw::LocksNothing, Some("one guard at a time")),
        (Flaw::LosesTheActive, Some("the one saved last is active")),
        (Flaw::ListsNothing, Some("the list names every credential")),
        (Flaw::HidesTheInactive, Some("those of all its issuers")),
        (Flaw::RemovesNothing, Some("stays away")),
        (Flaw::RestartsGenerations, Some("not used again")),
        (Flaw::ReservesByRemoving, Some("reserving saves nothing")),
        (
            Flaw::OneLock,
            Some("excludes other sign-ins, and no changes"),
        ),
        (Flaw::SavesUnderSignInLock, Some("does not allow changes")),
        (Flaw::ForgetsRepeatedSaves, Some("is recognized")),
        (
            Flaw::NotesNothing,
            Some("noted with the lock or not at all"),
        ),
        (
            Flaw::KeepsLockAfterSave,
            Some("releases once it has written"),
        ),
        (Flaw::NeverNewer, Some("a wait for a newer record")),
        (Flaw::ErasesNothing, Some("an erased credential stays away")),
        (Flaw::PagesTwice, Some("each credential once")),
    ] {
        let store = Flawed::new(flaw);
        let found = contract::check(async || {
            let again = match flaw {
                Flaw::Forgets => Flawed::new(flaw),
                _ => store.clone(),
            };
            Arc::new(again) as Arc<dyn CredentialStore>
        })
        .await;
        match (found, rule) {
            (Ok(()), None) => {}
            (Err(violation), Some(rule)) => {
                assert!(violation.rule().contains(rule), "{flaw:?}: {violation}");
            }
            (found, _) => panic!("{flaw:?}: {found:?}"),
        }
    }
}

/// A memory store with a flaw.
#[derive(Debug, Clone)]
struct Flawed {
    store: MemoryStore,
    flaw: Flaw,
    /// Gives each lock a credential of its own where nothing is to be locked.
    locks: Arc<AtomicU64>,
}

impl Flawed {
    fn new(flaw: Flaw) -> Self {
        Self {
            store: MemoryStore::new(),
            flaw,
            locks: Arc::default(),
        }
    }

    /// A guard that the memory store takes.
    async fn mend<'a>(&self, credential: &CredentialKey, guard: &'a mut Guard) -> Mended<'a> {
        let is_ignored = match self.flaw {
            Flaw::LocksNothing | Flaw::IgnoresGuards => true,
            Flaw::SavesUnderSignInLock => guard.kind() == LockKind::SignIn,
            _ => false,
        };
        if !is_ignored {
            return Mended::Same(guard);
        }
        let lock = self
            .store
            .lock(credential, LockKind::Credential, Duration::MAX);
        Mended::New(lock.await.unwrap())
    }
}

enum Mended<'a> {
    New(Guard),
    Same(&'a mut Guard),
}

impl Mended<'_> {
    fn guard(&mut self) -> &mut Guard {
        match self {
            Self::New(guard) => guard,
            Self::Same(guard) => guard,
        }
    }
}

#[derive(Debug)]
struct Elsewhere {
    _guard: Guard,
}

impl Lease for Elsewhere {}

impl CredentialStore for Flawed {
    fn load<'a>(&'a self, credential: &'a CredentialKey) -> StoreFuture<'a, Option<Record>> {
        self.store.load(credential)
    }

    fn load_issuer<'a>(
        &'a self,
        credential: &'a CredentialKey,
        issuer: &'a Issuer,
    ) -> StoreFuture<'a, Option<Record>> {
        self.store.load_issuer(credential, issuer)
    }

    fn records<'a>(&'a self, credential: &'a CredentialKey) -> StoreFuture<'a, Vec<Record>> {
        Box::pin(async move {
            let mut records = self.store.records(credential).await?;
            if self.flaw == Flaw::HidesTheInactive {
                records.truncate(1);
            }
            Ok(records)
        })
    }

    fn list(&self) -> StoreFuture<'_, Listing> {
        match self.flaw {
            Flaw::ListsNothing => Box::pin(async { Ok(Listing::default()) }),
            _ => self.store.list(),
        }
    }

    fn lock<'a>(
        &'a self,
        credential: &'a CredentialKey,
        kind: LockKind,
        wait: Duration,
    ) -> StoreFuture<'a, Guard> {
        Box::pin(async move {
            let place = match self.flaw {
                Flaw::LocksNothing => {
                    let number = self.locks.fetch_add(1, Ordering::SeqCst);
                    let account = Account::parse(&format!("lock-{number}")).unwrap();
                    credential.clone().with_account(account)
                }
                Flaw::IgnoresGuards => {
                    let account = Account::parse("lock").unwrap();
                    credential.clone().with_account(account)
                }
                Flaw::OneLock => {
                    return self
                        .store
                        .lock(credential, LockKind::Credential, wait)
                        .await;
                }
                _ => return self.store.lock(credential, kind, wait).await,
            };
            let guard = self.store.lock(&place, kind, wait).await?;
            Ok(Guard::new(
                credential.clone(),
                kind,
                Elsewhere { _guard: guard },
            ))
        })
    }

    fn save<'a>(
        &'a self,
        record: &'a Record,
        expected: Option<Generation>,
        guard: &'a mut Guard,
    ) -> StoreFuture<'a, Saved> {
        Box::pin(async move {
            let mut mended = self.mend(&record.key, guard).await;
            let guard = mended.guard();
            let found = self.store.load_issuer(&record.key, &record.issuer).await?;
            let found = found.map(|record| record.generation);
            let expected = match self.flaw {
                Flaw::IgnoresExpected => found,
                _ => expected,
            };
            let active = self.store.load(&record.key).await?;
            if self.flaw == Flaw::ForgetsRepeatedSaves && expected != found {
                return Ok(Saved::Conflict { found });
            }
            let saved = self.store.save(record, expected, guard).await?;
            match (self.flaw, active, saved) {
                (Flaw::LosesTheActive, Some(active), Saved::Written(_)) => {
                    let expected = Some(active.generation);
                    let _ = self.store.save(&active, expected, guard).await?;
                    Ok(saved)
                }
                (Flaw::RestartsGenerations, None, Saved::Written(_)) => {
                    Ok(Saved::Written(Generation::new(1)))
                }
                _ => Ok(saved),
            }
        })
    }

    fn lock_and_load<'a>(
        &'a self,
        credential: &'a CredentialKey,
        wait: Duration,
        attempt: Option<&'a RefreshAttempt>,
    ) -> StoreFuture<'a, Locked> {
        Box::pin(async move {
            let guard = self.lock(credential, LockKind::Credential, wait).await?;
            let record = self.store.load(credential).await?;
            let notes_nothing = self.flaw == Flaw::NotesNothing && attempt.is_some();
            Ok(Locked::new(guard, record, notes_nothing))
        })
    }

    fn await_newer<'a>(
        &'a self,
        credential: &'a CredentialKey,
        than: Option<Generation>,
        wait: Duration,
        clock: &'a dyn Clock,
        entropy: &'a dyn Entropy,
    ) -> StoreFuture<'a, Option<Record>> {
        match self.flaw {
            Flaw::NeverNewer => Box::pin(async { Ok(None) }),
            _ => self
                .store
                .await_newer(credential, than, wait, clock, entropy),
        }
    }

    fn save_and_release<'a>(
        &'a self,
        record: &'a Record,
        expected: Option<Generation>,
        guard: &'a mut Guard,
    ) -> StoreFuture<'a, Saved> {
        match self.flaw {
            Flaw::KeepsLockAfterSave => self.save(record, expected, guard),
            _ => self.store.save_and_release(record, expected, guard),
        }
    }

    fn erase<'a>(&'a self, credential: &'a CredentialKey, wait: Duration) -> StoreFuture<'a, bool> {
        match self.flaw {
            Flaw::ErasesNothing => Box::pin(async { Ok(true) }),
            _ => self.store.erase(credential, wait),
        }
    }

    fn list_page<'a>(
        &'a self,
        tenant: Option<&'a Tenant>,
        after: Option<&'a str>,
        limit: usize,
    ) -> StoreFuture<'a, Listing> {
        Box::pin(async move {
            let mut page = self.store.list_page(tenant, after, limit).await?;
            if self.flaw == Flaw::PagesTwice && after.is_none() && limit < 10 {
                page.next = Some(String::new());
            }
            Ok(page)
        })
    }

    fn reserve<'a>(
        &'a self,
        credential: &'a CredentialKey,
        guard: &'a mut Guard,
    ) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            if self.flaw == Flaw::ReservesByRemoving
                && let Some(record) = self.store.load(credential).await?
            {
                self.store.remove(credential, &record.issuer, guard).await?;
            }
            Ok(())
        })
    }

    fn remove<'a>(
        &'a self,
        credential: &'a CredentialKey,
        issuer: &'a Issuer,
        guard: &'a mut Guard,
    ) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            if self.flaw == Flaw::RemovesNothing {
                return Ok(self.store.load_issuer(credential, issuer).await?.is_some());
            }
            let mut mended = self.mend(credential, guard).await;
            self.store.remove(credential, issuer, mended.guard()).await
        })
    }
}
