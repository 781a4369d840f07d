//! The clock and the randomness of the operating system.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use hallpass_core::{BoxFuture, Clock, Entropy, Timestamp};

/// The clocks of the operating system. `sleep` needs a tokio runtime with its timer enabled.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_seconds(wall::seconds())
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is the implementation of the port"
    )]
    fn monotonic(&self) -> Duration {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        // The first call sets the start.
        let start = *START;
        Instant::now().saturating_duration_since(start)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// The operating system's random bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    /// # Panics
    ///
    /// When the operating system has no randomness: no safe value exists.
    #[expect(
        clippy::panic,
        reason = "a predictable state or verifier would be worse than a panic"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        if let Err(error) = getrandom::getrandom(bytes) {
            panic!("could not get random bytes from the operating system: {error}");
        }
    }
}

/// The wall clock, in whole seconds. It is read for each request, so on Linux it is the coarse clock,
/// which is some milliseconds late at most and much faster to read.
#[cfg(target_os = "linux")]
mod wall {
    use rustix::time::{ClockId, clock_gettime};

    pub(super) fn seconds() -> i64 {
        clock_gettime(ClockId::RealtimeCoarse).tv_sec
    }
}

#[cfg(not(target_os = "linux"))]
mod wall {
    use std::time::SystemTime;

    #[expect(
        clippy::disallowed_methods,
        reason = "this is the implementation of the port"
    )]
    pub(super) fn seconds() -> i64 {
        match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_secs()).map_or(i64::MIN, |s| -s),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_advances_and_random_bytes_differ() {
        let before = SystemClock.monotonic();
        assert!(SystemClock.monotonic() >= before);
        assert!(SystemClock.now() > Timestamp::from_unix_seconds(1_700_000_000));

        let (mut one, mut two) = ([0; 32], [0; 32]);
        OsEntropy.fill(&mut one);
        OsEntropy.fill(&mut two);
        assert_ne!(one, two);
    }
}
