//! Random choices that a seed repeats.

use std::time::Duration;

use hallpass::Entropy;
use hallpass_testkit::FixedEntropy;

pub(crate) struct Random(FixedEntropy);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(FixedEntropy::new(seed))
    }

    /// A number below `end`.
    pub(crate) fn below(&self, end: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_be_bytes(bytes) % end
    }

    /// A duration of so many milliseconds.
    pub(crate) fn milliseconds(&self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to - from))
    }

    /// True once in `times`.
    pub(crate) fn once_in(&self, times: u64) -> bool {
        self.below(times) == 0
    }
}
