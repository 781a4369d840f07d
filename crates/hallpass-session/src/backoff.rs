//! When the next refresh may be tried after one that came to nothing.
//!
//! The pause doubles from [`MIN_PAUSE`] up to [`MAX_PAUSE`]. A `Retry-After` that is longer takes its place,
//! up to [`MAX_RETRY_AFTER`]: a server that says "tomorrow" by mistake would keep a person out.
//! Pauses are monotonic time and belong to one session; what other processes have to know stands in
//! the record's fence.

use std::time::Duration;

/// The pause after the first failure.
pub(crate) const MIN_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause that failures alone lead to.
pub(crate) const MAX_PAUSE: Duration = Duration::from_secs(60);
/// The longest pause that a server can ask for.
pub(crate) const MAX_RETRY_AFTER: Duration = Duration::from_secs(15 * 60);

/// The failures since the last success.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
    not_before: Duration,
}

impl Backoff {
    /// Counts a failure at `monotonic` and gives the pause that follows it.
    pub(crate) fn failed(
        &mut self,
        monotonic: Duration,
        retry_after: Option<Duration>,
    ) -> Duration {
        let doubled =
            MIN_PAUSE.saturating_mul(1_u32.checked_shl(self.failures.min(16)).unwrap_or(1));
        let own = doubled.min(MAX_PAUSE);
        let pause = own.max(retry_after.unwrap_or_default().min(MAX_RETRY_AFTER));
        self.failures = self.failures.saturating_add(1);
        self.not_before = monotonic.saturating_add(pause);
        pause
    }

    /// Forgets the failures.
    pub(crate) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// How long it still is until the next try; `None`: it may be made.
    pub(crate) fn remaining(&self, monotonic: Duration) -> Option<Duration> {
        let remaining = self.not_before.saturating_sub(monotonic);
        (!remaining.is_zero()).then_some(remaining)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pause_doubles_up_to_the_maximum() {
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..10)
            .map(|_| backoff.failed(Duration::ZERO, None).as_millis())
            .collect();
        assert_eq!(
            pauses,
            [
                500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000
            ]
        );
        backoff.succeeded();
        assert_eq!(backoff.remaining(Duration::ZERO), None);
        assert_eq!(backoff.failed(Duration::ZERO, None), MIN_PAUSE);
    }

    #[test]
    fn retry_after_extends_the_pause_up_to_a_limit() {
        let pause_for = |seconds| {
            Backoff::default().failed(Duration::from_secs(9), Some(Duration::from_secs(seconds)))
        };
        assert_eq!(pause_for(0), MIN_PAUSE);
        assert_eq!(pause_for(7), Duration::from_secs(7));
        assert_eq!(pause_for(u64::MAX), MAX_RETRY_AFTER);
    }

    #[test]
    fn pause_ends_after_its_duration() {
        let mut backoff = Backoff::default();
        backoff.failed(Duration::from_secs(10), None);
        assert_eq!(backoff.remaining(Duration::from_secs(10)), Some(MIN_PAUSE));
        assert_eq!(backoff.remaining(Duration::from_secs(11)), None);
    }
}
