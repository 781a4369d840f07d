//! The key source.

use std::{
    collections::HashMap,
    fmt, io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use hallpass_core::BoxFuture;
use hallpass_seal::{KeyError, KeyErrorKind, KeyId, KeyLocation, KeySource, SealingKey};
use keyring_core::{CredentialStore, Entry, Error};
use tokio::{
    sync::{oneshot, watch},
    time,
};
use zeroize::Zeroizing;

use crate::{
    outcome::{self, Failure, Outcome},
    platform,
};

/// The user may have to type a password; without a user the program should not seem to hang.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The most threads that may hang on a dead bus. They end when it answers or its socket closes.
const MAX_THREADS: usize = 4;

type Open = dyn Fn() -> keyring_core::Result<Arc<CredentialStore>> + Send + Sync;

/// Keeps sealing keys in the keyring of the operating system, an entry for each key.
///
/// Clones share what was read. Needs a tokio runtime with time.
#[derive(Clone)]
pub struct Keyring {
    service: String,
    limit: Duration,
    inner: Arc<Inner>,
}

struct Inner {
    open: Box<Open>,
    keys: Mutex<HashMap<KeyId, CacheEntry>>,
    threads: AtomicUsize,
}

/// A key that was asked for.
enum CacheEntry {
    Key(SealingKey),
    /// A thread asks for it and sends the answer here.
    Pending(watch::Receiver<Option<Outcome>>),
}

impl Keyring {
    /// The keyring of this operating system, with a time limit of 10 seconds, under the service
    /// name `hallpass`. Nothing is asked yet.
    pub fn new() -> Self {
        Self::over(platform::open)
    }

    /// With another time limit for each call.
    #[must_use]
    pub fn with_timeout(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// With another service name, which the user sees beside the entry. To be set before the
    /// keyring is used: keys are found under the name they were made under.
    #[must_use]
    pub fn with_service(mut self, name: impl Into<String>) -> Self {
        self.service = name.into();
        self
    }

    fn over(
        open: impl Fn() -> keyring_core::Result<Arc<CredentialStore>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            service: "hallpass".to_owned(),
            limit: TIMEOUT,
            inner: Arc::new(Inner {
                open: Box::new(open),
                keys: Mutex::default(),
                threads: AtomicUsize::new(0),
            }),
        }
    }

    /// Joins the thread that asks for a key, or starts it.
    fn ask(&self, id: KeyId) -> Result<CacheEntry, Failure> {
        let mut keys = self.inner.keys();
        match keys.get(&id) {
            Some(CacheEntry::Key(key)) => return Ok(CacheEntry::Key(key.clone())),
            Some(CacheEntry::Pending(answer)) => return Ok(CacheEntry::Pending(answer.clone())),
            None => {}
        }
        let (sender, answer) = watch::channel(None);
        let (service, mine) = (self.service.clone(), answer.clone());
        self.inner.spawn(move |inner| {
            let outcome = inner.read(&service, id);
            let mut keys = inner.keys();
            let ours =
                |known: &CacheEntry| matches!(known, CacheEntry::Pending(other) if other.same_channel(&mine));
            if let Ok(key) = &outcome {
                // Also if no task waits any more: the next one that asks gets it.
                keys.insert(id, CacheEntry::Key(key.clone()));
            } else if keys.get(&id).is_some_and(ours) {
                keys.remove(&id);
            }
            drop(keys);
            sender.send_replace(Some(outcome));
        })?;
        keys.insert(id, CacheEntry::Pending(answer.clone()));
        Ok(CacheEntry::Pending(answer))
    }

    async fn answer(&self, id: KeyId) -> Outcome {
        let mut answer = match self.ask(id)? {
            CacheEntry::Key(key) => return Ok(key),
            CacheEntry::Pending(answer) => answer,
        };
        let waiting = time::timeout(self.limit, answer.wait_for(Option::is_some));
        let failure = match waiting.await {
            Ok(Ok(outcome)) => return outcome.clone().unwrap_or_else(|| Err(Failure::timed_out())),
            Ok(Err(_)) => gave_up(),
            Err(_) => Failure::timed_out(),
        };
        // The next task that asks starts another thread, beside the one that hangs.
        let mut keys = self.inner.keys();
        if matches!(keys.get(&id), Some(CacheEntry::Pending(other)) if other.same_channel(&answer))
        {
            keys.remove(&id);
        }
        Err(failure)
    }

    /// Runs `work` on a thread of its own, and waits for it until the time limit.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let (sender, answer) = oneshot::channel();
        self.inner.spawn(move |inner| {
            // The task may have stopped waiting.
            let _ = sender.send(work(inner));
        })?;
        match time::timeout(self.limit, answer).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(gave_up()),
            Err(_) => Err(Failure::timed_out()),
        }
    }
}

impl Inner {
    fn keys(&self) -> MutexGuard<'_, HashMap<KeyId, CacheEntry>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entry(&self, service: &str, id: KeyId) -> Result<Entry, Failure> {
        let store = (self.open)().map_err(|error| Failure::from_keyring(&error))?;
        let entry = store.build(service, &id.to_string(), None);
        entry.map_err(|error| Failure::from_keyring(&error))
    }

    fn read(&self, service: &str, id: KeyId) -> Outcome {
        read_entry(&self.entry(service, id)?, id)
    }

    /// Starts a detached thread: it holds up no runtime, and ends with the process at the latest.
    fn spawn(self: &Arc<Self>, work: impl FnOnce(&Self) + Send + 'static) -> Result<(), Failure> {
        let before = self.threads.fetch_add(1, Ordering::SeqCst);
        let counted = Counted(Arc::clone(self));
        if before >= MAX_THREADS {
            return Err(Failure::timed_out());
        }
        let thread = thread::Builder::new().name("hallpass-keyring".to_owned());
        let started = thread.spawn(move || work(&counted.0));
        started.map(drop).map_err(|error: io::Error| {
            Failure::new(
                KeyErrorKind::Unavailable,
                format!("no thread to ask the keyring from: {error}"),
            )
        })
    }
}

/// One of the threads that are counted, until it ends, in whatever way.
struct Counted(Arc<Inner>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.threads.fetch_sub(1, Ordering::SeqCst);
    }
}

fn read_entry(entry: &Entry, id: KeyId) -> Outcome {
    let text = entry.get_secret();
    let text = Zeroizing::new(text.map_err(|error| Failure::from_keyring(&error))?);
    outcome::parse(id, &text)
}

fn gave_up() -> Failure {
    Failure::new(
        KeyErrorKind::Unavailable,
        format!("asking {} ended in a panic", platform::NAME),
    )
}

impl KeySource for Keyring {
    fn key_location(&self) -> KeyLocation {
        KeyLocation::Keyring
    }

    fn create(&self, id: KeyId) -> BoxFuture<'_, Result<SealingKey, KeyError>> {
        Box::pin(async move {
            let key = SealingKey::generate()?;
            let (service, kept) = (self.service.clone(), key.clone());
            // Set if no task waits any more, also if the caller was dropped.
            let abandoned = Abandoned::default();
            let watched = Arc::clone(&abandoned.0);
            let made = self.run(move |inner| {
                let entry = inner.entry(&service, id)?;
                let text = kept.to_hex();
                let set = entry.set_secret(text.as_bytes());
                set.map_err(|error| Failure::from_keyring(&error))?;
                // A keyring that takes a key and does not give it back is none.
                let back = read_entry(&entry, id)?;
                if watched.load(Ordering::SeqCst) {
                    // The store was created with another key by now, or not at all.
                    if let Err(error) = entry.delete_credential() {
                        let cause = Failure::from_keyring(&error);
                        tracing::debug!(?cause, "an unused key stays in the keyring");
                    }
                    return Err(Failure::timed_out());
                }
                if back.expose() != kept.expose() {
                    return Err(Failure::new(
                        KeyErrorKind::Unusable,
                        format!("{} changed the key", platform::NAME),
                    ));
                }
                Ok(())
            });
            made.await.map_err(Failure::into_error)?;
            drop(abandoned);
            self.inner.keys().insert(id, CacheEntry::Key(key.clone()));
            Ok(key)
        })
    }

    fn load(&self, id: KeyId) -> BoxFuture<'_, Result<SealingKey, KeyError>> {
        Box::pin(async move { self.answer(id).await.map_err(Failure::into_error) })
    }

    fn remove(&self, id: KeyId) -> BoxFuture<'_, Result<(), KeyError>> {
        Box::pin(async move {
            self.inner.keys().remove(&id);
            let service = self.service.clone();
            let removed =
                self.run(
                    move |inner| match inner.entry(&service, id)?.delete_credential() {
                        Ok(()) | Err(Error::NoEntry) => Ok(()),
                        Err(error) => Err(Failure::from_keyring(&error)),
                    },
                );
            removed.await.map_err(Failure::into_error)
        })
    }

    fn describe(&self) -> String {
        format!("{} (service `{}`)", platform::NAME, self.service)
    }
}

/// Says, when it is dropped, that no task waits any more.
#[derive(Default)]
struct Abandoned(Arc<AtomicBool>);

impl Drop for Abandoned {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Default for Keyring {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring")
            .field("service", &self.service)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
