//! The pending refresh of a record: the posts of its refresh token that got no new token.
//!
//! It is saved before each request, so it is there after a crash, and every process obeys it. The server
//! may have replaced a refresh token whose post got no answer. A second post shows what happened: a
//! server with a grace period repeats its answer, another server refuses it with `invalid_grant`. The
//! pauses between the posts are chosen for the grace periods:
//!
//! | post | not before |
//! |---|---|
//! | second | [`PAUSE_BEFORE_SECOND_POST`] after the first, which is longer than a server needs for a request and shorter than a usual grace period; after a timeout, this much after the timeout |
//! | third | [`PAUSE_BEFORE_THIRD_POST`] after the second |
//! | later | twice the pause before, up to [`MAX_POST_PAUSE`] |
//!
//! From the third post on the pauses vary by a fifth at random, which spreads the posts of many accounts
//! after an outage. `Retry-After` makes a pause longer, up to [`MAX_POST_PAUSE`]. No number of posts ends a
//! grant, unless a setting says so.
//!
//! The pause after a refusal is longer: [`MIN_REFUSAL_PAUSE`], then twice that, up to
//! [`MAX_REFUSAL_PAUSE`]. Changed settings, or a user who asks for a refresh, end it at once. They end the
//! pause after a success without a token, as a web page is, too, but not before
//! [`PAUSE_BEFORE_SECOND_POST`]: the server may have replaced the refresh token.

use std::time::Duration;

use hallpass_core::{
    Entropy, Record, ServerSettings, State, Timestamp,
    record::{PendingRefresh, PostEnd, RefreshAttempt, Refusal},
};
use hallpass_oauth::TokenError;

/// The pause before the second post of a refresh token.
pub(crate) const PAUSE_BEFORE_SECOND_POST: Duration = Duration::from_secs(6);
/// The pause before the third post.
pub(crate) const PAUSE_BEFORE_THIRD_POST: Duration = Duration::from_secs(60);
/// The longest pause after lost answers, before its random part, and the longest that a server can ask
/// for.
pub(crate) const MAX_POST_PAUSE: Duration = Duration::from_secs(15 * 60);
/// The pause after the first refusal.
pub(crate) const MIN_REFUSAL_PAUSE: Duration = Duration::from_secs(15 * 60);
/// The longest pause after refusals.
pub(crate) const MAX_REFUSAL_PAUSE: Duration = Duration::from_secs(24 * 60 * 60);
/// How far ahead of this process's clock the time of a post may be: machines that share a store have
/// clocks of their own.
const MAX_CLOCK_DIFFERENCE: Duration = Duration::from_secs(60);
/// The shortest pause after a lost connection: the server may be restarting.
const MIN_PAUSE_AFTER_LOST_CONNECTION: Duration = Duration::from_secs(2);

/// Whether the setting allows no further post of the record's refresh token.
pub(crate) fn reached_max_posts(record: &Record, settings: &ServerSettings) -> bool {
    let posts = record
        .pending_refresh
        .as_ref()
        .map_or(0, |pending| pending.posts);
    settings
        .max_refresh_attempts
        .is_some_and(|most| posts >= most.get())
}

/// Whether a refused refresh is posted again before its pause is over: the settings have changed since,
/// or the user `asks` for it.
pub(crate) fn is_retried_early(
    pending: &PendingRefresh,
    settings: &ServerSettings,
    asks: bool,
) -> bool {
    let refusal = pending.refused();
    refusal.is_some_and(|refusal| asks || refusal.settings != settings.refresh_digest())
}

/// The record with its pause from now on, where the last post is in the future: the clock was set back
/// since. Without this the pause would last until the clock is there again, or not at all.
pub(crate) fn after_clock_was_set_back(record: &Record, now: Timestamp) -> Option<Record> {
    let pending = record.pending_refresh.as_ref()?;
    if pending.last.saturating_since(now) <= MAX_CLOCK_DIFFERENCE {
        return None;
    }
    let mut pending = pending.clone();
    pending.not_before = now.saturating_add(pending.not_before.saturating_since(pending.last));
    pending.since = pending.since.min(now);
    pending.last = now;
    if let Some(refusal) = &mut pending.refusal {
        refusal.since = refusal.since.map(|since| since.min(now));
    }
    let mut record = record.clone();
    record.pending_refresh = Some(pending);
    Some(record)
}

/// How long the refresh token must not be posted yet.
pub(crate) fn remaining(
    pending: &PendingRefresh,
    is_retried_early: bool,
    now: Timestamp,
) -> Option<Duration> {
    let mut not_before = pending.not_before;
    if is_retried_early {
        if pending.ended == PostEnd::Refused {
            return None;
        }
        not_before = not_before.min(after(pending.last, PAUSE_BEFORE_SECOND_POST));
    }
    let longest = match pending.ended {
        PostEnd::Refused => MAX_REFUSAL_PAUSE,
        _ => MAX_POST_PAUSE + MAX_POST_PAUSE / 5,
    };
    let remaining = not_before.saturating_since(now);
    // A longer pause was saved with a wrong clock.
    (!remaining.is_zero() && remaining <= longest + WHOLE_SECOND).then_some(remaining)
}

/// The post of the record's refresh token that is about to be sent. The pause after that post holds from now on.
pub(crate) fn attempt(record: &Record, now: Timestamp, entropy: &dyn Entropy) -> RefreshAttempt {
    let pending = record.pending_refresh.as_ref();
    let posts = pending.map_or(0, |pending| pending.posts).saturating_add(1);
    RefreshAttempt {
        issuer: record.issuer.clone(),
        generation: record.generation,
        posts,
        last: now,
        not_before: after(now, pause(posts, entropy)),
    }
}

/// The record with that post noted.
pub(crate) fn marked(record: &Record, attempt: &RefreshAttempt) -> Record {
    let mut marked = record.clone();
    marked.mark(attempt);
    marked
}

/// The record after a post that got no usable answer: the server may have processed it. `refusal` is the
/// answer, if there was a whole one.
pub(crate) fn unanswered(
    marked: &Record,
    ended: PostEnd,
    refusal: Option<Refusal>,
    retry_after: Option<Duration>,
    now: Timestamp,
) -> Record {
    let mut record = marked.clone();
    if let Some(pending) = &mut record.pending_refresh {
        // The pause after the post, counted from now.
        let latest = now.saturating_add(pending.not_before.saturating_since(pending.last));
        let earliest = match ended {
            PostEnd::Silent => latest,
            _ => after(now, MIN_PAUSE_AFTER_LOST_CONNECTION),
        };
        pending.ended = ended;
        // A later time was saved before the clock was set back.
        pending.not_before = pending.not_before.min(latest).max(earliest);
        pending.not_before = pending.not_before.max(retry_time(retry_after, now));
        pending.refusal = refusal.map(Box::new);
    }
    record
}

/// The record after a server has not processed the request, or was not reached: `marked` without the
/// post, and with the pause that the server asked for.
pub(crate) fn not_processed(
    marked: &Record,
    before: Option<&PendingRefresh>,
    retry_after: Option<Duration>,
    now: Timestamp,
) -> Record {
    let mut pending = before.cloned();
    if let Some(retry_after) = retry_after.filter(|retry_after| !retry_after.is_zero()) {
        let pending = pending.get_or_insert_with(|| unposted(now));
        if pending.ended == PostEnd::Refused {
            // The pause of the refusal is over.
            pending.not_before = now;
        }
        pending.ended = PostEnd::NotProcessed;
        pending.not_before = pending.not_before.max(retry_time(Some(retry_after), now));
    }
    unmarked(marked, pending)
}

/// The record after a server refused the request: it has not replaced the refresh token, and a retry
/// would be refused too.
pub(crate) fn refused(
    marked: &Record,
    before: Option<&PendingRefresh>,
    refusal: Refusal,
    now: Timestamp,
) -> Record {
    let mut pending = before.cloned().unwrap_or_else(|| unposted(now));
    let earlier = refusal.count.saturating_sub(1).min(16);
    let doubled = MIN_REFUSAL_PAUSE.saturating_mul(1_u32.checked_shl(earlier).unwrap_or(1));
    pending.last = now;
    pending.ended = PostEnd::Refused;
    pending.not_before = after(now, doubled.min(MAX_REFUSAL_PAUSE));
    pending.refusal = Some(Box::new(refusal));
    unmarked(marked, Some(pending))
}

/// The server's answer as the record keeps it.
pub(crate) fn refusal(
    before: Option<&PendingRefresh>,
    error: &TokenError,
    settings: &ServerSettings,
    now: Timestamp,
) -> Refusal {
    let settings = settings.refresh_digest();
    let earlier = before.and_then(|pending| Some((pending, pending.refusal.as_ref()?)));
    // A web page with a status of success, for one, is no refusal of a row.
    let count = earlier
        .filter(|(pending, refusal)| {
            pending.ended == PostEnd::Refused && refusal.settings == settings
        })
        .map_or(0, |(_, refusal)| refusal.count);
    let since = earlier.map(|(pending, refusal)| refusal.since.unwrap_or(pending.last));
    Refusal {
        status: error.status().as_u16(),
        code: error.code().map(str::to_owned),
        description: error.description().map(str::to_owned),
        count: count.saturating_add(1),
        since: since.or(Some(now)),
        settings,
    }
}

/// The record without the post that it was marked for.
pub(crate) fn unmarked(marked: &Record, pending: Option<PendingRefresh>) -> Record {
    let mut record = marked.clone();
    if pending.as_ref().is_none_or(|pending| pending.posts == 0) {
        record.state = State::SignedIn;
    }
    record.pending_refresh = pending;
    record
}

/// A pending refresh without a post.
fn unposted(now: Timestamp) -> PendingRefresh {
    PendingRefresh {
        posts: 0,
        ..PendingRefresh::new(now, now)
    }
}

/// The pause after post number `posts` of a refresh token.
fn pause(posts: u32, entropy: &dyn Entropy) -> Duration {
    let Some(later) = posts.checked_sub(2) else {
        return PAUSE_BEFORE_SECOND_POST;
    };
    let doubled =
        PAUSE_BEFORE_THIRD_POST.saturating_mul(1_u32.checked_shl(later.min(16)).unwrap_or(1));
    let mut chance = [0];
    entropy.fill(&mut chance);
    // Between four fifths and six fifths.
    doubled.min(MAX_POST_PAUSE) * (1_020 + u32::from(chance[0]) * 2) / 1_275
}

fn retry_time(retry_after: Option<Duration>, now: Timestamp) -> Timestamp {
    retry_after.map_or(now, |retry_after| {
        after(now, retry_after.min(MAX_POST_PAUSE))
    })
}

/// The time `pause` after `now`. Timestamps are whole seconds, rounded down, so a second is added: the
/// pause is never shorter.
fn after(now: Timestamp, pause: Duration) -> Timestamp {
    now.saturating_add(pause + WHOLE_SECOND)
}

const WHOLE_SECOND: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
