//! How long an access token is used before the next one is fetched.
//!
//! A token is replaced [`MAX_MARGIN`] before its end, or a quarter of its lifetime before it
//! where that is less, so that a request on its way does not arrive with an expired token and a
//! token that lives 2 s is still used for most of them. Expiry is wall time, which is all that two
//! processes share; a wrong clock costs a refresh or a 401, never a sign-in.

use std::time::Duration;

use hallpass_core::{Grant, Timestamp, record::GrantKind};

/// The early margin of a token that lives at least four minutes.
pub(crate) const MAX_MARGIN: Duration = Duration::from_secs(60);

/// How long before its time a token is replaced at most, when that is asked for.
const MAX_EARLY_REFRESH: Duration = Duration::from_secs(300);

/// From when on a grant's access token is replaced; `None`: not before it is refused.
///
/// A person's grant without refresh token has no margin: there is nothing to replace its token with.
/// A machine asks anew.
pub(crate) fn stale_at(grant: &Grant) -> Option<Timestamp> {
    let end = grant.expires_at?;
    let by_a_machine = matches!(
        grant.kind,
        GrantKind::ClientCredentials | GrantKind::JwtBearer
    );
    if grant.refresh_token.is_none() && !by_a_machine {
        return Some(end);
    }
    let lifetime = end.saturating_since(grant.obtained_at);
    let margin = MAX_MARGIN.min(lifetime / 4);
    // Whole seconds: what is left of a second belongs to the token, whose end was cut as well.
    let seconds = i64::try_from(margin.as_secs()).unwrap_or(0);
    Some(Timestamp::from_unix_seconds(
        end.as_unix_seconds().saturating_sub(seconds),
    ))
}

/// How long before that a refresh ahead may come: a tenth of the lifetime, five minutes at most. Zero
/// where nothing replaces the token, or it lives too short a time for that.
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
