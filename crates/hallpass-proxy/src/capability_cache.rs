//! What is known of a server before it answers.

use std::fmt;

/// Keeps what a server said about itself at its last opening, so that the next one can be answered
/// before the server does: its capabilities among them.
///
/// It is asked once when a host connects, and told once after the server has answered; both should
/// take no more than a file does. What it keeps is no secret, and losing it costs little.
pub trait CapabilityCache: Send + Sync + fmt::Debug {
    /// What was kept for `opening`: the method and the protocol version that the host asked for.
    fn load(&self, opening: &str) -> Option<Vec<u8>>;

    /// Keeps `result`, a JSON object, in place of what was kept before.
    fn save(&self, opening: &str, result: &[u8]);
}

/// Keeps nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCache;

impl CapabilityCache for NoCache {
    fn load(&self, _: &str) -> Option<Vec<u8>> {
        None
    }

    fn save(&self, _: &str, _: &[u8]) {}
}
