//! Waiting for a record by reading it again and again.

use std::time::Duration;

use super::{StoreError, StoreFuture};
use crate::{Clock, Entropy, Generation, Record};

const FIRST_PAUSE: Duration = Duration::from_millis(25);
const MAX_PAUSE: Duration = Duration::from_millis(250);

/// The record that `load` gives, once it is later than `than`.
pub(super) async fn newer<'a>(
    load: impl Fn() -> StoreFuture<'a, Option<Record>>,
    than: Option<Generation>,
    wait: Duration,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
) -> Result<Option<Record>, StoreError> {
    let end = clock.monotonic().saturating_add(wait);
    let mut pause = FIRST_PAUSE;
    loop {
        let remaining = end.saturating_sub(clock.monotonic());
        clock.sleep(varied(pause, entropy).min(remaining)).await;
        let record = load().await?;
        let newer = record.filter(|record| than.is_none_or(|than| record.generation > than));
        if newer.is_some() || clock.monotonic() >= end {
            return Ok(newer);
        }
        pause = (pause * 2).min(MAX_PAUSE);
    }
}

/// Between three quarters and five quarters of `pause`, so that callers that began together don't read together.
fn varied(pause: Duration, entropy: &dyn Entropy) -> Duration {
    let mut chance = [0];
    entropy.fill(&mut chance);
    pause * (765 + u32::from(chance[0]) * 2) / 1_020
}

#[cfg(test)]
mod tests;
