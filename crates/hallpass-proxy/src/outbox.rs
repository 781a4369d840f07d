//! What the host is told: one message a line, no faster than it reads.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
};

/// How many bytes wait to be written, before those who bring more wait too. One larger message may
/// wait alone.
const ROOM: usize = 1024 * 1024;

/// What a line takes up besides its bytes.
const OVERHEAD: usize = 256;

/// Short lines that wait are written together, up to this size.
const TOGETHER: usize = 32 * 1024;

/// Where messages for the host are left.
#[derive(Debug, Clone)]
pub(crate) struct Outbox {
    lines: mpsc::UnboundedSender<(Bytes, OwnedSemaphorePermit)>,
    room: Arc<Semaphore>,
}

/// Room in the outbox for one message.
#[must_use]
pub(crate) struct Reserved<'a> {
    outbox: &'a Outbox,
    permit: Option<OwnedSemaphorePermit>,
}

/// The other end.
pub(crate) struct LineWriter(mpsc::UnboundedReceiver<(Bytes, OwnedSemaphorePermit)>);

pub(crate) fn outbox() -> (Outbox, LineWriter) {
    let (lines, written) = mpsc::unbounded_channel();
    let room = Arc::new(Semaphore::new(ROOM));
    (Outbox { lines, room }, LineWriter(written))
}

impl Outbox {
    /// Waits for room for a message of `len` bytes.
    pub(crate) async fn reserve(&self, len: usize) -> Reserved<'_> {
        let size = len.saturating_add(OVERHEAD).min(ROOM);
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        Reserved {
            outbox: self,
            // The semaphore is never closed.
            permit: self.room.clone().acquire_many_owned(size).await.ok(),
        }
    }

    /// Leaves a message, once there is room. When the host reads no more, the message is dropped.
    pub(crate) async fn send(&self, message: Bytes) {
        self.reserve(message.len()).await.send(&message);
    }
}

impl Reserved<'_> {
    /// Leaves the message that the room was reserved for.
    pub(crate) fn send(self, message: &Bytes) {
        if let Some(permit) = self.permit {
            let _ = self.outbox.lines.send((on_one_line(message), permit));
        }
    }
}

/// A JSON text on one line. It holds line ends between its tokens only.
fn on_one_line(message: &Bytes) -> Bytes {
    let text = message.trim_ascii();
    if !text.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
        return message.slice_ref(text);
    }
    let flat = |byte: &u8| match byte {
        b'\n' | b'\r' => b' ',
        byte => *byte,
    };
    text.iter().map(flat).collect()
}

impl LineWriter {
    /// Writes lines until no more can come, or until the host reads no more.
    pub(crate) async fn write_to(
        mut self,
        mut writer: impl AsyncWrite + Unpin,
    ) -> std::io::Result<()> {
        let mut together = BytesMut::new();
        while let Some((line, permit)) = self.0.recv().await {
            let mut permit = Some(permit);
            if line.len() < TOGETHER {
                together.extend_from_slice(&line);
                together.extend_from_slice(b"\n");
                while together.len() < TOGETHER
                    && let Ok((line, more)) = self.0.try_recv()
                {
                    together.extend_from_slice(&line);
                    together.extend_from_slice(b"\n");
                    if let Some(permit) = &mut permit {
                        permit.merge(more);
                    }
                }
                writer.write_all(&together).await?;
                if together.capacity() > 4 * TOGETHER {
                    together = BytesMut::new();
                }
                together.clear();
            } else {
                writer.write_all(&line).await?;
                writer.write_all(b"\n").await?;
            }
            drop(permit);
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

    #[test]
    fn message_on_many_lines_is_put_on_one() {
        let message = "\n{\"id\": 1,\r\n \"result\": {\"a\": \"b\\n\"}}\n";
        let line = on_one_line(&message.into());
        assert_eq!(line, "{\"id\": 1,   \"result\": {\"a\": \"b\\n\"}}");
    }
}
