use serde_json::json;

use super::*;

fn strings(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn request() -> RecordedRequest {
    RecordedRequest {
        at: std::time::Duration::ZERO,
        sequence: 3,
        server: "authorization server".to_owned(),
        origin: "http://127.0.0.1:1".to_owned(),
        endpoints: Vec::new(),
        method: "POST".to_owned(),
        path: "/token".to_owned(),
        query: strings(&[("state", "canary-1"), ("resource", "https://mcp.example")]),
        headers: strings(&[
            ("authorization", "Bearer canary-2"),
            ("x-corp", "canary-hidden"),
            ("host", "127.0.0.1:1"),
        ]),
        body: RecordedBody::Form(strings(&[
            ("grant_type", "authorization_code"),
            ("code", "canary-3"),
            ("unheard_of", "canary-4"),
        ])),
        answer: Some(RecordedAnswer {
            status: 200,
            headers: strings(&[(
                "location",
                "http://127.0.0.1:2/callback?code=canary-5&iss=https%3A%2F%2Fas.example",
            )]),
            body: RecordedBody::Json(json!({
                "token_type": "Bearer",
                "access_token": "canary-6",
                "nested": [{ "client_secret": "canary-7" }],
            })),
        }),
    }
}

#[test]
fn secrets_are_redacted_and_other_values_shown() {
    let text = format!("{:?}", request());
    assert!(!text.contains("canary"), "{text}");
    for shown in [
        "https://mcp.example",
        "authorization_code",
        "Bearer (redacted)",
        "iss=https%3A%2F%2Fas.example",
        "127.0.0.1:1",
    ] {
        assert!(text.contains(shown), "{shown} in {text}");
    }
}

#[test]
fn secrets_of_a_request_are_listed_by_name() {
    let expected = strings(&[
        ("state", "canary-1"),
        ("authorization", "canary-2"),
        ("code", "canary-3"),
        ("unheard_of", "canary-4"),
        ("code", "canary-5"),
        ("access_token", "canary-6"),
        ("client_secret", "canary-7"),
    ]);
    assert_eq!(request().secrets(), expected);
}

#[test]
fn plain_text_is_redacted_whole() {
    let body = RecordedBody::Text("canary".to_owned());
    assert_eq!(
        body.redacted(),
        RecordedBody::Text("(6 bytes of text)".to_owned())
    );
}
