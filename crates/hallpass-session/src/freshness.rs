//! When an access token is replaced.
//!
//! A token is replaced [`MAX_MARGIN`] before it expires, or a quarter of its lifetime before that where
//! it is less: a request must not arrive with an expired token, and a token with a lifetime of 2 s must
//! be used for most of it. Expiry is wall time, the only time that processes share; a wrong clock costs
//! a refresh or a 401, never a sign-in.

use std::time::Duration;

use hallpass_core::{Grant, Timestamp, record::GrantKind};

/// The margin of a token with a lifetime of at least four minutes.
pub(crate) const MAX_MARGIN: Duration = Duration::from_secs(60);

/// How much earlier a proactive refresh may come at most.
const MAX_EARLY_REFRESH: Duration = Duration::from_secs(300);

/// The time from which a grant's access token is replaced; `None`: only after a refusal.
///
/// A user's grant without a refresh token has no margin, since nothing can replace its token. A
/// service signs in again.
pub(crate) fn stale_at(grant: &Grant) -> Option<Timestamp> {
    let end = grant.expires_at?;
    let is_service = matches!(
        grant.kind,
        GrantKind::ClientCredentials | GrantKind::JwtBearer
    );
    if grant.refresh_token.is_none() && !is_service {
        return Some(end);
    }
    let lifetime = end.saturating_since(grant.obtained_at);
    let margin = MAX_MARGIN.min(lifetime / 4);
    // Whole seconds, rounded down, as the expiry is.
    let seconds = i64::try_from(margin.as_secs()).unwrap_or(0);
    Some(Timestamp::from_unix_seconds(
        end.as_unix_seconds().saturating_sub(seconds),
    ))
}

/// How much earlier a proactive refresh may come: a tenth of the lifetime, five minutes at most. Zero
/// where nothing replaces the token or its lifetime is too short.
pub(crate) fn max_early_refresh(grant: &Grant) -> Duration {
    match (stale_at(grant), grant.expires_at) {
        (Some(stale), Some(end)) if stale < end => {
            let lifetime = end.saturating_since(grant.obtained_at);
            MAX_EARLY_REFRESH.min(lifetime / 10)
        }
        _ => Duration::ZERO,
    }
}

#[cfg(test)]
mod tests;
