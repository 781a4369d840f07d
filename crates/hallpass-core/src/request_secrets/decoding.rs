//! A text read in one of the encodings that servers repeat requests in, with the place in the text that
//! each byte is made from.

use std::ops::Range;

/// A text after some decodings.
pub(super) struct Decoded {
    pub(super) bytes: Vec<u8>,
    /// The bytes of the text that each byte is made from.
    pub(super) sources: Vec<Source>,
    /// Whether it reads as a text, and not as what base64 makes of any word.
    pub(super) is_text: bool,
    /// Whether white space was removed last: its words are one.
    pub(super) is_unbroken: bool,
}

/// From which byte of the text, and to before which one.
#[derive(Clone, Copy)]
pub(super) struct Source {
    begin: u32,
    end: u32,
}

impl Source {
    pub(super) fn range(self) -> Range<usize> {
        let place = |at: u32| usize::try_from(at).unwrap_or(usize::MAX);
        place(self.begin)..place(self.end)
    }
}

/// Reads the escape that a text begins with: how long it is, and what it stands for.
type Escape = fn(&[u8]) -> Option<(usize, char)>;

/// The fewest characters of base64 that hold a secret that counts.
const MIN_BASE64: usize = 6;

impl Decoded {
    /// The text itself.
    pub(super) fn plain(text: &str) -> Self {
        let sources = (0..).zip(1..).map(|(begin, end)| Source { begin, end });
        Self {
            bytes: text.as_bytes().to_owned(),
            sources: sources.take(text.len()).collect(),
            ..Self::empty()
        }
    }

    /// The text as it was before it was wrapped; `None` where it has no white space.
    pub(super) fn without_white_space(&self) -> Option<Self> {
        if !self.is_text || !self.bytes.iter().any(u8::is_ascii_whitespace) {
            return None;
        }
        let mut unbroken = Self {
            is_unbroken: true,
            ..Self::empty()
        };
        for (byte, source) in self.bytes.iter().zip(&self.sources) {
            if !byte.is_ascii_whitespace() {
                unbroken.push(*byte, *source);
            }
        }
        Some(unbroken)
    }

    /// Gives `visit` the text with one more encoding removed, for each that there is in it: one at a
    /// time, since each may be as long as the text.
    pub(super) fn each_decoding(&self, visit: &mut dyn FnMut(Self) -> Option<()>) -> Option<()> {
        if !self.is_text {
            return Some(());
        }
        let escapes: [(u8, Escape); 2] = [(b'\\', json_escape), (b'&', html_escape)];
        for (first, escape) in escapes {
            if self.bytes.contains(&first)
                && let Some(decoded) = self.unescape(escape)
            {
                visit(decoded)?;
            }
        }
        if let Some(decoded) = self.percent_decoded() {
            visit(decoded)?;
        }
        self.each_base64(visit)
    }

    fn empty() -> Self {
        Self {
            bytes: Vec::new(),
            sources: Vec::new(),
            is_text: true,
            is_unbroken: false,
        }
    }

    fn push(&mut self, byte: u8, source: Source) {
        self.bytes.push(byte);
        self.sources.push(source);
    }

    /// What the bytes from `first` to before `end` are made from.
    fn source(&self, first: usize, end: usize) -> Source {
        Source {
            begin: self.sources[first].begin,
            end: self.sources[end - 1].end,
        }
    }

    fn percent_decoded(&self) -> Option<Self> {
        if !self.bytes.contains(&b'%') {
            return None;
        }
        let mut decoded = Self::empty();
        let mut at = 0;
        while let Some(&byte) = self.bytes.get(at) {
            let escaped = (byte == b'%').then(|| hex(self.bytes.get(at + 1..at + 3)?));
            let (byte, length) = match escaped.flatten().map(u8::try_from) {
                Some(Ok(byte)) => (byte, 3),
                _ => (byte, 1),
            };
            decoded.push(byte, self.source(at, at + length));
            at += length;
        }
        (decoded.bytes.len() < self.bytes.len()).then_some(decoded)
    }

    fn unescape(&self, escape: Escape) -> Option<Self> {
        let mut decoded = Self::empty();
        let mut at = 0;
        while let Some(&byte) = self.bytes.get(at) {
            if let Some((length, c)) = escape(&self.bytes[at..]) {
                let source = self.source(at, at + length);
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    decoded.push(byte, source);
                }
                at += length;
            } else {
                decoded.push(byte, self.source(at, at + 1));
                at += 1;
            }
        }
        (decoded.bytes != self.bytes).then_some(decoded)
    }

    /// Each run of base64's characters, from each of the four places where a group may begin: letters
    /// that belong to no base64 may stand before it.
    fn each_base64(&self, visit: &mut dyn FnMut(Self) -> Option<()>) -> Option<()> {
        let mut at = 0;
        while at < self.bytes.len() {
            let digits = self.bytes[at..].iter();
            let length = digits.take_while(|byte| sextet(**byte).is_some()).count();
            if length >= MIN_BASE64 {
                let run = at..at + length;
                for skip in 0..4 {
                    visit(self.base64(run.start + skip..run.end))?;
                }
            }
            at += length + 1;
        }
        Some(())
    }

    fn base64(&self, run: Range<usize>) -> Self {
        let mut decoded = Self::empty();
        let (mut bits, mut count) = (0_u32, 0);
        for at in run {
            bits = bits << 6 | u32::from(sextet(self.bytes[at]).unwrap_or_default());
            count += 6;
            if count >= 8 {
                count -= 8;
                let byte = u8::try_from(bits >> count & 0xff).unwrap_or_default();
                decoded.push(byte, self.source(at - 1, at + 1));
            }
        }
        let is_printable = |byte: &&u8| matches!(byte, b' '..=b'~' | b'\n' | b'\r' | b'\t');
        let printable = decoded.bytes.iter().filter(is_printable).count();
        // What stands before base64 in a run is decoded to anything.
        decoded.is_text = printable * 4 >= decoded.bytes.len() * 3;
        decoded
    }
}

/// The value of a digit of base64, of the standard alphabet and of the one for URLs (RFC 4648 §4, §5).
fn sextet(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

fn hex(digits: &[u8]) -> Option<u32> {
    let digits = std::str::from_utf8(digits).ok()?;
    let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| u32::from_str_radix(digits, 16).ok())?
}

/// RFC 8259 §7.
fn json_escape(text: &[u8]) -> Option<(usize, char)> {
    let (b'\\', kind) = (*text.first()?, *text.get(1)?) else {
        return None;
    };
    let c = match kind {
        b'"' | b'\\' | b'/' | b'\'' => char::from(kind),
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        // As in a line.
        b'n' | b'r' | b't' => ' ',
        b'u' => return unicode_escape(text),
        _ => return None,
    };
    Some((2, c))
}

fn unicode_escape(text: &[u8]) -> Option<(usize, char)> {
    let unit = |at: usize| {
        let escape = text.get(at..at + 6)?;
        let unit = escape.strip_prefix(b"\\u").and_then(hex)?;
        u16::try_from(unit).ok()
    };
    let first = unit(0)?;
    let units = std::iter::once(first).chain(unit(6).filter(|_| (0xd800..0xdc00).contains(&first)));
    let c = char::decode_utf16(units).next()?.ok()?;
    Some((6 * c.len_utf16(), c))
}

/// The references of HTML that stand for what is special in it.
fn html_escape(text: &[u8]) -> Option<(usize, char)> {
    if *text.first()? != b'&' {
        return None;
    }
    let end = text.iter().take(10).position(|byte| *byte == b';')?;
    let c = match &text[1..end] {
        b"amp" => '&',
        b"lt" => '<',
        b"gt" => '>',
        b"quot" => '"',
        b"apos" => '\'',
        [b'#', b'x' | b'X', digits @ ..] => char::from_u32(hex(digits)?)?,
        [b'#', digits @ ..] => {
            let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
            char::from_u32(number)?
        }
        _ => return None,
    };
    Some((end + 1, c))
}
