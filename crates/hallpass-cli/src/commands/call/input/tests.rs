use serde_json::json;

use super::*;

fn asked() -> Properties {
    let schema = json!({
        "properties": {
            "path": {"type": "string"},
            "count": {"type": "integer"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "options": {"type": "object"}
        },
        "required": ["path"]
    });
    Properties::from_schema(schema.as_object().unwrap())
}

fn words(words: &[&str]) -> Vec<Word> {
    words.iter().map(|word| Word::read(word).unwrap()).collect()
}

#[test]
fn words_become_arguments() {
    for (given, expected) in [
        (&["path=a=b"][..], json!({"path": "a=b"})),
        (&["path=7", "count=7"], json!({"path": "7", "count": 7})),
        (
            &[r#"{"path": "x", "count": 1}"#, "count=2"],
            json!({"path": "x", "count": 2}),
        ),
        (
            &["path=x", "tags=a,b", "tags=c"],
            json!({"path": "x", "tags": ["a", "b", "c"]}),
        ),
        (
            &["path=x", r#"options:={"deep": [1]}"#],
            json!({"path": "x", "options": {"deep": [1]}}),
        ),
        (&["path="], json!({"path": ""})),
    ] {
        let read = arguments(&words(given), Some(&asked())).unwrap();
        assert_eq!(Value::Object(read), expected, "{given:?}");
    }
}

#[test]
fn json_words_without_schema_are_json() {
    let read = arguments(&words(&["a=1", "b=x", "c=[1]", "d=01"]), None).unwrap();
    assert_eq!(
        Value::Object(read),
        json!({"a": 1, "b": "x", "c": [1], "d": "01"})
    );
}

#[test]
fn argument_outside_schema_is_refused() {
    for (given, says) in [
        (&["pathh=x"][..], "`pathh` is not asked for"),
        (&["count=1"], "`path` is missing"),
        (
            &["path=x", "count=many"],
            "`count` is \"many\", not whole number",
        ),
        (
            &["path=x", "count:=\"1\""],
            "`count` is \"1\", not whole number",
        ),
        (&[r#"{"path": 1}"#], "`path` is 1, not text"),
    ] {
        let wrong = arguments(&words(given), Some(&asked())).unwrap_err();
        assert_eq!(wrong.to_string(), says, "{given:?}");
    }
}

#[test]
fn invalid_argument_word_is_refused() {
    for word in ["path", "=x", ":=1", "a:=x", "[1]", "{", "@/nowhere.json"] {
        assert!(Word::read(word).is_err(), "{word}");
    }
}
