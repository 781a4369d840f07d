use super::*;

#[track_caller]
fn read(text: &'static str) -> Message {
    Message::read(Bytes::from_static(text.as_bytes())).unwrap()
}

#[track_caller]
fn kind(text: &'static str, expected: &str) {
    let message = read(text);
    let part = message.single().unwrap();
    let shown = match &part.kind {
        Kind::Request { id, method } => format!("request {id} {method}"),
        Kind::Notification { method } => format!("notification {method}"),
        Kind::Response { id, is_error } => {
            let id = id.as_ref().map_or("-".to_owned(), ToString::to_string);
            format!("{} {id}", if *is_error { "error" } else { "result" })
        }
    };
    assert_eq!(shown, expected, "{text}");
}

#[test]
fn what_kind_a_message_is() {
    kind(
        r#"{"jsonrpc":"2.0","id":1,"method":"a/b"}"#,
        "request 1 a/b",
    );
    kind(
        r#"{"id":"x","method":"m\u002Fn","params":{}}"#,
        "request \"x\" m/n",
    );
    kind(r#"{"method":"n","x":[{}]}"#, "notification n");
    kind(r#"{"id":null,"method":"n"}"#, "notification n");
    kind(r#"{"id":1,"result":null}"#, "result 1");
    kind(r#"{"error":{"code":1},"id":null}"#, "error -");
    for no_message in [
        "",
        "1",
        "{}",
        r#"{"id":1}"#,
        "{\"id\":1,\"method\":\"m\"} x",
        "nul",
    ] {
        let bytes = Bytes::from_static(no_message.as_bytes());
        assert!(Message::read(bytes).is_err(), "{no_message}");
    }
}

#[test]
fn ids_are_compared_by_value() {
    let id = |text: &str| {
        let raw: Box<RawValue> = serde_json::from_str(text).unwrap();
        Id::read(&raw)
    };
    assert_eq!(id("1.0"), id("1"));
    assert_eq!(id("1e2"), id("100"));
    assert_eq!(id(r#""\u0061""#), id(r#""a""#));
    assert_ne!(id("1"), id(r#""1""#));
    assert_ne!(id("9007199254740993"), id("9007199254740992"));
    assert_eq!(id("null"), None);
    assert_eq!(id("[1]"), None);
}

#[test]
fn fields_are_found_where_they_are() {
    let message =
        read(r#"{"id":1,"method":"m","params":{"a":{"n":[1]},"_meta":{"v":"x\ny"},"b":2}}"#);
    let part = message.single().unwrap();
    assert_eq!(
        part.field::<String>(&["_meta", "v"]).as_deref(),
        Some("x\ny")
    );
    assert_eq!(part.field::<u32>(&["b"]), Some(2));
    assert_eq!(part.field::<u32>(&["c"]), None);
    assert_eq!(part.field::<u32>(&["b", "c"]), None);
}

#[test]
fn a_batch_has_parts() {
    let message = read(r#"[{"id":1,"method":"a"},{"method":"b"},{"id":"z","method":"c"}]"#);
    let ids: Vec<_> = message.requests().map(ToString::to_string).collect();
    assert_eq!(ids, ["1", "\"z\""]);
    assert!(message.single().is_none());
}

#[test]
fn a_fragment_may_tell_its_id() {
    let id = |text: &str| id_of_fragment(text.as_bytes()).map(|id| id.to_string());
    assert_eq!(id(r#"{"id":7,"params":{"x":"aaaa"#).as_deref(), Some("7"));
    assert_eq!(id(r#"{"params":{"x":"aaaa"#), None);
}

#[test]
fn a_message_is_put_on_one_line() {
    let message = read("{\"id\": 1,\r\n \"result\": {\"a\": \"b\\n\"}}");
    assert_eq!(
        message.line(),
        "{\"id\": 1,   \"result\": {\"a\": \"b\\n\"}}"
    );
}
