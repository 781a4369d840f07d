//! Metadata kept for as long as its server says (RFC 9728 §7.10, RFC 9111 §5.2.2).

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, header};

use crate::single_flight::SingleFlight;

/// Metadata documents that are still fresh, for a host that runs discovery more than once.
///
/// Only what says `Cache-Control: max-age` is kept, for that long and at most a day. Documents are
/// kept as they arrived and checked at each use, so a changed setting takes effect at once. A cache
/// may be shared between tasks and between servers. What is kept for one server is not used for
/// another, which might not be allowed to ask for it.
#[derive(Default)]
pub struct MetadataCache {
    kept: Mutex<HashMap<String, CacheEntry>>,
    pub(crate) flights: SingleFlight,
}

/// Whether discovery may use documents that it read before.
#[derive(Debug, Clone, Copy, Default)]
pub enum CacheMode<'a> {
    /// There is no cache.
    #[default]
    Uncached,
    /// Documents that are still fresh are not asked for again.
    Cached(&'a MetadataCache),
    /// Everything is asked for again, and what comes replaces what the cache holds. Of callers that
    /// ask for the same document of a server at the same moment, or within five seconds after it was
    /// answered, one sends a request, and the others get its answer. This is what follows a 401 that
    /// a fresh token got.
    Refresh(&'a MetadataCache),
}

struct CacheEntry {
    body: Bytes,
    until: Duration,
}

impl MetadataCache {
    /// An empty cache.
    pub fn new() -> Self {
        Self::default()
    }

    /// Drops everything.
    pub fn clear(&self) {
        self.flights.clear();
        self.kept().clear();
    }

    /// The document under `key` if it is still fresh at the monotonic moment `now`.
    pub(crate) fn fresh(&self, key: &str, now: Duration) -> Option<Bytes> {
        let kept = self.kept();
        let document = kept.get(key)?;
        (now < document.until).then(|| document.body.clone())
    }

    /// Takes the answer for `key` that was asked for at `now`, or forgets what it replaces.
    pub(crate) fn take(&self, key: &str, headers: &HeaderMap, body: &Bytes, now: Duration) {
        let mut kept = self.kept();
        kept.retain(|_, document| now < document.until);
        match freshness(headers) {
            Some(lasting) if kept.len() < MAX_DOCUMENTS || kept.contains_key(key) => {
                let until = now.saturating_add(lasting);
                let body = body.clone();
                kept.insert(key.to_owned(), CacheEntry { body, until });
            }
            _ => {
                kept.remove(key);
            }
        }
    }

    /// Forgets the document under `key`, which is no longer there.
    pub(crate) fn forget(&self, key: &str) {
        self.kept().remove(key);
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<String, CacheEntry>> {
        // Every change is one call on the map, so a poisoned lock still guards a whole map.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MetadataCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.kept();
        f.debug_struct("MetadataCache")
            .field("documents", &kept.len())
            .finish()
    }
}

/// How long an answer may be used again; `None` when it may not, or does not say.
fn freshness(headers: &HeaderMap) -> Option<Duration> {
    if headers.get(header::VARY).is_some_and(|vary| vary == "*") {
        return None;
    }
    let mut max_age = None;
    for value in headers.get_all(header::CACHE_CONTROL) {
        for directive in value.to_str().ok()?.split(',') {
            let (name, argument) = directive.split_once('=').unwrap_or((directive, ""));
            match name.trim().to_ascii_lowercase().as_str() {
                "no-store" | "no-cache" => return None,
                // The first counts; an unreadable one means stale (RFC 9111 §4.2.1).
                "max-age" if max_age.is_none() => {
                    let seconds = argument.trim().trim_matches('"').parse::<u64>();
                    max_age = Some(seconds.unwrap_or(0));
                }
                _ => {}
            }
        }
    }
    let age = headers
        .get(header::AGE)
        .and_then(|age| age.to_str().ok()?.trim().parse::<u64>().ok())
        .unwrap_or(0);
    let left = max_age?.saturating_sub(age).min(MAX_AGE);
    (left > 0).then(|| Duration::from_secs(left))
}

const MAX_AGE: u64 = 86_400;
const MAX_DOCUMENTS: usize = 256;
