use super::*;

#[test]
fn nothing_that_a_terminal_obeys_is_left() {
    assert_eq!(line("a\u{1b}[31mb\r\nc\u{7}\u{202e}d"), "a[31mb  cd");
    assert_eq!(text("a\r\n\tb\rc\u{9b}2J\n"), "a\n\tbc2J\n");
    assert_eq!(line("grüße, 你好"), "grüße, 你好");
}

#[test]
fn lines_are_broken_between_words() {
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
fn the_nearest_name() {
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
}
