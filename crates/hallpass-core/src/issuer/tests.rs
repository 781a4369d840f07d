use super::*;

fn issuer(text: &str) -> Issuer {
    Issuer::parse(text).unwrap()
}

#[test]
fn issuers_that_differ_by_a_slash_differ() {
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
fn the_root_slash_is_the_one_tolerated_difference() {
    #[track_caller]
    fn check(one: &str, other: &str, same: bool) {
        assert_eq!(
            issuer(one).same_but_for_root_slash(&issuer(other)),
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
fn what_is_no_issuer() {
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
        assert!(!error.contains("u:p"), "{error}");
    }
}
