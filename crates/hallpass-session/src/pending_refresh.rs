//! The fence: what a record says about the posts of its refresh token that brought no token.
//!
//! It is saved before each request, so it holds when the process dies, and every process obeys it. The
//! server may have replaced a refresh token whose post got no answer. A second post then teaches what
//! became of it: a server with a grace period answers it as it did the first, another one refuses it
//! with `invalid_grant`. The pauses between the posts make that likely to work:
//!
//! | post | not before |
//! |---|---|
//! | second | [`SECOND_POST`] after the first, which is longer than a server works on a request and shorter than the usual grace period; after the time limit where the server was silent |
//! | third | [`THIRD_POST`] after the second |
//! | later | twice the pause before, up to [`MAX_PAUSE`] |
//!
//! From the third on the pauses vary by a fifth at random, so that the accounts of a server that comes
//! back don't come at once. `Retry-After` makes a pause longer, up to [`MAX_PAUSE`]. No number of
//! posts ends a grant, unless a setting says so.
//!
//! A refusal is remembered longer: [`AFTER_REFUSAL`], then twice that, up to [`MAX_REFUSAL`]. Other
//! settings end that pause at once.

use std::time::Duration;

use hallpass_core::{
    Entropy, Record, ServerSettings, State, Timestamp,
    record::{PendingRefresh, PostEnd, Refusal},
};
use hallpass_oauth::TokenError;

/// The pause before the second post of a refresh token.
pub(crate) const SECOND_POST: Duration = Duration::from_secs(6);
/// The pause before the third post.
pub(crate) const THIRD_POST: Duration = Duration::from_secs(60);
/// The longest pause that lost answers lead to, before chance makes it longer, and the longest that a
/// server can ask for.
pub(crate) const MAX_PAUSE: Duration = Duration::from_secs(15 * 60);
/// The pause after the first refusal.
pub(crate) const AFTER_REFUSAL: Duration = Duration::from_secs(15 * 60);
/// The longest pause that refusals lead to.
pub(crate) const MAX_REFUSAL: Duration = Duration::from_secs(24 * 60 * 60);
/// The shortest pause after a broken connection: what broke it may be restarting.
const AFTER_A_BREAK: Duration = Duration::from_secs(2);

/// Whether the setting allows no further post of the record's refresh token.
pub(crate) fn is_used_up(record: &Record, settings: &ServerSettings) -> bool {
    let posts = record.fence.as_ref().map_or(0, |fence| fence.posts);
    settings
        .max_refresh_posts
        .is_some_and(|most| posts >= most.get())
}

/// How long the refresh token must not be posted yet.
pub(crate) fn remaining(
    fence: &PendingRefresh,
    settings: &ServerSettings,
    now: Timestamp,
) -> Option<Duration> {
    let refusal = fence
        .refusal
        .as_ref()
        .filter(|_| fence.ended == PostEnd::Refused);
    let longest = match refusal {
        Some(refusal) if refusal.settings != settings.refresh_digest() => return None,
        Some(_) => MAX_REFUSAL,
        None => MAX_PAUSE + MAX_PAUSE / 5,
    } + WHOLE_SECOND;
    let remaining = fence.not_before.saturating_since(now);
    // A longer one comes of a clock that was wrong.
    (!remaining.is_zero() && remaining <= longest).then_some(remaining)
}

/// The record as it is saved before a post. The pause after that post holds from now on.
pub(crate) fn marked(record: &Record, now: Timestamp, entropy: &dyn Entropy) -> Record {
    let mut fence = record.fence.clone().unwrap_or_else(|| unposted(now));
    if fence.posts == 0 {
        fence.since = now;
    }
    fence.posts = fence.posts.saturating_add(1);
    fence.last = now;
    fence.ended = PostEnd::Unknown;
    fence.not_before = after(now, pause(fence.posts, entropy));
    let mut marked = record.clone();
    marked.fence = Some(fence);
    marked.state = State::OutcomeUnknown;
    marked
}

/// The record after a post that got no usable answer: the server may have acted on it.
pub(crate) fn unanswered(
    marked: &Record,
    ended: PostEnd,
    asked: Option<Duration>,
    now: Timestamp,
) -> Record {
    let mut record = marked.clone();
    if let Some(fence) = &mut record.fence {
        // As long after now as it would have been after the post.
        let latest = now.saturating_add(fence.not_before.saturating_since(fence.last));
        let earliest = match ended {
            PostEnd::Silent => latest,
            _ => after(now, AFTER_A_BREAK),
        };
        fence.ended = ended;
        // A moment after the latest one comes of a clock that was set back since the post.
        fence.not_before = fence.not_before.min(latest).max(earliest);
        fence.not_before = fence.not_before.max(asked_for(asked, now));
        fence.refusal = None;
    }
    record
}

/// The record after a server said that it had not looked at the request, or could not be reached:
/// `marked` without the post, and with the pause that the server asked for.
pub(crate) fn not_processed(
    marked: &Record,
    before: Option<&PendingRefresh>,
    asked: Option<Duration>,
    now: Timestamp,
) -> Record {
    let mut fence = before.cloned();
    if let Some(asked) = asked.filter(|asked| !asked.is_zero()) {
        let fence = fence.get_or_insert_with(|| unposted(now));
        if fence.ended == PostEnd::Refused {
            // That pause is over, or was ended.
            fence.not_before = now;
        }
        fence.ended = PostEnd::NotProcessed;
        fence.not_before = fence.not_before.max(asked_for(Some(asked), now));
    }
    unmarked(marked, fence)
}

/// The record after a server refused the request: it has not acted on it, and what stands in the way
/// does not pass by itself.
pub(crate) fn refused(
    marked: &Record,
    before: Option<&PendingRefresh>,
    error: Option<&TokenError>,
    settings: &ServerSettings,
    now: Timestamp,
) -> Record {
    let mut fence = before.cloned().unwrap_or_else(|| unposted(now));
    let settings = settings.refresh_digest();
    let count = fence
        .refusal
        .as_ref()
        .filter(|refusal| refusal.settings == settings)
        .map_or(0, |refusal| refusal.count);
    let doubled = AFTER_REFUSAL.saturating_mul(1_u32.checked_shl(count.min(16)).unwrap_or(1));
    fence.last = now;
    fence.ended = PostEnd::Refused;
    fence.not_before = after(now, doubled.min(MAX_REFUSAL));
    fence.refusal = error.map(|error| Refusal {
        status: error.status().as_u16(),
        code: error.code().map(str::to_owned),
        description: error.description().map(str::to_owned),
        count: count.saturating_add(1),
        settings,
    });
    unmarked(marked, Some(fence))
}

/// The record as it was before the post that it was marked for.
pub(crate) fn unmarked(marked: &Record, fence: Option<PendingRefresh>) -> Record {
    let mut record = marked.clone();
    if fence.as_ref().is_none_or(|fence| fence.posts == 0) {
        record.state = State::SignedIn;
    }
    record.fence = fence;
    record
}

/// A fence without a post.
fn unposted(now: Timestamp) -> PendingRefresh {
    PendingRefresh {
        posts: 0,
        ..PendingRefresh::new(now, now)
    }
}

/// The pause after post number `posts` of a refresh token.
fn pause(posts: u32, entropy: &dyn Entropy) -> Duration {
    let Some(later) = posts.checked_sub(2) else {
        return SECOND_POST;
    };
    let doubled = THIRD_POST.saturating_mul(1_u32.checked_shl(later.min(16)).unwrap_or(1));
    let mut chance = [0];
    entropy.fill(&mut chance);
    // From four fifths to six fifths.
    doubled.min(MAX_PAUSE) * (1_020 + u32::from(chance[0]) * 2) / 1_275
}

fn asked_for(asked: Option<Duration>, now: Timestamp) -> Timestamp {
    asked.map_or(now, |asked| after(now, asked.min(MAX_PAUSE)))
}

/// The moment `pause` after `now`. Moments are cut to whole seconds, so a second is added: the pause is
/// never shorter.
fn after(now: Timestamp, pause: Duration) -> Timestamp {
    now.saturating_add(pause + WHOLE_SECOND)
}

const WHOLE_SECOND: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
