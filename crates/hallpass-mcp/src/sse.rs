//! Server-sent events: an incremental parser that knows no I/O.

use std::{fmt, time::Duration};

use bytes::{Buf, Bytes};
use hallpass_core::Remedy;

use crate::message_size::Size;

/// What one block of an event stream said.
///
/// The WHATWG algorithm dispatches nothing for a block without data, yet its `id` and `retry` count:
/// such a block is an event whose `data` is `None`. A block that says nothing at all is left out.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// The event's type; `None` is the same as `message`.
    pub event: Option<String>,
    /// The lines of `data` joined by line feeds: one JSON-RPC message in MCP, or nothing (an empty
    /// text) in an event that only hands out its `id`.
    pub data: Option<String>,
    /// The event's `id`, which is the stream's last event id from here on. An empty one unsets it. One of
    /// more than 8 KiB is read as empty: it would be sent back in a header.
    pub id: Option<String>,
    /// How long to wait before the stream is opened again.
    pub retry: Option<Duration>,
}

impl fmt::Debug for Event {
    /// Shows how long the data is: what it says is between the server and the caller.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("event", &self.event)
            .field("data_len", &self.data.as_ref().map(String::len))
            .field("id", &self.id)
            .field("retry", &self.retry)
            .finish()
    }
}

/// Turns bytes into events, as the WHATWG HTML standard (§9.2.6) says: lines end in CR, LF or CRLF,
/// one byte order mark at the start is skipped, an `id` with NUL is ignored, and so is a `retry`
/// that is not all digits. Pending data is dropped at the end. One thing is other than there: U+FFFD
/// stands for all of a line from its first invalid UTF-8 on. So no text is larger than what came.
///
/// Where the bytes are cut makes no difference to the events. No more than the cap is kept of one
/// event, and nothing of a comment.
pub struct EventParser {
    cap: usize,
    /// How much of the byte order mark has been seen; `None` once the question is settled.
    mark: Option<usize>,
    skip_line_feed: bool,
    in_comment: bool,
    line: Vec<u8>,
    /// The size of the block's finished lines, each with its end.
    finished: usize,
    pending: Event,
    failed: bool,
}

/// How long an `id` may be, so that it is kept and a stream can be resumed after it.
const MAX_ID_BYTES: usize = 8 * 1024;

const BYTE_ORDER_MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];

/// A line buffer that one large event has grown beyond this is not kept.
const MAX_KEPT_BUFFER: usize = 64 * 1024;

impl EventParser {
    /// A parser for one response body, which refuses an event of more than `cap` bytes: field names
    /// and line ends included, comments not.
    pub fn new(cap: usize) -> Self {
        Self {
            cap,
            mark: Some(0),
            skip_line_feed: false,
            in_comment: false,
            line: Vec::new(),
            finished: 0,
            pending: Event::default(),
            failed: false,
        }
    }

    /// Takes bytes off the front of `input` up to the end of one event. `None` means that all of
    /// `input` was taken and more is needed.
    ///
    /// # Errors
    ///
    /// When an event is larger than the cap. Everything after it is dropped unread.
    pub fn next(&mut self, input: &mut Bytes) -> Option<Result<Event, EventTooLarge>> {
        self.skip_mark(input);
        while !input.is_empty() && !self.failed {
            if std::mem::take(&mut self.skip_line_feed) && input[0] == b'\n' {
                input.advance(1);
                continue;
            }
            let end = input.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let piece = input.split_to(end.unwrap_or(input.len()));
            if let Err(error) = self.extend(&piece) {
                self.failed = true;
                self.line = Vec::new();
                self.pending = Event::default();
                input.clear();
                return Some(Err(error));
            }
            if end.is_some() {
                self.skip_line_feed = input.get_u8() == b'\r';
                if let Some(event) = self.end_line() {
                    return Some(Ok(event));
                }
            }
        }
        if self.failed {
            input.clear();
        }
        None
    }

    /// Ends the stream. A `retry` of an unfinished block still counts; nothing else of it does.
    pub fn finish(&mut self) -> Option<Event> {
        let retry = std::mem::take(&mut self.pending).retry;
        retry.map(|retry| Event {
            retry: Some(retry),
            ..Event::default()
        })
    }

    /// How many bytes are held of the next event.
    pub(crate) fn held(&self) -> usize {
        self.finished.saturating_add(self.line.len())
    }

    fn skip_mark(&mut self, input: &mut Bytes) {
        while let (Some(seen), Some(byte)) = (self.mark, input.first()) {
            if *byte == BYTE_ORDER_MARK[seen] {
                input.advance(1);
                self.mark = (seen + 1 < BYTE_ORDER_MARK.len()).then_some(seen + 1);
            } else {
                self.line.extend_from_slice(&BYTE_ORDER_MARK[..seen]);
                self.mark = None;
            }
        }
    }

    fn extend(&mut self, piece: &[u8]) -> Result<(), EventTooLarge> {
        if self.line.is_empty() && piece.first() == Some(&b':') {
            self.in_comment = true;
        }
        if self.in_comment {
            return Ok(());
        }
        if self.held().saturating_add(piece.len()) > self.cap {
            return Err(EventTooLarge { cap: self.cap });
        }
        self.line.extend_from_slice(piece);
        Ok(())
    }

    fn end_line(&mut self) -> Option<Event> {
        if std::mem::take(&mut self.in_comment) {
            return None;
        }
        if self.line.is_empty() {
            return self.dispatch();
        }
        let mut line = std::mem::take(&mut self.line);
        self.finished = self.finished.saturating_add(line.len() + 1);
        if line.capacity() > MAX_KEPT_BUFFER
            && self.pending.data.is_none()
            && line.starts_with(b"data:")
        {
            // The usual large line is not copied.
            let begin = if line.get(5) == Some(&b' ') { 6 } else { 5 };
            line.drain(..begin);
            let data = String::from_utf8(line);
            self.pending.data = Some(data.unwrap_or_else(|invalid| text(invalid.as_bytes())));
            return None;
        }
        self.field(&line);
        if line.capacity() <= MAX_KEPT_BUFFER {
            line.clear();
            self.line = line;
        }
        None
    }

    fn field(&mut self, line: &[u8]) {
        let (name, value) = match line.iter().position(|byte| *byte == b':') {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &[][..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"event" => self.pending.event = Some(text(value)),
            b"data" => match &mut self.pending.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(&text(value));
                }
                None => self.pending.data = Some(text(value)),
            },
            b"id" if value.len() > MAX_ID_BYTES => self.pending.id = Some(String::new()),
            b"id" if !value.contains(&0) => self.pending.id = Some(text(value)),
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                if let Ok(milliseconds) = text(value).parse() {
                    self.pending.retry = Some(Duration::from_millis(milliseconds));
                }
            }
            _ => {}
        }
    }

    fn dispatch(&mut self) -> Option<Event> {
        self.finished = 0;
        let mut event = std::mem::take(&mut self.pending);
        if event.data.is_none() || event.event.as_deref() == Some("") {
            event.event = None;
        }
        (event != Event::default()).then_some(event)
    }
}

impl fmt::Debug for EventParser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventParser")
            .field("cap", &self.cap)
            .field("pending", &self.pending)
            .finish_non_exhaustive()
    }
}

/// The text of a line. Where it is no UTF-8 it ends, with U+FFFD: no JSON is left of it then.
fn text(bytes: &[u8]) -> String {
    match bytes.utf8_chunks().next() {
        Some(first) if first.invalid().is_empty() => first.valid().to_owned(),
        Some(first) => format!("{}\u{fffd}", first.valid()),
        None => String::new(),
    }
}

/// An event that is larger than the reader allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventTooLarge {
    cap: usize,
}

impl EventTooLarge {
    /// How many bytes an event may have.
    pub fn cap(&self) -> usize {
        self.cap
    }

    /// What to do about it: allow more.
    pub fn remedy(&self) -> Remedy {
        Remedy::Configure
    }
}

impl fmt::Display for EventTooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = Size(self.cap);
        write!(f, "an event of the server's stream is larger than {size}")
    }
}

impl std::error::Error for EventTooLarge {}

#[cfg(test)]
mod tests;
