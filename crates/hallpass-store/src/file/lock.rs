//! The locks of a file store.
//!
//! The first is a mutex, the others are advisory locks of the operating system ([`File::try_lock`]). A process
//! takes them in the order of this table:
//!
//! | order | lock | mode | held by |
//! |---|---|---|---|
//! | 1 | in memory, one for each file of 3 | exclusive | the task that holds 3 |
//! | 2 | `store.lock` | shared | the holder of a credential's lock or of `keys.lock` |
//! | | | exclusive | the process that creates the store, resets it or changes its key |
//! | 3 | a credential's `slots/<digest>.lock` for sign-ins | exclusive | the process that signs in to a credential |
//! | 3 | its `slots/<digest>.lock` for changes | exclusive | the process that changes a credential's files, in all epochs |
//! | 4 | `keys.lock` | exclusive | the process that adds a key after a lost one, or notes that a loss was reported |
//!
//! So no record is sealed with a key that is being replaced, and of several processes that find an empty folder
//! or miss the key, one makes a key and the others read it. A process may hold the two locks of a credential at
//! once, the one for the sign-in first. A process that holds a credential's lock may share `store.lock` a
//! second time: no process can hold it exclusively meanwhile. So there is no cycle.
//!
//! Lock files are created once and never removed. (If one is removed while a process waits for it, two
//! processes have a lock each: on the file of that name, and on the removed file.) The operating system
//! releases a lock when the holder's last handle closes. So a killed process leaves no lock behind, and no
//! lease runs out under a slow holder. Programs that the holder starts don't inherit the handles.
//!
//! Within a process, tasks get a lock first come, first served, and only the first asks the operating system.
//! It asks again and again, because a blocking request can't be given up at a timeout: every 2 ms at first, up
//! to every 25 ms. That is not fair between processes. But a refresh is a request over the network, so its
//! process is away from the lock for longer than 25 ms between two refreshes.
//!
//! A write that has begun keeps the locks until it ends, also if the caller and its guard are dropped.
//!
//! The holder writes its process id into `<digest>.holder`, for the error message of a process that waits too
//! long. No decision depends on it: after a kill it names a process that is gone, until the next holder writes
//! its own. (It is a file of its own because on Windows no other process can read a locked one.)

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    process,
    time::{Duration, UNIX_EPOCH},
};

use hallpass_core::{
    Timestamp,
    store::{StoreError, StoreErrorKind},
};
use tokio::time::{self, Instant};

use crate::{blocking, folder};

const FIRST_PAUSE: Duration = Duration::from_millis(2);
const MAX_PAUSE: Duration = Duration::from_millis(25);
/// A longer wait is logged.
const LOG_AFTER: Duration = Duration::from_secs(1);

/// How a lock is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Shared,
    Exclusive,
}

/// The end of a wait; `None` if it is later than the clock can express.
pub(crate) fn deadline(wait: Duration) -> Option<Instant> {
    Instant::now().checked_add(wait)
}

/// Takes the lock on `path`. Waits until `deadline` for its holder.
pub(crate) async fn acquire(
    path: PathBuf,
    mode: Mode,
    deadline: Option<Instant>,
) -> Result<File, StoreError> {
    let begun = Instant::now();
    let mut pauses = Pauses::default();
    let mut logged = false;
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
        if !logged && begun.elapsed() > LOG_AFTER {
            logged = true;
            tracing::info!(lock = %path.display(), holder = ?holder(&path), "waiting for a lock");
        }
        if !pauses.sleep(deadline).await {
            return Err(busy(&path));
        }
    }
}

/// The pauses of a wait for another process.
#[derive(Debug, Default)]
pub(crate) struct Pauses(Duration);

impl Pauses {
    /// Sleeps until it is worth another look. `false`: the deadline has passed.
    pub(crate) async fn sleep(&mut self, deadline: Option<Instant>) -> bool {
        let left = deadline.map_or(MAX_PAUSE, |end| {
            end.saturating_duration_since(Instant::now())
        });
        if left.is_zero() {
            return false;
        }
        self.0 = (self.0 * 2).clamp(FIRST_PAUSE, MAX_PAUSE);
        time::sleep(self.0.min(left)).await;
        true
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
                // Only for messages: a failure costs a name in one.
                let _ = folder::note(&holder_path(path), &format!("process {}\n", process::id()));
            }
            Ok(true)
        }
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(folder::failed("locking", path, error)
            .with_hint("the store needs a file system with advisory locks")),
    }
}

/// The error of a wait for the lock on `path` that timed out.
pub(crate) fn busy(path: &Path) -> StoreError {
    let holder = holder(path).unwrap_or_else(|| "another process".to_owned());
    StoreError::new(
        StoreErrorKind::Busy,
        format!("{holder} still holds `{}`", path.display()),
    )
    .with_hint("it is refreshing or signing in; if it hangs, end it: the lock goes with it")
}

/// The holder of the lock on `path` at the moment. Neither waits for the lock nor creates its file.
pub(crate) fn holder_now(path: &Path) -> Result<Option<String>, StoreError> {
    let Some(file) = folder::existing_file(path)? else {
        return Ok(None);
    };
    // Shared, so that two processes that ask don't see each other as the holder.
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
