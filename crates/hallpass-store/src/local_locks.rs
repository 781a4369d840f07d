//! Locks between the tasks of one process.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

type Lock = tokio::sync::Mutex<()>;

/// A lock for each key that a task holds or waits for. A lock that no task uses is dropped.
#[derive(Debug)]
pub(crate) struct LocalLocks<K>(Mutex<HashMap<K, Weak<Lock>>>);

impl<K> Default for LocalLocks<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash> LocalLocks<K> {
    /// The lock of a key. Tasks get it first come, first served.
    pub(crate) fn get(&self, key: K) -> Arc<Lock> {
        let mut locks = self.map();
        locks.retain(|_, lock| lock.strong_count() > 0);
        if let Some(lock) = locks.get(&key).and_then(Weak::upgrade) {
            return lock;
        }
        let lock = Arc::default();
        locks.insert(key, Arc::downgrade(&lock));
        lock
    }

    /// Whether a task holds the lock of a key.
    pub(crate) fn is_held(&self, key: &K) -> bool {
        let lock = self.map().get(key).and_then(Weak::upgrade);
        lock.is_some_and(|lock| lock.try_lock().is_err())
    }

    fn map(&self) -> MutexGuard<'_, HashMap<K, Weak<Lock>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.map().len()
    }
}
