use serde_json::json;

use super::*;

#[test]
fn json_with_comments_and_trailing_commas_is_read() {
    let text = "// one\n{\"a\": [1, 2,], /* two */ \"b\": {\"c\": \"// none\",},}\n";
    assert_eq!(json(text), Ok(json!({"a": [1, 2], "b": {"c": "// none"}})));
    assert_eq!(json(""), Ok(Value::Null));
}

#[track_caller]
fn check(
    read: fn(&str) -> Result<Value, SyntaxError>,
    text: &str,
    place: (usize, usize),
    what: &str,
) {
    let wrong = read(text).unwrap_err();
    assert_eq!((wrong.line, wrong.column), place, "{text}");
    assert!(wrong.what.contains(what), "{text}: {}", wrong.what);
    assert!(!wrong.what.contains("canary"), "{text}: {}", wrong.what);
}

#[test]
fn syntax_error_names_position() {
    check(json, "{\n  \"a\": \"canary", (2, 8), "invalid JSON: ");
    check(json, "{\"a\": 1", (1, 8), "unterminated object");
    check(json, "{'a': 1}", (1, 2), "invalid JSON: ");
    check(json, "{a: 1}", (1, 2), "invalid JSON: ");
    check(json, "{\"a\": 1 \"b\": 2}", (1, 8), "expected comma");
    check(json, "{} {}", (1, 4), "more than one");
    check(toml, "a = 1\nb = canary", (2, 5), "invalid TOML");
}

#[test]
fn toml_values_become_json() {
    let text = "[a.b]\nc = \"d\"\ne = [\"f\", true]\ng = { \"h-i\" = 7 }\n";
    let expected = json!({"a": {"b": {"c": "d", "e": ["f", true], "g": {"h-i": 7}}}});
    assert_eq!(toml(text), Ok(expected));
}

#[cfg(unix)]
#[test]
fn device_behind_a_link_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mcp.json");
    std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
    let error = read(&path).unwrap_err();
    assert!(error.contains("it is not a file"), "{error}");
}
