//! What the rules of the refresh transaction say of a history: which posts of a refresh token came,
//! when, and from which process.
//!
//! Everything here is a pure function over recorded facts, all of them by the server's clock.

use std::{collections::BTreeMap, time::Duration};

/// From the first post of a refresh token to the second, at least.
pub(crate) const SECOND_POST: Duration = Duration::from_secs(6);
/// From the second to the third, without the random part of a fifth.
const THIRD_POST: Duration = Duration::from_secs(60);
/// The longest pause, without its random part.
const MAX_PAUSE: Duration = Duration::from_secs(15 * 60);
/// How long a process waits for the answer to a refresh.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// The pause is counted from before the request is sent; a busy computer may need so long from there
/// to the server.
const SLACK: Duration = Duration::from_millis(500);
/// A process that lives so long after the server has replaced its refresh token has saved the answer.
const SAVED_WITHIN: Duration = Duration::from_secs(5);

/// One refresh request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Post {
    pub(crate) at: Duration,
    pub(crate) process: u32,
}

/// One refresh token: its posts in their order, when the server replaced it, and when it took a later
/// post for reuse and revoked the family.
#[derive(Debug, Clone, Default)]
pub(crate) struct RefreshToken {
    pub(crate) posts: Vec<Post>,
    pub(crate) replaced_at: Option<Duration>,
    pub(crate) reused_at: Option<Duration>,
}

/// A process that was started.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Process {
    /// When it ended, by itself or killed.
    pub(crate) ended_at: Option<Duration>,
    pub(crate) killed: bool,
}

/// The processes by their numbers.
pub(crate) type Processes = BTreeMap<u32, Process>;

/// The time from each post to the next.
pub(crate) fn gaps(token: &RefreshToken) -> impl Iterator<Item = Duration> {
    let pairs = token.posts.windows(2);
    pairs.map(|pair| pair[1].at.saturating_sub(pair[0].at))
}

/// The least time before the post that follows the `nth` one, counted from 1: 6 s, then 60 s, then
/// twice as long each time up to 15 min, where a fifth may be missing from all but the first.
pub(crate) fn least_gap(nth: usize) -> Duration {
    let Some(doublings) = nth.checked_sub(2) else {
        return SECOND_POST;
    };
    let doubled = THIRD_POST.saturating_mul(1 << doublings.min(8));
    doubled.min(MAX_PAUSE) * 4 / 5
}

/// The posts that came too soon, in words.
///
/// Where the server `is_silent`, a first post whose process has waited for its answer to the end
/// counts from that end.
pub(crate) fn posts_too_soon(
    tokens: &[RefreshToken],
    processes: &Processes,
    is_silent: bool,
) -> Vec<String> {
    let mut found = Vec::new();
    for (number, token) in tokens.iter().enumerate() {
        for (index, gap) in gaps(token).enumerate() {
            let post = token.posts[index];
            let mut least = least_gap(index + 1);
            if is_silent && index == 0 && has_timed_out(post, processes) {
                least += ANSWER_TIMEOUT;
            }
            if gap + SLACK < least {
                let (nth, next) = (index + 1, token.posts[index + 1].process);
                let (gap, least) = (gap.as_secs_f32(), least.as_secs());
                found.push(format!(
                    "refresh token {number}: post {} (process {next}) came {gap:.1} s after post {nth} \
                     (process {}), and not {least} s or more",
                    nth + 1,
                    post.process,
                ));
            }
        }
    }
    found
}

/// Whether the process of a post has waited for its answer to the end.
fn has_timed_out(post: Post, processes: &Processes) -> bool {
    let process = processes.get(&post.process).copied().unwrap_or_default();
    let timed_out_at = post.at + ANSWER_TIMEOUT;
    // One that is killed then may not have come to note it.
    let until = if process.killed {
        timed_out_at + Duration::from_secs(1)
    } else {
        timed_out_at.saturating_sub(SLACK)
    };
    process.ended_at.is_none_or(|ended_at| ended_at >= until)
}

/// A refresh token that came back after it had been replaced, which revoked its family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Revocation {
    pub(crate) at: Duration,
    pub(crate) cause: Cause,
}

/// Why a family was revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The server had replaced the token, and the process was killed before it could save the answer.
    LostWithProcess(u32),
    /// The process that got the answer was not killed, or long after.
    NotLost(u32),
}

/// The revocations, in their order.
pub(crate) fn revocations(tokens: &[RefreshToken], processes: &Processes) -> Vec<Revocation> {
    let revoked = tokens.iter().filter_map(|token| {
        let (at, replaced_at) = (token.reused_at?, token.replaced_at?);
        let answered = token.posts.iter().rfind(|post| post.at <= replaced_at);
        let answered = answered.map_or(0, |post| post.process);
        let process = processes.get(&answered).copied().unwrap_or_default();
        let saved_at = replaced_at + SAVED_WITHIN;
        let ended = process.ended_at.is_some_and(|ended| ended <= saved_at);
        let cause = if process.killed && ended {
            Cause::LostWithProcess(answered)
        } else {
            Cause::NotLost(answered)
        };
        Some(Revocation { at, cause })
    });
    let mut revoked: Vec<_> = revoked.collect();
    revoked.sort_by_key(|revocation| revocation.at);
    revoked
}

/// How many of the sign-ins that were needed had no revocation since the sign-in before. The times
/// begin with the first sign-in, which nothing has to precede.
pub(crate) fn sign_ins_without_revocation(
    sign_ins: &[Duration],
    revocations: &[Revocation],
) -> usize {
    let unexplained = sign_ins.windows(2).filter(|pair| {
        let between = |revocation: &Revocation| (pair[0]..pair[1]).contains(&revocation.at);
        !revocations.iter().any(between)
    });
    unexplained.count()
}

/// Whether a command's answer says when the next attempt is due: somewhere in it is a number of
/// seconds or minutes.
pub(crate) fn names_next_attempt(answer: &serde_json::Value) -> bool {
    match answer {
        serde_json::Value::String(text) => {
            let words: Vec<&str> = text.split([' ', ',', ';', '.', ')', '(']).collect();
            words.windows(2).any(|pair| {
                let unit = ["s", "second", "seconds", "min", "minute", "minutes"];
                pair[0].parse::<u32>().is_ok() && unit.contains(&pair[1])
            })
        }
        serde_json::Value::Array(items) => items.iter().any(names_next_attempt),
        serde_json::Value::Object(members) => members.iter().any(|(name, value)| {
            let is_pause = name.contains("next_attempt") || name.contains("retry_after");
            (is_pause && value.is_number()) || names_next_attempt(value)
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
