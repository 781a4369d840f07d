use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::json;

use super::*;

/// Secrets with what encodings change in them.
const SECRETS: [&str; 6] = [
    "canary-4711",
    r#"c4n"a\r/y+&=% <>'é"#,
    "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJl-_",
    "0123456789abcdef0123456789abcdef",
    "pass",
    "~tilde~!*()",
];

fn post(body: String, headers: &[(&str, &str)]) -> RequestSecrets {
    let mut request = Request::post("https://as.example/token?key=query-canary");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Bytes::from(body));
    RequestSecrets::new(&request.unwrap())
}

fn form(name: &str, value: &str) -> String {
    form_urlencoded::Serializer::new(String::new())
        .append_pair("client_id", "my-client")
        .append_pair(name, value)
        .finish()
}

fn percent(text: &str, is_escaped: impl Fn(u8) -> bool) -> String {
    text.bytes()
        .map(|byte| match byte {
            byte if is_escaped(byte) || !byte.is_ascii() => format!("%{byte:02X}"),
            byte => char::from(byte).to_string(),
        })
        .collect()
}

fn json_text(text: &str) -> String {
    let quoted = json!(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// The text in each encoding that a server may use.
fn encodings(text: &str) -> Vec<String> {
    let is_special = |byte: u8| !byte.is_ascii_alphanumeric();
    let unicode = text.encode_utf16().fold(String::new(), |before, unit| {
        format!("{before}\\u{unit:04x}")
    });
    let html = text
        .replace('&', "&amp;")
        .replace('"', "&quot;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('\'', "&#39;");
    let mut all = vec![
        text.to_owned(),
        percent(text, is_special),
        percent(text, is_special)
            .replace("%C3%A9", "%c3%a9")
            .replace("%2F", "%2f"),
        percent(text, |_| true),
        percent(text, is_special).replace("%20", "+"),
        json_text(text),
        json_text(text).replace('/', "\\/"),
        unicode.to_uppercase().replace("\\U", "\\u"),
        unicode,
        html,
    ];
    for before in ["", "a", "bc", "secret: ", "{\"k\":\""] {
        let whole = format!("{before}{text}, and more");
        all.push(STANDARD.encode(&whole));
        all.push(STANDARD_NO_PAD.encode(&whole));
        all.push(URL_SAFE.encode(&whole));
        all.push(URL_SAFE_NO_PAD.encode(&whole));
    }
    all
}

#[track_caller]
fn check_removed(secrets: &RequestSecrets, secret: &str, text: &str) {
    let shown = secrets.remove_from(text, None);
    let shown = shown.unwrap_or_else(|| panic!("nothing of {text:?} is shown"));
    for encoded in encodings(secret) {
        let is_there = shown.to_lowercase().contains(&encoded.to_lowercase());
        assert!(!is_there, "{text:?}: {shown:?} holds {encoded:?}");
    }
}

#[test]
fn secret_in_any_encoding_is_removed_and_the_words_stay() {
    for secret in SECRETS {
        let secrets = post(form("client_secret", secret), &[]);
        let in_upper_case = secret.to_ascii_uppercase();
        for encoded in encodings(secret).into_iter().chain([in_upper_case]) {
            let text = format!("The secret '{encoded}' is wrong.");
            check_removed(&secrets, secret, &text);
            let shown = secrets.remove_from(&text, None).unwrap();
            assert!(
                shown.starts_with("The secret '") && shown.ends_with("' is wrong."),
                "{text:?}: {shown:?}"
            );
        }
    }
}

#[test]
fn secret_that_is_encoded_twice_or_three_times_is_removed() {
    for secret in &SECRETS[..2] {
        let secrets = post(form("code", secret), &[]);
        for once in encodings(secret) {
            for twice in encodings(&once) {
                check_removed(&secrets, secret, &format!("got {twice} of you"));
            }
        }
        let form = form("code", secret);
        let echo = json!({ "body": form, "headers": { "x": 1 } }).to_string();
        check_removed(&secrets, secret, &STANDARD.encode(echo));
    }
}

#[test]
fn basic_credentials_are_removed_whole_and_in_parts() {
    for secret in SECRETS {
        let encoded: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        let basic = format!("Basic {}", STANDARD.encode(format!("my-client:{encoded}")));
        let secrets = post(String::new(), &[("authorization", &basic)]);
        for text in [
            basic.clone(),
            basic.replace("Basic ", ""),
            format!("my-client:{encoded}"),
            format!("my-client:{secret}"),
            secret.to_owned(),
            percent(&basic, |byte| !byte.is_ascii_alphanumeric()),
            STANDARD.encode(&basic),
            json_text(&basic),
        ] {
            let text = format!("Authorization: {text} is wrong");
            check_removed(&secrets, secret, &text);
            check_removed(&secrets, &basic["Basic ".len()..], &text);
        }
    }
}

#[test]
fn headers_cookies_and_query_are_removed() {
    let headers = [
        ("authorization", "Bearer token-canary"),
        ("x-api-key", "Key api-canary"),
        ("cookie", "session=cookie-canary; other=biscuit-canary"),
        ("dpop", "eyJ0eXAi.proof-canary.sig"),
        ("accept", "application/json"),
    ];
    let secrets = post(form("code_verifier", "verifier-canary"), &headers);
    let canaries = [
        "token-canary",
        "api-canary",
        "cookie-canary",
        "biscuit-canary",
        "proof-canary",
        "query-canary",
        "verifier-canary",
    ];
    let echo = headers.map(|(name, value)| format!("{name}: {value}"));
    let echo = format!(
        "POST /token?key=query-canary {} {}",
        echo.join(" "),
        form("code_verifier", "verifier-canary")
    );
    for text in encodings(&echo) {
        for canary in canaries {
            check_removed(&secrets, canary, &text);
        }
    }
    assert_eq!(
        secrets.remove_from("need application/json of my-client for key", None),
        Some("need application/json of my-client for key".to_owned())
    );
}

#[test]
fn basic_credentials_without_padding_are_removed() {
    let basic = STANDARD_NO_PAD.encode("my-client:canary-4711-x");
    assert_ne!(basic.len() % 4, 0);
    let secrets = post(
        String::new(),
        &[("authorization", &format!("Basic {basic}"))],
    );
    check_removed(&secrets, "canary-4711-x", "wrong: canary-4711-x");
}

#[test]
fn password_of_the_url_is_removed_whole() {
    for (user, password) in [
        ("user:canary-4711:rest", "canary-4711:rest"),
        ("canary-4711", "canary-4711"),
    ] {
        let request = Request::get(format!("https://{user}@as.example/")).body(Bytes::new());
        let secrets = RequestSecrets::new(&request.unwrap());
        check_removed(&secrets, "canary-4711", &format!("not {password} but"));
    }
}

#[test]
fn short_value_of_a_header_that_holds_no_credentials_leaves_the_words() {
    let headers = [("last-event-id", "5"), ("dnt", "1"), ("x-shown", "a b")];
    let shown = |secrets: &RequestSecrets| secrets.remove_from("5 of 1 is a b", None);
    assert_eq!(
        shown(&post(String::new(), &headers)).as_deref(),
        Some("5 of 1 is a b")
    );
    assert_eq!(shown(&post(String::new(), &[("x-api-key", "5")])), None);
    let mut request = Request::new(Bytes::new());
    let mut value = HeaderValue::from_static("5");
    value.set_sensitive(true);
    request.headers_mut().insert("x-configured", value);
    assert_eq!(shown(&RequestSecrets::new(&request)), None);
}

#[test]
fn short_secret_in_a_text_leaves_no_words() {
    let secrets = post(form("client_secret", "pw"), &[]);
    let shown = |text: &str| secrets.remove_from(text, None);
    assert_eq!(shown("the secret pw is wrong"), None);
    assert_eq!(shown("client_secret=pw&x=y"), None);
    assert_eq!(shown("client_secret%3Dpw"), None);
    assert_eq!(shown(&STANDARD.encode("my-client:pw")), None);
    assert_eq!(shown("opwords stay"), Some("opwords stay".to_owned()));
    assert_eq!(
        shown("Authorization failed"),
        Some("Authorization failed".to_owned())
    );
}

#[test]
fn secret_that_is_cut_off_is_removed() {
    let secrets = post(form("refresh_token", SECRETS[2]), &[]);
    let cut = &SECRETS[2][..20];
    let shown = secrets.remove_from(&format!("token {cut}"), None);
    assert_eq!(shown.as_deref(), Some("token …"));
    let long = format!("{}{}", "word ".repeat(MAX_READ / 5 - 3), SECRETS[2]);
    let shown = secrets.remove_from(&long, None).unwrap();
    assert!(!shown.contains("eyJhb"), "{shown}");
}

#[test]
fn secret_with_invisible_characters_between_is_removed() {
    let secrets = post(form("code", "canary-4711"), &[]);
    let shown = secrets.remove_from("code can\u{200b}ary-\u{7}4711 unknown", None);
    assert_eq!(shown.as_deref(), Some("code … unknown"));
}

#[test]
fn secret_of_the_answer_itself_is_removed() {
    let secrets = post(String::new(), &[]);
    let answer = json!({
        "client_secret": "canary-1",
        "nested": [{ "registration_access_token": "canary-2" }],
        "trace_id": "trace-3",
    });
    let shown = secrets.remove_from("canary-1 canary-2 trace-3", Some(&answer));
    assert_eq!(shown.as_deref(), Some("… … trace-3"));
}

#[test]
fn texts_of_json_are_replaced_where_they_repeat_a_secret() {
    let secrets = post(String::new(), &[("authorization", "Bearer canary-4711")]);
    let clean = clean_json(
        &secrets,
        &json!({
            "message": "no: Bearer canary-4711",
            "data": ["canary-4711", { "echo": STANDARD.encode("canary-4711") }, 7, "as it\n was"],
            "canary-4711": true,
        }),
    );
    let expected = json!({
        "message": "no: …",
        "data": ["…", { "echo": "…=" }, 7, "as it\n was"],
        "…": true,
    });
    assert_eq!(clean, Some(expected));
    assert_eq!(clean_json(&secrets, &json!({ "message": "no" })), None);
}

fn clean_json(secrets: &RequestSecrets, json: &Value) -> Option<Value> {
    let clean = secrets.remove_from_errors(&[&json.to_string()]).remove(0)?;
    Some(serde_json::from_str(&clean).unwrap())
}

#[test]
fn json_keeps_all_that_is_no_secret_as_it_is_written() {
    let secrets = post(
        String::new(),
        &[
            ("authorization", "Bearer canary-4711"),
            ("x-key", "message"),
        ],
    );
    let deep = format!("{}\"canary-4711\"{}", "[".repeat(500), "]".repeat(500));
    let json = format!(
        r#"{{ "code":-1, "message" : "a\"canary-4711\\", "data":[1e999, 12345678901234567890123, "\u00e9", "\ud800", {deep}]}}"#
    );
    let clean = secrets.remove_from_errors(&[&json, "\"no\""]);
    let expected = json.replace("canary-4711", "…").replace("\\ud800", "…");
    assert_eq!(clean, [Some(expected), None]);
}

/// Cleans an error. It takes half a second; machines that run tests may be busy.
#[expect(
    clippy::disallowed_methods,
    reason = "the test measures how long it takes"
)]
#[track_caller]
fn clean_error(secrets: &RequestSecrets, error: &str) -> String {
    let begin = std::time::Instant::now();
    let clean = secrets.remove_from_errors(&[error]).remove(0).unwrap();
    let took = begin.elapsed();
    assert!(took.as_secs() < 10, "{took:?}");
    assert!(!clean.contains("canary-4711"));
    clean
}

#[test]
fn hostile_error_ends_soon_and_shows_no_secret() {
    let secrets = post(String::new(), &[("authorization", "Bearer canary-4711")]);
    let encoded = STANDARD.encode("%25\\\\u0026&amp; canary-471 Bearer ".repeat(1200));
    let beginnings = "Bearer canary-471".repeat(3800);
    let texts = |text: &str, count| json!({ "message": "no", "data": vec![text; count] });
    for error in [
        texts(&encoded, 18),
        texts(&beginnings, 16),
        texts("canary-4711", 70_000),
    ] {
        clean_error(&secrets, &error.to_string());
    }
    let nested = "[\"a\",".repeat(1 << 17) + "0" + &"]".repeat(1 << 17);
    let error = format!(r#"{{"message":"no: canary-4711","data":{nested}}}"#);
    assert!(clean_error(&secrets, &error).starts_with(r#"{"message":"no: …","data":[""#));
}

#[test]
fn very_long_error_is_left_with_its_code_and_the_beginning_of_its_message() {
    let secrets = post(String::new(), &[("authorization", "Bearer canary-4711")]);
    let long = format!("no: canary-4711{}", " and so on".repeat(1024 * 1024));
    let many = vec!["canary-4711 ".repeat(64 * 1024 / 12); 512];
    for (error, beginning) in [
        (
            json!({ "code": -32001, "message": long }),
            "no: … and so on and so on",
        ),
        (
            json!({ "code": -32001, "message": "no: canary-4711", "data": many }),
            "no: …",
        ),
    ] {
        let clean = clean_error(&secrets, &error.to_string());
        assert!(clean.len() < 5000, "{}", clean.len());
        let clean: Value = serde_json::from_str(&clean).unwrap();
        assert_eq!(clean["code"], -32001);
        assert_eq!(clean.as_object().unwrap().len(), 2);
        let message = clean["message"].as_str().unwrap();
        assert!(message.starts_with(beginning), "{message:.100}");
        assert!(message.ends_with('…'), "{message:.100}");
    }
}

#[test]
fn secret_at_the_end_of_a_beginning_is_removed() {
    let secrets = post(String::new(), &[("authorization", "Bearer canary-4711")]);
    let cut = |text: &str, before: usize| {
        let text = "x ".repeat(before / 2) + text + &" y".repeat(MAX_TEXT);
        let clean = clean_json(&secrets, &json!({ "message": text })).unwrap();
        clean["message"]
            .as_str()
            .unwrap()
            .trim_start_matches("x ")
            .to_owned()
    };
    assert_eq!(cut("canary-4711", MAX_READ - 8), "…");
    assert_eq!(
        cut(&STANDARD.encode("Bearer canary-4711"), MAX_READ - 20),
        "…"
    );
}

#[test]
fn beginning_of_a_long_text_is_shown() {
    let secrets = post(String::new(), &[("authorization", "Bearer canary-4711")]);
    let text = "word ".repeat(MAX_TEXT / 5);
    assert_eq!(clean_json(&secrets, &json!(text)), None);
    for length in [MAX_TEXT / 5 + 1, 150_000] {
        let text = "word ".repeat(length);
        let beginning = text[..MAX_READ].to_owned() + "…";
        assert_eq!(clean_json(&secrets, &json!(text)), Some(json!(beginning)));
    }
}

fn wrapped(text: &str, columns: usize, end: &str) -> String {
    let chars: Vec<_> = text.chars().collect();
    let lines = chars.chunks(columns).map(String::from_iter);
    lines.collect::<Vec<_>>().join(end)
}

#[test]
fn secret_in_a_wrapped_text_is_removed() {
    let token = format!("{}.{}", SECRETS[2].repeat(3), SECRETS[3]);
    let secrets = post(
        String::new(),
        &[("authorization", &format!("Bearer {token}"))],
    );
    let echo = json!({ "headers": { "authorization": format!("Bearer {token}") } }).to_string();
    for columns in [60, 76] {
        for end in ["\n", "\r\n", "\n  "] {
            for encoded in encodings(&echo) {
                let lines = wrapped(&encoded, columns, end);
                let text = format!("The request was: {lines} and it is wrong.");
                let shown = secrets.remove_from(&text, None).unwrap();
                let shown: String = shown.split_whitespace().collect();
                for encoded in encodings(&token) {
                    for part in encoded.as_bytes().chunks_exact(16) {
                        let part = std::str::from_utf8(part).unwrap();
                        assert!(!shown.contains(part), "{text}: {shown} holds {part}");
                    }
                }
            }
        }
    }
}

#[test]
fn word_that_repeats_a_secret_is_found() {
    let secrets = post(form("client_secret", "supersecret"), &[]);
    assert!(secrets.are_in_word("SuperSecret"));
    assert!(secrets.are_in_word("invalid_supersecret"));
    let secrets = post(form("client_secret", "client"), &[]);
    assert!(secrets.are_in_word("client"));
    assert!(!secrets.are_in_word("invalid_client"));
}

#[test]
fn debug_shows_no_secret() {
    let secrets = post(form("code", "canary-4711"), &[]);
    assert_eq!(format!("{secrets:?}"), "RequestSecrets(redacted)");
}

#[test]
fn empty_member_of_an_answer_leaves_the_words() {
    let secrets = post(String::new(), &[]);
    let answer = json!({ "message": "no: x", "token": "" });
    let shown = secrets.remove_from("no: x", Some(&answer));
    assert_eq!(shown.as_deref(), Some("no: x"));
}

#[test]
fn answer_with_very_many_secrets_costs_no_more_than_one_with_few() {
    let secrets = post(String::new(), &[]);
    let answer = |distinct: usize| {
        let members = (0..20_000).map(|at| json!({ "token": format!("value-{}", at % distinct) }));
        json!({ "error": "no: x", "data": members.collect::<Vec<_>>() })
    };
    let mut values = Secrets::default();
    add_answered(&answer(1), &mut values);
    assert_eq!(values.0, [b"value-0"]);
    let mut values = Secrets::default();
    add_answered(&answer(20_000), &mut values);
    assert_eq!(values.0.len(), MAX_ANSWERED);
    let shown = secrets.remove_from("no: value-1", Some(&answer(20_000)));
    assert_eq!(shown.as_deref(), Some("no: …"));
}
