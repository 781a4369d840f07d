use serde_json::json;

use super::*;

fn tool() -> Properties {
    let schema = json!({
        "type": "object",
        "properties": {
            "path": {"type": "string", "description": "Where"},
            "depth": {"type": "integer", "minimum": 1, "maximum": 9, "default": 3},
            "ratio": {"type": ["number", "null"]},
            "deep": {"type": "boolean"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "sizes": {"type": "array", "items": {"type": "integer"}},
            "order": {"enum": ["asc", "desc"]},
            "unit": {"oneOf": [{"const": "c", "title": "Celsius"}, {"const": "f", "title": "Fahrenheit"}]},
            "filter": {"$ref": "#/$defs/Filter"},
            "when": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
            "mail": {"type": "string", "format": "email"},
            "day": {"type": "string", "format": "date"},
            "extra": {"type": "object", "additionalProperties": {"type": "string"}},
            "what": {}
        },
        "required": ["path", "depth"],
        "$defs": {"Filter": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "not": {"$ref": "#/$defs/Filter"}},
            "required": ["name"]
        }}
    });
    Properties::from_schema(schema.as_object().unwrap())
}

#[test]
fn required_properties_come_first() {
    let tool = tool();
    let names = tool
        .known
        .iter()
        .take(2)
        .map(|it| (it.name.as_str(), it.required));
    assert_eq!(names.collect::<Vec<_>>(), [("path", true), ("depth", true)]);
    assert_eq!(tool.get("depth").unwrap().schema.default, Some(json!(3)));
}

#[test]
fn kind_has_description() {
    let tool = tool();
    for (name, words) in [
        ("path", "text"),
        ("depth", "whole number from 1 to 9"),
        ("ratio", "number"),
        ("deep", "true or false"),
        ("tags", "list of text"),
        ("order", "asc or desc"),
        ("unit", "c or f"),
        ("filter", "object"),
        ("when", "whole number or text"),
        ("mail", "e-mail address"),
        ("what", "any JSON"),
    ] {
        assert_eq!(
            tool.get(name).unwrap().schema.kind.describe(),
            words,
            "{name}"
        );
    }
}

#[test]
fn word_is_converted_to_schema_type() {
    let tool = tool();
    for (name, word, value) in [
        ("path", "12", json!("12")),
        ("path", "", json!("")),
        ("depth", "4", json!(4)),
        ("ratio", "0.5", json!(0.5)),
        ("ratio", "null", json!(null)),
        ("deep", "false", json!(false)),
        ("tags", "a, b", json!(["a", "b"])),
        ("tags", r#"["a,b"]"#, json!(["a,b"])),
        ("tags", "12", json!(["12"])),
        ("tags", "", json!([])),
        ("sizes", "1,2", json!([1, 2])),
        ("order", "desc", json!("desc")),
        ("unit", "Celsius", json!("c")),
        ("filter", r#"{"name": "x"}"#, json!({"name": "x"})),
        ("when", "7", json!(7)),
        ("when", "tomorrow", json!("tomorrow")),
        ("what", "[1]", json!([1])),
        ("what", "word", json!("word")),
        ("extra", r#"{"any": "thing"}"#, json!({"any": "thing"})),
        ("day", "2026-11-25", json!("2026-11-25")),
    ] {
        let read = tool.get(name).unwrap().schema.kind.read(word);
        assert_eq!(read, Ok(value), "{name}={word}");
    }
}

#[test]
fn word_of_wrong_type_names_expected_type() {
    let tool = tool();
    for (name, word, says) in [
        ("depth", "many", "is \"many\", not whole number from 1 to 9"),
        ("depth", "1.5", "is 1.5, not whole number from 1 to 9"),
        ("depth", "10", "is 10, not whole number from 1 to 9"),
        ("deep", "yes", "is \"yes\", not true or false"),
        ("sizes", "1,x", "`[1]` is \"x\", not whole number"),
        ("order", "descending", "is \"descending\", not asc or desc"),
        ("filter", "{}", "`name` is missing"),
        (
            "filter",
            r#"{"name": "x", "not": {"nam": ""}}"#,
            "`not.nam` is not asked for",
        ),
        ("mail", "nobody", "is \"nobody\", not e-mail address"),
        ("day", "2026-13-01", "is \"2026-13-01\", not date"),
    ] {
        let wrong = tool.get(name).unwrap().schema.kind.read(word).unwrap_err();
        assert_eq!(wrong.to_string(), says, "{name}={word}");
    }
}

#[test]
fn unknown_and_missing_properties_name_the_right_ones() {
    let tool = tool();
    let check = |values: Value| tool.check(values.as_object().unwrap()).unwrap_err();
    let wrong = check(json!({"paht": "x", "depth": 1}));
    assert_eq!(wrong.to_string(), "`paht` is not asked for");
    assert_eq!(wrong.hint(), Some("did you mean `path`?"));
    let wrong = check(json!({}));
    assert_eq!(wrong.to_string(), "`path` and `depth` are missing");
    assert_eq!(wrong.hint(), Some("add path=TEXT depth=NUMBER"));
    let wrong = check(json!({"path": 1, "depth": 1}));
    assert_eq!(wrong.to_string(), "`path` is 1, not text");
    let fine = json!({"path": "x", "depth": 2.0, "ratio": null});
    assert_eq!(tool.check(fine.as_object().unwrap()), Ok(()));
    let nothing = Properties::from_schema(json!({"type": "object"}).as_object().unwrap());
    let one = json!({"a": 1});
    let wrong = nothing.check(one.as_object().unwrap()).unwrap_err();
    assert_eq!(wrong.hint(), Some("nothing is asked for"));
}

#[test]
fn endless_schema_is_read_to_a_limit() {
    let schema =
        json!({"properties": {"a": {"$ref": "#/properties/a"}, "b": {"$ref": "#/nowhere"}}});
    let properties = Properties::from_schema(schema.as_object().unwrap());
    assert_eq!(properties.get("a").unwrap().schema.kind, Kind::Any);
    assert_eq!(properties.get("b").unwrap().schema.kind, Kind::Any);
}
