//! Whether a value is what was asked for, and what a typed word stands for.

use std::{error::Error, fmt};

use serde_json::{Map, Number, Value};

use super::{Kind, Properties, Range, choice_names, shown};
use crate::text;

/// A value that is not what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SchemaError {
    /// Where, as `options.depth` or `paths[2]`; empty for the whole.
    place: String,
    what: String,
    hint: Option<String>,
}

impl SchemaError {
    fn new(what: impl Into<String>) -> Self {
        Self {
            place: String::new(),
            what: what.into(),
            hint: None,
        }
    }

    /// What would be right.
    pub(crate) fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    pub(crate) fn at(mut self, name: &str) -> Self {
        let dot = if self.place.is_empty() || self.place.starts_with('[') {
            ""
        } else {
            "."
        };
        self.place = format!("{name}{dot}{}", self.place);
        self
    }

    fn with_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }

    fn expected(value: &Value, kind: &Kind) -> Self {
        Self::new(format!("is {}, not {}", name_of(value), kind.describe()))
    }
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The server chose the names in it.
        let what = text::line(&self.what);
        if self.place.is_empty() {
            f.write_str(&what)
        } else {
            write!(f, "`{}` {what}", text::line(&self.place))
        }
    }
}

impl Error for SchemaError {}

/// A value in a message: short ones as they are.
fn name_of(value: &Value) -> String {
    match value {
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        Value::String(text) if text.chars().count() > 40 => "a text".to_owned(),
        other => other.to_string(),
    }
}

impl Properties {
    /// Whether `values` are fields that are asked for, and all that have to be there.
    pub(crate) fn check(&self, values: &Map<String, Value>) -> Result<(), SchemaError> {
        for (name, value) in values {
            match self.get(name) {
                Some(property) => {
                    let checked = property.schema.kind.check(value);
                    checked.map_err(|wrong| wrong.at(name))?;
                }
                None if self.open => {}
                None => return Err(self.unknown(name)),
            }
        }
        let missing: Vec<_> = self
            .known
            .iter()
            .filter(|property| property.required && !values.contains_key(&property.name))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let names: Vec<_> = missing.iter().map(|it| format!("`{}`", it.name)).collect();
        let verb = if names.len() == 1 { "is" } else { "are" };
        let words: Option<Vec<_>> = missing.iter().map(|it| it.example()).collect();
        let hint = words.map(|words| format!("add {}", words.join(" ")));
        Err(SchemaError::new(format!("{} {verb} missing", names.join(" and "))).with_hint(hint))
    }

    /// That there is no such field, and which was probably meant.
    pub(crate) fn unknown(&self, name: &str) -> SchemaError {
        let known = || self.known.iter().map(|property| property.name.as_str());
        let hint = match text::nearest(name, known()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if self.known.is_empty() => "nothing is asked for".to_owned(),
            None => format!("there is {}", known().collect::<Vec<_>>().join(", ")),
        };
        SchemaError::new("is not asked for")
            .at(name)
            .with_hint(Some(hint))
    }
}

impl super::Property {
    /// The argument in a command line that is shown; none where its name can't be pasted.
    pub(crate) fn example(&self) -> Option<String> {
        Some(format!(
            "{}={}",
            text::word(&self.name)?,
            self.placeholder()
        ))
    }

    /// What stands for the value in a command line that is shown.
    fn placeholder(&self) -> String {
        match &self.schema.kind {
            Kind::Choice(values) => {
                let names = text::word(&choice_names(values).join("|"));
                names.unwrap_or_else(|| "VALUE".to_owned())
            }
            Kind::Integer(_) | Kind::Number(_) => "NUMBER".to_owned(),
            Kind::Boolean => "'true|false'".to_owned(),
            Kind::Text(_) => "TEXT".to_owned(),
            Kind::List(_) => "ITEM,…".to_owned(),
            _ => "JSON".to_owned(),
        }
    }
}

impl Kind {
    /// Whether `value` is of this kind.
    pub(crate) fn check(&self, value: &Value) -> Result<(), SchemaError> {
        let fits = match (self, value) {
            (Self::Any, _) | (Self::Null, Value::Null) | (Self::Boolean, Value::Bool(_)) => true,
            (Self::Integer(range), Value::Number(number)) => {
                is_whole(number) && range.holds(number.as_f64())
            }
            (Self::Number(range), Value::Number(number)) => range.holds(number.as_f64()),
            (Self::Text(text), Value::String(value)) => {
                #[expect(clippy::cast_precision_loss, reason = "no text has 2^52 characters")]
                let length = value.chars().count() as f64;
                text.characters.holds(Some(length)) && has_format(value, text.format.as_deref())
            }
            (Self::Choice(values), value) => {
                if values.iter().any(|(known, _)| known == value) {
                    return Ok(());
                }
                let given = shown(value);
                let names = choice_names(values);
                let near = text::nearest(&given, names.iter().map(String::as_str));
                let hint = near.map(|near| format!("did you mean `{near}`?"));
                return Err(SchemaError::expected(value, self).with_hint(hint));
            }
            (Self::List(items), Value::Array(values)) => {
                for (index, value) in values.iter().enumerate() {
                    let checked = items.kind.check(value);
                    checked.map_err(|wrong| wrong.at(&format!("[{index}]")))?;
                }
                true
            }
            (Self::Object(properties), Value::Object(values)) => {
                properties.check(values)?;
                true
            }
            (Self::Either(kinds), value) => {
                let mut inside = None;
                for kind in kinds {
                    match kind.check(value) {
                        Ok(()) => return Ok(()),
                        // What is wrong inside of it says more than that it is wrong.
                        Err(wrong) if !wrong.place.is_empty() => inside = Some(wrong),
                        Err(_) => {}
                    }
                }
                return Err(inside.unwrap_or_else(|| SchemaError::expected(value, self)));
            }
            _ => false,
        };
        if fits {
            Ok(())
        } else {
            Err(SchemaError::expected(value, self))
        }
    }

    /// What a typed word stands for.
    pub(crate) fn read(&self, word: &str) -> Result<Value, SchemaError> {
        let value = self.value_of(word).unwrap_or_else(|| word.into());
        self.check(&value).map(|()| value)
    }

    /// The value, if the word is one of this kind at all.
    fn value_of(&self, word: &str) -> Option<Value> {
        let json = || serde_json::from_str::<Value>(word).ok();
        match self {
            Self::Text(_) => Some(word.into()),
            Self::Any => Some(json().unwrap_or_else(|| word.into())),
            Self::Null | Self::Boolean | Self::Integer(_) | Self::Number(_) => {
                json().filter(|value| self.check(value).is_ok() || value.is_number())
            }
            Self::Choice(values) => {
                let named = |(value, name): &&(Value, String)| shown(value) == word || name == word;
                values.iter().find(named).map(|(value, _)| value.clone())
            }
            Self::List(_) if word.trim_start().starts_with('[') => json(),
            Self::List(_) if word.is_empty() => Some(Value::Array(Vec::new())),
            Self::List(items) => {
                let item = |word: &str| items.kind.value_of(word).unwrap_or_else(|| word.into());
                Some(word.split(',').map(|word| item(word.trim())).collect())
            }
            Self::Object(_) => json(),
            // Text last: everything is text.
            Self::Either(kinds) => {
                let (texts, others): (Vec<_>, Vec<_>) =
                    kinds.iter().partition(|kind| matches!(kind, Self::Text(_)));
                let mut kinds = others.into_iter().chain(texts);
                kinds.find_map(|kind| kind.read(word).ok())
            }
        }
    }
}

impl Range {
    fn holds(self, number: Option<f64>) -> bool {
        number.is_some_and(|number| {
            self.least.is_none_or(|least| number >= least)
                && self.most.is_none_or(|most| number <= most)
        })
    }
}

/// `2.0` is a whole number too (JSON Schema, core §4.2.3).
fn is_whole(number: &Number) -> bool {
    number.is_i64() || number.is_u64() || number.as_f64().is_some_and(|it| it.fract() == 0.0)
}

/// The formats that forms use. The rest is the server's matter.
fn has_format(text: &str, format: Option<&str>) -> bool {
    match format {
        Some("uri") => url::Url::parse(text).is_ok(),
        Some("email") => text
            .rsplit_once('@')
            .is_some_and(|(name, host)| !name.is_empty() && !host.is_empty()),
        Some("date") => is_date(text),
        Some("date-time") => text
            .split_once(['T', 't', ' '])
            .is_some_and(|(date, time)| is_date(date) && time.len() >= 5),
        _ => true,
    }
}

/// `2026-11-25` (RFC 3339 §5.6).
fn is_date(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    let number = |text: &str, digits: usize, most: u32| {
        text.len() == digits
            && text
                .parse()
                .is_ok_and(|number: u32| (1..=most).contains(&number))
    };
    matches!(parts[..], [year, month, day]
        if number(year, 4, 9999) && number(month, 2, 12) && number(day, 2, 31))
}
