//! How much memory the server's answers take, from the first byte that is read until the host has
//! taken the last one.
//!
//! Many answers come at a time, each may be large, and the host may not read. So an answer is read from
//! the network only as far as this budget allows; then it waits, and the server with it. Each answer may
//! hold a little without asking. Beyond that it takes blocks of the budget, and when there are none left
//! one answer at a time may grow without them. That one waits for no other, so two answers that are
//! half read never wait for each other. It has to go on while others wait for it: one that stalls is an
//! error. No answer takes all blocks, which leaves some to those of middle size.
//! All of it is given back when the host has taken the message.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use hallpass_core::{Clock, Remedy};
use hallpass_mcp::{Error, Event, EventStream, Response, SseConnection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::{CancellationToken, ReusableBoxFuture};

use crate::request_error::ProxyRequestError;

/// What an answer may hold without asking.
pub(crate) const FREE_BYTES: usize = 16 * 1024;

/// What one block of the budget is for.
const BLOCK_BYTES: usize = 64 * 1024;

/// How many blocks there are, 8 MiB, and how many one answer may take.
const MAX_BLOCKS: usize = 128;
const MAX_BLOCKS_OF_ONE: usize = MAX_BLOCKS / 4;

/// How much of the answer that grows without blocks has to come in this time, while others wait for it.
const MIN_PROGRESS: usize = 16 * 1024;
const PROGRESS_TIMEOUT: Duration = Duration::from_secs(30);

/// That it did not.
pub(crate) const STALLED: &str = "the server sent less than 16 KiB of its answer in 30 s while other large answers waited for its end";

/// The budget of all answers.
#[derive(Debug, Clone)]
pub(crate) struct AnswerBudget {
    clock: Arc<dyn Clock>,
    blocks: Arc<Semaphore>,
    /// For the one answer that may grow without blocks.
    unbounded: Arc<Semaphore>,
    /// That answer, while it is read.
    growing: Arc<Mutex<Weak<Progress>>>,
}

/// How far the answers of one meter have been read.
#[derive(Debug, Default)]
struct Progress {
    bytes: AtomicUsize,
    /// It brings too little while others wait.
    stalled: CancellationToken,
}

/// Why an answer was not read to its end.
#[derive(Debug)]
pub(crate) enum ReadError {
    Failed(Error),
    /// It brought too little while others waited: [`STALLED`].
    Stalled,
}

impl From<ReadError> for ProxyRequestError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Failed(error) => error.into(),
            ReadError::Stalled => Self::new(Remedy::Retry, STALLED),
        }
    }
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
    /// How much of the message there was last.
    held: usize,
    progress: Arc<Progress>,
    waiting: Option<ReusableBoxFuture<'static, Permits>>,
}

impl AnswerBudget {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            blocks: Arc::new(Semaphore::new(MAX_BLOCKS)),
            unbounded: Arc::new(Semaphore::new(1)),
            growing: Arc::default(),
        }
    }

    pub(crate) fn meter(&self) -> Meter {
        Meter {
            budget: self.clone(),
            permits: Permits::default(),
            held: 0,
            progress: Arc::default(),
            waiting: None,
        }
    }

    /// A block, if the answer may have one and one is left, or the right to grow without them.
    async fn acquire(self, may_take_block: bool) -> Permits {
        let (blocks, unbounded) = (self.blocks.clone(), self.unbounded.clone());
        // The semaphores are never closed.
        tokio::select! {
            biased;
            block = blocks.acquire_owned(), if may_take_block => Permits {
                blocks: block.ok(),
                unbounded: None,
            },
            unbounded = unbounded.acquire_owned() => Permits {
                blocks: None,
                unbounded: unbounded.ok(),
            },
            never = self.end_stalled() => match never {},
        }
    }

    /// Ends the answer that grows without blocks, whenever that brings too little.
    async fn end_stalled(&self) -> Infallible {
        loop {
            let before = self.growing().clone();
            let bytes = before.upgrade().map(|it| it.bytes());
            self.clock.sleep(PROGRESS_TIMEOUT).await;
            let now = self.growing();
            if let (Some(bytes), Some(growing)) = (bytes, now.upgrade())
                && now.ptr_eq(&before)
                && growing.bytes().wrapping_sub(bytes) < MIN_PROGRESS
            {
                growing.stalled.cancel();
            }
        }
    }

    fn growing(&self) -> MutexGuard<'_, Weak<Progress>> {
        self.growing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress {
    fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
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
    /// The whole body of `response`, of at most `max` bytes.
    pub(crate) async fn read(
        &mut self,
        response: Response,
        max: usize,
    ) -> Result<Bytes, ReadError> {
        let stalled = self.progress.stalled.clone();
        let read = response.read_when(max, |context, held| self.poll_more(context, held));
        let read = stalled.run_until_cancelled_owned(read).await;
        read.map_or(Err(ReadError::Stalled), |read| {
            read.map_err(ReadError::Failed)
        })
    }

    /// The same, if the server takes no longer than `limit` for it, or for what follows each wait for the
    /// budget. That wait does not count.
    pub(crate) async fn read_within(
        &mut self,
        limit: Duration,
        response: Response,
        max: usize,
    ) -> Option<Bytes> {
        let clock = Arc::clone(&self.budget.clock);
        let is_waiting = AtomicBool::new(false);
        let mut read = pin!(response.read_when(max, |context, held| {
            let more = self.poll_more(context, held);
            is_waiting.store(more.is_pending(), Ordering::Relaxed);
            more
        }));
        let mut timer = None;
        poll_fn(|context| {
            if let Poll::Ready(read) = read.as_mut().poll(context) {
                return Poll::Ready(read.ok());
            }
            if is_waiting.load(Ordering::Relaxed) {
                timer = None;
                return Poll::Pending;
            }
            let timer = timer.get_or_insert_with(|| clock.sleep(limit));
            timer.as_mut().poll(context).map(|()| None)
        })
        .await
    }

    /// The next event; `None` at the end.
    pub(crate) async fn next_event(
        &mut self,
        events: &mut EventStream,
    ) -> Option<Result<Event, ReadError>> {
        self.next(|context, meter| {
            events.poll_next_when(context, |context, held| meter.poll_more(context, held))
        })
        .await
    }

    /// The next message on the stream of HTTP+SSE; `None` at the end.
    pub(crate) async fn next_message(
        &mut self,
        stream: &mut SseConnection,
    ) -> Option<Result<String, ReadError>> {
        self.next(|context, meter| {
            stream.poll_next_when(context, |context, held| meter.poll_more(context, held))
        })
        .await
    }

    async fn next<T>(
        &mut self,
        mut poll: impl FnMut(&mut Context<'_>, &mut Self) -> Poll<Option<Result<T, Error>>>,
    ) -> Option<Result<T, ReadError>> {
        let stalled = self.progress.stalled.clone();
        let next = poll_fn(|context| poll(context, self));
        match stalled.run_until_cancelled_owned(next).await {
            Some(next) => next.map(|next| next.map_err(ReadError::Failed)),
            None => Some(Err(ReadError::Stalled)),
        }
    }

    /// Ready when more may be read of a message of which `held` bytes are there.
    fn poll_more(&mut self, context: &mut Context<'_>, held: usize) -> Poll<()> {
        if held < self.held {
            // Another message has begun: what came before it was none, and is gone.
            drop(self.take());
        }
        let more = held - self.held;
        self.progress.bytes.fetch_add(more, Ordering::Relaxed);
        self.held = held;
        while held > FREE_BYTES.saturating_add(self.permits.bytes()) {
            let may_take_block = self.permits.blocks() < MAX_BLOCKS_OF_ONE;
            let budget = &self.budget;
            let waiting = self.waiting.get_or_insert_with(|| {
                ReusableBoxFuture::new(budget.clone().acquire(may_take_block))
            });
            let permits = ready!(waiting.poll(context));
            self.waiting = None;
            self.permits.add(permits);
            if self.permits.unbounded.is_some() {
                *self.budget.growing() = Arc::downgrade(&self.progress);
            }
        }
        Poll::Ready(())
    }

    /// What the message takes that has been read. The next one begins with nothing.
    pub(crate) fn take(&mut self) -> Permits {
        self.waiting = None;
        if self.permits.unbounded.is_some() {
            // It is read no more: from here on it waits for the host.
            *self.budget.growing() = Weak::new();
        }
        self.held = 0;
        std::mem::take(&mut self.permits)
    }
}

#[cfg(test)]
mod tests {
    use hallpass_testkit::FakeClock;

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

    fn budget() -> AnswerBudget {
        AnswerBudget::new(Arc::new(FakeClock::default()))
    }

    const MANY: usize = 4 * MAX_BLOCKS;
    const MOST: usize = MAX_BLOCKS_OF_ONE + 1;

    #[test]
    fn one_answer_grows_without_blocks_and_the_others_wait() {
        let budget = budget();
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
        let budget = budget();
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
        let budget = budget();
        let mut large: Vec<_> = (0..6).map(|_| Answer::new(&budget)).collect();
        for answer in &mut large {
            answer.read(MANY);
        }
        let mut context = Context::from_waker(std::task::Waker::noop());
        let mut more = |held| budget.meter().poll_more(&mut context, held).is_ready();
        assert!(more(FREE_BYTES));
        assert!(!more(FREE_BYTES + 1));
    }

    /// An answer that grows without blocks, and one that waits for it.
    fn growing_and_waiting(clock: &FakeClock) -> [Answer; 2] {
        let budget = AnswerBudget::new(Arc::new(clock.clone()));
        let mut answers = [Answer::new(&budget), Answer::new(&budget)];
        assert_eq!(answers[0].read(MANY), MANY);
        assert_eq!(answers[1].read(MANY), MOST);
        answers
    }

    #[test]
    fn answer_that_stalls_while_another_waits_is_ended() {
        let clock = FakeClock::default();
        let [growing, mut waiting] = growing_and_waiting(&clock);
        clock.advance(PROGRESS_TIMEOUT / 2);
        assert_eq!(waiting.read(MANY), 0);
        assert!(!growing.meter.progress.stalled.is_cancelled());
        clock.advance(PROGRESS_TIMEOUT / 2);
        assert_eq!(waiting.read(MANY), 0);
        assert!(growing.meter.progress.stalled.is_cancelled());
        drop(growing);
        assert_eq!(waiting.read(MANY), MANY);
    }

    #[test]
    fn answer_that_goes_on_and_message_that_is_read_are_not_ended() {
        let clock = FakeClock::default();
        let [mut growing, mut waiting] = growing_and_waiting(&clock);
        for _ in 0..10 {
            assert_eq!(growing.read(1), 1);
            clock.advance(PROGRESS_TIMEOUT);
            assert_eq!(waiting.read(MANY), 0);
        }
        // The message waits for the host.
        let _message = growing.take();
        for _ in 0..10 {
            clock.advance(PROGRESS_TIMEOUT);
            assert_eq!(waiting.read(MANY), 0);
        }
        assert!(!growing.meter.progress.stalled.is_cancelled());
    }

    #[test]
    fn event_that_is_skipped_gives_its_permits_back() {
        let budget = budget();
        let mut answer = Answer::new(&budget);
        answer.read(MOST);
        assert!(budget.blocks.available_permits() < MAX_BLOCKS);
        answer.held = 0;
        answer.read(1);
        assert_eq!(budget.blocks.available_permits(), MAX_BLOCKS);
    }
}
