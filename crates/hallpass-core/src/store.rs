//! The port to credentials at rest.
//!
//! # What a new store implements
//!
//! 1. [`CredentialStore`]: seven methods. The others have defaults. [`reserve`](CredentialStore::reserve) is for a
//!    backend where a save needs disk space or open files. A backend where each call is a request over the network
//!    implements [`lock_and_load`](CredentialStore::lock_and_load),
//!    [`save_and_release`](CredentialStore::save_and_release), [`list_page`](CredentialStore::list_page) and
//!    [`erase`](CredentialStore::erase) as one request each.
//! 2. [`Lease`], on a type that holds a lock: an open lock file, the lease of a row. Dropping it releases the lock.
//!    [`release`](Lease::release) has a default, for a backend that does not have to be asked.
//! 3. In [`lock`](CredentialStore::lock): two locks for each credential, one of each [`LockKind`], that don't
//!    exclude each other. Each has one holder among all tasks, handles and processes (also on other machines) that
//!    share the backend. The holder gets [`Guard::new`] with the lease. A lease that ends by a timeout of the
//!    backend is renewed while the guard lives: a user may take minutes to sign in.
//! 4. In [`save`](CredentialStore::save), [`remove`](CredentialStore::remove) and `reserve`: a check of the guard.
//!    [`Guard::lease_for`] refuses one of another kind, credential or type. The store itself refuses one of another
//!    backend, by [`StoreError::foreign_guard`]. If the lease has ended, `remove` removes nothing and returns
//!    [`StoreErrorKind::LeaseLost`]; a save does not look at that: its generation decides.
//! 5. What it keeps for a credential: the bytes of a [`CredentialDocument`](crate::record::document::CredentialDocument),
//!    replaced as a whole. The document knows generations, conflicts and the active record.
//! 6. Optional: [`StoreDiagnostics`], for what a diagnosis asks. A store that wraps another one forwards
//!    every method.
//!
//! `hallpass_store::contract::check` runs a store against the rules; `hallpass_store::MemoryStore` is a short one to
//! read. This one is for a single task:
//!
//! ```
//! use std::{collections::HashMap, sync::{Arc, Mutex}, time::Duration};
//!
//! use hallpass_core::{
//!     CredentialKey, CredentialStore, Generation, Issuer, Record, StoreError, StoreFuture,
//!     record::document::CredentialDocument,
//!     store::{Guard, Lease, Listing, LockKind, Saved, StoreErrorKind},
//! };
//!
//! type Lock = (CredentialKey, LockKind);
//!
//! #[derive(Debug, Clone, Default)]
//! struct MyStore {
//!     documents: Arc<Mutex<HashMap<CredentialKey, CredentialDocument>>>,
//!     locked: Arc<Mutex<Vec<Lock>>>,
//! }
//!
//! #[derive(Debug)]
//! struct MyLease { store: MyStore, lock: Lock }
//!
//! impl Lease for MyLease {}
//!
//! impl Drop for MyLease {
//!     fn drop(&mut self) {
//!         self.store.locked.lock().unwrap().retain(|lock| *lock != self.lock);
//!     }
//! }
//!
//! impl MyStore {
//!     fn document(&self, key: &CredentialKey) -> CredentialDocument {
//!         let found = self.documents.lock().unwrap().get(key).cloned();
//!         found.unwrap_or_else(|| CredentialDocument::empty(key.clone()))
//!     }
//!
//!     fn change<T>(
//!         &self,
//!         key: &CredentialKey,
//!         guard: &mut Guard,
//!         change: impl FnOnce(&mut CredentialDocument) -> T,
//!     ) -> Result<T, StoreError> {
//!         let lease = guard.lease_for::<MyLease>(key)?;
//!         if !Arc::ptr_eq(&lease.store.documents, &self.documents) {
//!             return Err(StoreError::foreign_guard());
//!         }
//!         let mut document = self.document(key);
//!         let answer = change(&mut document);
//!         self.documents.lock().unwrap().insert(key.clone(), document);
//!         Ok(answer)
//!     }
//! }
//!
//! impl CredentialStore for MyStore {
//!     fn load(&self, key: &CredentialKey) -> StoreFuture<'_, Option<Record>> {
//!         let record = self.document(key).active().cloned();
//!         Box::pin(async { Ok(record) })
//!     }
//!
//!     fn load_issuer(&self, key: &CredentialKey, issuer: &Issuer) -> StoreFuture<'_, Option<Record>> {
//!         let record = self.document(key).record(issuer).cloned();
//!         Box::pin(async { Ok(record) })
//!     }
//!
//!     fn records(&self, key: &CredentialKey) -> StoreFuture<'_, Vec<Record>> {
//!         let records = self.document(key).to_records();
//!         Box::pin(async { Ok(records) })
//!     }
//!
//!     fn list(&self) -> StoreFuture<'_, Listing> {
//!         let documents = self.documents.lock().unwrap();
//!         let with_records = documents.values().filter(|document| !document.records().is_empty());
//!         let keys = with_records.map(|document| document.key().clone()).collect();
//!         Box::pin(async { Ok(Listing::new(keys, Vec::new())) })
//!     }
//!
//!     fn lock(&self, key: &CredentialKey, kind: LockKind, _: Duration) -> StoreFuture<'_, Guard> {
//!         let lock = (key.clone(), kind);
//!         let mut locked = self.locked.lock().unwrap();
//!         let guard = if locked.contains(&lock) {
//!             // A store for several tasks waits for the holder first.
//!             Err(StoreError::new(StoreErrorKind::Busy, "another task holds the credential"))
//!         } else {
//!             locked.push(lock.clone());
//!             Ok(Guard::new(key.clone(), kind, MyLease { store: self.clone(), lock }))
//!         };
//!         Box::pin(async { guard })
//!     }
//!
//!     fn save(
//!         &self,
//!         record: &Record,
//!         expected: Option<Generation>,
//!         guard: &mut Guard,
//!     ) -> StoreFuture<'_, Saved> {
//!         let saved = self.change(&record.key, guard, |document| document.save(record, expected));
//!         Box::pin(async { saved })
//!     }
//!
//!     fn remove(
//!         &self,
//!         key: &CredentialKey,
//!         issuer: &Issuer,
//!         guard: &mut Guard,
//!     ) -> StoreFuture<'_, bool> {
//!         let removed = self.change(key, guard, |document| document.remove(issuer));
//!         Box::pin(async { removed })
//!     }
//! }
//! # use hallpass_core::{ServerMetadata, ServerUrl, SettingsFingerprint, block_on};
//! # let store = MyStore::default();
//! # let key = CredentialKey::new(ServerUrl::parse("https://mcp.example.com")?);
//! # let metadata = ServerMetadata::new(Issuer::parse("https://as.example.com")?);
//! # let record = Record::new(key.clone(), metadata, SettingsFingerprint::default());
//! # let wait = Duration::ZERO;
//! # let mut sign_in = block_on(store.lock(&key, LockKind::SignIn, wait))?;
//! # let mut guard = block_on(store.lock(&key, LockKind::Credential, wait))?;
//! # assert!(block_on(store.lock(&key, LockKind::Credential, wait)).is_err());
//! # assert!(block_on(store.save(&record, None, &mut sign_in)).is_err());
//! # let Saved::Written(_) = block_on(store.save(&record, None, &mut guard))? else { unreachable!() };
//! # drop(guard);
//! # block_on(store.lock(&key, LockKind::Credential, wait))?;
//! # assert!(block_on(store.load(&key))?.is_some());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod guard;
mod poll;
mod tenant;

use std::{fmt, sync::Arc, time::Duration};

pub use self::guard::{Guard, Lease, Locked};
use crate::{
    BoxFuture, Clock, CredentialKey, Entropy, ErrorKind, Generation, Issuer, KindError, Record,
    Remedy, Tenant, credential_key::hex, record::RefreshAttempt,
};

/// Keeps records, and orders the tasks and processes that change them.
///
/// The [module](self) says what a new store implements.
///
/// The rules that a session relies on:
///
/// - A credential holds one record for each exact issuer, and one of them is active: the one saved last.
/// - Writing needs a [`Guard`] of kind [`LockKind::Credential`]. It excludes all other processes (also on
///   other machines, where they share the backend) until it is released or dropped.
/// - A save names the generation that it replaces. If the store holds another one, it answers
///   [`Saved::Conflict`] and writes nothing. A save that expects a removed record does not bring it back.
/// - The generation decides a save. The lock only keeps others from trying: a guard whose lease has run out
///   still saves as long as no other process has saved meanwhile.
/// - A save that returned is durable. A save that failed has changed nothing, or has written the whole
///   record and its answer was lost. A caller repeats it with the same record: a record without a pending
///   refresh is recognized, and the answer is [`Saved::Written`] with the generation that it has.
/// - Generations of a credential grow and are never used twice, also after a removal and an erasure.
/// - An attempt that [`lock_and_load`](Self::lock_and_load) has noted is in each record that is read from then
///   on, until a save of that record replaces it.
pub trait CredentialStore: Send + Sync + fmt::Debug {
    /// The active record of a credential.
    fn load<'a>(&'a self, key: &'a CredentialKey) -> StoreFuture<'a, Option<Record>>;

    /// The record of a credential for one issuer, active or not.
    fn load_issuer<'a>(
        &'a self,
        key: &'a CredentialKey,
        issuer: &'a Issuer,
    ) -> StoreFuture<'a, Option<Record>>;

    /// The records of a credential for all its issuers, the active one first.
    fn records<'a>(&'a self, key: &'a CredentialKey) -> StoreFuture<'a, Vec<Record>>;

    /// All credentials that hold a record, and all errors of those that can't be read.
    fn list(&self) -> StoreFuture<'_, Listing>;

    /// Takes one of a credential's locks. Waits at most `wait` for the task or process that holds it, then
    /// fails with [`StoreErrorKind::Busy`]. Locks of different kinds don't exclude each other.
    fn lock<'a>(
        &'a self,
        key: &'a CredentialKey,
        kind: LockKind,
        wait: Duration,
    ) -> StoreFuture<'a, Guard>;

    /// Takes the [`Credential`](LockKind::Credential) lock and reads the active record under it, in one step where
    /// the backend can.
    ///
    /// A caller that is about to post a refresh token gives the `attempt`. A store that can do that in the same
    /// step notes it, by [`CredentialDocument::mark`](crate::record::document::CredentialDocument::mark) or in
    /// columns beside the document, if the active record is still the one that the attempt is for. Its generation
    /// stays as it is. [`Locked::is_marked`] says whether it is noted; else the caller reads what has changed, and
    /// saves the record with its pending refresh before it posts. The note is as durable as a save.
    ///
    /// The default calls [`lock`](Self::lock) and [`load`](Self::load) and notes nothing.
    fn lock_and_load<'a>(
        &'a self,
        key: &'a CredentialKey,
        wait: Duration,
        attempt: Option<&'a RefreshAttempt>,
    ) -> StoreFuture<'a, Locked> {
        let _ = attempt;
        Box::pin(async move {
            let guard = self.lock(key, LockKind::Credential, wait).await?;
            match self.load(key).await {
                Ok(record) => Ok(Locked::new(guard, record, false)),
                Err(error) => {
                    // The error of the load says more.
                    let _ = guard.release().await;
                    Err(error)
                }
            }
        })
    }

    /// Waits at most `wait` for an active record with a later generation than `than` (`None`: for any), and
    /// returns it. For a caller that finds the lock held: it waits for what the holder saves, not for the lock.
    ///
    /// The default reads the record again and again, after 25 ms at first and 250 ms later, each a quarter more or
    /// less at random. A backend that is told of changes returns earlier. An attempt is no change.
    fn await_newer<'a>(
        &'a self,
        key: &'a CredentialKey,
        than: Option<Generation>,
        wait: Duration,
        clock: &'a dyn Clock,
        entropy: &'a dyn Entropy,
    ) -> StoreFuture<'a, Option<Record>> {
        Box::pin(poll::newer(
            move || self.load(key),
            than,
            wait,
            clock,
            entropy,
        ))
    }

    /// Saves `record` in place of the one for the same issuer at generation `expected` (`None`: there is
    /// none), and makes it the active one.
    ///
    /// The store gives the new generation; the one in `record` is not read.
    fn save<'a>(
        &'a self,
        record: &'a Record,
        expected: Option<Generation>,
        guard: &'a mut Guard,
    ) -> StoreFuture<'a, Saved>;

    /// [Saves](Self::save) the record and releases the lock, in one step where the backend can.
    ///
    /// After [`Saved::Written`] the lock is released, and `guard` serves no more. After a conflict or an error it is
    /// held as before, for a caller that repeats the save. A release that fails is no error: the lock ends by the
    /// backend's own timeout.
    fn save_and_release<'a>(
        &'a self,
        record: &'a Record,
        expected: Option<Generation>,
        guard: &'a mut Guard,
    ) -> StoreFuture<'a, Saved> {
        Box::pin(async move {
            let saved = self.save(record, expected, guard).await?;
            if let Saved::Written(_) = saved {
                let _ = guard.release_now().await;
            }
            Ok(saved)
        })
    }

    /// Removes the record for an issuer; whether there was one.
    fn remove<'a>(
        &'a self,
        key: &'a CredentialKey,
        issuer: &'a Issuer,
        guard: &'a mut Guard,
    ) -> StoreFuture<'a, bool>;

    /// Makes sure that the next change under this guard (a save of a record of usual size) needs no more
    /// disk space and no more open files than are held from now on.
    ///
    /// For a caller that is about to do what can't be undone and has to save the result, such as the
    /// answer to a refresh token. An error says what is missing; nothing is changed then.
    ///
    /// The next change uses up the reserve, also if it ends in a conflict or an error. Without a change
    /// it ends with the guard. Reserving twice is the same as reserving once, and a save works without.
    /// The default reserves nothing, for a backend where a save needs neither.
    fn reserve<'a>(&'a self, key: &'a CredentialKey, guard: &'a mut Guard) -> StoreFuture<'a, ()> {
        let _ = (key, guard);
        Box::pin(async { Ok(()) })
    }

    /// Removes all that the store has of a credential; whether it had a record. A later save that expects a
    /// record of it is a conflict.
    ///
    /// Waits at most `wait` for the credential's lock, where the store has to wait. The default does, and removes
    /// the records one after the other. A store that gives generations from a sequence needs no lock, and keeps
    /// nothing.
    fn erase<'a>(&'a self, key: &'a CredentialKey, wait: Duration) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let mut guard = self.lock(key, LockKind::Credential, wait).await?;
            let mut had_record = false;
            for record in self.records(key).await? {
                had_record |= self.remove(key, &record.issuer, &mut guard).await?;
            }
            guard.release().await?;
            Ok(had_record)
        })
    }

    /// A part of the [list](Self::list): at most `limit` credentials, of one tenant or of all.
    ///
    /// The first page is the one after `None`, the next one after [`Listing::next`] of this one. A credential that
    /// is there from the first page to the last is on exactly one of them, whatever else is saved or erased
    /// meanwhile.
    ///
    /// The default lists all and sorts them by the [digests](CredentialKey::digest) of their keys. All errors are on
    /// the first page of all tenants.
    fn list_page<'a>(
        &'a self,
        tenant: Option<&'a Tenant>,
        after: Option<&'a str>,
        limit: usize,
    ) -> StoreFuture<'a, Listing> {
        Box::pin(async move { Ok(self.list().await?.into_page(tenant, after, limit)) })
    }

    /// What the store can tell a diagnosis. The default is nothing. A store that wraps another one
    /// forwards it.
    fn diagnostics(&self) -> Option<&dyn StoreDiagnostics> {
        None
    }
}

/// What a diagnosis asks of a store. No method changes anything or waits for a lock.
pub trait StoreDiagnostics: CredentialStore {
    /// Where and how the records are kept, for a user to read.
    fn describe(&self) -> String;

    /// The holder of one of a credential's locks, for a user to read; `None` if the lock is free or the store can't
    /// tell. The default is `None`.
    fn lock_holder<'a>(
        &'a self,
        key: &'a CredentialKey,
        kind: LockKind,
    ) -> StoreFuture<'a, Option<String>> {
        let _ = (key, kind);
        Box::pin(async { Ok(None) })
    }

    /// The same store, where reading changes nothing and returns an error that says what it would have
    /// changed. The default is `None`, for a store where reading never changes anything.
    fn read_only(&self) -> Option<Arc<dyn CredentialStore>> {
        None
    }

    /// All problems of the store: of the key that opens the records, and of each record.
    fn verify(&self) -> BoxFuture<'_, Vec<StoreError>> {
        Box::pin(async move {
            match self.list().await {
                Ok(listing) => listing.problems,
                Err(error) => vec![error],
            }
        })
    }
}

/// Which lock of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LockKind {
    /// For changes of its records. Held for moments, and while a refresh waits for its answer.
    Credential,
    /// For signing in, so that of several processes one asks the user. Held while the user answers, and
    /// taken before [`Credential`](Self::Credential).
    SignIn,
}

/// The answer to a save.
///
/// Exhaustive on purpose: a caller must know which generation the store holds now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Saved {
    /// The record is written, under this generation.
    Written(Generation),
    /// The store holds another generation than the expected one. Nothing was written.
    Conflict {
        /// The generation that the store holds; `None`: no record.
        found: Option<Generation>,
    },
}

/// What a store holds.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Listing {
    /// The credentials with at least one record.
    pub credentials: Vec<CredentialKey>,
    /// What could not be read, and why.
    pub problems: Vec<StoreError>,
    /// What [`list_page`](CredentialStore::list_page) goes on after; `None`: this is the end.
    pub next: Option<String>,
}

impl Listing {
    /// A list of credentials, and of what could not be read.
    pub fn new(credentials: Vec<CredentialKey>, problems: Vec<StoreError>) -> Self {
        Self {
            credentials,
            problems,
            next: None,
        }
    }

    /// The same, with what the next page goes on after.
    #[must_use]
    pub fn with_next(mut self, next: Option<String>) -> Self {
        self.next = next;
        self
    }

    /// A page of a whole list.
    fn into_page(self, tenant: Option<&Tenant>, after: Option<&str>, limit: usize) -> Self {
        let is_of_tenant =
            |key: &CredentialKey| tenant.is_none_or(|tenant| key.subject.tenant() == tenant);
        let credentials = self.credentials.into_iter().filter(is_of_tenant);
        let mut rest: Vec<_> = credentials
            .map(|key| (position(&key), key))
            .filter(|(position, _)| after.is_none_or(|after| position.as_str() > after))
            .collect();
        rest.sort();
        let has_more = rest.len() > limit.max(1);
        rest.truncate(limit.max(1));
        let last = rest.last().map(|(position, _)| position.clone());
        Self {
            credentials: rest.into_iter().map(|(_, key)| key).collect(),
            problems: match (tenant, after) {
                (None, None) => self.problems,
                _ => Vec::new(),
            },
            next: last.filter(|_| has_more),
        }
    }
}

/// The place of a key among all keys.
fn position(key: &CredentialKey) -> String {
    hex(&key.digest())
}

/// What an operation of a store returns.
pub type StoreFuture<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// An operation of a store that failed.
pub type StoreError = KindError<StoreErrorKind>;

/// Why an operation of a store failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// Another task or process held the lock for longer than the caller waits.
    Busy,
    /// The backend can't be reached at the moment.
    Unavailable,
    /// The lock was lost while it was held, as by a lease that expired. Nothing was removed.
    LeaseLost,
    /// The key that opens the records is locked, missing or wrong.
    Key,
    /// A record can't be read: it is incomplete, changed, or not a record of Hallpass.
    Damaged,
    /// A record was written by a newer version.
    Newer,
    /// A file has the wrong permissions, owner or type.
    Refused,
    /// The disk failed: it is full, read-only or gone.
    Io,
    /// The guard is of another kind, for another credential or from another store.
    Guard,
    /// The credential is another tenant's.
    OtherTenant,
}

impl ErrorKind for StoreErrorKind {
    fn remedy(self) -> Remedy {
        match self {
            Self::Busy | Self::Unavailable | Self::LeaseLost => Remedy::Retry,
            Self::Guard | Self::OtherTenant => Remedy::Report,
            Self::Key | Self::Damaged | Self::Newer | Self::Refused | Self::Io => Remedy::Configure,
        }
    }
}

impl StoreError {
    /// The error of a guard that does not allow a change.
    pub fn foreign_guard() -> Self {
        Self::new(
            StoreErrorKind::Guard,
            "the guard is for another lock or from another store",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remedy_of_temporary_error_is_retry() {
        for (kind, remedy) in [
            (StoreErrorKind::Busy, Remedy::Retry),
            (StoreErrorKind::Unavailable, Remedy::Retry),
            (StoreErrorKind::LeaseLost, Remedy::Retry),
            (StoreErrorKind::Guard, Remedy::Report),
            (StoreErrorKind::Io, Remedy::Configure),
        ] {
            let error = StoreError::new(kind, "saving a record");
            assert_eq!(error.remedy(), remedy, "{kind:?}");
        }
    }
}
