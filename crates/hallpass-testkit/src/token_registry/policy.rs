//! How tokens are issued.

use std::time::Duration;

/// How long tokens are good, and what becomes of refresh tokens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TokenPolicy {
    pub(crate) access_lifetime: Duration,
    pub(crate) refresh: RefreshPolicy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefreshPolicy {
    None,
    Kept {
        lifetime: Option<Duration>,
    },
    Rotated {
        lifetime: Option<Duration>,
        grace: Option<Duration>,
    },
}

impl RefreshPolicy {
    /// For how long a token that was replaced is still honoured.
    pub(super) fn grace(self) -> Option<Duration> {
        match self {
            Self::Rotated { grace, .. } => grace,
            Self::None | Self::Kept { .. } => None,
        }
    }
}
