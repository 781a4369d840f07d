//! What a request carried that its answer's words must not repeat.
//!
//! Servers repeat requests in their errors: to help, or because a framework does. A secret of the
//! request can stand there as it was sent, or percent-, JSON-, HTML- or base64-encoded, or encoded
//! twice. So the text is read in each of these encodings, and what a secret is made from is removed
//! from the text itself.

mod decoding;
mod search;

use std::{fmt, sync::Arc};

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;
use http::{
    Extensions, HeaderMap, HeaderName, HeaderValue, Request, Uri,
    header::{self, AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION},
};
use serde::de::{Deserialize, Deserializer, Visitor};
use serde_json::Value;
use url::form_urlencoded;

use self::search::Search;
use crate::sanitize::is_printable;

/// The secrets of one request, to be removed from what its answer says.
///
/// An HTTP client that adds headers of its own puts them into the extensions of the response;
/// [`HttpClient::open_with_secrets`](crate::HttpClient) does it for all others. `Debug` shows nothing of them.
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
/// Of a longer text no more than the beginning is shown.
const MAX_TEXT: usize = 64 * 1024;
/// How many bytes are looked at for one message, in all its encodings. Nothing is shown of what is left
/// then: neither time nor memory depend on what a server sends.
const MAX_WORK: usize = 1024 * 1024;
/// Of longer errors their codes and the beginnings of their messages are left.
const MAX_ERRORS: usize = 1024 * 1024;
/// A shorter secret may stand in any word by chance. Where it is a word of its own, nothing is shown.
const MIN_REMOVED: usize = 4;
/// The shortest beginning of a secret that counts at the end of a text, where it was cut off.
const MIN_CUT: usize = 6;
/// The shortest secret that is in no error code, and in no words without their blanks, by chance.
const MIN_IN_WORD: usize = 8;
/// How many secrets of an answer itself count: an error has few.
const MAX_ANSWERED: usize = 32;
/// The shortest value of a URL's query that counts as a secret.
const MIN_QUERY_VALUE: usize = 8;

/// What stands for a removed value.
const REMOVED: char = '…';

/// What servers read as well: without its padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Parts of the names of headers that hold credentials. Of other headers a short value says nothing:
/// `last-event-id: 5`.
const CREDENTIAL_NAMES: [&str; 7] = [
    "auth",
    "cookie",
    "credential",
    "key",
    "password",
    "secret",
    "token",
];

/// Members of a JSON-RPC error, which a host reads by their names.
const ERROR_MEMBERS: [&str; 3] = ["code", "message", "data"];

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
    pub fn from_extensions(extensions: &Extensions) -> Option<&Self> {
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
        let line: String = one_line(text).take(MAX_READ).collect();
        let hidden = Search::new(&secrets).find(&line)?;
        let clean = without(&line, &hidden);
        let clean = clean.split_whitespace().collect::<Vec<_>>().join(" ");
        clean.contains(char::is_alphanumeric).then_some(clean)
    }

    /// Each JSON-RPC error of one message without the secrets in its strings, and otherwise as it is;
    /// `None` for one that holds none. Of a long string the beginning is left, and of long errors
    /// no more than the code and the message.
    pub fn remove_from_errors(&self, errors: &[&str]) -> Vec<Option<String>> {
        let secrets = self.values();
        let mut search = Search::new(&secrets);
        if errors.iter().map(|error| error.len()).sum::<usize>() > MAX_ERRORS {
            return errors
                .iter()
                .map(|error| Some(code_and_message(error, &mut search)))
                .collect();
        }
        errors
            .iter()
            .map(|error| search.clean_json(error))
            .collect()
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
            let password = user.split_once(':').map_or(user, |(_, password)| password);
            values.add_encoded(password.as_bytes());
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
            self.add(one_line(text).collect::<String>().as_bytes());
        }
    }

    /// Adds a value of so many bytes or more.
    fn add_from(&mut self, min: usize, value: &[u8]) {
        if value.trim_ascii().len() >= min {
            self.add(value);
        }
    }

    fn add_header(&mut self, name: &HeaderName, value: &HeaderValue) {
        let may_be_short = value.is_sensitive()
            || CREDENTIAL_NAMES
                .iter()
                .any(|part| name.as_str().contains(part));
        let min = if may_be_short { 1 } else { MIN_REMOVED };
        let value = value.as_bytes();
        self.add_from(min, value);
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
        self.add_from(min, credentials);
        let is_authorization = [AUTHORIZATION, PROXY_AUTHORIZATION].contains(name);
        if !is_authorization || !scheme.eq_ignore_ascii_case(b"basic") {
            return;
        }
        let Ok(pair) = BASE64.decode(credentials.trim_ascii()) else {
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

/// A JSON-RPC error that says no more than its code and the beginning of its message.
fn code_and_message(error: &str, search: &mut Search) -> String {
    #[derive(serde::Deserialize)]
    struct Code {
        code: i64,
    }
    #[derive(serde::Deserialize)]
    struct Message {
        message: Beginning,
    }
    const INTERNAL_ERROR: i64 = -32603;
    let code = serde_json::from_str::<Code>(error).map_or(INTERNAL_ERROR, |error| error.code);
    let message = serde_json::from_str::<Message>(error).map(|error| error.message.0);
    let message = message.map_or_else(|_| REMOVED.into(), |text| search.clean_beginning(&text));
    format!(r#"{{"code":{code},"message":{}}}"#, Value::from(message))
}

/// The first [`MAX_READ`] characters of a JSON string. The rest of it is not copied.
struct Beginning(String);

impl<'de> Deserialize<'de> for Beginning {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Cut;

        impl Visitor<'_> for Cut {
            type Value = Beginning;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E>(self, text: &str) -> Result<Beginning, E> {
                Ok(Beginning(text.chars().take(MAX_READ).collect()))
            }
        }

        deserializer.deserialize_str(Cut)
    }
}

/// White space of any kind as spaces, and nothing that does not show.
fn one_line(text: &str) -> impl Iterator<Item = char> {
    text.chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|&c| is_printable(c))
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

#[cfg(test)]
mod tests;
