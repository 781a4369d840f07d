//! The line at the bottom of a terminal that says what the program waits for.
//!
//! It is drawn over itself, and gone before anything else is written. Where standard error is no
//! terminal there is none.

use std::{
    io::{Write, stderr},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hallpass::{Clock, SystemClock};

use crate::text;

/// So long nothing is said: most answers come sooner.
const SHOW_DELAY: Duration = Duration::from_millis(600);

/// So long a server may be silent before it is named, with the time that it took so far.
pub(super) const SILENT_AFTER: Duration = Duration::from_secs(3);

/// How often the line is drawn anew.
const REDRAW_INTERVAL: Duration = Duration::from_millis(200);

/// The turning sign before the words, in ASCII: it looks the same everywhere.
const SPINNER: [&str; 4] = ["|", "/", "-", "\\"];

/// The status line of one terminal. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct StatusLine {
    /// How wide the terminal is; none where nothing can be drawn over.
    width: Option<usize>,
    shown: Arc<Mutex<Report>>,
}

#[derive(Debug, Default)]
struct Report {
    words: String,
    turn: usize,
    is_drawn: bool,
    /// Whether the user is being asked something, which must not be overwritten.
    is_held: bool,
    /// How many waits there are, one within the other. The innermost is drawn.
    waits: usize,
}

/// A wait; it ends when this is dropped.
struct Wait<'a>(&'a StatusLine);

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.0.lock().waits -= 1;
        self.0.clear();
    }
}

/// The status line stays away.
#[derive(Debug)]
pub(crate) struct StatusHold<'a>(&'a StatusLine);

impl Drop for StatusHold<'_> {
    fn drop(&mut self) {
        self.0.lock().is_held = false;
    }
}

impl StatusLine {
    pub(super) fn new(width: Option<usize>) -> Self {
        Self {
            width,
            shown: Arc::default(),
        }
    }

    /// Whether something is waited for now.
    pub(super) fn is_shown(&self) -> bool {
        self.is_there() && self.lock().waits > 0
    }

    /// Whether there is a line at all.
    pub(super) fn is_there(&self) -> bool {
        self.width.is_some()
    }

    /// Shows what is waited for until `work` is done.
    pub(super) async fn during<T>(&self, what: &str, work: impl Future<Output = T>) -> T {
        self.set_text(what);
        self.until(work).await
    }

    /// Shows what was said last until `work` is done.
    pub(super) async fn until<T>(&self, work: impl Future<Output = T>) -> T {
        let work = std::pin::pin!(work);
        self.draw_until(SystemClock.monotonic(), SHOW_DELAY, work)
            .await
    }

    /// Shows other words, for a wait that has `begun` already, until `work` is done.
    pub(super) async fn instead<T>(
        &self,
        what: &str,
        begun: Duration,
        work: Pin<&mut impl Future<Output = T>>,
    ) -> T {
        let before = std::mem::replace(&mut self.lock().words, text::line(what));
        let done = self.draw_until(begun, Duration::ZERO, work).await;
        self.lock().words = before;
        done
    }

    async fn draw_until<T>(
        &self,
        begun: Duration,
        mut pause: Duration,
        mut work: Pin<&mut impl Future<Output = T>>,
    ) -> T {
        if !self.is_there() {
            return work.await;
        }
        let depth = {
            let mut shown = self.lock();
            shown.waits += 1;
            shown.waits
        };
        let _wait = Wait(self);
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = SystemClock.sleep(pause) => {}
            }
            pause = REDRAW_INTERVAL;
            let elapsed = SystemClock.monotonic().saturating_sub(begun);
            self.draw(depth, elapsed);
        }
    }

    /// Changes the words; they are drawn at the next beat.
    pub(super) fn set_text(&self, what: &str) {
        self.lock().words = text::line(what);
    }

    /// Takes the line away, and keeps it away as long as what this gives is kept.
    pub(super) fn hold(&self) -> StatusHold<'_> {
        self.clear();
        self.lock().is_held = true;
        StatusHold(self)
    }

    /// Takes the line away before something else is written.
    pub(super) fn clear(&self) {
        let mut shown = self.lock();
        if shown.is_drawn {
            shown.is_drawn = false;
            let _ = write!(stderr(), "\r\u{1b}[K");
        }
    }

    fn draw(&self, depth: usize, elapsed: Duration) {
        let mut shown = self.lock();
        let Some(width) = self
            .width
            .filter(|_| !shown.is_held && depth >= shown.waits)
        else {
            return;
        };
        shown.turn = (shown.turn + 1) % SPINNER.len();
        let mut line = format!("{} {}", SPINNER[shown.turn], shown.words);
        if elapsed >= SILENT_AFTER {
            line = format!("{line} ({} s)", elapsed.as_secs());
        }
        // A line that wraps can't be drawn over.
        let line: String = line.chars().take(width - 1).collect();
        shown.is_drawn = true;
        let mut stderr = stderr().lock();
        let _ = write!(stderr, "\r{line}\u{1b}[K").and_then(|()| stderr.flush());
    }

    fn lock(&self) -> MutexGuard<'_, Report> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
