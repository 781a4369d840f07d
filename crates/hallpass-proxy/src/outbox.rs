//! What the host is told: one message a line, no faster than it reads.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
};

use crate::answer_budget::Permits;

/// How many bytes wait to be written that no [`Permits`] are for, before those who bring more wait too.
/// One larger message may wait alone.
const MAX_QUEUED_BYTES: usize = 1024 * 1024;

/// What a line takes up besides its bytes.
const LINE_OVERHEAD: usize = 256;

/// Short lines that wait are written together, up to this size.
const MAX_COMBINED_WRITE: usize = 32 * 1024;

/// Where messages for the host are left.
#[derive(Debug, Clone)]
pub(crate) struct Outbox {
    lines: mpsc::UnboundedSender<Line>,
    room: Arc<Semaphore>,
}

/// Room in the outbox for one message.
#[must_use]
pub(crate) struct Reserved<'a> {
    outbox: &'a Outbox,
    room: Option<OwnedSemaphorePermit>,
    permits: Permits,
}

/// A message that waits, and what it takes up until the host has taken it.
struct Line {
    text: Bytes,
    _room: OwnedSemaphorePermit,
    _permits: Permits,
}

/// The other end.
pub(crate) struct LineWriter(mpsc::UnboundedReceiver<Line>);

pub(crate) fn outbox() -> (Outbox, LineWriter) {
    let (lines, written) = mpsc::unbounded_channel();
    let room = Arc::new(Semaphore::new(MAX_QUEUED_BYTES));
    (Outbox { lines, room }, LineWriter(written))
}

impl Outbox {
    /// Waits for room for a message of `len` bytes, as far as `permits` are not for it.
    pub(crate) async fn reserve(&self, len: usize, permits: Permits) -> Reserved<'_> {
        let size = len.saturating_sub(permits.bytes());
        let size = size.saturating_add(LINE_OVERHEAD).min(MAX_QUEUED_BYTES);
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        Reserved {
            outbox: self,
            // The semaphore is never closed.
            room: self.room.clone().acquire_many_owned(size).await.ok(),
            permits,
        }
    }

    /// Leaves a message, once there is room. When the host reads no more, the message is dropped.
    pub(crate) async fn send(&self, message: Bytes) {
        let reserved = self.reserve(message.len(), Permits::default()).await;
        reserved.send(&message);
    }
}

impl Reserved<'_> {
    /// Leaves the message that the room was reserved for.
    pub(crate) fn send(self, message: &Bytes) {
        if let Some(room) = self.room {
            let _ = self.outbox.lines.send(Line {
                text: message.slice_ref(message.trim_ascii()),
                _room: room,
                _permits: self.permits,
            });
        }
    }
}

/// Adds a piece of a JSON text, which holds line ends between its tokens only.
fn push_on_one_line(buffer: &mut BytesMut, piece: &[u8]) {
    let begin = buffer.len();
    buffer.extend_from_slice(piece);
    for byte in &mut buffer[begin..] {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
}

impl LineWriter {
    /// Writes lines until no more can come, or until the host reads no more.
    pub(crate) async fn write_to(
        mut self,
        mut writer: impl AsyncWrite + Unpin,
    ) -> std::io::Result<()> {
        let mut buffer = BytesMut::with_capacity(2 * MAX_COMBINED_WRITE);
        // What is in the buffer; the host has not taken it yet.
        let mut lines = Vec::new();
        while let Some(line) = self.0.recv().await {
            let mut next = Some(line);
            while let Some(line) = next {
                for piece in line.text.chunks(MAX_COMBINED_WRITE) {
                    if buffer.len() + piece.len() > MAX_COMBINED_WRITE {
                        writer.write_all(&buffer).await?;
                        buffer.clear();
                    }
                    push_on_one_line(&mut buffer, piece);
                }
                buffer.extend_from_slice(b"\n");
                lines.push(line);
                next = if buffer.len() < MAX_COMBINED_WRITE {
                    self.0.try_recv().ok()
                } else {
                    None
                };
            }
            writer.write_all(&buffer).await?;
            buffer.clear();
            lines.clear();
            if self.0.is_empty() {
                writer.flush().await?;
            }
        }
        writer.flush().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the host reads of these messages.
    async fn written(messages: &[&str]) -> String {
        let (outbox, lines) = outbox();
        let (host, mut reads) = tokio::io::duplex(1000);
        let writer = tokio::spawn(lines.write_to(host));
        let all = async move {
            for message in messages {
                outbox.send(message.as_bytes().to_vec().into()).await;
            }
        };
        let mut read = String::new();
        let read_all = tokio::io::AsyncReadExt::read_to_string(&mut reads, &mut read);
        let ((), count) = tokio::join!(all, read_all);
        count.unwrap();
        writer.await.unwrap().unwrap();
        read
    }

    #[tokio::test]
    async fn message_on_many_lines_is_put_on_one() {
        let message = "\n{\"id\": 1,\r\n \"result\": {\"a\": \"b\\n\"}}\n";
        let line = "{\"id\": 1,   \"result\": {\"a\": \"b\\n\"}}\n";
        assert_eq!(written(&[message]).await, line);
    }

    #[tokio::test]
    async fn messages_of_each_size_come_in_their_order() {
        let message = |len: usize| "\n".repeat(2) + "[" + &"\n".repeat(len) + "]";
        let line = |len: usize| "[".to_owned() + &" ".repeat(len) + "]\n";
        let sizes = [
            0,
            1,
            MAX_COMBINED_WRITE - 3,
            MAX_COMBINED_WRITE,
            7,
            2 * MAX_QUEUED_BYTES,
            5,
        ];
        let messages = sizes.map(message);
        let messages: Vec<&str> = messages.iter().map(String::as_str).collect();
        assert!(written(&messages).await == sizes.map(line).concat());
    }
}
