use super::*;

fn issuer(text: &str) -> Issuer {
    Issuer::parse(text).unwrap()
}

#[test]
fn issuers_with_and_without_slash_differ() {
    assert_ne!(issuer("https://as.example"), issuer("https://as.example/"));
    assert_ne!(
        issuer("https://as.example/a"),
        issuer("https://AS.example/a")
    );
    assert_eq!(
        issuer("https://as.example/").as_str(),
        "https://as.example/"
    );
}

#[test]
fn trailing_slash_of_a_bare_origin_is_ignored() {
    #[track_caller]
    fn check(one: &str, other: &str, same: bool) {
        assert_eq!(
            issuer(one).eq_ignoring_trailing_slash(&issuer(other)),
            same,
            "{one} {other}"
        );
    }
    check("https://as.example", "https://as.example/", true);
    check("https://as.example/", "https://as.example", true);
    check("https://as.example", "https://as.example", true);
    check("https://as.example/t", "https://as.example/t/", false);
    check("https://as.example//", "https://as.example/", false);
    check("https://as.example", "https://AS.example", false);
    check("https://as.example", "https://as.example:443", false);
}

#[test]
fn malformed_issuer_is_refused() {
    for text in [
        "as.example",
        "http://as.example",
        "https://as.example?x=1",
        "https://as.example#x",
        "https://u:p@as.example",
        "ftp://as.example",
    ] {
        let error = Issuer::parse(text).unwrap_err().to_string();
        assert!(error.contains("is not an issuer identifier"), "{error}");
        assert!(!error.contains("u:p") && !error.contains("x=1"), "{error}");
    }
}

#[test]
fn issuer_of_other_than_printable_ascii_is_refused() {
    for text in [
        "https://as.example/\u{1b}]0;owned\u{7}",
        "https://as.example/\u{9b}2J",
        "https://as.example/\u{202e}moc.live",
        "https://as.example/\u{200b}",
        "https://as.exam\nple",
        "https://as.example/a b",
        " https://as.example",
        "https://as.example/tenänt",
        "https://bücher.example",
    ] {
        let error = Issuer::parse(text).unwrap_err().to_string();
        assert!(
            error.ends_with("a URL is of printable ASCII characters (RFC 3986 §2)"),
            "{error}"
        );
        assert!(error.chars().all(crate::is_printable), "{error:?}");
    }
    let error = Issuer::parse("https://u:p@as.example/\u{1b}").unwrap_err();
    assert!(!error.to_string().contains("u:p"), "{error}");
    let endless = format!("https://as.example?{}", "x".repeat(100_000));
    assert!(Issuer::parse(&endless).unwrap_err().to_string().len() < 400);
}

#[test]
fn issuer_kept_by_an_earlier_version_is_read_and_shown_clean() {
    let kept = "https://as.example/\u{1b}[2J\u{9b}\u{202e}t";
    let issuer: Issuer = serde_json::from_value(kept.into()).unwrap();
    assert_eq!(issuer.as_str(), kept);
    assert_eq!(serde_json::json!(issuer), kept);
    assert_eq!(issuer.to_string(), "https://as.example/[2Jt");
    assert_eq!(format!("{issuer:?}"), "Issuer(https://as.example/[2Jt)");
}
