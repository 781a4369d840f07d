use super::*;

#[test]
fn nothing_that_a_terminal_obeys_is_left() {
    assert_eq!(line("a\u{1b}[31mb\r\nc\u{7}\u{202e}d"), "a[31mb  cd");
    assert_eq!(text("a\r\n\tb\rc\u{9b}2J\n"), "a\n\tbc2J\n");
    assert_eq!(line("grüße, 你好"), "grüße, 你好");
}
