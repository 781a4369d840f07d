//! The tasks of a session. [`close`](Tasks::close) waits for what must not be cut off, and drops the rest.

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use hallpass_core::BoxFuture;
use tokio::{runtime::Handle, sync::Notify};

/// A handle to the tasks of one session.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tasks(Arc<State>);

#[derive(Debug, Default)]
struct State {
    is_closed: AtomicBool,
    running: AtomicUsize,
    /// How many [`Critical`]s there are.
    critical: AtomicUsize,
    changed: Notify,
}

/// The session is closed, or no tokio runtime is running.
#[derive(Debug)]
pub(crate) struct NotSpawned;

impl Tasks {
    /// Runs `work` as a task of its own.
    pub(crate) fn spawn(
        &self,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), NotSpawned> {
        let runtime = Handle::try_current().map_err(|_| NotSpawned)?;
        // Boxed, all work is one type of task, which is compiled once.
        let work: BoxFuture<'static, ()> = Box::pin(work);
        // Counted before the flag is read: `close` sees the task, or the task sees the flag.
        let task = Running::new(&self.0);
        if self.0.is_closed.load(Ordering::SeqCst) {
            return Err(NotSpawned);
        }
        runtime.spawn(async move {
            tokio::select! {
                biased;
                () = work => {}
                () = task.0.wait_until(State::drops_tasks) => {}
            }
            drop(task);
        });
        Ok(())
    }

    /// Begins work that [`close`](Self::close) must not cut off. `None` if the session is closed.
    pub(crate) fn begin_critical(&self) -> Option<Critical> {
        // Counted before the flag is read, as in `spawn`.
        let critical = Critical::new(&self.0);
        (!self.0.is_closed.load(Ordering::SeqCst)).then_some(critical)
    }

    /// Refuses new tasks, drops the running ones as soon as none is [critical](Critical), and waits until
    /// none is running.
    pub(crate) async fn close(&self) {
        self.0.is_closed.store(true, Ordering::SeqCst);
        self.0.changed.notify_waiters();
        self.0
            .wait_until(|state| state.running.load(Ordering::SeqCst) == 0)
            .await;
    }

    /// Waits until the session is closed.
    pub(crate) async fn closed(&self) {
        self.0
            .wait_until(|state| state.is_closed.load(Ordering::SeqCst))
            .await;
    }
}

impl State {
    fn drops_tasks(&self) -> bool {
        self.is_closed.load(Ordering::SeqCst) && self.critical.load(Ordering::SeqCst) == 0
    }

    async fn wait_until(&self, is_reached: impl Fn(&Self) -> bool) {
        loop {
            let mut changed = pin!(self.changed.notified());
            // Registered before the check, so that no change in between is missed.
            changed.as_mut().enable();
            if is_reached(self) {
                return;
            }
            changed.await;
        }
    }
}

/// A refresh token is at the token endpoint, or a new grant is not saved yet.
#[derive(Debug)]
pub(crate) struct Critical(Arc<State>);

impl Critical {
    fn new(state: &Arc<State>) -> Self {
        state.critical.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(state))
    }
}

impl Drop for Critical {
    fn drop(&mut self) {
        self.0.critical.fetch_sub(1, Ordering::SeqCst);
        self.0.changed.notify_waiters();
    }
}

/// One running task. It is counted down also when its runtime drops it unfinished.
struct Running(Arc<State>);

impl Running {
    fn new(state: &Arc<State>) -> Self {
        state.running.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(state))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
        self.0.changed.notify_waiters();
    }
}
