//! A new grant that could not be saved yet.
//!
//! The refresh that obtained it keeps saving it and holds the credential's lock meanwhile: another
//! process would post a refresh token that the server has replaced. Callers don't wait for the save;
//! they get the store's error. A sign-out takes the grant over, to revoke it.

use std::{
    future::Future,
    pin::pin,
    sync::{Mutex, MutexGuard, PoisonError},
};

use hallpass_core::Record;
use tokio::sync::{Notify, oneshot};

use crate::error::SessionError;

#[derive(Debug, Default)]
pub(crate) struct UnsavedGrant {
    error: Mutex<Option<SessionError>>,
    failed: Notify,
    claim: Mutex<Option<oneshot::Sender<Record>>>,
    claimed: Notify,
}

impl UnsavedGrant {
    /// Reports to the callers that the grant could not be saved.
    pub(crate) fn set_error(&self, error: SessionError) {
        *lock(&self.error) = Some(error);
        self.failed.notify_waiters();
    }

    /// The grant is saved, or a sign-out has taken it over.
    pub(crate) fn settle(&self) {
        lock(&self.error).take();
        // A sign-out that comes too late to claim it finds it in the store.
        lock(&self.claim).take();
    }

    /// The store's error, while there is a grant that could not be saved.
    pub(crate) fn error(&self) -> Option<SessionError> {
        lock(&self.error).clone()
    }

    /// Waits until a grant could not be saved.
    pub(crate) async fn wait_for_error(&self) -> SessionError {
        loop {
            let mut failed = pin!(self.failed.notified());
            // Registered before the check, so that no error in between is missed.
            failed.as_mut().enable();
            if let Some(error) = self.error() {
                return error;
            }
            failed.await;
        }
    }

    /// Takes the grant over from the refresh that could not save it; `None` when there is none, or it
    /// was saved meanwhile.
    pub(crate) async fn take_over(&self) -> Option<Record> {
        let receiver = {
            let mut claim = lock(&self.claim);
            self.error()?;
            let (sender, receiver) = oneshot::channel();
            *claim = Some(sender);
            receiver
        };
        self.claimed.notify_one();
        receiver.await.ok()
    }

    /// Waits for `pause`, or hands the grant over to a sign-out that claims it. Whether it did.
    pub(crate) async fn pause_or_hand_over(
        &self,
        pause: impl Future<Output = ()>,
        record: &Record,
    ) -> bool {
        tokio::select! {
            () = pause => {}
            () = self.claimed.notified() => {}
        }
        let claim = lock(&self.claim).take();
        claim.is_some_and(|claim| claim.send(record.clone()).is_ok())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
