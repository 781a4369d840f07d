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
    /// What the command waits for.
    words: String,
    turn: usize,
    is_drawn: bool,
    /// Whether the user is being asked something, which must not be overwritten.
    is_held: bool,
    /// The waits that have not ended, each with words of its own, if it has some. The last is drawn.
    waits: Vec<(usize, Option<String>)>,
    next_wait: usize,
}

impl Report {
    /// What is waited for, in the words of the wait that began last.
    fn words(&self) -> &str {
        let last = self.waits.last().and_then(|(_, words)| words.as_ref());
        last.unwrap_or(&self.words)
    }
}

/// A wait; it ends when this is dropped.
struct Wait<'a> {
    line: &'a StatusLine,
    id: usize,
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.line.lock().waits.retain(|(id, _)| *id != self.id);
        self.line.clear();
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
        self.is_there() && !self.lock().waits.is_empty()
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
        self.draw_until(None, SystemClock.monotonic(), SHOW_DELAY, work)
            .await
    }

    /// Shows other words, for a wait that has `begun` already, until `work` is done. Waits may overlap.
    pub(super) async fn instead<T>(
        &self,
        what: &str,
        begun: Duration,
        work: Pin<&mut impl Future<Output = T>>,
    ) -> T {
        self.draw_until(Some(text::line(what)), begun, Duration::ZERO, work)
            .await
    }

    async fn draw_until<T>(
        &self,
        words: Option<String>,
        begun: Duration,
        mut pause: Duration,
        mut work: Pin<&mut impl Future<Output = T>>,
    ) -> T {
        if !self.is_there() {
            return work.await;
        }
        let wait = self.begin_wait(words);
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = SystemClock.sleep(pause) => {}
            }
            pause = REDRAW_INTERVAL;
            let elapsed = SystemClock.monotonic().saturating_sub(begun);
            self.draw(&wait, elapsed);
        }
    }

    fn begin_wait(&self, words: Option<String>) -> Wait<'_> {
        let mut shown = self.lock();
        let id = shown.next_wait;
        shown.next_wait += 1;
        shown.waits.push((id, words));
        Wait { line: self, id }
    }

    /// Changes the words of the command; they are drawn at the next beat.
    pub(super) fn set_text(&self, what: &str) {
        self.lock().words = text::line(what);
    }

    /// The words of the command.
    pub(super) fn text(&self) -> String {
        self.lock().words.clone()
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

    fn draw(&self, wait: &Wait<'_>, elapsed: Duration) {
        let mut shown = self.lock();
        let is_last = shown.waits.last().is_some_and(|(id, _)| *id == wait.id);
        let Some(width) = self.width.filter(|_| !shown.is_held && is_last) else {
            return;
        };
        shown.turn = (shown.turn + 1) % SPINNER.len();
        let mut line = format!("{} {}", SPINNER[shown.turn], shown.words());
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

#[cfg(test)]
mod tests {
    use std::{future::pending, pin::pin};

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn words_of_overlapping_waits_end_with_their_waits() {
        let line = StatusLine::new(Some(80));
        // Nothing is drawn in a test.
        let _hold = line.hold();
        let words = || line.lock().words().to_owned();
        line.set_text("the command");
        let mut work = (pin!(pending::<()>()), pin!(pending::<()>()));
        let mut first = Box::pin(line.instead("first", Duration::ZERO, work.0.as_mut()));
        assert!(timeout(Duration::ZERO, &mut first).await.is_err());
        assert_eq!(words(), "first");
        let mut second = Box::pin(line.instead("second", Duration::ZERO, work.1.as_mut()));
        assert!(timeout(Duration::ZERO, &mut second).await.is_err());
        assert_eq!(words(), "second");
        // They are canceled in the order in which they began.
        drop(first);
        assert_eq!(words(), "second");
        line.set_text("the next step");
        assert_eq!(words(), "second");
        drop(second);
        assert_eq!(words(), "the next step");
        assert!(!line.is_shown());
    }
}
