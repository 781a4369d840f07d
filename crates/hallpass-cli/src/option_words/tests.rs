use super::*;

#[track_caller]
fn check(given: &ServerOptions, changes: &[(&str, Option<&str>)], line: &str, notes: &[&str]) {
    let mut words = OptionWords::new(given);
    for (name, value) in changes {
        words.set(name, *value);
    }
    assert_eq!(words.to_string(), line);
    assert_eq!(words.notes().collect::<Vec<_>>(), notes);
}

#[test]
fn given_options_stay_and_new_one_is_last() {
    let given = ServerOptions {
        scope: Some("a b".to_owned()),
        client_id: Some("mine".to_owned()),
        assume_s256: Some(true),
        dpop: Some(false),
        callback_port: Some(8080),
        ..ServerOptions::default()
    };
    let line = " --scope 'a b' --client-id mine --assume-s256 --dpop=false --callback-port 8080 \
                --resource none";
    check(&given, &[("resource", Some("none"))], line, &[]);
}

#[test]
fn option_with_another_value_is_replaced_with_what_belongs_to_it() {
    let given = || ServerOptions {
        resource: Some("https://a.example/mcp".to_owned()),
        allow_resource_mismatch: Some(true),
        client_id: Some("mine".to_owned()),
        client_secret_env: Some("SECRET".to_owned()),
        ..ServerOptions::default()
    };
    let line = " --resource none --client-id mine --client-secret-env SECRET";
    check(&given(), &[("resource", Some("none"))], line, &[]);
    let line = " --resource https://a.example/mcp --allow-resource-mismatch --client-id ID";
    check(&given(), &[("client-id", None)], line, &[]);
}

#[test]
fn repeatable_option_is_added_unless_it_names_the_same() {
    let given = ServerOptions {
        authorize_param: vec!["prompt=consent".to_owned(), "a=b".to_owned()],
        trusted_issuer: vec!["https://a.example".to_owned()],
        ..ServerOptions::default()
    };
    let changes = [
        ("authorize-param", Some("prompt=")),
        ("trusted-issuer", Some("https://b.example")),
        ("trusted-issuer", Some("https://a.example")),
        ("header", None),
    ];
    let line = " --trusted-issuer https://a.example --authorize-param 'prompt=' --authorize-param 'a=b' \
                --trusted-issuer https://b.example --header HEADER";
    check(&given, &changes, line, &[]);
}

#[test]
fn header_that_may_be_secret_is_named_by_variable() {
    for (header, shown, note) in [
        ("X-Tenant: acme", "'X-Tenant: acme'", ""),
        ("X-Team: tools-7", "'X-Team: tools-7'", ""),
        ("X-Key: ${KEY}", "'X-Key: ${KEY}'", ""),
        (
            "X-Tenant: Zk3jv90qPd",
            "'X-Tenant: ${X_TENANT}'",
            "X_TENANT",
        ),
        (
            "Authorization: Bearer word",
            "'Authorization: ${AUTHORIZATION}'",
            "AUTHORIZATION",
        ),
        (
            "https://b.example X-Api-Key:word",
            "'https://b.example X-Api-Key: ${X_API_KEY}'",
            "X_API_KEY",
        ),
    ] {
        let given = ServerOptions {
            header: vec![header.to_owned()],
            ..ServerOptions::default()
        };
        let note = format!("with the header's value in the environment variable {note}");
        let notes = [note.as_str()];
        let notes = if note.ends_with(' ') { &[][..] } else { &notes };
        check(&given, &[], &format!(" --header {shown}"), notes);
    }
}

#[test]
fn proxy_and_query_and_command_are_shown_without_secret() {
    let given = ServerOptions {
        proxy: Some("http://user:canary@proxy.example:80".to_owned()),
        token_endpoint: Some("https://a.example/t?key=canary".to_owned()),
        token_command: Some("vault --token=CaNaRy read".to_owned()),
        ..ServerOptions::default()
    };
    let words = OptionWords::new(&given);
    let shown = format!("{words}{:?}", words.notes().collect::<Vec<_>>());
    assert!(!shown.to_lowercase().contains("canary"), "{shown}");
    assert!(
        shown.contains("http://${PROXY_USER}@proxy.example:80"),
        "{shown}"
    );
    assert_eq!(words.notes().count(), 3);
    let given = ServerOptions {
        proxy: Some("http://${PROXY}@proxy.example".to_owned()),
        token_command: Some("vault read a/b".to_owned()),
        ..ServerOptions::default()
    };
    let line = " --proxy 'http://${PROXY}@proxy.example' --token-command 'vault read a/b'";
    check(&given, &[], line, &[]);
}

#[test]
fn proxy_without_scheme_is_shown_without_its_password() {
    let note = "with the proxy's user name and password in the environment variable PROXY_USER";
    for (proxy, shown) in [
        (
            "user:canary@proxy.example:80",
            "'${PROXY_USER}@proxy.example:80'",
        ),
        (
            "user:ca://nary@proxy.example",
            "'${PROXY_USER}@proxy.example'",
        ),
        ("canary@proxy.example", "'${PROXY_USER}@proxy.example'"),
        (
            "socks5h://${NAME}:canary@proxy.example",
            "'socks5h://${PROXY_USER}@proxy.example'",
        ),
    ] {
        let given = ServerOptions {
            proxy: Some(proxy.to_owned()),
            ..ServerOptions::default()
        };
        check(&given, &[], &format!(" --proxy {shown}"), &[note]);
        assert_eq!(without_secrets(&given).unwrap(), ServerOptions::default());
    }
    let given = ServerOptions {
        proxy: Some("proxy.example:80".to_owned()),
        ..ServerOptions::default()
    };
    check(&given, &[], " --proxy proxy.example:80", &[]);
    assert_eq!(without_secrets(&given).unwrap(), given);
}

#[test]
fn value_that_is_not_shown_is_not_kept_for_a_diagnosis() {
    let given = ServerOptions {
        resource: Some("https://a.example/mcp?key=canary".to_owned()),
        token_endpoint: Some("https://user:canary@a.example/t".to_owned()),
        authorize_param: vec![
            "api_key=CaNaRy".to_owned(),
            "audience=https://a.example/?key=canary".to_owned(),
            "prompt=consent".to_owned(),
        ],
        header: vec!["X-Key: CaNaRy".to_owned(), "X-Tenant: acme".to_owned()],
        token_command: Some("vault --token=CaNaRy read".to_owned()),
        callback_port: Some(80),
        assume_s256: Some(true),
        ..ServerOptions::default()
    };
    let kept = ServerOptions {
        authorize_param: vec!["prompt=consent".to_owned()],
        header: vec!["X-Tenant: acme".to_owned()],
        callback_port: Some(80),
        assume_s256: Some(true),
        ..ServerOptions::default()
    };
    assert_eq!(without_secrets(&given).unwrap(), kept);
    let words = OptionWords::new(&given);
    let shown = format!("{words}{:?}", words.notes().collect::<Vec<_>>());
    assert!(!shown.to_lowercase().contains("canary"), "{shown}");
    assert!(shown.contains("'audience=https://a.example/'"), "{shown}");
}

#[test]
fn parameter_that_may_be_secret_is_named_by_placeholder() {
    for (parameter, shown, is_secret) in [
        ("access_type=offline", "'access_type=offline'", false),
        (
            "login_hint=Me@example.com",
            "'login_hint=Me@example.com'",
            false,
        ),
        (
            "audience=https://a.example/API",
            "'audience=https://a.example/API'",
            false,
        ),
        (
            "foo=https://a.example/API",
            "'foo=https://a.example/API'",
            false,
        ),
        ("foo=Zk3jv90qPd", "'foo=VALUE'", true),
        ("api_key=Zk3jv90qPd", "'api_key=VALUE'", true),
    ] {
        let given = ServerOptions {
            authorize_param: vec![parameter.to_owned()],
            ..ServerOptions::default()
        };
        let name = parameter.split('=').next().unwrap();
        let note = format!("with the value of `--authorize-param {name}` in place of VALUE");
        let notes = [note.as_str()];
        let notes = if is_secret { &notes[..] } else { &[] };
        check(&given, &[], &format!(" --authorize-param {shown}"), notes);
    }
}

#[test]
fn option_takes_the_place_of_another_of_its_group() {
    let given = ServerOptions {
        client_id: Some("mine".to_owned()),
        client_secret_env: Some("SECRET".to_owned()),
        ..ServerOptions::default()
    };
    let line = " --client-id mine --client-secret-file FILE";
    check(&given, &[("client-secret-file", None)], line, &[]);
}
