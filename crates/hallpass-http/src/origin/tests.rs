use http::HeaderValue;

use super::*;

#[test]
fn origin_equality_is_scheme_host_and_port() {
    let same =
        |left: &str, right: &str| Origin::parse(left).unwrap() == Origin::parse(right).unwrap();
    assert!(same("https://A.example:443/x?y", "https://a.example"));
    assert!(same("http://127.1:80", "http://127.0.0.1/"));
    assert!(!same("https://a.example", "http://a.example"));
    assert!(!same("https://a.example", "https://a.example:8443"));
    assert!(!same("https://a.example", "https://b.a.example"));
}

#[test]
fn origin_display_is_what_was_parsed() {
    for text in [
        "https://a.example",
        "http://[::1]:8080",
        "https://a.example:80",
    ] {
        assert_eq!(Origin::parse(text).unwrap().to_string(), text);
    }
    for text in ["a.example", "ftp://a.example", "https://", "data:,x", ""] {
        assert!(Origin::parse(text).is_err(), "{text}");
    }
}

#[test]
fn debug_hides_header_values() {
    let mut headers = HeaderMap::new();
    headers.insert("x-api-key", HeaderValue::from_static("canary"));
    let headers = OriginHeaders {
        origin: Origin::parse("https://user:canary@a.example").unwrap(),
        headers,
    };
    let text = format!("{headers:?}");
    assert!(
        text.contains("x-api-key") && !text.contains("canary"),
        "{text}"
    );
}
