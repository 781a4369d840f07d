//! File work, off the async threads.

use std::panic;

use hallpass_core::store::{StoreError, StoreErrorKind};
use tokio::task;

use crate::{KeyError, KeyErrorKind};

/// An error that can say that the runtime ends.
pub(crate) trait ShuttingDown {
    fn shutting_down() -> Self;
}

impl ShuttingDown for StoreError {
    fn shutting_down() -> Self {
        Self::new(StoreErrorKind::Io, "the runtime is shutting down")
    }
}

impl ShuttingDown for KeyError {
    fn shutting_down() -> Self {
        Self::new(KeyErrorKind::Unavailable, "the runtime is shutting down")
    }
}

/// Runs `work` on a thread that may block. Once begun it runs to its end, also when the caller is
/// dropped; so whatever must outlive the caller, such as a lock, is moved into it.
pub(crate) async fn run<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, E>
where
    T: Send + 'static,
    E: ShuttingDown + Send + 'static,
{
    match task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => panic::resume_unwind(panic),
            Err(_) => Err(E::shutting_down()),
        },
    }
}
