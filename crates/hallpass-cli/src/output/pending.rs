//! What the command waits for, to be named when its time is over. On a terminal the status line says so
//! earlier.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The waits that have not ended, in the order in which they began. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Pending(Arc<Mutex<Waits>>);

#[derive(Debug, Default)]
struct Waits {
    words: Vec<(usize, String)>,
    next: usize,
}

/// A wait; it ends when this is dropped.
pub(super) struct Wait<'a> {
    pending: &'a Pending,
    id: usize,
}

impl Pending {
    pub(super) fn begin(&self, what: &str) -> Wait<'_> {
        let mut waits = self.lock();
        let id = waits.next;
        waits.next += 1;
        waits.words.push((id, what.to_owned()));
        Wait { pending: self, id }
    }

    /// What the wait is for that began last.
    pub(super) fn last(&self) -> Option<String> {
        let waits = self.lock();
        waits.words.last().map(|(_, what)| what.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Waits> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.pending.lock().words.retain(|(id, _)| *id != self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_wait_that_has_not_ended_is_named() {
        let pending = Pending::default();
        let first = pending.begin("first");
        let second = pending.begin("second");
        assert_eq!(pending.last().as_deref(), Some("second"));
        drop(first);
        assert_eq!(pending.last().as_deref(), Some("second"));
        drop(second);
        assert_eq!(pending.last(), None);
    }
}
