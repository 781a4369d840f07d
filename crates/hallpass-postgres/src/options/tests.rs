use super::*;

fn options(url: &str) -> PostgresOptions {
    PostgresOptions::from_url(url).unwrap()
}

#[test]
fn url_is_read_with_its_options() {
    let options =
        options("postgres://u:p@db.example.com:6432/d?connect_timeout=3&channel_binding=require");
    assert!(options.uses_tls);
    assert_eq!(
        options.describe(),
        "the database `d` at db.example.com:6432"
    );
}

#[test]
fn tls_is_left_out_for_this_machine_or_where_the_url_says_so() {
    for (url, tls) in [
        ("postgresql://u@localhost/d", false),
        ("postgresql://u@127.0.0.1/d", false),
        ("postgresql://u@[::1]/d", false),
        ("postgresql://u@%2Frun%2Fpostgresql/d", false),
        ("postgresql://u@localhost,db.example.com/d", true),
        ("postgresql://u@localhost.example.com/d", true),
        ("postgresql://u@localhost/d?sslmode=verify-full", true),
        ("postgresql://u@db.example.com/d?sslmode=require", true),
        ("postgresql://u@db.example.com/d?sslmode=disable", false),
    ] {
        assert_eq!(options(url).uses_tls, tls, "{url}");
    }
}

#[test]
fn error_of_a_url_says_what_to_do_and_shows_nothing_of_it() {
    for (url, hint) in [
        ("mysql://u:canary@h/d", "postgresql://USER"),
        ("postgresql://u:canary@h/d?sslmode=prefer", "verify-full"),
        (
            "postgresql://u:canary@h/d?sslrootcert=/canary.pem",
            "with_ca_certificates",
        ),
        ("postgresql://u:canary?canary=x@h/d", "%3F"),
        (
            "postgresql://u:canary@h/d?options=-c%20canary",
            "the options are",
        ),
        ("postgresql://u:canary@h:canary/d", "postgresql://USER"),
        (
            "postgresql://u:canary@h/d?connect_timeout=canary",
            "postgresql://USER",
        ),
        ("postgresql://canary", "postgresql://USER"),
        ("postgresql:///canary?user=u", "the options are"),
        ("canary", "postgresql://USER"),
    ] {
        let error = PostgresOptions::from_url(url).unwrap_err();
        assert_eq!(error.remedy(), Remedy::Configure);
        let hints: Vec<_> = error
            .hints()
            .iter()
            .map(|hint| format!("{hint:?}"))
            .collect();
        assert!(
            hints.iter().any(|found| found.contains(hint)),
            "{url}: {hints:?}"
        );
        assert!(
            !format!("{error:?} {hints:?}").contains("canary"),
            "{error:?}"
        );
    }
}

#[test]
fn debug_shows_no_password() {
    let options = options("postgresql://u:canary@h/d").with_password("canary");
    assert!(!format!("{options:?}").contains("canary"));
}
