//! PEM blocks with their positions (RFC 7468), read one by one so that a bad one spoils no other.

use base64::{Engine, engine::general_purpose::STANDARD};

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

/// The blocks of a text; what stands around them is commentary.
pub(crate) fn blocks(pem: &[u8]) -> Vec<Block> {
    let text = String::from_utf8_lossy(pem);
    let mut found: Vec<Block> = Vec::new();
    let mut open: Option<(usize, String, Vec<u8>, Option<usize>)> = None;
    let finish = |open: &mut Option<(usize, String, Vec<u8>, Option<usize>)>,
                  end: Result<&str, BadBlock>| {
        let (line, label, base64, bad) = open.take()?;
        let content = match (end, bad) {
            (Err(reason), _) => Err(reason),
            (Ok(end), _) if end != label => Err(BadBlock::OtherEnd),
            (Ok(_), Some(line)) => Err(BadBlock::NotBase64 { line }),
            (Ok(_), None) if base64.is_empty() => Err(BadBlock::Empty),
            (Ok(_), None) => STANDARD
                .decode(base64)
                .map_err(|_| BadBlock::NotBase64 { line: line + 1 }),
        };
        Some(Block {
            line,
            label,
            content,
        })
    };
    for (index, line) in text.split('\n').enumerate() {
        let line = line.trim();
        if let Some(label) = marker(line, "BEGIN") {
            found.extend(finish(&mut open, Err(BadBlock::NoEnd)));
            open = Some((index + 1, label.to_owned(), Vec::new(), None));
        } else if let Some(label) = marker(line, "END") {
            found.extend(finish(&mut open, Ok(label)));
        } else if let Some((_, _, base64, bad)) = &mut open {
            // `Proc-Type: …` and other headers stand in some keys (RFC 1421 §4.6).
            if line.contains(':') && base64.is_empty() {
                continue;
            }
            let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
            if line.bytes().all(is_base64) {
                base64.extend_from_slice(line.as_bytes());
            } else {
                bad.get_or_insert(index + 1);
            }
        }
    }
    found.extend(finish(&mut open, Err(BadBlock::NoEnd)));
    found
}

/// The label of `-----BEGIN label-----`.
fn marker<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    let inner = line.strip_prefix("-----")?.strip_suffix("-----")?;
    Some(inner.strip_prefix(word)?.trim())
}
