//! The line at the bottom of a terminal that says what the program waits for.
//!
//! It is drawn over itself, and gone before anything else is written. Where standard error is no
//! terminal there is none.

use std::{
    io::{Write, stderr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hallpass::{Clock, SystemClock};

use crate::text;

/// So long nothing is said: most answers come sooner.
const SHOW_DELAY: Duration = Duration::from_millis(600);

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
        if !self.is_there() {
            return work.await;
        }
        let mut work = std::pin::pin!(work);
        let mut pause = SHOW_DELAY;
        let done = loop {
            tokio::select! {
                done = &mut work => break done,
                () = SystemClock.sleep(pause) => self.draw(),
            }
            pause = REDRAW_INTERVAL;
        };
        self.clear();
        done
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

    fn draw(&self) {
        let mut shown = self.lock();
        let Some(width) = self.width.filter(|_| !shown.is_held) else {
            return;
        };
        shown.turn = (shown.turn + 1) % SPINNER.len();
        let line = format!("{} {}", SPINNER[shown.turn], shown.words);
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
