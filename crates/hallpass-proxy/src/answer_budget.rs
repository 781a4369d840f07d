//! How much memory the server's answers take, from the first byte that is read until the host has
//! taken the last one.
//!
//! Many answers come at a time, each may be large, and the host may not read. So an answer is read from
//! the network only as far as this budget allows; then it waits, and the server with it. Each answer may
//! hold a little without asking. Beyond that it takes blocks of the budget, and when there are none left
//! one answer at a time may grow without them. That one waits for no other, so two answers that are
//! half read never wait for each other. No answer takes all blocks, which leaves some to those of middle size.
//! All of it is given back when the host has taken the message.

use std::{
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::ReusableBoxFuture;

/// What an answer may hold without asking.
const FREE_BYTES: usize = 16 * 1024;

/// What one block of the budget is for.
const BLOCK_BYTES: usize = 64 * 1024;

/// How many blocks there are, 8 MiB, and how many one answer may take.
const MAX_BLOCKS: usize = 128;
const MAX_BLOCKS_OF_ONE: usize = MAX_BLOCKS / 4;

/// The budget of all answers.
#[derive(Debug, Clone)]
pub(crate) struct AnswerBudget {
    blocks: Arc<Semaphore>,
    /// For the one answer that may grow without blocks.
    unbounded: Arc<Semaphore>,
}

/// What a message takes of the budget.
#[derive(Debug, Default)]
pub(crate) struct Permits {
    blocks: Option<OwnedSemaphorePermit>,
    unbounded: Option<OwnedSemaphorePermit>,
}

/// Takes what a message needs of the budget, while it is read.
#[derive(Debug)]
pub(crate) struct Meter {
    budget: AnswerBudget,
    permits: Permits,
    waiting: Option<ReusableBoxFuture<'static, Permits>>,
}

impl AnswerBudget {
    pub(crate) fn new() -> Self {
        Self {
            blocks: Arc::new(Semaphore::new(MAX_BLOCKS)),
            unbounded: Arc::new(Semaphore::new(1)),
        }
    }

    pub(crate) fn meter(&self) -> Meter {
        Meter {
            budget: self.clone(),
            permits: Permits::default(),
            waiting: None,
        }
    }

    /// A block, if the answer may have one and one is left, or the right to grow without them.
    async fn acquire(self, may_take_block: bool) -> Permits {
        // The semaphores are never closed.
        tokio::select! {
            biased;
            block = self.blocks.acquire_owned(), if may_take_block => Permits {
                blocks: block.ok(),
                unbounded: None,
            },
            unbounded = self.unbounded.acquire_owned() => Permits {
                blocks: None,
                unbounded: unbounded.ok(),
            },
        }
    }
}

impl Permits {
    /// How many bytes they are for.
    pub(crate) fn bytes(&self) -> usize {
        if self.unbounded.is_some() {
            return usize::MAX;
        }
        self.blocks() * BLOCK_BYTES
    }

    fn blocks(&self) -> usize {
        let blocks = self.blocks.as_ref();
        blocks.map_or(0, OwnedSemaphorePermit::num_permits)
    }

    fn add(&mut self, more: Self) {
        match (&mut self.blocks, more.blocks) {
            (Some(blocks), Some(more)) => blocks.merge(more),
            // One that may grow without blocks leaves its own to others.
            (blocks, more) => *blocks = more,
        }
        self.unbounded = more.unbounded;
    }
}

impl Meter {
    /// Ready when more may be read of a message of which `held` bytes are there.
    pub(crate) fn poll_more(&mut self, context: &mut Context<'_>, held: usize) -> Poll<()> {
        while held > FREE_BYTES.saturating_add(self.permits.bytes()) {
            let may_take_block = self.permits.blocks() < MAX_BLOCKS_OF_ONE;
            let budget = &self.budget;
            let waiting = self.waiting.get_or_insert_with(|| {
                ReusableBoxFuture::new(budget.clone().acquire(may_take_block))
            });
            let permits = ready!(waiting.poll(context));
            self.waiting = None;
            self.permits.add(permits);
        }
        Poll::Ready(())
    }

    /// What the message takes that has been read. The next one begins with nothing.
    pub(crate) fn take(&mut self) -> Permits {
        self.waiting = None;
        std::mem::take(&mut self.permits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer that grows without end.
    struct Answer {
        meter: Meter,
        held: usize,
    }

    impl Answer {
        fn new(budget: &AnswerBudget) -> Self {
            Self {
                meter: budget.meter(),
                held: 0,
            }
        }

        /// How many blocks can be read, up to `most`.
        fn read(&mut self, most: usize) -> usize {
            let mut context = Context::from_waker(std::task::Waker::noop());
            let mut more = |_: &usize| {
                let is_ready = self.meter.poll_more(&mut context, self.held).is_ready();
                self.held += if is_ready { BLOCK_BYTES } else { 0 };
                is_ready
            };
            (0..most).take_while(&mut more).count()
        }

        fn take(&mut self) -> Permits {
            self.held = 0;
            self.meter.take()
        }
    }

    const MANY: usize = 4 * MAX_BLOCKS;
    const MOST: usize = MAX_BLOCKS_OF_ONE + 1;

    #[test]
    fn one_answer_grows_without_blocks_and_the_others_wait() {
        let budget = AnswerBudget::new();
        let mut answers: Vec<_> = (0..6).map(|_| Answer::new(&budget)).collect();
        let read: Vec<_> = answers.iter_mut().map(|it| it.read(MANY)).collect();
        // The first goes on without blocks, and leaves its own to another. The last one has none.
        assert_eq!(read, [MANY, MOST, MOST, MOST, MOST, 1]);
        // A message that the host has not taken keeps its permits.
        let message = answers[0].take();
        assert_eq!(message.bytes(), usize::MAX);
        assert_eq!(answers[0].read(MANY), 1);
        assert_eq!(answers[1].read(MANY), 0);
        // Once it has, the one that waits longest goes on, and leaves its blocks to others.
        drop(message);
        assert_eq!(answers[1].read(MANY), MANY);
        assert_eq!([2, 3, 4].map(|one| answers[one].read(MANY)), [0; 3]);
        let last = [5, 0].map(|one| answers[one].read(MANY));
        assert_eq!(last.iter().sum::<usize>(), MAX_BLOCKS_OF_ONE);
    }

    #[test]
    fn answer_that_is_dropped_gives_its_permits_back() {
        let budget = AnswerBudget::new();
        let mut answers: Vec<_> = (0..6).map(|_| Answer::new(&budget)).collect();
        for answer in &mut answers {
            answer.read(MANY);
        }
        assert_eq!(answers[5].read(1), 0);
        answers.remove(1);
        assert_eq!(answers[4].read(MANY), MAX_BLOCKS_OF_ONE);
        answers.drain(..4);
        assert_eq!(answers[0].read(MANY), MANY);
        drop(answers);
        assert_eq!(budget.blocks.available_permits(), MAX_BLOCKS);
        assert_eq!(budget.unbounded.available_permits(), 1);
    }

    #[test]
    fn small_answer_is_read_while_large_ones_hold_everything() {
        let budget = AnswerBudget::new();
        let mut large: Vec<_> = (0..6).map(|_| Answer::new(&budget)).collect();
        for answer in &mut large {
            answer.read(MANY);
        }
        let mut context = Context::from_waker(std::task::Waker::noop());
        let mut more = |held| budget.meter().poll_more(&mut context, held).is_ready();
        assert!(more(FREE_BYTES));
        assert!(!more(FREE_BYTES + 1));
    }
}
