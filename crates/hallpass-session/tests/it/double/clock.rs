use std::{sync::Mutex, time::Duration};

use hallpass_core::{BoxFuture, Clock, Timestamp};

/// A clock that a sleep moves on, so that pauses cost nothing and are written down.
#[derive(Debug)]
pub(crate) struct TestClock(Mutex<Time>);

#[derive(Debug)]
struct Time {
    wall: Timestamp,
    monotonic: Duration,
    sleeps: Vec<Duration>,
}

impl TestClock {
    pub(crate) fn new(wall: i64) -> Self {
        Self(Mutex::new(Time {
            wall: Timestamp::from_unix_seconds(wall),
            monotonic: Duration::from_secs(500),
            sleeps: Vec::new(),
        }))
    }

    pub(crate) fn advance(&self, seconds: u64) {
        let mut time = self.0.lock().unwrap();
        time.wall = time.wall.saturating_add(Duration::from_secs(seconds));
        time.monotonic += Duration::from_secs(seconds);
    }

    /// Moves monotonic time alone, as when nothing else matters.
    pub(crate) fn wait(&self, seconds: u64) {
        self.0.lock().unwrap().monotonic += Duration::from_secs(seconds);
    }

    /// Moves wall time alone, as somebody who corrects the clock does.
    pub(crate) fn jump(&self, seconds: i64) {
        let mut time = self.0.lock().unwrap();
        let wall = time.wall.as_unix_seconds() + seconds;
        time.wall = Timestamp::from_unix_seconds(wall);
    }

    /// The sleeps so far, in milliseconds.
    pub(crate) fn sleeps(&self) -> Vec<u128> {
        let time = self.0.lock().unwrap();
        time.sleeps.iter().map(Duration::as_millis).collect()
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        self.0.lock().unwrap().wall
    }

    fn monotonic(&self) -> Duration {
        self.0.lock().unwrap().monotonic
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let mut time = self.0.lock().unwrap();
        time.sleeps.push(duration);
        time.monotonic += duration;
        time.wall = time.wall.saturating_add(duration);
        Box::pin(tokio::task::yield_now())
    }
}
