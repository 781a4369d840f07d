//! Clocks: one to advance by hand, and the one that the servers run on where nothing else is said.

use std::{fmt, time::Duration};

use hallpass_core::{BoxFuture, Clock, Timestamp};
use tokio::sync::watch;

/// A clock that stands still until a test advances it.
///
/// Clones share the same time. A task that sleeps on it wakes when [`advance`](Self::advance) reaches
/// the end of the sleep, so that hours pass in no time and in a known order.
#[derive(Clone)]
pub struct FakeClock {
    time: watch::Sender<Time>,
    sleepers: watch::Sender<usize>,
    max_instant_sleep: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Time {
    wall: Timestamp,
    /// Wall time is kept in whole seconds; what an advance leaves over is kept here.
    below_second: Duration,
    monotonic: Duration,
}

impl FakeClock {
    /// A clock that shows `now` as wall time, and a monotonic time of zero.
    pub fn new(now: Timestamp) -> Self {
        Self {
            time: watch::Sender::new(Time {
                wall: now,
                below_second: Duration::ZERO,
                monotonic: Duration::ZERO,
            }),
            sleepers: watch::Sender::new(0),
            max_instant_sleep: Duration::ZERO,
        }
    }

    /// A sleep of at most this long advances the clock itself, and ends in no time. A longer one
    /// waits for [`advance`](Self::advance).
    #[must_use]
    pub fn with_instant_sleeps(mut self, max: Duration) -> Self {
        self.max_instant_sleep = max;
        self
    }

    /// Lets `duration` pass on both clocks, and wakes the tasks that slept until then.
    pub fn advance(&self, duration: Duration) {
        self.time.send_modify(|time| {
            time.monotonic += duration;
            let passed = time.below_second + duration;
            time.wall = time.wall.saturating_add(passed);
            time.below_second = Duration::from_nanos(u64::from(passed.subsec_nanos()));
        });
    }

    /// Sets wall time alone, as when the clock of a computer is corrected.
    pub fn jump_to(&self, now: Timestamp) {
        self.time.send_modify(|time| {
            time.wall = now;
            time.below_second = Duration::ZERO;
        });
    }

    /// Sets wall time forward or back by these seconds, and lets no time pass.
    pub fn set_by(&self, seconds: i64) {
        let wall = Clock::now(self).as_unix_seconds();
        self.jump_to(Timestamp::from_unix_seconds(wall.saturating_add(seconds)));
    }

    /// How many sleeps have begun and have not ended.
    pub fn sleepers(&self) -> usize {
        *self.sleepers.borrow()
    }

    /// Ends once at least `count` sleeps are under way: the moment to advance.
    pub async fn until_asleep(&self, count: usize) {
        let mut sleepers = self.sleepers.subscribe();
        // The sender lives in `self`, so the channel can't close while this waits.
        let _ = sleepers.wait_for(|asleep| *asleep >= count).await;
    }
}

impl Default for FakeClock {
    /// A clock that shows 2026-01-01T00:00:00Z.
    fn default() -> Self {
        Self::new(Timestamp::from_unix_seconds(1_767_225_600))
    }
}

impl fmt::Debug for FakeClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = *self.time.borrow();
        f.debug_struct("FakeClock")
            .field("now", &time.wall)
            .field("monotonic", &time.monotonic)
            .field("sleepers", &self.sleepers())
            .finish_non_exhaustive()
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        self.time.borrow().wall
    }

    fn monotonic(&self) -> Duration {
        self.time.borrow().monotonic
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let end = self.monotonic().saturating_add(duration);
        let mut time = self.time.subscribe();
        let asleep = Asleep::new(self.sleepers.clone());
        // No sleep at all ends without a yield.
        let is_instant = !duration.is_zero() && duration <= self.max_instant_sleep;
        let advancing = is_instant.then(|| self.clone());
        Box::pin(async move {
            let _asleep = asleep;
            if let Some(clock) = advancing {
                clock.advance(duration);
                // Other tasks run meanwhile, as during a real sleep.
                tokio::task::yield_now().await;
            }
            // A clock that is gone will never be advanced again: wait as long as it takes.
            if time.wait_for(|time| time.monotonic >= end).await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }
}

/// Counts one sleeper while it lives.
struct Asleep(watch::Sender<usize>);

impl Asleep {
    fn new(sleepers: watch::Sender<usize>) -> Self {
        sleepers.send_modify(|count| *count += 1);
        Self(sleepers)
    }
}

impl Drop for Asleep {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}

/// The computer's clocks. Monotonic time is the runtime's, so that a paused runtime pauses it.
#[derive(Debug)]
pub(crate) struct ComputerClock {
    began: tokio::time::Instant,
}

impl ComputerClock {
    pub(crate) fn new() -> Self {
        Self {
            began: tokio::time::Instant::now(),
        }
    }
}

impl Clock for ComputerClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "a server that is given no clock shows the computer's, as any server would"
    )]
    fn now(&self) -> Timestamp {
        let since_epoch = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::from_unix_seconds(0).saturating_add(since_epoch)
    }

    fn monotonic(&self) -> Duration {
        self.began.elapsed()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

#[cfg(test)]
mod tests;
