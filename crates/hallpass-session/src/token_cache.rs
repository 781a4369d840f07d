//! The published token, for many threads at once.
//!
//! A clone of a token is counted where the token lies, and threads that count in one place wait for
//! each other's caches. So a token is published several times over, each time with a count of its
//! own, and each thread takes clones of the one that its number leads to.
//!
//! Each thread remembers where it found the last tokens. Whoever publishes something, or takes it
//! back, gives that a number of its own, so one look at the number tells a thread whether what it
//! remembers still holds. It keeps no token by that: a token ends with its last clone, and its
//! memory is wiped then, whichever threads have seen it.

use std::{
    array,
    cell::RefCell,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use arc_swap::ArcSwapOption;

use crate::token::{Token, WeakToken};

/// More than most machines have cores that ask for tokens at once.
const SHARDS: usize = 16;
/// For how many sessions a thread remembers where their tokens are.
const CACHE_SLOTS: usize = 16;

thread_local! {
    static LANE: usize = next_lane();
    static SEEN: RefCell<[Shard; CACHE_SLOTS]> = const { RefCell::new([const { Shard::nothing() }; CACHE_SLOTS]) };
}

/// Threads are numbered as they come. The number says nothing, it only keeps them apart.
fn next_lane() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS
}

/// Publications of all sessions are numbered as they come, from 1.
fn next_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Where a thread found the token of a publication.
struct Shard {
    number: u64,
    token: WeakToken,
}

impl Shard {
    const fn nothing() -> Self {
        Self {
            number: 0,
            token: WeakToken::nowhere(),
        }
    }
}

/// What [`Session::token`](crate::Session::token) looks at first.
pub(crate) struct Published {
    tokens: ArcSwapOption<[Token; SHARDS]>,
    /// The number of the publication. Stored after the tokens and read before them: whoever reads a
    /// number finds its tokens or newer ones, and those get another number.
    number: AtomicU64,
}

impl Published {
    pub(crate) fn nothing() -> Self {
        Self {
            tokens: ArcSwapOption::empty(),
            number: AtomicU64::new(0),
        }
    }

    /// The token, if it passes. Takes no lock and allocates nothing.
    pub(crate) fn get_if(&self, passes: impl FnOnce(&Token) -> bool) -> Option<Token> {
        self.get().filter(passes)
    }

    pub(crate) fn get(&self) -> Option<Token> {
        let number = self.number.load(Ordering::Acquire);
        let seat = usize::try_from(number % CACHE_SLOTS as u64).unwrap_or(0);
        // A thread that is ending remembers nothing any more.
        let seen = SEEN.try_with(|seen| {
            let seen = &seen.borrow()[seat];
            (seen.number == number)
                .then(|| seen.token.upgrade())
                .flatten()
        });
        seen.ok().flatten().or_else(|| self.look_up(number, seat))
    }

    /// The token, found anew and remembered under `number`.
    #[cold]
    fn look_up(&self, number: u64, seat: usize) -> Option<Token> {
        let lanes = self.tokens.load();
        let lane = LANE.try_with(|lane| *lane).unwrap_or(0);
        let token = lanes.as_deref()?.get(lane)?.clone();
        let now = Shard {
            number,
            token: token.downgrade(),
        };
        // What was remembered there before is dropped when nothing is borrowed any more.
        let _before = SEEN.try_with(|seen| std::mem::replace(&mut seen.borrow_mut()[seat], now));
        Some(token)
    }

    pub(crate) fn set(&self, token: &Token) {
        let lanes = array::from_fn(|_| token.in_shard());
        self.change(Some(Arc::new(lanes)));
    }

    pub(crate) fn clear(&self) {
        self.change(None);
    }

    fn change(&self, tokens: Option<Arc<[Token; SHARDS]>>) {
        self.tokens.store(tokens);
        self.number.store(next_number(), Ordering::Release);
    }
}

#[cfg(test)]
mod tests;
