use super::*;

#[test]
fn json_with_hostile_characters_is_escaped() {
    let value = serde_json::json!({"a\u{9b}2J\u{202e}": "b\u{1b}\u{7f}\u{e0041}\u{200b} grüße"});
    for plain in [value.to_string(), format!("{value:#}")] {
        let escaped = json(&plain);
        assert!(
            escaped
                .chars()
                .all(|c| c == '\n' || hallpass::text::is_printable(c))
        );
        assert!(escaped.contains("grüße"), "{escaped}");
        let read: serde_json::Value = serde_json::from_str(&escaped).unwrap();
        assert_eq!(read, value);
    }
}

#[test]
fn multi_line_text_is_marked() {
    assert_eq!(marked("a\r\nhint: b\n"), "a\n  | hint: b\n  | ");
}

#[test]
fn text_is_wrapped_between_words() {
    assert_eq!(wrap("one two  three\nfour", None, 4), "one two three four");
    let text = "aaaa bbbb cccc dddd eeee ffff";
    assert_eq!(
        wrap(text, Some(24), 4),
        "aaaa bbbb cccc dddd\n    eeee ffff"
    );
    let long = "https://mcp.example.com/a/long/path x";
    assert_eq!(
        wrap(long, Some(24), 2),
        "https://mcp.example.com/a/long/path\n  x"
    );
    assert_eq!(wrap("", Some(24), 2), "");
}

#[test]
fn similar_name_is_suggested() {
    let known = ["path", "recursive", "max_results"];
    for (given, meant) in [
        ("pat", Some("path")),
        ("paht", Some("path")),
        ("Path", Some("path")),
        ("recursiv", Some("recursive")),
        ("max", Some("max_results")),
        ("maxResults", Some("max_results")),
        ("colour", None),
        ("x", None),
        ("", None),
    ] {
        assert_eq!(nearest(given, known), meant, "{given}");
    }
    // Nothing of the letter is left.
    assert_eq!(nearest("c", ["a", "b"]), None);
}

#[test]
fn duration_is_shown_in_largest_unit() {
    for (seconds, words) in [
        (0, "0 seconds"),
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "1 minute"),
        (42 * 60 + 29, "42 minutes"),
        (3_569, "59 minutes"),
        (3_570, "1 hour"),
        (84_599, "23 hours"),
        (84_600, "1 day"),
        (u64::MAX, "213503982334601 days"),
        (3 * 86_400 + 7, "3 days"),
    ] {
        assert_eq!(duration(seconds), words);
    }
}

#[test]
fn table_is_aligned_and_wrapped() {
    let rows = [
        ("a", "one two three four".to_owned()),
        ("long", "x".to_owned()),
    ];
    let broken = table(&rows, Some(28), Paint::PLAIN);
    assert_eq!(broken, "  a     one two three four\n  long  x".to_owned());
    let rows = [("a", "one two three four five".to_owned())];
    let broken = table(&rows, Some(25), Paint::PLAIN);
    assert_eq!(broken, "  a  one two three four\n     five");
}
