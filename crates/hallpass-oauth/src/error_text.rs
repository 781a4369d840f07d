//! The server's own words about an error, cleaned: its code and its description.

use std::fmt;

/// The length limit of an error code. The longest registered one has 29.
const MAX_CODE: usize = 40;
/// The length limit of a word between two underscores. `authorization` has 13.
const MAX_CODE_WORD: usize = 15;

/// An `error` that has the form of one: words of one case with underscores between. Anything else may
/// repeat a secret of the request.
pub(crate) fn error_code(text: &str) -> Option<String> {
    let is_word = |word: &str| {
        (1..=MAX_CODE_WORD).contains(&word.len())
            && (word.bytes().all(|byte| byte.is_ascii_lowercase())
                || word.bytes().all(|byte| byte.is_ascii_uppercase()))
    };
    let fits = text.len() <= MAX_CODE && text.split('_').all(is_word);
    fits.then(|| text.to_owned())
}

/// Writes `: code, description`, or the one of them that is there.
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

#[cfg(test)]
mod tests;
