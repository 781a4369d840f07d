//! Another program's file: read, never written. An error names a place and shows nothing of the text,
//! which may hold secrets.

use std::{
    fs,
    io::{self, Read as _},
    path::Path,
};

use jsonc_parser::ParseOptions;
use serde_json::{Map, Value};
use toml_edit::{Document, Item};

/// The longest file that is read. The configuration of a host is far shorter.
const MAX_BYTES: u64 = 64 << 20;

/// Reads a file, as TOML where its name says so, else as JSON with comments and trailing commas.
/// `None`: it is not there. The error says what is wrong, and where.
pub(super) fn read(path: &Path) -> Result<Option<Value>, String> {
    let text = match text(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("{} can't be read: {error}", path.display())),
    };
    let is_toml = path.extension().is_some_and(|found| found == "toml");
    let parsed = if is_toml { toml(&text) } else { json(&text) };
    parsed
        .map(Some)
        .map_err(|SyntaxError { line, column, what }| {
            format!("{}:{line}:{column}: {what}", path.display())
        })
}

fn text(path: &Path) -> io::Result<String> {
    let invalid = |what| Err(io::Error::new(io::ErrorKind::InvalidData, what));
    // A pipe waits for its writer, and a device may have no end: a link in a project can name either.
    if !fs::metadata(path)?.is_file() {
        return invalid("it is not a file");
    }
    let mut text = String::new();
    fs::File::open(path)?
        .take(MAX_BYTES + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return invalid("it is longer than any configuration");
    }
    // What Windows editors put first.
    Ok(text.trim_start_matches('\u{feff}').to_owned())
}

/// What is wrong with a text, and where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) what: String,
}

/// JSON as the editors have it: with comments and trailing commas, and nothing else beside the norm.
pub(super) fn json(text: &str) -> Result<Value, SyntaxError> {
    let options = ParseOptions {
        allow_comments: true,
        allow_trailing_commas: true,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    jsonc_parser::parse_to_serde_value(text, &options).map_err(|error| SyntaxError {
        line: error.line_display(),
        column: error.column_display(),
        what: format!("invalid JSON: {}", error.kind().to_string().to_lowercase()),
    })
}

pub(super) fn toml(text: &str) -> Result<Value, SyntaxError> {
    let document = Document::parse(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        let before = text.get(..start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        SyntaxError {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            what: "invalid TOML".to_owned(),
        }
    })?;
    Ok(value(document.as_item()))
}

/// What a configuration can hold. A date is no text and no number here: no setting needs one.
fn value(item: &Item) -> Value {
    if let Some(table) = item.as_table_like() {
        let members = table.iter();
        let members = members.map(|(key, item)| (key.to_owned(), value(item)));
        return Value::Object(members.collect::<Map<_, _>>());
    }
    if let Some(list) = item.as_array() {
        let items = list.iter().cloned();
        return items.map(|one| value(&Item::Value(one))).collect();
    }
    let text = item.as_str().map(Value::from);
    text.or_else(|| item.as_bool().map(Value::from))
        .or_else(|| item.as_integer().map(Value::from))
        .unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests;
