//! What a server says about the values it takes: the part of JSON Schema that tools and forms use.
//!
//! It is read into a [`Kind`] that can be said in a few words, that reads a typed word, and that
//! checks a value. What this module does not know it lets through: the server has the last word.

mod check;

use std::{cell::Cell, fmt::Write};

use serde_json::{Map, Value};

pub(crate) use self::check::SchemaError;

/// References deeper than this are not followed: a schema may refer to itself.
const DEPTH: usize = 16;

/// As much of a schema is read: references can multiply.
const NODES: usize = 10_000;

/// The whole document, for references into it.
struct Root {
    document: Value,
    /// How many nodes may still be read.
    left: Cell<usize>,
}

/// One value that a server takes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Schema {
    pub(crate) kind: Kind,
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) default: Option<Value>,
}

/// What sort of value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    /// Nothing is said about it, or nothing that is understood here.
    Any,
    Null,
    Boolean,
    Integer(Range),
    Number(Range),
    Text(Text),
    /// One of these values, each with the name to show.
    Choice(Vec<(Value, String)>),
    List(Box<Schema>),
    Object(Properties),
    /// Any of these.
    Either(Vec<Kind>),
}

/// The least and the greatest number, or count of characters.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Range {
    pub(crate) least: Option<f64>,
    pub(crate) most: Option<f64>,
}

/// What a text has to be like.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Text {
    pub(crate) characters: Range,
    pub(crate) format: Option<String>,
}

/// The fields of an object.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Properties {
    pub(crate) known: Vec<Property>,
    /// Whether the schema says that other names are fine too.
    pub(crate) open: bool,
}

/// One field of an object.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Property {
    pub(crate) name: String,
    pub(crate) required: bool,
    pub(crate) schema: Schema,
}

impl Properties {
    /// Reads the schema of an object, such as a tool's input.
    pub(crate) fn from_schema(schema: &Map<String, Value>) -> Self {
        let root = Root {
            document: Value::Object(schema.clone()),
            left: Cell::new(NODES),
        };
        properties(&root, schema, 0)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Property> {
        self.known.iter().find(|property| property.name == name)
    }
}

impl Schema {
    fn read(root: &Root, node: &Value, depth: usize) -> Self {
        let left = root.left.get().saturating_sub(1);
        root.left.set(left);
        let object = node.as_object().filter(|_| depth < DEPTH && left > 0);
        let Some(object) = object else {
            return Self::of_kind(Kind::Any);
        };
        let text = |name: &str| object.get(name).and_then(Value::as_str).map(str::to_owned);
        if let Some(target) = object.get("$ref").and_then(Value::as_str) {
            let target = target
                .strip_prefix('#')
                .and_then(|path| root.document.pointer(path));
            let mut schema = match target {
                Some(target) => Self::read(root, target, depth + 1),
                None => Self::of_kind(Kind::Any),
            };
            schema.title = text("title").or(schema.title);
            schema.description = text("description").or(schema.description);
            schema.default = object.get("default").cloned().or(schema.default);
            return schema;
        }
        Self {
            kind: kind(root, object, depth),
            title: text("title"),
            description: text("description"),
            default: object.get("default").cloned(),
        }
    }

    fn of_kind(kind: Kind) -> Self {
        Self {
            kind,
            title: None,
            description: None,
            default: None,
        }
    }
}

fn kind(root: &Root, object: &Map<String, Value>, depth: usize) -> Kind {
    if let Some(value) = object.get("const") {
        return Kind::Choice(vec![(value.clone(), shown(value))]);
    }
    if let Some(values) = object.get("enum").and_then(Value::as_array) {
        let names = object.get("enumNames").and_then(Value::as_array);
        let name = |index: usize| {
            names
                .and_then(|names| names.get(index))
                .and_then(Value::as_str)
        };
        let choice = |(index, value): (usize, &Value)| {
            let shown = name(index).map_or_else(|| shown(value), str::to_owned);
            (value.clone(), shown)
        };
        return Kind::Choice(values.iter().enumerate().map(choice).collect());
    }
    let alternatives = ["anyOf", "oneOf"]
        .iter()
        .find_map(|name| object.get(*name)?.as_array());
    if let Some(alternatives) = alternatives {
        return either(alternatives.iter().map(|node| {
            let schema = Schema::read(root, node, depth + 1);
            match (schema.kind, schema.title) {
                // `{"const": "a", "title": "The first"}` is a choice with a name (JSON Schema §9.5).
                (Kind::Choice(mut values), Some(title)) if values.len() == 1 => {
                    values[0].1 = title;
                    Kind::Choice(values)
                }
                (kind, _) => kind,
            }
        }));
    }
    match object.get("type") {
        Some(Value::Array(types)) => either(types.iter().map(|name| {
            let name = name.as_str().unwrap_or_default();
            of_type(name, root, object, depth)
        })),
        Some(Value::String(name)) => of_type(name, root, object, depth),
        _ if object.contains_key("properties") => of_type("object", root, object, depth),
        _ => Kind::Any,
    }
}

/// Several kinds as one: choices together, and no kind twice.
fn either(kinds: impl Iterator<Item = Kind>) -> Kind {
    let mut all: Vec<Kind> = Vec::new();
    for kind in kinds {
        if all.contains(&kind) {
            continue;
        }
        match (all.last_mut(), kind) {
            (Some(Kind::Choice(values)), Kind::Choice(more)) => values.extend(more),
            (_, kind) => all.push(kind),
        }
    }
    if all.len() == 1 {
        all.remove(0)
    } else {
        Kind::Either(all)
    }
}

fn of_type(name: &str, root: &Root, object: &Map<String, Value>, depth: usize) -> Kind {
    let range = |least: &str, most: &str| Range {
        least: object.get(least).and_then(Value::as_f64),
        most: object.get(most).and_then(Value::as_f64),
    };
    match name {
        "null" => Kind::Null,
        "boolean" => Kind::Boolean,
        "integer" => Kind::Integer(range("minimum", "maximum")),
        "number" => Kind::Number(range("minimum", "maximum")),
        "string" => Kind::Text(Text {
            characters: range("minLength", "maxLength"),
            format: object
                .get("format")
                .and_then(Value::as_str)
                .map(str::to_owned),
        }),
        "array" => {
            let items = object.get("items").unwrap_or(&Value::Null);
            Kind::List(Box::new(Schema::read(root, items, depth + 1)))
        }
        "object" => Kind::Object(properties(root, object, depth)),
        _ => Kind::Any,
    }
}

fn properties(root: &Root, object: &Map<String, Value>, depth: usize) -> Properties {
    let required = object.get("required").and_then(Value::as_array);
    let required: Vec<_> = required
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let known = object.get("properties").and_then(Value::as_object);
    let property = |(name, node): (&String, &Value)| Property {
        name: name.clone(),
        required: required.contains(&name.as_str()),
        schema: Schema::read(root, node, depth + 1),
    };
    let mut known: Vec<_> = known.into_iter().flatten().map(property).collect();
    // What has to be said comes first, in the server's own order: the rest has lost its own.
    known.sort_by_key(|property| {
        let place = required.iter().position(|name| *name == property.name);
        place.unwrap_or(usize::MAX)
    });
    let says_other_names = |name: &str| {
        object
            .get(name)
            .is_some_and(|value| !matches!(value, Value::Bool(false)))
    };
    // A schema made of parts may have its names elsewhere.
    let elsewhere = ["allOf", "anyOf", "oneOf", "$ref", "if"];
    let open = says_other_names("additionalProperties")
        || says_other_names("patternProperties")
        || elsewhere.iter().any(|name| object.contains_key(*name))
        || (known.is_empty() && depth > 0);
    Properties { known, open }
}

impl Kind {
    /// The fields of the objects that it is, or is a list of.
    pub(crate) fn fields(&self) -> Option<&Properties> {
        match self {
            Self::Object(properties) => Some(properties),
            Self::List(items) => items.kind.fields(),
            Self::Either(kinds) => kinds.iter().find_map(Self::fields),
            _ => None,
        }
    }

    /// What to call it: `whole number`, `list of text`, `"a" or "b"`.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Any => "any JSON".to_owned(),
            Self::Null => "null".to_owned(),
            Self::Boolean => "true or false".to_owned(),
            Self::Integer(range) => format!("whole number{}", range.describe("")),
            Self::Number(range) => format!("number{}", range.describe("")),
            Self::Text(text) => {
                let name = match text.format.as_deref() {
                    Some("uri") => "URI",
                    Some("email") => "e-mail address",
                    Some("date") => "date",
                    Some("date-time") => "date and time",
                    _ => "text",
                };
                format!("{name}{}", text.characters.describe(" characters"))
            }
            Self::Choice(values) => any_of(&choice_names(values)),
            Self::List(items) => format!("list of {}", items.kind.describe()),
            Self::Object(_) => "object".to_owned(),
            // Null is not offered: a value that may be null may nearly always be left out.
            Self::Either(kinds) => {
                let said = kinds.iter().filter(|kind| **kind != Self::Null);
                any_of(&said.map(Self::describe).collect::<Vec<_>>())
            }
        }
    }
}

impl Range {
    fn describe(self, unit: &str) -> String {
        let mut words = String::new();
        // Writing to a string does not fail.
        let _ = match (self.least, self.most) {
            (Some(least), Some(most)) => write!(words, " from {least} to {most}{unit}"),
            (Some(least), None) => write!(words, " from {least}{unit}"),
            (None, Some(most)) => write!(words, " up to {most}{unit}"),
            (None, None) => Ok(()),
        };
        words
    }
}

fn any_of(names: &[String]) -> String {
    match names {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// A value as it is typed: text without quotes, a list with commas.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(shown).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// The values of a choice, as they are typed.
fn choice_names(values: &[(Value, String)]) -> Vec<String> {
    values.iter().map(|(value, _)| shown(value)).collect()
}

#[cfg(test)]
mod tests;
