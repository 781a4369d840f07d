use std::{sync::Mutex, time::Duration};

use hallpass_core::{BoxFuture, Clock, Timestamp};
use tokio::sync::watch;

/// A clock that each sleep advances, so that pauses take no time and are recorded. A held clock is
/// advanced by the test alone, and wakes the sleeps that are over.
#[derive(Debug)]
pub(crate) struct TestClock {
    time: Mutex<Time>,
    monotonic: watch::Sender<Duration>,
}

#[derive(Debug)]
struct Time {
    wall: Timestamp,
    monotonic: Duration,
    sleeps: Vec<Duration>,
    held: bool,
    /// How many sleeps a test has waited for.
    seen: usize,
}

impl TestClock {
    pub(crate) fn new(wall: i64) -> Self {
        let monotonic = Duration::from_secs(500);
        Self {
            time: Mutex::new(Time {
                wall: Timestamp::from_unix_seconds(wall),
                monotonic,
                sleeps: Vec::new(),
                held: false,
                seen: 0,
            }),
            monotonic: watch::Sender::new(monotonic),
        }
    }

    /// From now on only the test advances it.
    pub(crate) fn hold(&self) {
        self.time.lock().unwrap().held = true;
    }

    pub(crate) fn advance(&self, seconds: u64) {
        let mut time = self.time.lock().unwrap();
        time.wall = time.wall.saturating_add(Duration::from_secs(seconds));
        time.monotonic += Duration::from_secs(seconds);
        self.monotonic.send_replace(time.monotonic);
    }

    /// Advances monotonic time alone.
    pub(crate) fn wait(&self, seconds: u64) {
        self.time.lock().unwrap().monotonic += Duration::from_secs(seconds);
    }

    /// Advances wall time alone, as a corrected clock does.
    pub(crate) fn jump(&self, seconds: i64) {
        let mut time = self.time.lock().unwrap();
        let wall = time.wall.as_unix_seconds() + seconds;
        time.wall = Timestamp::from_unix_seconds(wall);
    }

    /// Whether a sleep waits for the test.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.monotonic.receiver_count() > 0
    }

    /// Wall time, in seconds since the Unix epoch.
    pub(crate) fn wall(&self) -> i64 {
        self.time.lock().unwrap().wall.as_unix_seconds()
    }

    /// Monotonic time, in seconds.
    pub(crate) fn seconds(&self) -> u64 {
        self.time.lock().unwrap().monotonic.as_secs()
    }

    /// Ends when there is one sleep more than the last time.
    pub(crate) async fn until_asleep(&self) {
        while !self.sees_a_sleep() {
            tokio::task::yield_now().await;
        }
    }

    fn sees_a_sleep(&self) -> bool {
        let mut time = self.time.lock().unwrap();
        let is_new = time.sleeps.len() > time.seen;
        time.seen += usize::from(is_new);
        is_new
    }

    /// The sleeps so far, in milliseconds.
    pub(crate) fn sleeps(&self) -> Vec<u128> {
        let time = self.time.lock().unwrap();
        time.sleeps.iter().map(Duration::as_millis).collect()
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        self.time.lock().unwrap().wall
    }

    fn monotonic(&self) -> Duration {
        self.time.lock().unwrap().monotonic
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let mut time = self.time.lock().unwrap();
        time.sleeps.push(duration);
        if time.held {
            let end = time.monotonic + duration;
            let mut monotonic = self.monotonic.subscribe();
            return Box::pin(async move {
                let _ = monotonic.wait_for(|now| *now >= end).await;
            });
        }
        time.monotonic += duration;
        time.wall = time.wall.saturating_add(duration);
        Box::pin(tokio::task::yield_now())
    }
}
