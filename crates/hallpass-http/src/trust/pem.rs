//! PEM blocks with their positions (RFC 7468), read one by one so that a bad one spoils no other.

use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

/// One block, or what looked like one.
#[derive(Debug)]
pub(crate) struct Block {
    /// The line of its `BEGIN`, counted from 1.
    pub(crate) line: usize,
    /// What stands after `BEGIN`.
    pub(crate) label: String,
    /// The content, or why there is none.
    pub(crate) content: Result<Vec<u8>, BadBlock>,
}

/// Why a block has no content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadBlock {
    NoEnd,
    OtherEnd,
    NotBase64 { line: usize },
    Empty,
}

/// A block whose end was not reached yet.
struct Open {
    line: usize,
    label: String,
    /// Wiped when done with: the block may be a key.
    base64: Zeroizing<Vec<u8>>,
    /// The first line that is no base64.
    bad_line: Option<usize>,
}

impl Open {
    fn end(self, label: Option<&str>) -> Block {
        let content = match (label, self.bad_line) {
            (None, _) => Err(BadBlock::NoEnd),
            (Some(label), _) if label != self.label => Err(BadBlock::OtherEnd),
            (Some(_), Some(line)) => Err(BadBlock::NotBase64 { line }),
            (Some(_), None) if self.base64.is_empty() => Err(BadBlock::Empty),
            (Some(_), None) => STANDARD
                .decode(&*self.base64)
                .map_err(|_| BadBlock::NotBase64 {
                    line: self.line + 1,
                }),
        };
        Block {
            line: self.line,
            label: self.label,
            content,
        }
    }
}

/// The blocks of a text; what stands around them is commentary.
pub(crate) fn blocks(pem: &[u8]) -> Vec<Block> {
    let text = String::from_utf8_lossy(pem);
    let mut found: Vec<Block> = Vec::new();
    let mut open: Option<Open> = None;
    for (index, line) in text.split('\n').enumerate() {
        let number = index + 1;
        let line = line.trim();
        if let Some(label) = marker(line, "BEGIN") {
            found.extend(open.take().map(|open| open.end(None)));
            open = Some(Open {
                line: number,
                label: label.to_owned(),
                base64: Zeroizing::default(),
                bad_line: None,
            });
        } else if let Some(label) = marker(line, "END") {
            found.extend(open.take().map(|open| open.end(Some(label))));
        } else if let Some(open) = &mut open {
            // `Proc-Type: …` and other headers stand in some keys (RFC 1421 §4.6).
            if line.contains(':') && open.base64.is_empty() {
                continue;
            }
            let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
            if line.bytes().all(is_base64) {
                open.base64.extend_from_slice(line.as_bytes());
            } else {
                open.bad_line.get_or_insert(number);
            }
        }
    }
    found.extend(open.map(|open| open.end(None)));
    found
}

/// The label of `-----BEGIN label-----`.
fn marker<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    let inner = line.strip_prefix("-----")?.strip_suffix("-----")?;
    Some(inner.strip_prefix(word)?.trim())
}
