use super::*;

#[test]
fn host_variable_syntax_is_read() {
    for (value, expected) in [
        ("${NAME}", "${NAME}"),
        ("Bearer ${NAME}", "Bearer ${NAME}"),
        ("Bearer ${env:NAME}", "Bearer ${NAME}"),
        ("${A}${B}", "${A}${B}"),
        (" Basic ${A}", " Basic ${A}"),
    ] {
        assert_eq!(read(value), Text::Variables(expected.to_owned()), "{value}");
    }
    for value in [
        "",
        "secret",
        "Bearer secret",
        "x-${NAME}",
        "${NAME} secret",
        "${NAME",
        "$NAME",
    ] {
        assert_eq!(read(value), Text::Literal, "{value}");
    }
    for value in [
        "${input:key}",
        "${input:a b}",
        "${NAME:-secret}",
        "${workspaceFolder}/${a b}",
        "${}",
    ] {
        let Text::Unknown(why) = read(value) else {
            panic!("{value} is {:?}", read(value));
        };
        assert!(!why.contains("secret"), "{why}");
    }
}

#[test]
fn single_variable_is_recognized() {
    assert_eq!(one(" ${NAME} "), Some("NAME"));
    for text in ["NAME", "${NAME}x", "${A}${B}", "${}"] {
        assert_eq!(one(text), None, "{text}");
    }
}
