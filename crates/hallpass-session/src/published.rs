//! The published token, for many threads at once.
//!
//! A clone of a token is counted where the token lies, and threads that count in one place wait for
//! each other's caches. So a token is published several times over, each time with a count of its
//! own, and each thread takes clones of the one that its number leads to.

use std::{
    array,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use arc_swap::ArcSwapOption;

use crate::token::Token;

/// More than most machines have cores that ask for tokens at once.
const LANES: usize = 16;

thread_local! {
    static LANE: usize = next_lane();
}

/// Threads are numbered as they come. The number says nothing, it only keeps them apart.
fn next_lane() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed) % LANES
}

/// What [`Session::token`](crate::Session::token) looks at first.
pub(crate) struct Published(ArcSwapOption<[Token; LANES]>);

impl Published {
    pub(crate) fn nothing() -> Self {
        Self(ArcSwapOption::empty())
    }

    /// The token, if it passes. Takes no lock and allocates nothing.
    pub(crate) fn get_if(&self, passes: impl FnOnce(&Token) -> bool) -> Option<Token> {
        let lanes = self.0.load();
        // A thread that is ending has no number any more.
        let lane = LANE.try_with(|lane| *lane).unwrap_or(0);
        let token = lanes.as_deref()?.get(lane)?;
        passes(token).then(|| token.clone())
    }

    pub(crate) fn get(&self) -> Option<Token> {
        self.get_if(|_| true)
    }

    pub(crate) fn set(&self, token: &Token) {
        let lanes = array::from_fn(|_| token.in_another_lane());
        self.0.store(Some(Arc::new(lanes)));
    }

    pub(crate) fn clear(&self) {
        self.0.store(None);
    }
}
