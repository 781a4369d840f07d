//! The grammar of challenges (RFC 9110 §11.2, §11.3, §11.6.1), without knowing what they mean.
//!
//! The one difficulty is the comma: it separates challenges as well as the parameters of one. A
//! word at the start of a list element is a parameter when `=` follows, else a scheme. Quoted
//! strings are read as such everywhere, so nothing inside of one is ever taken for syntax.

/// One challenge of any scheme.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct HeaderChallenge {
    /// As received.
    pub(super) scheme: String,
    /// Names as received, values unquoted, in order.
    pub(super) parameters: Vec<(String, String)>,
}

/// Reads one header's value. What can't be understood is ignored up to the next comma.
pub(super) fn read(value: &[u8]) -> Vec<HeaderChallenge> {
    let mut cursor = Cursor { rest: value };
    let mut done = Vec::new();
    let mut open: Option<HeaderChallenge> = None;
    let mut element_starts = true;
    loop {
        element_starts |= cursor.skip_separators();
        if cursor.rest.is_empty() {
            break;
        }
        let word = cursor.token();
        if !word.is_empty() && cursor.skip_equals() {
            // A value without its closing quote was cut off: half a URL is worse than none.
            if let (Some(value), Some(challenge)) = (cursor.value(), &mut open) {
                challenge.parameters.push((text(word), value));
            }
            element_starts = false;
        } else if element_starts && !word.is_empty() && cursor.at_word_end() {
            done.extend(open.replace(HeaderChallenge {
                scheme: text(word),
                parameters: Vec::new(),
            }));
            cursor.skip_token68();
            element_starts = false;
        } else {
            // Neither a scheme nor a parameter. What follows may belong to a scheme that was not
            // recognized, so it must not count as the previous challenge's.
            if element_starts {
                done.extend(open.take());
            }
            cursor.skip_element();
        }
    }
    done.extend(open);
    done
}

/// Appends `value` as a quoted string (RFC 9110 §5.6.4).
pub(super) fn quote(value: &str, text: &mut String) {
    text.push('"');
    for character in value.chars() {
        if matches!(character, '"' | '\\') {
            text.push('\\');
        }
        text.push(character);
    }
    text.push('"');
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// Takes the bytes up to the first that is not `wanted`.
    fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self
            .rest
            .iter()
            .position(|byte| !wanted(*byte))
            .unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    /// Passes over white space and commas, and says whether there was a comma.
    fn skip_separators(&mut self) -> bool {
        self.take_while(|byte| is_space(byte) || byte == b',')
            .contains(&b',')
    }

    fn token(&mut self) -> &'a [u8] {
        self.take_while(is_token)
    }

    /// Whether a word ends here: at white space, a comma or the end.
    fn at_word_end(&self) -> bool {
        self.rest
            .first()
            .is_none_or(|byte| is_space(*byte) || *byte == b',')
    }

    /// Takes `=` with the white space around it, if that is what comes next.
    fn skip_equals(&mut self) -> bool {
        let start = self.rest;
        self.take_while(is_space);
        let Some(rest) = self.rest.strip_prefix(b"=") else {
            self.rest = start;
            return false;
        };
        self.rest = rest;
        self.take_while(is_space);
        true
    }

    /// A parameter's value. An unquoted one may hold what no token can, as unquoted URLs do.
    fn value(&mut self) -> Option<String> {
        if self.rest.first() == Some(&b'"') {
            self.quoted_string()
        } else {
            Some(text(
                self.take_while(|byte| !is_space(byte) && byte != b','),
            ))
        }
    }

    /// The string whose opening quote comes next; `None` when its closing quote is missing.
    fn quoted_string(&mut self) -> Option<String> {
        let mut unescaped = Vec::new();
        let mut bytes = self.rest.iter().enumerate().skip(1);
        while let Some((position, byte)) = bytes.next() {
            match byte {
                b'"' => {
                    self.rest = self.rest.split_at(position + 1).1;
                    return Some(text(&unescaped));
                }
                b'\\' => unescaped.extend(bytes.next().map(|(_, byte)| *byte)),
                byte => unescaped.push(*byte),
            }
        }
        self.rest = &[];
        None
    }

    /// Passes over a `token68`, if that is what comes next: neither of our schemes has one.
    fn skip_token68(&mut self) {
        let start = self.rest;
        self.take_while(is_space);
        self.take_while(is_token68);
        self.take_while(|byte| byte == b'=');
        self.take_while(is_space);
        if !(self.rest.is_empty() || self.rest.starts_with(b",")) {
            self.rest = start;
        }
    }

    /// Passes over everything up to the next comma that is outside of a quoted string.
    fn skip_element(&mut self) {
        loop {
            self.take_while(|byte| byte != b',' && byte != b'"');
            if self.rest.first() != Some(&b'"') {
                break;
            }
            self.quoted_string();
        }
    }
}

/// Header values are bytes; what is not UTF-8 is replaced.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// RFC 9110 §5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// RFC 9110 §11.2.
fn is_token68(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte)
}
