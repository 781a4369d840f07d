//! The search for the secrets of a request in the texts of one message.

use serde_json::Value;

use super::{
    ERROR_MEMBERS, MAX_ENCODINGS, MAX_READ, MAX_TEXT, MAX_WORK, MIN_CUT, MIN_IN_WORD, MIN_REMOVED,
    REMOVED, Secrets, decoding::Decoded, without,
};

pub(super) struct Search {
    secrets: Needles,
    /// Those that count in a text without white space, without theirs.
    unbroken: Needles,
    /// What is left of [`MAX_WORK`].
    work: usize,
}

/// The secrets, and the bytes that one of them begins with.
struct Needles {
    secrets: Vec<Vec<u8>>,
    is_first: [bool; 256],
}

impl Needles {
    fn new(secrets: Vec<Vec<u8>>) -> Self {
        let mut is_first = [false; 256];
        for first in secrets.iter().filter_map(|secret| secret.first()) {
            is_first[usize::from(first.to_ascii_lowercase())] = true;
            is_first[usize::from(first.to_ascii_uppercase())] = true;
        }
        Self { secrets, is_first }
    }
}

impl Search {
    pub(super) fn new(secrets: &Secrets) -> Self {
        let unbroken = secrets.0.iter().map(|secret| {
            let bytes = secret.iter().copied();
            let bytes = bytes.filter(|byte| !byte.is_ascii_whitespace());
            bytes.collect::<Vec<_>>()
        });
        let unbroken = unbroken.filter(|secret| secret.len() >= MIN_IN_WORD);
        Self {
            secrets: Needles::new(secrets.0.clone()),
            unbroken: Needles::new(unbroken.collect()),
            work: MAX_WORK,
        }
    }

    /// Which bytes of the text a secret is made from; `None` where nothing of it can be shown: a short
    /// secret stands in it, or it takes too long to read.
    pub(super) fn find(&mut self, text: &str) -> Option<Vec<bool>> {
        if text.len() > MAX_TEXT {
            return None;
        }
        // One text leaves some of the work for the others.
        let (limit, secrets) = (self.work / 2, (&self.secrets, &self.unbroken));
        let mut hidden = vec![false; text.len()];
        let mut reader = Reader {
            secrets,
            work: limit,
            hidden: &mut hidden,
        };
        let found = reader.read(&Decoded::plain(text), MAX_ENCODINGS);
        self.work -= limit - reader.work;
        found.map(|()| hidden)
    }

    /// The JSON text with what is left of each string in it, names included. Only strings are read and
    /// replaced: numbers stay as they are written, and nothing is nested too deep.
    pub(super) fn clean_json(&mut self, json: &str) -> Option<String> {
        let mut clean = String::new();
        let (mut copied, mut at) = (0, 0);
        while let Some(quote) = json[at..].find('"') {
            let begin = at + quote;
            let end = begin + string_length(&json[begin..]);
            let is_name = json[end..].trim_start().starts_with(':');
            if let Some(string) = self.clean_string(&json[begin..end], is_name) {
                clean.push_str(&json[copied..begin]);
                clean.push_str(&string);
                copied = end;
            }
            at = end;
        }
        if copied == 0 {
            return None;
        }
        clean.push_str(&json[copied..]);
        Some(clean)
    }

    /// What stands for a string of JSON, with its quotes; `None` where that is the string itself.
    fn clean_string(&mut self, quoted: &str, is_name: bool) -> Option<String> {
        let nothing = || Some(format!("\"{REMOVED}\""));
        // What can't be read is not decoded either.
        if quoted.len().min(MAX_TEXT) > self.work / 2 {
            return nothing();
        }
        // It may hold the half of a pair of surrogates.
        let Ok(text) = serde_json::from_str::<String>(quoted) else {
            return nothing();
        };
        if text.is_empty() || is_name && ERROR_MEMBERS.contains(&&*text) {
            return None;
        }
        if text.len() > MAX_TEXT {
            let beginning: String = text.chars().take(MAX_READ).collect();
            return Some(Value::from(self.clean_beginning(&beginning)).to_string());
        }
        let Some(hidden) = self.find(&text) else {
            return nothing();
        };
        let is_clean = !hidden.contains(&true);
        (!is_clean).then(|| Value::from(without(&text, &hidden)).to_string())
    }

    /// What is left of the beginning of a text, and a sign that it goes on.
    pub(super) fn clean_beginning(&mut self, beginning: &str) -> String {
        let hidden = self.find(beginning);
        let mut clean = hidden.map_or_else(String::new, |hidden| without(beginning, &hidden));
        if !clean.ends_with(REMOVED) {
            clean.push(REMOVED);
        }
        clean
    }
}

/// How many bytes the string has that the JSON text begins with, with its quotes.
fn string_length(json: &str) -> usize {
    let mut at = 1;
    while let Some(quote) = json[at..].find('"') {
        let before = &json.as_bytes()[at..at + quote];
        let escapes = before.iter().rev().take_while(|byte| **byte == b'\\');
        let is_escaped = escapes.count() % 2 == 1;
        at += quote + 1;
        if !is_escaped {
            return at;
        }
    }
    json.len()
}

/// One text as it is read.
struct Reader<'a> {
    secrets: (&'a Needles, &'a Needles),
    /// How many bytes may still be looked at.
    work: usize,
    /// Which bytes of the text a secret is made from.
    hidden: &'a mut [bool],
}

impl Reader<'_> {
    /// Reads a text, and what it holds in one of so many encodings. `None` where nothing of it can be
    /// shown.
    fn read(&mut self, decoded: &Decoded, encodings: usize) -> Option<()> {
        self.mark(decoded)?;
        // A wrapped text is no encoding more.
        if let Some(unbroken) = decoded.without_white_space() {
            self.read(&unbroken, encodings)?;
        }
        if encodings == 0 {
            return Some(());
        }
        // Each encoding is read on its own, and what it holds may be encoded again.
        decoded.each_decoding(&mut |inner| self.read(&inner, encodings - 1))
    }

    /// Marks what the secrets in `decoded` are made from.
    fn mark(&mut self, decoded: &Decoded) -> Option<()> {
        /// What reading a text costs, however short it is.
        const MIN_WORK: usize = 32;
        self.take(decoded.bytes.len() + MIN_WORK)?;
        let needles = if decoded.is_unbroken {
            self.secrets.1
        } else {
            self.secrets.0
        };
        for (at, byte) in decoded.bytes.iter().enumerate() {
            if !needles.is_first[usize::from(*byte)] {
                continue;
            }
            let rest = &decoded.bytes[at..];
            for secret in &needles.secrets {
                let same = rest.iter().zip(secret).take_while(is_same).count();
                self.take(same + 1)?;
                if same < secret.len() && (same < rest.len() || same < MIN_CUT) {
                    continue;
                }
                if secret.len() >= MIN_REMOVED {
                    self.hide(decoded, at, same);
                } else if decoded.is_text && is_word(&decoded.bytes, at, same) {
                    return None;
                }
            }
        }
        Some(())
    }

    fn hide(&mut self, decoded: &Decoded, at: usize, length: usize) {
        for source in &decoded.sources[at..at + length] {
            self.hidden[source.range()].fill(true);
        }
    }

    fn take(&mut self, work: usize) -> Option<()> {
        self.work = self.work.checked_sub(work)?;
        Some(())
    }
}

/// Whether a byte is the secret's: in either case, which also counts for hexadecimal digits, and with a
/// `+` for a blank as forms have it.
fn is_same((byte, secret): &(&u8, &u8)) -> bool {
    byte.eq_ignore_ascii_case(secret) || (**byte == b'+' && **secret == b' ')
}

fn is_word(bytes: &[u8], at: usize, length: usize) -> bool {
    let is_letter = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let before = at.checked_sub(1).and_then(|before| bytes.get(before));
    !is_letter(before) && !is_letter(bytes.get(at + length))
}
