//! The proof of a lock.

use std::{any::Any, fmt, mem};

use super::{LockKind, StoreError, StoreFuture};
use crate::{CredentialKey, Record};

/// The proof that a credential is locked. Dropping it releases the lock.
#[derive(Debug)]
pub struct Guard {
    key: CredentialKey,
    kind: LockKind,
    lease: Box<dyn Lease>,
}

/// A store's own part of a [`Guard`]: an open lock file, a row lease. Releases on drop.
pub trait Lease: Any + Send + Sync + fmt::Debug {
    /// Releases the lock and waits for the backend's answer, for a backend whose release is a request.
    /// The default drops the lease.
    fn release(self: Box<Self>) -> StoreFuture<'static, ()> {
        drop(self);
        Box::pin(async { Ok(()) })
    }
}

impl Guard {
    /// Made by a store that has taken this lock of `key`.
    pub fn new(key: CredentialKey, kind: LockKind, lease: impl Lease) -> Self {
        Self {
            key,
            kind,
            lease: Box::new(lease),
        }
    }

    /// Releases the lock and waits until it is released.
    ///
    /// # Errors
    ///
    /// When the backend can't be reached; the lock then ends by the backend's own timeout.
    pub async fn release(mut self) -> Result<(), StoreError> {
        self.release_now().await
    }

    /// The same, of a guard that its caller keeps: no store accepts it any more.
    pub(super) async fn release_now(&mut self) -> Result<(), StoreError> {
        let lease = mem::replace(&mut self.lease, Box::new(Released));
        lease.release().await
    }

    /// The credential that is locked.
    pub fn key(&self) -> &CredentialKey {
        &self.key
    }

    /// Which of its locks.
    pub fn kind(&self) -> LockKind {
        self.kind
    }

    /// The store's own part, if it is of type `T`. A store refuses a guard that is not its own.
    pub fn lease_mut<T: Lease>(&mut self) -> Option<&mut T> {
        let lease: &mut dyn Any = &mut *self.lease;
        lease.downcast_mut()
    }

    /// The store's own part, to change the records of `key`: if the guard is of kind
    /// [`LockKind::Credential`], for this credential, and the lease of type `T`.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Guard`](super::StoreErrorKind::Guard). The store itself checks that the lease is of this store.
    pub fn lease_for<T: Lease>(&mut self, key: &CredentialKey) -> Result<&mut T, StoreError> {
        let fits = self.kind == LockKind::Credential && self.key == *key;
        let lease = if fits { self.lease_mut() } else { None };
        lease.ok_or_else(StoreError::foreign_guard)
    }
}

/// The lease of a guard whose lock was released.
#[derive(Debug)]
struct Released;

impl Lease for Released {}

/// The answer to [`lock_and_load`](super::CredentialStore::lock_and_load).
#[derive(Debug)]
#[non_exhaustive]
pub struct Locked {
    /// The lock.
    pub guard: Guard,
    /// The active record, as it is under the lock.
    pub record: Option<Record>,
    /// Whether the attempt of the call is noted, and `record` has it.
    pub is_marked: bool,
}

impl Locked {
    /// The lock of a credential, and its active record.
    pub fn new(guard: Guard, record: Option<Record>, is_marked: bool) -> Self {
        Self {
            guard,
            record,
            is_marked,
        }
    }
}
