//! What a server says in words, made fit to be shown.
//!
//! An `error_description` or the body of an error is written for users, and a server may put anything
//! into it: control characters, markup, ten thousand lines, or the very token it refuses. So words
//! alone pass: runs of letters in an ordinary case, small numbers, the names of OAuth parameters, and
//! Entra's `AADSTS` numbers. Everything else, whatever it is, becomes `…`. A token of any strength is
//! longer, or has digits, signs or mixed case in it.

mod url;

use serde_json::Value;

pub use self::url::{redacted_url, url_without_query};

/// The most characters of a text that are kept.
const MAX_SHOWN: usize = 200;
/// A longer body is no message for users.
const MAX_BODY: usize = 64 * 1024;
/// The most letters of a word. German needs more, tokens need many more.
const MAX_WORD: usize = 20;

/// The words of a server's text, in one line of about 200 characters at most; `None` when no word is
/// left.
///
/// What may be a secret becomes `…`: all that is no ordinary word or small number.
pub fn redact_text(text: &str) -> Option<String> {
    let mut shown = String::new();
    let mut any = false;
    // No more than what may be kept is looked at: a word has at least one character and a gap.
    for word in text.split_whitespace().take(MAX_SHOWN) {
        let word = public_word(word);
        any |= word.is_some();
        let word = word.unwrap_or("…");
        if word == "…" && shown.ends_with('…') {
            continue;
        }
        if shown.chars().count() + 1 + word.chars().count() > MAX_SHOWN {
            shown.push_str(" …");
            break;
        }
        if !shown.is_empty() {
            shown.push(' ');
        }
        shown.push_str(word);
    }
    any.then_some(shown)
}

/// The words in the body of an answer: of a JSON object those of the member that says what went wrong,
/// of an HTML page its title, else those of the body itself.
pub fn redact_body(body: &[u8]) -> Option<String> {
    if body.len() > MAX_BODY {
        return None;
    }
    let body = String::from_utf8_lossy(body);
    if let Ok(value) = serde_json::from_str::<Value>(&body) {
        return said(&value).and_then(redact_text);
    }
    let text = body.trim_start_matches('\u{feff}').trim_start();
    if text.starts_with(['{', '[', '<']) {
        // Broken JSON, or a page: nothing of it is a sentence but the title.
        return title(text).and_then(redact_text);
    }
    redact_text(text)
}

/// The members that say what went wrong, the most telling first: those of OAuth, of MCP, of RFC 9457
/// and of usual frameworks.
const TELLING: [&str; 7] = [
    "error_description",
    "message",
    "detail",
    "msg",
    "error",
    "errors",
    "title",
];

fn said(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        Value::Array(values) => said(values.first()?),
        Value::Object(members) => TELLING
            .iter()
            .find_map(|name| members.get(*name).and_then(said)),
        _ => None,
    }
}

fn title(page: &str) -> Option<&str> {
    // Lengths stay the same, so that places in one are places in the other.
    let lower = page.to_ascii_lowercase();
    let tag = lower.find("<title")?;
    let begin = tag + lower[tag..].find('>')? + 1;
    let end = begin + lower[begin..].find("</title")?;
    Some(&page[begin..end])
}

/// The word, if it can't be a secret.
fn public_word(word: &str) -> Option<&str> {
    let bare = word.trim_matches(['.', ',', ':', ';', '!', '?', '(', ')', '\'', '"', '`', '-']);
    // What is trimmed is shown again, so it has to be short as well.
    let fits = word.len() - bare.len() <= 4
        && (is_ordinary(bare)
            || is_small_number(bare)
            || is_entra_code(bare)
            || PARAMETERS.contains(&bare));
    fits.then_some(word)
}

/// Letters in an ordinary case (`word`, `Word`, `WORD`), possibly with an apostrophe before the last
/// one or two. `aGVsbG8` and `abc-def-ghi` are no words.
fn is_ordinary(word: &str) -> bool {
    let (head, tail) = match word.split_once(['\'', '’']) {
        Some((head, tail)) => (head, tail),
        None => (word, "s"),
    };
    let letters = |part: &str| !part.is_empty() && part.chars().all(char::is_alphabetic);
    let case = head.chars().skip(1).all(|letter| !letter.is_uppercase())
        || head.chars().all(|letter| !letter.is_lowercase()) && head.len() <= 8;
    letters(head) && letters(tail) && tail.len() <= 2 && case && head.chars().count() <= MAX_WORD
}

fn is_small_number(word: &str) -> bool {
    (1..=4).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_digit())
}

/// Entra's codes say more than its `error` does, and users search for them.
fn is_entra_code(word: &str) -> bool {
    word.strip_prefix("AADSTS").is_some_and(|number| {
        (1..=10).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// The names that descriptions mention.
const PARAMETERS: &[&str] = &[
    "access_token",
    "authorization_code",
    "client_assertion",
    "client_id",
    "client_secret",
    "code_challenge",
    "code_challenge_method",
    "code_verifier",
    "grant_type",
    "grant_types",
    "id_token",
    "offline_access",
    "redirect_uri",
    "redirect_uris",
    "refresh_token",
    "response_type",
    "token_endpoint_auth_method",
    "invalid_client",
    "invalid_grant",
    "invalid_request",
    "invalid_scope",
    "invalid_target",
];

#[cfg(test)]
mod tests;
