//! What a server says in words, made fit to be shown where the request that it answers is not known.
//!
//! An `error_description` or the body of an error is written for users, and a server may put anything
//! into it: control characters, markup, ten thousand lines, or the very token it refuses. So words
//! alone pass: runs of letters in an ordinary case, small numbers, the names of OAuth parameters, and
//! Entra's `AADSTS` numbers. Everything else, whatever it is, becomes `…`. A token of any strength is
//! longer, or has digits, signs or mixed case in it.

mod url;

pub use self::url::{redacted_url, url_without_query};

/// The most characters of a text that are kept.
const MAX_SHOWN: usize = 200;
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
