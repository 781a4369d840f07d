use super::*;

fn read(result: &Bytes) -> Value {
    serde_json::from_slice(result).unwrap()
}

#[test]
fn placeholder_of_unknown_server_offers_every_list() {
    let result = read(&opening("initialize", Some("2025-06-18"), None, "sign in"));
    let changes = json!({ "listChanged": true });
    assert_eq!(result["protocolVersion"], "2025-06-18");
    assert_eq!(
        result["capabilities"],
        json!({ "tools": changes, "resources": changes, "prompts": changes })
    );
    assert_eq!(result["instructions"], "sign in");
    let result = read(&opening("initialize", Some("2030-01-01"), None, ""));
    assert_eq!(result["protocolVersion"], NEWEST_WITH_HANDSHAKE);
}

#[test]
fn placeholder_of_known_server_repeats_its_last_answer() {
    let kept = br#"{"protocolVersion":"2025-03-26","capabilities":{"tools":{},"logging":{},"x":[9007199254740993]},"serverInfo":{"name":"s","n":1.0},"instructions":"be kind","more":9007199254740993}"#;
    let result = opening("initialize", Some("2025-06-18"), Some(kept), "sign in");
    let text = String::from_utf8(result.to_vec()).unwrap();
    for same in [
        r#""protocolVersion":"2025-03-26""#,
        r#""more":9007199254740993"#,
        r#""serverInfo":{"name":"s","n":1.0}"#,
        r#""instructions":"sign in\n\nbe kind""#,
    ] {
        assert!(text.contains(same), "{same}: {text}");
    }
    let expected = json!({ "tools": { "listChanged": true }, "logging": {}, "x": [9_007_199_254_740_993_u64] });
    assert_eq!(read(&result)["capabilities"], expected);
}

#[test]
fn unreadable_cache_entry_is_ignored() {
    let result = read(&opening("initialize", Some("2025-06-18"), Some(b"{"), "w"));
    assert_eq!(result["capabilities"]["tools"]["listChanged"], true);
}

#[test]
fn placeholder_lists_are_empty() {
    let id = Id::Text("a\"".to_owned());
    let result = empty_list("resources/templates/list", false).unwrap();
    assert_eq!(
        response(&id, &result),
        r#"{"jsonrpc":"2.0","id":"a\"","result":{"resourceTemplates":[]}}"#
    );
    assert_eq!(empty_list("tools/call", false), None);
    assert_eq!(read(&empty_list("tools/list", true).unwrap())["ttlMs"], 0);
}

#[test]
fn capabilities_name_the_lists_of_a_server() {
    let result = br#"{"capabilities":{"tools":{},"prompts":null}}"#;
    let offered = ListKind::ALL.map(|kind| kind.is_offered_in(result));
    assert_eq!(offered, [true, false, false]);
}
