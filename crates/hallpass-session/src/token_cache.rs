//! The published token.
//!
//! Cloning an `Arc` updates one reference count, and cores that update one count wait for each other's
//! cache line. So a token is published [`SHARDS`] times, each with its own count, and each thread clones
//! the one of its number. With one count, two cores are six times slower.

use std::{
    array,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use arc_swap::ArcSwapOption;
use hallpass_core::Generation;

use crate::{freshness::Moment, token::Token};

/// Few, since each costs a session 128 bytes.
const SHARDS: usize = 4;

thread_local! {
    static SHARD: usize = {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS
    };
}

/// The token that callers get. Reading it takes no lock and allocates nothing.
#[derive(Default)]
pub(crate) struct TokenCache {
    shards: ArcSwapOption<[Token; SHARDS]>,
    /// The generation of the newest record that was read or saved under the credential's lock, or of
    /// a removal after it. It only grows. Publishing holds this mutex, so an older record can't
    /// replace a newer one.
    newest: Mutex<Generation>,
}

/// A token after [`TokenCache::publish`].
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) token: Token,
    /// Whether it took the place of another token that this session did not ask for.
    pub(crate) is_adopted: bool,
}

impl TokenCache {
    /// The published token.
    pub(crate) fn current(&self) -> Option<Token> {
        let shards = self.shards.load();
        // A thread that is ending has no number.
        let shard = SHARD.try_with(|shard| *shard).unwrap_or(0);
        shards.as_deref()?.get(shard).cloned()
    }

    /// The published token, if it is fresh.
    pub(crate) fn fresh(&self, now: Moment) -> Option<Token> {
        self.current().filter(|token| token.is_fresh(now))
    }

    /// The newest generation that was observed.
    pub(crate) fn newest(&self) -> Generation {
        *self.lock()
    }

    /// Notes a generation that was seen under the credential's lock.
    pub(crate) fn observe_generation(&self, generation: Generation) {
        let mut newest = self.lock();
        *newest = (*newest).max(generation);
    }

    /// Publishes a token. An equal token that is published already stays, with what it has recorded.
    pub(crate) fn publish(&self, token: Token) -> Published {
        let newest = self.lock();
        let published = self.replace(token);
        drop(newest);
        published
    }

    /// Publishes a token that was read without the credential's lock, unless a newer record was
    /// observed since.
    pub(crate) fn publish_unless_older(&self, token: Token) -> Option<Published> {
        let mut newest = self.lock();
        if token.generation() < *newest {
            return None;
        }
        *newest = token.generation();
        let published = self.replace(token);
        drop(newest);
        Some(published)
    }

    /// Publishes a token also in place of an equal one.
    pub(crate) fn replace_always(&self, token: &Token) {
        let newest = self.lock();
        self.store(token);
        drop(newest);
    }

    /// Removes the published token.
    pub(crate) fn clear(&self) {
        self.shards.store(None);
    }

    /// Removes the published token, unless a generation was observed since `newest` was the newest.
    /// Whether it did.
    pub(crate) fn clear_unless_newer(&self, newest: Generation) -> bool {
        let current = self.lock();
        let is_unchanged = *current == newest;
        if is_unchanged {
            self.clear();
        }
        drop(current);
        is_unchanged
    }

    /// Called with the mutex held.
    fn replace(&self, token: Token) -> Published {
        match self.current() {
            Some(current) if current.is_like(&token) => Published {
                token: current,
                is_adopted: false,
            },
            current => {
                self.store(&token);
                Published {
                    is_adopted: current.is_some_and(|current| !current.same(&token))
                        && !token.is_own(),
                    token,
                }
            }
        }
    }

    fn store(&self, token: &Token) {
        let shards = array::from_fn(|_| token.with_own_count());
        self.shards.store(Some(Arc::new(shards)));
    }

    fn lock(&self) -> MutexGuard<'_, Generation> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
