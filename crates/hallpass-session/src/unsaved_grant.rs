//! A new grant that could not be saved yet.
//!
//! The refresh that obtained it goes on saving it, and keeps the lock meanwhile: a process that locked
//! the account next would post a refresh token that the server has replaced. Callers don't wait for
//! that; they get the store's error. A sign-out takes the grant over, to revoke it.

use std::{
    future::Future,
    sync::{Mutex, PoisonError},
};

use hallpass_core::Record;
use tokio::sync::{Notify, oneshot, watch};

use crate::error::SessionError;

#[derive(Debug)]
pub(crate) struct UnsavedGrant {
    error: watch::Sender<Option<SessionError>>,
    claim: Mutex<Option<oneshot::Sender<Record>>>,
    claimed: Notify,
}

impl Default for UnsavedGrant {
    fn default() -> Self {
        Self {
            error: watch::Sender::new(None),
            claim: Mutex::default(),
            claimed: Notify::new(),
        }
    }
}

impl UnsavedGrant {
    /// Tells the callers that the grant could not be saved.
    pub(crate) fn failed(&self, error: SessionError) {
        self.error.send_replace(Some(error));
    }

    /// The grant is saved, or belongs to a sign-out.
    pub(crate) fn settled(&self) {
        self.error.send_replace(None);
        // A sign-out that came too late to claim it finds it in the store.
        self.claim().take();
    }

    /// The store's error, while there is a grant that could not be saved.
    pub(crate) fn error(&self) -> Option<SessionError> {
        self.error.borrow().clone()
    }

    /// Ends with the store's error as soon as there is one.
    pub(crate) async fn wait_for_error(&self) -> SessionError {
        let mut error = self.error.subscribe();
        loop {
            if let Some(error) = &*error.borrow_and_update() {
                return error.clone();
            }
            // The sender lives as long as `self`.
            let _ = error.changed().await;
        }
    }

    /// Takes the grant over from the refresh that could not save it; `None` when there is none, or it
    /// was saved after all.
    pub(crate) async fn take_over(&self) -> Option<Record> {
        let receiver = {
            let mut claim = self.claim();
            self.error()?;
            let (sender, receiver) = oneshot::channel();
            *claim = Some(sender);
            receiver
        };
        self.claimed.notify_one();
        receiver.await.ok()
    }

    /// Waits for `pause`, or gives the grant to a sign-out that wants it: whether it did.
    pub(crate) async fn pause_or_hand_over(
        &self,
        pause: impl Future<Output = ()>,
        record: &Record,
    ) -> bool {
        tokio::select! {
            () = pause => {}
            () = self.claimed.notified() => {}
        }
        let claim = self.claim().take();
        claim.is_some_and(|claim| claim.send(record.clone()).is_ok())
    }

    fn claim(&self) -> std::sync::MutexGuard<'_, Option<oneshot::Sender<Record>>> {
        self.claim.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
