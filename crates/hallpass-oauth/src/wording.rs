//! What a server says in words, made fit to be shown.
//!
//! `error_description` is written for people, and a server may put anything into it: control
//! characters, markup, ten thousand lines, or the very token it refuses. So words alone pass: runs
//! of letters in an ordinary case, small numbers, the names of OAuth parameters, and Entra's
//! `AADSTS` numbers. Everything else, whatever it is, becomes `…`. A token of any strength is longer,
//! or has digits, signs or mixed case in it.

use std::fmt;

/// The most characters of a description that are kept.
const MOST: usize = 200;
/// The most letters of a word. German needs more, tokens need many more.
const LONGEST_WORD: usize = 20;
/// The most letters of an error code. The longest registered one has 29.
const LONGEST_CODE: usize = 40;
/// The most letters between two underscores. `authorization` has 13.
const LONGEST_CODE_WORD: usize = 15;

/// An `error` that has the form of one: words of one case with underscores between. Anything else is
/// no code that a table could hold, and may be an echo.
pub(crate) fn error_code(text: &str) -> Option<String> {
    let is_word = |word: &str| {
        (1..=LONGEST_CODE_WORD).contains(&word.len())
            && (word.bytes().all(|byte| byte.is_ascii_lowercase())
                || word.bytes().all(|byte| byte.is_ascii_uppercase()))
    };
    let fits = text.len() <= LONGEST_CODE && text.split('_').all(is_word);
    fits.then(|| text.to_owned())
}

/// The words of an `error_description`, in one line of at most [`MOST`] characters; `None` when no
/// word is left.
pub(crate) fn description(text: &str) -> Option<String> {
    let mut shown = String::new();
    let mut any = false;
    // No more than what may be kept is looked at: a word has at least one character and a gap.
    for word in text.split_whitespace().take(MOST) {
        let word = public_word(word);
        any |= word.is_some();
        let word = word.unwrap_or("…");
        if word == "…" && shown.ends_with('…') {
            continue;
        }
        if shown.chars().count() + 1 + word.chars().count() > MOST {
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

/// Writes `: code, description` for what there is of them.
pub(crate) fn write_reason(
    f: &mut fmt::Formatter<'_>,
    code: Option<&str>,
    description: Option<&str>,
) -> fmt::Result {
    let parts = [code, description];
    for (position, part) in parts.into_iter().flatten().enumerate() {
        f.write_str(if position == 0 { ": " } else { ", " })?;
        f.write_str(part)?;
    }
    Ok(())
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
    letters(head)
        && letters(tail)
        && tail.len() <= 2
        && case
        && head.chars().count() <= LONGEST_WORD
}

fn is_small_number(word: &str) -> bool {
    (1..=4).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_digit())
}

/// Entra's codes say more than its `error` does, and people search for them.
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
