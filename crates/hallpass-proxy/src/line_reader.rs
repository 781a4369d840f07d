//! What the host says: one message a line.

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use hallpass_mcp::jsonrpc::Id;

/// Lines of at most `cap` bytes. No more than that is kept of a longer one.
pub(crate) struct LineReader<R> {
    reader: R,
    cap: usize,
    buffer: BytesMut,
    /// How much of the buffer holds no line end.
    seen: usize,
    /// The rest of a line that is too long is skipped.
    skipping: bool,
    ended: bool,
}

/// What was read.
pub(crate) enum Line {
    Whole(Bytes),
    /// It has more bytes than the cap; with its id, if that stands near its beginning.
    TooLong(Option<Id>),
}

/// How much is read at a time.
const CHUNK: usize = 16 * 1024;

impl<R: AsyncRead + Unpin> LineReader<R> {
    pub(crate) fn new(reader: R, cap: usize) -> Self {
        Self {
            reader,
            cap,
            buffer: BytesMut::new(),
            seen: 0,
            skipping: false,
            ended: false,
        }
    }

    /// The next line that is not blank, without its end. Nothing is lost when the future is dropped.
    pub(crate) async fn next(&mut self) -> std::io::Result<Option<Line>> {
        loop {
            let end = self.buffer[self.seen..]
                .iter()
                .position(|byte| *byte == b'\n');
            if let Some(end) = end {
                let line = self.buffer.split_to(self.seen + end).freeze();
                self.buffer.advance(1);
                self.seen = 0;
                if std::mem::take(&mut self.skipping) {
                    continue;
                }
                if let Some(line) = self.cut(&line) {
                    return Ok(Some(line));
                }
                continue;
            }
            self.seen = self.buffer.len();
            if self.skipping {
                self.buffer.clear();
                self.seen = 0;
            } else if self.seen > self.cap {
                let id = Id::from_fragment(&self.buffer);
                self.buffer = BytesMut::new();
                self.seen = 0;
                self.skipping = true;
                return Ok(Some(Line::TooLong(id)));
            }
            if self.ended {
                let rest = std::mem::take(&mut self.buffer).freeze();
                self.seen = 0;
                return Ok(self.cut(&rest));
            }
            self.buffer.reserve(CHUNK);
            self.ended = self.reader.read_buf(&mut self.buffer).await? == 0;
        }
    }

    fn cut(&self, line: &Bytes) -> Option<Line> {
        let text = line.trim_ascii();
        if text.is_empty() {
            return None;
        }
        if text.len() > self.cap {
            return Some(Line::TooLong(Id::from_fragment(text)));
        }
        Some(Line::Whole(line.slice_ref(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read of `text` when it comes in pieces of `size` bytes, with a cap of 20.
    async fn read(text: &str, size: usize) -> Vec<String> {
        let (mut writer, reader) = tokio::io::duplex(size);
        let text = text.to_owned();
        let write = tokio::spawn(async move {
            tokio::io::AsyncWriteExt::write_all(&mut writer, text.as_bytes())
                .await
                .unwrap();
        });
        let mut lines = LineReader::new(reader, 20);
        let mut read = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            read.push(match line {
                Line::Whole(line) => String::from_utf8(line.to_vec()).unwrap(),
                Line::TooLong(id) => format!("too long {id:?}"),
            });
        }
        write.await.unwrap();
        read
    }

    #[tokio::test]
    async fn lines_are_the_same_however_they_are_cut() {
        for size in [1, 2, 3, 7, 64, 1024] {
            let text = "{\"a\":1}\r\n\n  {} \n{\"id\":7,\"x\":\"0123456789\"}\nz\nlast";
            let long = "too long Some(Number(\"7\"))";
            assert_eq!(
                read(text, size).await,
                ["{\"a\":1}", "{}", long, "z", "last"],
                "{size}"
            );
        }
    }
}
