//! The fence: what a record says about a refresh whose outcome nobody knows.
//!
//! It is saved before the request is sent, with the number of posts of the current refresh token.
//! Whoever finds it knows that the server may have replaced that token already. A refresh token that
//! was consumed is posted at most once more, over all processes: a server with a grace period answers
//! the second post as it did the first, another one refuses it, and a third would teach nothing.

use hallpass_core::{Record, State, Timestamp, record::Fence};

/// How often one refresh token is posted without a known outcome.
pub(crate) const MOST_POSTS: u32 = 2;

/// Whether the record's refresh token may be posted once more.
pub(crate) fn is_open(record: &Record) -> bool {
    record.fence.is_none_or(|fence| fence.posts < MOST_POSTS)
}

/// The record as it is saved before a post.
pub(crate) fn raised(record: &Record, now: Timestamp) -> Record {
    let before = record.fence;
    let mut fenced = record.clone();
    fenced.fence = Some(Fence {
        posts: before.map_or(0, |fence| fence.posts).saturating_add(1),
        since: before.map_or(now, |fence| fence.since),
    });
    fenced.state = State::OutcomeUnknown;
    fenced
}

/// The record as it was before the post that `fenced` was saved for: the server is known not to have
/// acted on it.
pub(crate) fn lowered(fenced: &Record, before: Option<Fence>) -> Record {
    let mut lowered = fenced.clone();
    lowered.fence = before;
    if before.is_none() {
        lowered.state = State::SignedIn;
    }
    lowered
}

/// The record after a server said that it failed. It may have acted before it did, so the doubt stays;
/// but it answered, so this was no lost post, and an outage does not use the posts up.
pub(crate) fn doubted(fenced: &Record, before: Option<Fence>) -> Record {
    let mut doubted = fenced.clone();
    if let Some(fence) = &mut doubted.fence {
        fence.posts = before.map_or(0, |fence| fence.posts).max(1);
    }
    doubted
}

#[cfg(test)]
mod tests;
