use super::*;

#[track_caller]
fn read(text: &str) -> Message {
    let text = Bytes::copy_from_slice(text.as_bytes());
    Message::parse(text).unwrap_or_else(|invalid| panic!("{}", invalid.reason))
}

#[track_caller]
fn kind(text: &str, expected: &str) {
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
fn kind_of_a_message_follows_its_members() {
    for (rest, expected) in [
        (r#""id":1,"method":"a/b""#, "request 1 a/b"),
        (
            r#""id":"x","method":"m\u002Fn","params":{}"#,
            "request \"x\" m/n",
        ),
        (r#""method":"n","x":[{}]"#, "notification n"),
        (r#""id":1,"result":null"#, "result 1"),
        (r#""error":{"message":"","code":-1},"id":null"#, "error -"),
        (r#""error":{"message":"","code":-1}"#, "error -"),
        (r#""error":{"message":"","code":-1},"id":1.5"#, "error 1.5"),
    ] {
        kind(&format!("{{\"jsonrpc\":\"2.0\",{rest}}}"), expected);
    }
}

/// What JSON-RPC 2.0 says of an object, from its tree.
fn is_message(object: &serde_json::Value) -> bool {
    let has = |name: &str| object.get(name).is_some();
    let kinds = ["method", "result", "error"].map(has);
    let kinds = kinds.into_iter().filter(|has| *has).count();
    let id = &object["id"];
    let good_id = id.is_string() || id.is_number();
    let params = &object["params"];
    let error = &object["error"];
    object["jsonrpc"] == "2.0"
        && kinds == 1
        && if has("method") {
            object["method"].is_string()
                && (!has("params") || params.is_object() || params.is_array())
                && (!has("id") || good_id)
        } else if has("result") {
            good_id
        } else {
            error.is_object()
                && error["code"].is_i64()
                && error["message"].is_string()
                && (id.is_null() || good_id)
        }
}

#[test]
fn message_is_read_exactly_if_json_rpc_says_it_is_one() {
    const MEMBERS: [(&str, &[&str]); 6] = [
        ("jsonrpc", &[r#""2.0""#, r#""\u0032.0""#, r#""1.0""#, "2.0"]),
        ("id", &["1", r#""a""#, "-1.5e3", "null", "[1]", "true"]),
        ("method", &[r#""m""#, "1", "null"]),
        ("params", &["{}", "[]", "null"]),
        ("result", &["null", "{}"]),
        (
            "error",
            &[
                "null",
                r#""text""#,
                "{}",
                r#"{"code":1}"#,
                r#"{"message":"m"}"#,
                r#"{"code":-32000,"message":"m","data":[]}"#,
                r#"{"message":"m","code":1.5}"#,
                r#"{"code":"1","message":"m"}"#,
                r#"{"code":1,"message":null}"#,
                r#"[1,"m"]"#,
            ],
        ),
    ];
    // Each member is left out, or has each of its values, with each of the others'.
    let mut texts = vec![String::new()];
    for (name, values) in MEMBERS {
        let with = |text: &String| {
            let value = move |value: &&str| format!("{text}\"{name}\" :{value},");
            values.iter().map(value).collect::<Vec<_>>()
        };
        let more: Vec<_> = texts.iter().flat_map(with).collect();
        texts.extend(more);
    }
    for text in texts {
        let text = format!("{{{text}\"x\":0}}");
        let expected = is_message(&serde_json::from_str(&text).unwrap());
        assert_eq!(
            Message::parse(text.clone().into()).is_ok(),
            expected,
            "{text}"
        );
    }
}

#[test]
fn malformed_text_tells_the_reason() {
    for (text, reason) in [
        ("", "no JSON"),
        ("1", "no JSON object"),
        ("nul", "no JSON"),
        (
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\"} x",
            "no JSON",
        ),
        (r#"{"jsonrpc":"2.0","id":1e999,"result":0}"#, "`id`"),
        (r#"{"jsonrpc":"2.0","id":1,"id":1,"result":0}"#, "twice"),
        (r#"{"jsonrpc":"2.0","id":"\ud800","result":0}"#, "`id`"),
        (
            "{\"jsonrpc\":\"2.0\",\"id\":\"\u{1}\",\"result\":0}",
            "no JSON",
        ),
        ("[", "no JSON"),
        (" [] ", "empty batch"),
    ] {
        let invalid = Message::parse(text.into()).unwrap_err();
        assert!(
            invalid.reason.contains(reason),
            "{text}: {}",
            invalid.reason
        );
        assert_eq!(invalid.is_json, !reason.ends_with("no JSON"), "{text}");
    }
    let latin = b"{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"x\":\"\xe9\"}";
    assert!(
        !Message::parse(Bytes::from_static(latin))
            .unwrap_err()
            .is_json
    );
    let many = format!("[{}1]", "1,".repeat(envelope::MAX_BATCH));
    let invalid = Message::parse(many.into()).unwrap_err();
    assert!(invalid.reason.contains("too many"), "{}", invalid.reason);
}

#[test]
fn invalid_message_tells_the_id_it_may_be_about() {
    let id = |text: &str| {
        let invalid = Message::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap_err();
        (invalid.id.map(|id| id.to_string()), invalid.is_answer)
    };
    assert_eq!(id(r#"{"id":1,"result":0}"#), (Some("1".to_owned()), true));
    assert_eq!(
        id(r#"{"id":1,"method":"m"}"#),
        (Some("1".to_owned()), false)
    );
    assert_eq!(id(r#"{"id":[1],"error":"text"}"#), (None, true));
    assert_eq!(id(r#"{"error":"text"}"#), (None, true));
}

#[test]
fn ids_are_compared_by_value() {
    let id = Id::parse;
    assert_eq!(id("1.0"), id("1"));
    assert_eq!(id("1e2"), id("100"));
    assert_eq!(id(r#""\u0061""#), id(r#""a""#));
    assert_ne!(id("1"), id(r#""1""#));
    assert_ne!(id("9007199254740993"), id("9007199254740992"));
    assert_eq!(id("null"), None);
    assert_eq!(id("[1]"), None);
}

#[test]
fn members_are_found_by_path() {
    let message = read(
        r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":{"n":[1]},"_meta":{"v":"x\ny"},"b":2}}"#,
    );
    let part = message.single().unwrap();
    assert_eq!(part.text_at(&["_meta", "v"]).as_deref(), Some("x\ny"));
    assert_eq!(part.raw_at(&["b"]), Some("2"));
    assert_eq!(part.id_at(&["b"]), Some(Id::Number("2".to_owned())));
    assert_eq!(part.text_at(&["b"]), None);
    assert_eq!(part.raw_at(&["c"]), None);
    assert_eq!(part.raw_at(&["b", "c"]), None);
}

#[test]
fn batch_is_cut_by_its_parts() {
    let parts = [
        r#"{"jsonrpc":"2.0","id":1,"method":"a"}"#,
        r#"{"jsonrpc":"2.0", "method":"b"}"#,
        r#"{"jsonrpc":"2.0","id":"z","method":"c"}"#,
    ];
    let message = read(&format!("[{}]", parts.join(" , ")));
    let ids: Vec<_> = message.requests().map(ToString::to_string).collect();
    assert_eq!(ids, ["1", "\"z\""]);
    assert!(message.single().is_none());
    assert_eq!(message.retain(|_| true).unwrap(), message.bytes);
    assert_eq!(message.retain(|_| false), None);
    let notes = message.retain(|part| matches!(part.kind, Kind::Notification { .. }));
    assert_eq!(notes.unwrap(), format!("[{}]", parts[1]));

    let message = read(&format!("[{},{{}},{}]", parts[0], parts[2]));
    assert_eq!(message.malformed.len(), 1);
    let rest = message.retain(|_| true).unwrap();
    assert_eq!(rest, format!("[{},{}]", parts[0], parts[2]));
    // One of one part is a batch too.
    assert!(read(&format!("[{}]", parts[0])).single().is_none());
}

#[test]
fn fragment_tells_an_id_before_its_end() {
    let id = |text: &str| Id::from_fragment(text.as_bytes()).map(|id| id.to_string());
    assert_eq!(id(r#"{"id":7,"params":{"x":"aaaa"#).as_deref(), Some("7"));
    assert_eq!(id(r#"{"params":{"x":"aaaa"#), None);
}

fn secrets() -> RequestSecrets {
    let request = http::Request::post("https://mcp.example/")
        .header("authorization", "Bearer canary-4711")
        .body(Bytes::new());
    RequestSecrets::new(&request.unwrap())
}

#[test]
fn error_in_a_batch_is_cleaned_of_the_secrets_of_the_request() {
    let error = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"no: canary-4711"}}"#;
    let result = r#"{"jsonrpc":"2.0","id":2,"result":"canary-4711"}"#;
    for batch in [
        format!("[{error}]"),
        format!(" [ {error} , {result},{error},{error}] "),
    ] {
        let clean = read(&batch).without_secrets(Some(&secrets()));
        let expected = batch.replace("no: canary-4711", "no: …");
        assert_eq!(clean.bytes, expected);
        assert_eq!(clean.parts.len(), read(&batch).parts.len());
    }
}

#[test]
fn cleaned_error_keeps_all_else_as_it_is_written() {
    for id in [
        "123456789012345678901234567890",
        "1.50",
        "1e3",
        "\"\\u0041\"",
    ] {
        let error = format!(
            r#"{{ "id":{id},"error":{{"data":[1e999],"code":-1,"message":"no: canary-4711"}},"jsonrpc" :"2.0"}}"#
        );
        let clean = read(&error).without_secrets(Some(&secrets()));
        assert_eq!(clean.bytes, error.replace("canary-4711", "…"));
        let result = error.replace("error", "result");
        assert_eq!(
            read(&result).without_secrets(Some(&secrets())).bytes,
            result
        );
    }
}
