//! Data keys: each seals the records of one tenant, and is kept wrapped beside them.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::lock::Mutex as AsyncMutex;
use hallpass_core::{Clock, Hint, Remedy};
use sha2::{Digest, Sha256};

use crate::{Algorithm, KeyEncryption, KeyError, KeyErrorKind, KeyId, SealingKey};

/// How long an unwrapped data key stays in memory by default.
const CACHE_TIME: Duration = Duration::from_secs(600);

/// How many unwrapped data keys stay in memory at most.
const MAX_CACHED_KEYS: usize = 10_000;

/// How often keys whose time has ended are looked for, when a key is added.
const SWEEP_INTERVAL: Duration = Duration::from_secs(10);

/// A data key as it is kept: only its wrapping key opens it.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// The data key's public name, which stands in the header of all that it seals.
    pub id: KeyId,
    /// The cipher that it is for.
    pub algorithm: Algorithm,
    /// The [name](KeyEncryption::key_name) of the wrapping key.
    pub wrapping_key: String,
    /// The wrapped key.
    pub wrapped: Vec<u8>,
}

impl fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WrappedKey")
            .field("id", &self.id)
            .field("wrapping_key", &self.wrapping_key)
            .finish_non_exhaustive()
    }
}

/// Makes and unwraps data keys, and keeps them in memory for minutes.
///
/// So the wrapping key is used once for each data key, process and [cache time](Self::with_cache_time),
/// however many records are opened. While the wrapping key can't be reached, the keys in memory work on until
/// their time ends; any other is an error.
///
/// A data key belongs to one context, such as the name of a tenant: it opens for no other.
#[derive(Debug)]
pub struct DataKeys {
    current: Arc<dyn KeyEncryption>,
    previous: Vec<Arc<dyn KeyEncryption>>,
    clock: Arc<dyn Clock>,
    cache_time: Duration,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    by_key: HashMap<EntryKey, Arc<Entry>>,
    /// When those whose time has ended are removed next, in monotonic time.
    next_sweep: Duration,
}

/// A data key's id, and the digest of its context.
type EntryKey = (KeyId, [u8; 32]);

/// One data key. The lock is held while the key is unwrapped, so that callers at the same time share one
/// unwrapping.
#[derive(Debug, Default)]
struct Entry {
    state: AsyncMutex<State>,
    /// How many attempts to unwrap have ended.
    attempts: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    key: Option<SealingKey>,
    /// Of the last attempt.
    failure: Option<Failure>,
    /// When the key leaves the memory, in monotonic time.
    until: Duration,
}

/// An error for callers that waited for the same attempt.
#[derive(Debug)]
struct Failure {
    kind: KeyErrorKind,
    remedy: Remedy,
    what: String,
    hints: Vec<Hint>,
}

impl DataKeys {
    /// Data keys that are wrapped with `current`. The clock ends their time in memory.
    pub fn new(current: Arc<dyn KeyEncryption>, clock: Arc<dyn Clock>) -> Self {
        Self {
            current,
            previous: Vec::new(),
            clock,
            cache_time: CACHE_TIME,
            entries: Mutex::default(),
        }
    }

    /// Adds a wrapping key that opens data keys and wraps none, until each is [rewrapped](Self::rewrap).
    #[must_use]
    pub fn with_previous(mut self, previous: Arc<dyn KeyEncryption>) -> Self {
        self.previous.push(previous);
        self
    }

    /// Replaces the time that an unwrapped key stays in memory, which is 10 minutes. A data key that is
    /// deleted elsewhere serves for this long in this process.
    #[must_use]
    pub fn with_cache_time(mut self, cache_time: Duration) -> Self {
        self.cache_time = cache_time;
        self
    }

    /// The wrapping key for new data keys.
    pub fn wrapping_key(&self) -> &dyn KeyEncryption {
        &*self.current
    }

    /// Makes a data key for `context`. It can seal once the caller has kept the result durably.
    ///
    /// # Errors
    ///
    /// When the wrapping key can't be used, or the operating system gives no random numbers.
    pub async fn generate(&self, context: &[u8]) -> Result<WrappedKey, KeyError> {
        let (id, key) = (KeyId::generate()?, SealingKey::generate()?);
        let wrapped = self.current.wrap(&key, context).await?;
        Ok(WrappedKey {
            id,
            algorithm: Algorithm::XChaCha20Poly1305,
            wrapping_key: self.current.key_name().to_owned(),
            wrapped,
        })
    }

    /// Unwraps a data key of `context`, or returns it from memory.
    ///
    /// # Errors
    ///
    /// When the wrapping key can't be used, is not configured, or did not wrap this key for this context.
    pub async fn open(&self, wrapped: &WrappedKey, context: &[u8]) -> Result<SealingKey, KeyError> {
        let entry = self.entry((wrapped.id, digest(context)));
        let seen = entry.attempts.load(Ordering::Acquire);
        let mut state = entry.state.lock().await;
        if let Some(key) = &state.key
            && self.clock.monotonic() < state.until
        {
            return Ok(key.clone());
        }
        if let Some(failure) = &state.failure
            && entry.attempts.load(Ordering::Acquire) != seen
        {
            return Err(failure.error());
        }
        let unwrapped = self.unwrap(wrapped, context).await;
        *state = State {
            key: unwrapped.as_ref().ok().cloned(),
            failure: unwrapped.as_ref().err().map(Failure::from),
            until: self.clock.monotonic().saturating_add(self.cache_time),
        };
        entry.attempts.fetch_add(1, Ordering::Release);
        unwrapped
    }

    /// The same data key, wrapped with the current wrapping key. Also where that is the one that wrapped it:
    /// it may have a new version.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub async fn rewrap(
        &self,
        wrapped: &WrappedKey,
        context: &[u8],
    ) -> Result<WrappedKey, KeyError> {
        let key = self.open(wrapped, context).await?;
        Ok(WrappedKey {
            wrapping_key: self.current.key_name().to_owned(),
            wrapped: self.current.wrap(&key, context).await?,
            ..wrapped.clone()
        })
    }

    /// Removes the data keys of `context` from memory, as when its tenant is erased.
    pub fn forget(&self, context: &[u8]) {
        let forgotten = digest(context);
        self.entries().by_key.retain(|(_, of), _| *of != forgotten);
    }

    async fn unwrap(&self, wrapped: &WrappedKey, context: &[u8]) -> Result<SealingKey, KeyError> {
        let mut wrapping = std::iter::once(&self.current).chain(&self.previous);
        let found = wrapping.find(|wrapping| wrapping.key_name() == wrapped.wrapping_key);
        let wrapping = found.ok_or_else(|| {
            let (id, name) = (wrapped.id, hallpass_core::quote(&wrapped.wrapping_key));
            let what =
                format!("the data key {id} is wrapped with `{name}`, which is not configured");
            KeyError::new(KeyErrorKind::Absent, what).with_hint(format!(
                "configure the wrapping key `{name}`, also as a previous one"
            ))
        })?;
        wrapping.unwrap(&wrapped.wrapped, context).await
    }

    fn entry(&self, key: EntryKey) -> Arc<Entry> {
        let mut entries = self.entries();
        if let Some(entry) = entries.by_key.get(&key) {
            return Arc::clone(entry);
        }
        let now = self.clock.monotonic();
        let is_full = entries.by_key.len() >= MAX_CACHED_KEYS;
        if is_full || now >= entries.next_sweep {
            // Keys whose time has ended are wiped here, then the one that ends first.
            entries.by_key.retain(|_, entry| entry.until() > now);
            entries.next_sweep = now.saturating_add(SWEEP_INTERVAL);
        }
        if entries.by_key.len() >= MAX_CACHED_KEYS {
            let first = entries.by_key.iter().min_by_key(|(_, entry)| entry.until());
            if let Some(first) = first.map(|(key, _)| *key) {
                entries.by_key.remove(&first);
            }
        }
        Arc::clone(entries.by_key.entry(key).or_default())
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// When it may leave the memory. Not while its key is being unwrapped.
    fn until(&self) -> Duration {
        let state = self.state.try_lock();
        state.map_or(Duration::MAX, |state| state.until)
    }
}

impl From<&KeyError> for Failure {
    fn from(error: &KeyError) -> Self {
        Self {
            kind: error.kind(),
            remedy: error.remedy(),
            what: error.to_string(),
            hints: error.hints().to_vec(),
        }
    }
}

impl Failure {
    fn error(&self) -> KeyError {
        KeyError::new(self.kind, self.what.clone())
            .with_remedy(self.remedy)
            .with_hints(self.hints.clone())
    }
}

fn digest(context: &[u8]) -> [u8; 32] {
    Sha256::digest(context).into()
}

#[cfg(test)]
mod tests;
