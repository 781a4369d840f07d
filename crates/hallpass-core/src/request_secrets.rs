//! What a request carried that its answer's words must not repeat.
//!
//! Servers repeat requests in their errors: to help, or because a framework does. A secret of the
//! request can stand there as it was sent, or percent-, JSON-, HTML- or base64-encoded, or encoded
//! twice. So the text is read in each of these encodings, and what a secret is made from is removed
//! from the text itself.

mod decoding;

use std::{fmt, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{
    Extensions, HeaderMap, HeaderName, HeaderValue, Request, Uri,
    header::{self, AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION},
};
use serde_json::Value;
use url::form_urlencoded;

use self::decoding::Decoded;
use crate::sanitize::is_printable;

/// The secrets of one request, to be removed from what its answer says.
///
/// An HTTP client that adds headers of its own puts them into the extensions of the response;
/// [`HttpClient::fetch`](crate::HttpClient) does it for all others. `Debug` shows nothing of them.
#[derive(Clone, PartialEq, Eq)]
pub struct RequestSecrets(Arc<Sent>);

#[derive(PartialEq, Eq)]
struct Sent {
    headers: HeaderMap,
    uri: Uri,
    /// The body, when it is a form.
    form: Bytes,
}

/// How many characters of a text are read.
const MAX_READ: usize = 4 * 1024;
/// How often a text may be encoded: a form in JSON in base64.
const MAX_ENCODINGS: usize = 3;
/// A longer text is read in one encoding: the time that it takes has a limit.
const MAX_ENCODED: usize = 64 * 1024;
/// A shorter secret may stand in any word by chance. Where it is a word of its own, nothing is shown.
const MIN_REMOVED: usize = 4;
/// The shortest beginning of a secret that counts at the end of a text, where it was cut off.
const MIN_CUT: usize = 6;
/// The shortest secret that is in no error code by chance.
const MIN_IN_WORD: usize = 8;
/// How many secrets of an answer itself count: an error has few.
const MAX_ANSWERED: usize = 32;
/// The shortest value of a URL's query that counts as a secret.
const MIN_QUERY_VALUE: usize = 8;

/// What stands for a removed value.
const REMOVED: char = '…';

/// Headers that are the same for every client.
static PUBLIC_HEADERS: [HeaderName; 12] = [
    header::ACCEPT,
    header::ACCEPT_ENCODING,
    header::ACCEPT_LANGUAGE,
    header::CACHE_CONTROL,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::HOST,
    header::USER_AGENT,
    HeaderName::from_static("mcp-protocol-version"),
    HeaderName::from_static("mcp-method"),
    HeaderName::from_static("mcp-name"),
];

/// Parameters that errors are about, and that are no secrets. Every other one is one.
const PUBLIC_PARAMETERS: &[&str] = &[
    "audience",
    "client_assertion_type",
    "client_id",
    "code_challenge_method",
    "grant_type",
    "prompt",
    "redirect_uri",
    "requested_token_type",
    "resource",
    "response_mode",
    "response_type",
    "scope",
    "subject_token_type",
    "token_type_hint",
];

impl RequestSecrets {
    /// The secrets of `request`.
    pub fn new(request: &Request<Bytes>) -> Self {
        Self::from_parts(request.headers().clone(), request.uri(), request.body())
    }

    /// The secrets of a request with these headers to `uri`.
    pub fn from_parts(headers: HeaderMap, uri: &Uri, body: &Bytes) -> Self {
        const FORM: &[u8] = b"application/x-www-form-urlencoded";
        let content_type = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
        let is_form = content_type
            .and_then(|it| it.get(..FORM.len()))
            .is_some_and(|it| it.eq_ignore_ascii_case(FORM));
        let form = if is_form { body.clone() } else { Bytes::new() };
        Self(Arc::new(Sent {
            headers,
            uri: uri.clone(),
            form,
        }))
    }

    /// Those of the request that the response with these extensions answers.
    pub fn of_response(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }

    /// Puts them into the extensions of the response, unless the client that sent the request has.
    pub fn attach(self, extensions: &mut Extensions) {
        extensions.get_or_insert(self);
    }

    /// The text in one line, without the secrets, and without those in `answer`. `None` where nothing of
    /// it can be shown.
    pub(crate) fn remove_from(&self, text: &str, answer: Option<&Value>) -> Option<String> {
        let mut secrets = self.values();
        if let Some(answer) = answer {
            add_answered(answer, &mut secrets);
        }
        remove(&secrets.0, text)
    }

    /// The JSON without the secrets in its texts; `None` where it holds none.
    pub fn remove_from_json(&self, json: &Value) -> Option<Value> {
        let clean = clean_json(&self.values().0, json);
        (clean != *json).then_some(clean)
    }

    /// Whether a word is one of them, or holds one that is in no word by chance.
    pub fn are_in_word(&self, word: &str) -> bool {
        let word = word.to_ascii_lowercase();
        self.values().0.iter().any(|value| {
            let value = String::from_utf8_lossy(value).to_ascii_lowercase();
            word == value || value.len() >= MIN_IN_WORD && word.contains(&value)
        })
    }

    fn values(&self) -> Secrets {
        let mut values = Secrets::default();
        let Sent { headers, uri, form } = &*self.0;
        for (name, value) in headers {
            if value.is_sensitive() || !PUBLIC_HEADERS.contains(name) {
                values.add_header(name, value);
            }
        }
        if let Some((user, _)) = uri.authority().and_then(|it| it.as_str().rsplit_once('@')) {
            values.add_encoded(user.rsplit(':').next().unwrap_or_default().as_bytes());
        }
        for (_, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
            if value.len() >= MIN_QUERY_VALUE {
                values.add(value.as_bytes());
            }
        }
        for (name, value) in form_urlencoded::parse(form) {
            if !PUBLIC_PARAMETERS.contains(&&*name) {
                values.add(value.as_bytes());
            }
        }
        values
    }
}

impl fmt::Debug for RequestSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequestSecrets(redacted)")
    }
}

#[derive(Default)]
struct Secrets(Vec<Vec<u8>>);

impl Secrets {
    fn add(&mut self, value: &[u8]) {
        let value = value.trim_ascii();
        if value.is_empty() || self.0.iter().any(|known| known == value) {
            return;
        }
        self.0.push(value.to_owned());
        // As it looks in a line.
        if let Ok(text) = std::str::from_utf8(value) {
            self.add(one_line(text).as_bytes());
        }
    }

    fn add_header(&mut self, name: &HeaderName, value: &HeaderValue) {
        let value = value.as_bytes();
        self.add(value);
        if *name == COOKIE {
            for cookie in value.split(|byte| *byte == b';') {
                let mut halves = cookie.splitn(2, |byte| *byte == b'=');
                self.add(halves.nth(1).unwrap_or_default());
            }
            return;
        }
        // A scheme and credentials (RFC 9110 §11.4), which other headers have as well.
        let Some(space) = value.iter().position(|byte| *byte == b' ') else {
            return;
        };
        let (scheme, credentials) = value.split_at(space);
        self.add(credentials);
        let is_authorization = [AUTHORIZATION, PROXY_AUTHORIZATION].contains(name);
        if !is_authorization || !scheme.eq_ignore_ascii_case(b"basic") {
            return;
        }
        let Ok(pair) = STANDARD.decode(credentials.trim_ascii()) else {
            return;
        };
        self.add(&pair);
        let mut halves = pair.splitn(2, |byte| *byte == b':');
        // RFC 6749 §2.3.1: it was form-encoded first.
        self.add_encoded(halves.nth(1).unwrap_or_default());
    }

    /// Adds a value that may be form-encoded.
    fn add_encoded(&mut self, value: &[u8]) {
        self.add(value);
        for (_, value) in form_urlencoded::parse(&[b"_=", value].concat()) {
            self.add(value.as_bytes());
        }
    }
}

/// Adds the members of an answer that hold secrets by their names, up to [`MAX_ANSWERED`].
fn add_answered(answer: &Value, secrets: &mut Secrets) {
    let most = secrets.0.len() + MAX_ANSWERED;
    add_members(answer, secrets, most);
}

fn add_members(answer: &Value, secrets: &mut Secrets, most: usize) {
    const NAMES: [&str; 5] = ["token", "secret", "password", "assertion", "device_code"];
    if secrets.0.len() >= most {
        return;
    }
    match answer {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(text) if NAMES.iter().any(|it| name.ends_with(it)) => {
                        if secrets.0.len() < most {
                            secrets.add(text.as_bytes());
                        }
                    }
                    value => add_members(value, secrets, most),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|it| add_members(it, secrets, most)),
        _ => {}
    }
}

/// The JSON with what is left of each text in it, names included.
fn clean_json(secrets: &[Vec<u8>], json: &Value) -> Value {
    let clean = |text: &String| match find(secrets, text) {
        Some(hidden) => without(text, &hidden),
        None => REMOVED.to_string(),
    };
    match json {
        Value::String(text) => clean(text).into(),
        Value::Array(values) => values.iter().map(|it| clean_json(secrets, it)).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (clean(name), clean_json(secrets, value)))
            .collect(),
        other => other.clone(),
    }
}

fn remove(secrets: &[Vec<u8>], text: &str) -> Option<String> {
    let line: String = one_line(text).chars().take(MAX_READ).collect();
    let clean = without(&line, &find(secrets, &line)?);
    let clean = clean.split_whitespace().collect::<Vec<_>>().join(" ");
    clean.contains(char::is_alphanumeric).then_some(clean)
}

/// White space of any kind as spaces, and nothing that does not show.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|&c| is_printable(c))
        .collect()
}

/// Which bytes of the text a secret is made from; `None` where a short one stands in it.
fn find(secrets: &[Vec<u8>], text: &str) -> Option<Vec<bool>> {
    let mut hidden = vec![false; text.len()];
    let plain = Decoded::plain(text);
    let encodings = if text.len() <= MAX_ENCODED {
        MAX_ENCODINGS
    } else {
        1
    };
    mark(secrets, &plain, encodings, &mut hidden).then_some(hidden)
}

fn without(text: &str, hidden: &[bool]) -> String {
    let mut clean = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        if !hidden[at..at + c.len_utf8()].contains(&true) {
            clean.push(c);
        } else if !clean.ends_with(REMOVED) {
            clean.push(REMOVED);
        }
    }
    clean
}

/// Marks what the secrets in `decoded` are made from. False where a short secret is a word of it.
fn mark(secrets: &[Vec<u8>], decoded: &Decoded, encodings: usize, hidden: &mut [bool]) -> bool {
    for secret in secrets {
        for at in 0..decoded.bytes.len() {
            let rest = &decoded.bytes[at..];
            let length = secret.len().min(rest.len());
            let is_here = rest[..length].iter().zip(secret).all(is_same)
                && (length == secret.len() || length >= MIN_CUT);
            if !is_here {
                continue;
            }
            if secret.len() >= MIN_REMOVED {
                let sources = &decoded.sources[at..at + length];
                for source in sources {
                    hidden[source.clone()].fill(true);
                }
            } else if decoded.is_text && is_word(&decoded.bytes, at, length) {
                return false;
            }
        }
    }
    // Each encoding of the text is read on its own, and what it holds may be encoded again.
    encodings == 0
        || decoded
            .decodings()
            .iter()
            .all(|inner| mark(secrets, inner, encodings - 1, hidden))
}

/// Whether a byte is the secret's: in either case, which also counts for hexadecimal digits, and with a
/// `+` for a blank as forms have it.
fn is_same((byte, secret): (&u8, &u8)) -> bool {
    byte.eq_ignore_ascii_case(secret) || (*byte == b'+' && *secret == b' ')
}

fn is_word(bytes: &[u8], at: usize, length: usize) -> bool {
    let is_letter = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let before = at.checked_sub(1).and_then(|before| bytes.get(before));
    !is_letter(before) && !is_letter(bytes.get(at + length))
}

#[cfg(test)]
mod tests;
