//! The locks of a file store.
//!
//! There are three kinds, all advisory locks of the operating system ([`File::try_lock`]) on files
//! that are created once and never removed. (A lock file that is removed while somebody waits for it
//! leaves two processes with a lock each: one on the file that has the name, one on the file that
//! had it.) The operating system releases them when the holder's last handle closes, so a killed
//! process leaves no lock behind, and there is no lease to time out under a slow holder. (Programs
//! that the holder starts don't inherit the handles.)
//!
//! - `store.lock` is held *shared* by whoever holds a credential, and *exclusively* by whoever creates the
//!   store or changes its key. So no record is sealed with a key that is being replaced, and of two
//!   processes that find an empty folder one makes the key and the other reads it.
//! - `credentials/<credential>.lock` is held exclusively by whoever holds the credential's guard: for its files in every series.
//! - `keys.lock` is held exclusively, and `store.lock` shared, by whoever adds to `store.json` what
//!   takes nothing from anybody: a key that follows a lost one, and that somebody was told of the
//!   loss. So of several processes that miss the key one makes the next, also while credentials are held.
//!
//! The order is always: the credential's turn within this process, `store.lock`, the credential's lock,
//! `keys.lock`. Whoever holds a credential shares `store.lock` already, and nobody can hold that exclusively
//! meanwhile; they may share it once more. Of two
//! credentials at once there is one case, a session's window for sign-ins before the credential itself, and
//! always in this order. So there is no cycle.
//!
//! Within a process, tasks queue for a credential first come, first served, and only the first of the
//! queue asks the operating system. Between processes it asks again and again, because a blocking
//! request could not be given up at a time limit: every 2 ms at first, up to every 25 ms. That is
//! not fair, but a holder is gone for longer than 25 ms between two turns, as a refresh is a
//! request over the network.
//!
//! A guard is needed to write, and a write that has begun keeps the locks until it ended, even if
//! the caller and its guard are dropped meanwhile.
//!
//! Who holds a lock is written beside it, in `credentials/<credential>.holder`, for the message of whoever waits
//! in vain. Nothing depends on it: after a kill it names a process that is gone, until the next
//! holder writes its own name. (It is a file of its own because Windows lets nobody read a locked
//! one.)

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    process,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use hallpass_core::{
    Timestamp,
    store::{Lease, StoreError, StoreErrorKind},
};
use tokio::{
    sync::OwnedMutexGuard,
    time::{self, Instant},
};

use super::reserve::Reserve;
use crate::{blocking, folder};

const FIRST_PAUSE: Duration = Duration::from_millis(2);
const MAX_PAUSE: Duration = Duration::from_millis(25);
/// A wait that is longer than this is worth a line in the log.
const MOMENT: Duration = Duration::from_secs(1);

/// A file store's part of a guard. What is reserved goes before the locks.
#[derive(Debug)]
pub(crate) struct FileLease {
    pub(crate) reserve: Option<Reserve>,
    pub(crate) locks: Arc<CredentialLocks>,
}

impl Lease for FileLease {}

impl FileLease {
    /// The locks and what is reserved, for a change of the credential.
    pub(crate) fn for_change(&mut self) -> Self {
        Self {
            reserve: self.reserve.take(),
            locks: Arc::clone(&self.locks),
        }
    }
}

/// The locks of one credential. They are released when the last owner is dropped: the guard, or a write
/// that outlives it. Fields are dropped in this order, the reverse of the order of taking.
#[derive(Debug)]
pub(crate) struct CredentialLocks {
    pub(crate) _lock: File,
    pub(crate) _store: File,
    pub(crate) _task: OwnedMutexGuard<()>,
    /// Of which store.
    pub(crate) store: super::FileStore,
}

/// How a lock is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Shared,
    Exclusive,
}

/// When a wait ends. A wait that no clock can express does not end.
pub(crate) fn deadline(wait: Duration) -> Option<Instant> {
    Instant::now().checked_add(wait)
}

/// Takes the lock on `path`, waiting until `deadline` for whoever holds it.
pub(crate) async fn acquire(
    path: PathBuf,
    mode: Mode,
    deadline: Option<Instant>,
) -> Result<File, StoreError> {
    let begun = Instant::now();
    let mut pause = FIRST_PAUSE;
    let mut told = false;
    let mut file = None;
    loop {
        let (tried, place) = (file.take(), path.clone());
        let (taken, again) = blocking::run(move || {
            let again = match tried {
                Some(file) => file,
                None => folder::lock_file(&place)?,
            };
            try_once(&place, &again, mode).map(|taken| (taken, again))
        })
        .await?;
        if taken {
            return Ok(again);
        }
        file = Some(again);
        let now = Instant::now();
        let left = deadline.map_or(MAX_PAUSE, |end| end.saturating_duration_since(now));
        if left.is_zero() {
            return Err(busy(&path));
        }
        if !told && now.duration_since(begun) > MOMENT {
            told = true;
            tracing::info!(lock = %path.display(), holder = ?holder(&path), "waiting for a lock");
        }
        time::sleep(pause.min(left)).await;
        pause = (pause * 2).min(MAX_PAUSE);
    }
}

fn try_once(path: &Path, file: &File, mode: Mode) -> Result<bool, StoreError> {
    let tried = match mode {
        Mode::Shared => file.try_lock_shared(),
        Mode::Exclusive => file.try_lock(),
    };
    match tried {
        Ok(()) => {
            if mode == Mode::Exclusive {
                // For people only: a failure costs a name in a message.
                let _ = folder::note(&holder_path(path), &format!("process {}\n", process::id()));
            }
            Ok(true)
        }
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(folder::failed("locking", path, error)
            .with_hint("the store needs a file system that knows advisory locks")),
    }
}

/// The error of whoever waited in vain for the lock on `path`.
pub(crate) fn busy(path: &Path) -> StoreError {
    let holder = holder(path).unwrap_or_else(|| "another process".to_owned());
    StoreError::new(
        StoreErrorKind::Busy,
        format!("{holder} still holds `{}`", path.display()),
    )
    .with_hint("it is refreshing or signing in; if it hangs, end it: the lock goes with it")
}

/// Who holds the lock on `path` at the moment. It is neither waited for nor created.
pub(crate) fn holder_now(path: &Path) -> Result<Option<String>, StoreError> {
    let Some(file) = folder::existing_file(path)? else {
        return Ok(None);
    };
    // Shared, so that two who look don't take each other for a holder.
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => Ok(Some(
            holder(path).unwrap_or_else(|| "another process".to_owned()),
        )),
        Err(TryLockError::Error(error)) => Err(folder::failed("locking", path, error)),
    }
}

/// When the exclusive lock on `path` was last taken, by the file system's clock.
pub(crate) fn taken_at(path: &Path) -> Option<Timestamp> {
    let noted = fs::metadata(holder_path(path)).ok()?.modified().ok()?;
    let since = noted.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs())
        .ok()
        .map(Timestamp::from_unix_seconds)
}

fn holder(path: &Path) -> Option<String> {
    let text = fs::read_to_string(holder_path(path)).ok()?;
    let line = text.lines().next()?;
    line.strip_prefix("process ")?
        .parse::<u32>()
        .ok()
        .map(|id| format!("process {id}"))
}

fn holder_path(path: &Path) -> PathBuf {
    path.with_extension("holder")
}
