//! Standard error, and a queue before it for a program that must not wait for its reader.

use std::{
    collections::VecDeque,
    io::{self, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// How much waits for the reader. What comes then is left out.
const MAX_QUEUED_BYTES: usize = 256 * 1024;

/// How long the end waits for what is queued.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(500);

/// Where messages to the user go: to standard error, at once or by a thread of its own. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Stderr(Option<Arc<Queue>>);

#[derive(Debug, Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    texts: VecDeque<String>,
    bytes: usize,
    /// How many messages were left out since the last one that is queued.
    omitted: usize,
    is_writing: bool,
}

impl Stderr {
    /// Writes by a thread of its own, so that a reader that stops reading blocks no other thread.
    pub(super) fn with_thread() -> io::Result<Self> {
        Self::to(io::stderr())
    }

    fn to(writer: impl Write + Send + 'static) -> io::Result<Self> {
        let queue = Arc::new(Queue::default());
        let reader = Arc::clone(&queue);
        thread::Builder::new()
            .name("stderr".to_owned())
            .spawn(move || reader.write_to(writer))?;
        Ok(Self(Some(queue)))
    }

    /// Writes a message, or queues it.
    pub(super) fn write(&self, text: String) -> io::Result<()> {
        if let Some(queue) = &self.0 {
            queue.push(text);
            return Ok(());
        }
        let mut stderr = io::stderr().lock();
        stderr.write_all(text.as_bytes())?;
        stderr.flush()
    }

    /// Waits until all that is queued is written, for a moment.
    pub(super) fn flush(&self) {
        if let Some(queue) = &self.0 {
            let is_waiting =
                |it: &mut State| it.is_writing || !it.texts.is_empty() || it.omitted > 0;
            let waited = queue
                .changed
                .wait_timeout_while(queue.lock(), FLUSH_TIMEOUT, is_waiting);
            drop(waited);
        }
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, text: String) {
        let mut state = self.lock();
        if state.bytes.saturating_add(text.len()) > MAX_QUEUED_BYTES {
            state.omitted = state.omitted.saturating_add(1);
            return;
        }
        if let Some(note) = state.omission() {
            state.queue(note);
        }
        state.queue(text);
        drop(state);
        self.changed.notify_all();
    }

    fn write_to(&self, mut writer: impl Write) {
        loop {
            let mut state = self
                .changed
                .wait_while(self.lock(), |it| it.texts.is_empty() && it.omitted == 0)
                .unwrap_or_else(PoisonError::into_inner);
            let text = state.texts.pop_front().or_else(|| state.omission());
            state.is_writing = true;
            drop(state);
            let text = text.unwrap_or_default();
            // A closed standard error does not stop the program.
            let _ = writer
                .write_all(text.as_bytes())
                .and_then(|()| writer.flush());
            let mut state = self.lock();
            state.bytes = state.bytes.saturating_sub(text.len());
            state.is_writing = false;
            drop(state);
            self.changed.notify_all();
        }
    }
}

impl State {
    fn queue(&mut self, text: String) {
        self.bytes = self.bytes.saturating_add(text.len());
        self.texts.push_back(text);
    }

    /// That messages were left out, if some were.
    fn omission(&mut self) -> Option<String> {
        let omitted = std::mem::take(&mut self.omitted);
        (omitted > 0).then(|| {
            format!("warning: {omitted} messages were left out: standard error was not read\n")
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// A reader that stops reading: each write waits until it is allowed.
    struct Stopped {
        begun: Sender<String>,
        allowed: Receiver<()>,
    }

    impl Write for Stopped {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let text = String::from_utf8_lossy(bytes).into_owned();
            self.begun.send(text).map_err(io::Error::other)?;
            self.allowed.recv().map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn reader_that_stops_blocks_no_writer_and_hears_what_was_left_out() {
        let (begun, begins) = channel();
        let (allow, allowed) = channel();
        let stderr = Stderr::to(Stopped { begun, allowed }).unwrap();
        stderr.write("first\n".to_owned()).unwrap();
        assert_eq!(begins.recv().unwrap(), "first\n");
        // Neither a message nor the end waits for it.
        let line = format!("{}\n", "x".repeat(1023));
        for _ in 0..1000 {
            stderr.write(line.clone()).unwrap();
        }
        stderr.flush();
        let queued = MAX_QUEUED_BYTES / line.len() - 1;
        for _ in 0..queued {
            allow.send(()).unwrap();
            assert_eq!(begins.recv().unwrap(), line);
        }
        allow.send(()).unwrap();
        let note = begins.recv().unwrap();
        let omitted = 1000 - queued;
        assert!(
            note.contains(&format!("{omitted} messages were left out")),
            "{note}"
        );
        allow.send(()).unwrap();
        stderr.write("last\n".to_owned()).unwrap();
        assert_eq!(begins.recv().unwrap(), "last\n");
        allow.send(()).unwrap();
        stderr.flush();
    }
}
