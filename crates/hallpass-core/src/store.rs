//! The port to credentials at rest.

use std::{any::Any, error::Error, fmt, sync::Arc, time::Duration};

use crate::{BoxFuture, CredentialKey, Generation, Issuer, Record, Remedy};

/// Keeps records, and orders those who change them.
///
/// The rules that a session relies on:
///
/// - A credential holds one record for each exact issuer, and one of them is active: the one saved last.
///   [`load`](Self::load) gives the active one.
/// - Writing needs the credential's [`Guard`]. It is exclusive over all processes (over all machines,
///   where the backend is shared) until it is released or dropped.
/// - A save names the generation it replaces. Anything else in its place is an answer,
///   [`Saved::Conflict`], and nothing is written. A record that was removed is not brought back by
///   a save that expected it.
/// - A save that returned has been made durable. A save that failed has changed nothing, or has
///   written the whole record where only making that durable failed. So a caller that repeats it
///   must expect a conflict with its own record, and knows by reading it. Other changes likewise.
/// - Generations of a credential grow and are never used twice, also after a removal.
pub trait CredentialStore: Send + Sync + fmt::Debug {
    /// The active record of a credential.
    fn load<'a>(
        &'a self,
        key: &'a CredentialKey,
    ) -> BoxFuture<'a, Result<Option<Record>, StoreError>>;

    /// The record of a credential for one issuer, active or not.
    fn load_issuer<'a>(
        &'a self,
        key: &'a CredentialKey,
        issuer: &'a Issuer,
    ) -> BoxFuture<'a, Result<Option<Record>, StoreError>>;

    /// The records of a credential for all its issuers, the active one first.
    fn records<'a>(
        &'a self,
        key: &'a CredentialKey,
    ) -> BoxFuture<'a, Result<Vec<Record>, StoreError>>;

    /// Every credential that holds a record, and every place that could not be read.
    fn list(&self) -> BoxFuture<'_, Result<Listing, StoreError>>;

    /// Locks a credential, waiting at most `wait` for whoever holds it.
    fn lock<'a>(
        &'a self,
        key: &'a CredentialKey,
        wait: Duration,
    ) -> BoxFuture<'a, Result<Guard, StoreError>>;

    /// Saves `record` in its credential in place of the one for the same issuer at generation `expected`
    /// (`None`: there is none), and makes it the active one.
    ///
    /// The store gives the new generation; the one in `record` is not read.
    fn save<'a>(
        &'a self,
        record: &'a Record,
        expected: Option<Generation>,
        guard: &'a mut Guard,
    ) -> BoxFuture<'a, Result<Saved, StoreError>>;

    /// Makes sure that the next change of a credential under this guard, a save of a record of usual size,
    /// needs no more space and opens no more files than are held from now on.
    ///
    /// For a caller that is about to do what can't be undone and has to save what comes of it, as
    /// the answer to a refresh token that was posted. An error says what is missing; nothing is
    /// changed then.
    ///
    /// A save or another change takes what is reserved with it, also where it ends in a conflict or
    /// an error; without one it goes with the guard. Reserving twice is reserving once. Where nothing
    /// is reserved, a save works all the same. The default reserves nothing, for a backend where a
    /// save needs neither.
    fn reserve<'a>(
        &'a self,
        key: &'a CredentialKey,
        guard: &'a mut Guard,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let _ = (key, guard);
        Box::pin(async { Ok(()) })
    }

    /// Removes the record for an issuer; whether there was one.
    fn remove<'a>(
        &'a self,
        key: &'a CredentialKey,
        issuer: &'a Issuer,
        guard: &'a mut Guard,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Where and how the records are kept, in words for a person.
    fn describe(&self) -> String;

    /// Who holds a credential's lock at the moment, in words for a person; `None` where nobody does, and
    /// where the backend can't tell. For a diagnosis: waits for nobody and changes nothing.
    fn holder<'a>(
        &'a self,
        key: &'a CredentialKey,
    ) -> BoxFuture<'a, Result<Option<String>, StoreError>> {
        let _ = key;
        Box::pin(async { Ok(None) })
    }

    /// The same store for a diagnosis, where reading may change something: that one changes nothing,
    /// and says as an error what it would have done. `None` where reading changes nothing anyway.
    fn read_only(&self) -> Option<Arc<dyn CredentialStore>> {
        None
    }

    /// Everything that is in trouble: what opens the records, and each of them that can't be read.
    /// For a diagnosis: changes nothing.
    fn check(&self) -> BoxFuture<'_, Vec<StoreError>> {
        Box::pin(async move {
            match self.list().await {
                Ok(listing) => listing.problems,
                Err(error) => vec![error],
            }
        })
    }
}

/// The answer to a save.
///
/// There are these two and there will be no third: whoever saves has to know what stands there now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Saved {
    /// It is written, under this generation.
    Written(Generation),
    /// Something else stands there; nothing was written.
    Conflict {
        /// The generation that stands there; `None`: no record.
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
}

impl Listing {
    /// A list of credentials, and of what could not be read.
    pub fn new(credentials: Vec<CredentialKey>, problems: Vec<StoreError>) -> Self {
        Self {
            credentials,
            problems,
        }
    }
}

/// The proof that a credential is locked. Dropping it releases the lock.
#[derive(Debug)]
pub struct Guard {
    key: CredentialKey,
    lease: Box<dyn Lease>,
}

/// A store's own part of a [`Guard`]: an open lock file, a row lease. Releases on drop.
pub trait Lease: Any + Send + Sync + fmt::Debug {
    /// Gives the lock back and says whether that came through, for a backend whose release has to
    /// be sent somewhere. The default is what dropping does.
    fn release(self: Box<Self>) -> BoxFuture<'static, Result<(), StoreError>> {
        drop(self);
        Box::pin(async { Ok(()) })
    }
}

impl Guard {
    /// Made by a store when it has locked `key`.
    pub fn new(key: CredentialKey, lease: impl Lease) -> Self {
        Self {
            key,
            lease: Box::new(lease),
        }
    }

    /// Releases the lock and waits until it is.
    ///
    /// # Errors
    ///
    /// When the backend could not be told; the lock then ends by the backend's own time limit.
    pub async fn release(self) -> Result<(), StoreError> {
        self.lease.release().await
    }

    /// The credential that is locked.
    pub fn key(&self) -> &CredentialKey {
        &self.key
    }

    /// The store's own part, if it is of type `T`. A store refuses a guard that is not its own.
    pub fn lease_mut<T: Lease>(&mut self) -> Option<&mut T> {
        let lease: &mut dyn Any = &mut *self.lease;
        lease.downcast_mut()
    }
}

/// A store that could not do what was asked.
#[derive(Debug)]
pub struct StoreError {
    kind: StoreErrorKind,
    what: String,
    hint: Option<String>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What kind of trouble a store is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// Somebody else held the lock for longer than the caller would wait.
    Busy,
    /// The place where the records are can't be reached for now.
    Unavailable,
    /// The lock was lost while it was held, as by a lease that ran out: nothing was written.
    LeaseLost,
    /// The key that opens the records is locked, absent or wrong.
    Key,
    /// A record can't be read: torn, altered, or not ours.
    Damaged,
    /// A record was written by a newer version.
    Newer,
    /// Permissions, ownership or the kind of a file are not as they must be.
    Refused,
    /// The medium failed: full, read-only, gone.
    Io,
    /// The guard is for another credential or from another store.
    Guard,
}

impl StoreError {
    /// An error of `kind`; `what` says what was tried on what, in lower case and without a full
    /// stop.
    pub fn new(kind: StoreErrorKind, what: impl Into<String>) -> Self {
        Self {
            kind,
            what: what.into(),
            hint: None,
            source: None,
        }
    }

    /// Adds advice for a person.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what caused it.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The kind.
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }

    /// Advice for a person.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// What to do about it.
    pub fn remedy(&self) -> Remedy {
        match self.kind {
            StoreErrorKind::Busy | StoreErrorKind::Unavailable | StoreErrorKind::LeaseLost => {
                Remedy::Retry
            }
            StoreErrorKind::Guard => Remedy::Report,
            StoreErrorKind::Key
            | StoreErrorKind::Damaged
            | StoreErrorKind::Newer
            | StoreErrorKind::Refused
            | StoreErrorKind::Io => Remedy::Configure,
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

crate::impl_diagnostic!(StoreError, hint);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_by_itself_is_tried_again() {
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
