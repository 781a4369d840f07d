//! The arguments of a call as they are typed: a JSON object, `key=value`, `key:=json` or a file.

use std::{fs, io::Read, path::Path};

use serde_json::{Map, Value};

use crate::{
    client::schema::{Kind, Properties, SchemaError},
    exit::CommandError,
};

const FORMS: &str = "expected `key=value`, `key:=JSON`, one JSON object such as '{\"a\": 1}', or `@FILE` \
    for a file with one";

/// One word of the command line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Word {
    /// A whole object, or the contents of a file with one.
    Object(Map<String, Value>),
    /// `key=value`, to be read as what the server asks for.
    InputLines(String, String),
    /// `key:=json`, as it is.
    Json(String, Value),
}

impl Word {
    /// Reads a word. Files are read now, so that what is wrong with one is said before anything is
    /// sent.
    pub(crate) fn read(word: &str) -> Result<Self, CommandError> {
        if let Some(file) = word.strip_prefix('@') {
            let text = contents(file)?;
            return object(&text).map(Self::Object).map_err(|error| {
                CommandError::usage(format!("`{file}` does not hold one JSON object"))
                    .context(error)
            });
        }
        if word.trim_start().starts_with(['{', '[']) {
            return object(word).map(Self::Object).map_err(|error| {
                CommandError::usage(format!("`{word}` is not a JSON object")).context(error).hint(
                    "the tool's arguments are one JSON object, such as '{\"a\": 1}'; in a shell it \
                     stands in single quotes",
                )
            });
        }
        let Some((key, value)) = word.split_once('=').filter(|(key, _)| !key.is_empty()) else {
            let what = format!("`{word}` is no argument of a tool");
            return Err(CommandError::usage(what).hint(FORMS));
        };
        match key.strip_suffix(':') {
            Some("") => Err(CommandError::usage(format!("`{word}` has no name")).hint(FORMS)),
            Some(key) => match serde_json::from_str(value) {
                Ok(value) => Ok(Self::Json(key.to_owned(), value)),
                Err(error) => Err(CommandError::usage(format!("`{value}` is not JSON"))
                    .context(error)
                    .hint(format!(
                        "what comes after `{key}:=` is JSON; `{key}=` takes text"
                    ))),
            },
            None => Ok(Self::InputLines(key.to_owned(), value.to_owned())),
        }
    }
}

/// The arguments, as the server asks for them; without `asked` nothing is checked, and what looks
/// like JSON is JSON. Later words come over earlier ones; a list's key given twice makes it longer.
pub(crate) fn arguments(
    words: &[Word],
    asked: Option<&Properties>,
) -> Result<Map<String, Value>, SchemaError> {
    let mut all = Map::new();
    for word in words {
        match word {
            Word::Object(object) => all.extend(object.clone()),
            Word::Json(key, value) => _ = all.insert(key.clone(), value.clone()),
            Word::InputLines(key, word) => {
                let kind = match asked {
                    None => &Kind::Any,
                    Some(asked) => match asked.get(key) {
                        Some(property) => &property.schema.kind,
                        None if asked.open => &Kind::Any,
                        None => return Err(asked.unknown(key)),
                    },
                };
                let value = kind.read(word).map_err(|wrong| wrong.at(key))?;
                match (kind, all.get_mut(key), value) {
                    (Kind::List(_), Some(Value::Array(before)), Value::Array(more)) => {
                        before.extend(more);
                    }
                    (_, _, value) => _ = all.insert(key.clone(), value),
                }
            }
        }
    }
    if let Some(asked) = asked {
        asked.check(&all)?;
    }
    Ok(all)
}

fn contents(file: &str) -> Result<String, CommandError> {
    let mut text = String::new();
    let read = if file == "-" {
        std::io::stdin().read_to_string(&mut text).map(drop)
    } else {
        fs::read_to_string(Path::new(file)).map(|read| text = read)
    };
    match read {
        Ok(()) => Ok(text),
        Err(error) => Err(CommandError::usage(format!(
            "the arguments can't be read from `{file}`"
        ))
        .context(error)),
    }
}

fn object(text: &str) -> serde_json::Result<Map<String, Value>> {
    serde_json::from_str(text)
}

#[cfg(test)]
mod tests;
