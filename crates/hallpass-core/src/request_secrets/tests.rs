use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
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
    let shown = shown.unwrap_or_default();
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
    let clean = secrets.remove_from_json(&json!({
        "message": "no: Bearer canary-4711",
        "data": ["canary-4711", { "echo": STANDARD.encode("canary-4711") }, 7, "as it\n was"],
        "canary-4711": true,
    }));
    let expected = json!({
        "message": "no: …",
        "data": ["…", { "echo": "…=" }, 7, "as it\n was"],
        "…": true,
    });
    assert_eq!(clean, Some(expected));
    assert_eq!(secrets.remove_from_json(&json!({ "message": "no" })), None);
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
