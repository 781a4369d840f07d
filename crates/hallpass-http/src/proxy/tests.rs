use super::*;

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

#[test]
fn no_proxy_entry_matches_as_documented() {
    let cases = [
        ("*", "https://any.example/", true),
        ("", "https://any.example/", false),
        ("corp.example", "https://corp.example/", true),
        ("corp.example", "https://a.b.corp.example./", true),
        ("corp.example", "https://notcorp.example/", false),
        (".corp.example", "https://corp.example/", true),
        (".corp.example", "https://a.corp.example/", true),
        ("*.corp.example", "https://a.corp.example/", true),
        ("*.corp.example", "https://acorp.example/", false),
        ("CORP.example.", "https://a.CORP.EXAMPLE/", true),
        ("a.example,corp.example", "https://corp.example/", true),
        (" a.example  corp.example ", "https://corp.example/", true),
        ("corp.example:8443", "https://corp.example:8443/", true),
        ("corp.example:8443", "https://corp.example/", false),
        ("corp.example:443", "https://corp.example/", true),
        ("corp.example:no", "https://corp.example/", false),
        ("10.1.2.3", "https://10.1.2.3/", true),
        ("10.1.2.3", "https://10.1.2.4/", false),
        ("10.1.2.3:81", "http://10.1.2.3:81/", true),
        ("10.0.0.0/8", "https://10.200.2.4/", true),
        ("10.0.0.0/8", "https://11.0.0.1/", false),
        ("10.0.0.0/33", "https://10.0.0.0/", false),
        ("0.0.0.0/0", "https://11.0.0.1/", true),
        ("::1", "http://[::1]:3000/", true),
        ("[::1]:3000", "http://[::1]:3000/", true),
        ("[::1]:3000", "http://[::1]:3001/", false),
        ("fd00::/8", "https://[fd12::1]/", true),
        ("fd00::/8", "https://[fe80::1]/", false),
        ("::/0", "https://[fe80::1]/", true),
        ("10.0.0.0/8", "https://10.example/", false),
        ("1.2.3.4", "https://x.1.2.3.4.example/", false),
    ];
    for (list, target, expected) in cases {
        assert_eq!(
            NoProxy::parse(list).matches(&url(target)),
            expected,
            "{list} {target}"
        );
    }
}

#[test]
fn proxy_variables_are_read_with_their_precedence() {
    let check = |values: &[(&str, &str)], target: &str, expected: Option<&str>| {
        let config = ProxyConfig::from_environment_values(|name| {
            let found = values.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
        .unwrap();
        let proxy = config.proxy_for(&url(target)).map(ToString::to_string);
        assert_eq!(proxy.as_deref(), expected, "{values:?} {target}");
    };
    let https = "https://mcp.example/";
    let http = "http://mcp.example/";
    check(&[], https, None);
    check(&[("HTTPS_PROXY", "")], https, None);
    check(&[("HTTPS_PROXY", "p:3128")], https, Some("http://p:3128"));
    check(&[("HTTPS_PROXY", "p:3128")], http, None);
    check(
        &[("HTTPS_PROXY", "upper:1"), ("https_proxy", "lower:1")],
        https,
        Some("http://lower:1"),
    );
    check(
        &[("HTTPS_PROXY", "upper:1"), ("https_proxy", " ")],
        https,
        Some("http://upper:1"),
    );
    check(
        &[("ALL_PROXY", "socks5h://s"), ("HTTPS_PROXY", "p:1")],
        https,
        Some("http://p:1"),
    );
    check(
        &[("ALL_PROXY", "socks5h://s"), ("HTTPS_PROXY", "p:1")],
        http,
        Some("socks5h://s:1080"),
    );
    check(&[("HTTP_PROXY", "p:1")], http, Some("http://p:1"));
    check(
        &[("HTTP_PROXY", "p:1"), ("REQUEST_METHOD", "GET")],
        http,
        None,
    );
    check(
        &[("ALL_PROXY", "p:1"), ("NO_PROXY", "mcp.example")],
        https,
        None,
    );
    check(&[("ALL_PROXY", "p:1")], "http://localhost:3000/", None);
    check(&[("ALL_PROXY", "p:1")], "http://[::1]:3000/", None);
    check(&[("ALL_PROXY", "p:1")], "http://127.8.8.8/", None);
}

#[test]
fn invalid_proxy_is_named_without_its_password() {
    let check = |value: &str, expected: &str| {
        let error = ProxyConfig::from_environment_values(|name| {
            (name == "HTTPS_PROXY").then(|| value.to_owned())
        })
        .unwrap_err();
        assert_eq!(error.variable(), Some("HTTPS_PROXY"));
        assert_eq!(error.remedy(), Remedy::Configure);
        let text = format!("{error} {error:?}");
        assert!(!text.contains("canary"), "{text}");
        assert!(error.to_string().contains(expected), "{error}");
    };
    check("ftp://user:canary@proxy", "`ftp`");
    check("http://user:canary@:99999", "names no proxy");
    check("socks5://user:canary@", "names no");
}

#[test]
fn proxy_credentials_are_kept_apart_and_hidden() {
    let parsed = Proxy::parse("http://us%20er:can%25ary%40x@proxy.example:3128/path?q").unwrap();
    let given = Proxy::parse("proxy.example:3128")
        .unwrap()
        .with_credentials("us er", &ClientSecret::new("can%ary@x"));
    assert_eq!(parsed.expose(), given.expose());
    for proxy in [parsed, given] {
        assert_eq!(proxy.url().as_str(), "http://proxy.example:3128/");
        let text = format!("{proxy} {proxy:?}");
        assert_eq!(
            text,
            "http://proxy.example:3128 Proxy(http://proxy.example:3128, with credentials)"
        );
    }
}

/// curl takes 1080 for the port, other programs 80.
#[test]
fn proxy_without_scheme_and_port_is_refused_with_the_form_that_is_meant() {
    for text in [
        "p:3128",
        "u:s3cret@p:3128",
        "[::1]:3128",
        "127.0.0.1:1/",
        "p:80",
    ] {
        let proxy = Proxy::parse(text).unwrap();
        assert_eq!(proxy.url().scheme(), "http", "{text}");
    }
    for (text, host) in [
        ("foo", "foo"),
        ("proxy.corp.example", "proxy.corp.example"),
        ("u:s3cret@foo", "HOST"),
        ("s3cret:x", "HOST"),
        ("[::1]", "HOST"),
        ("foo/s3cret", "HOST"),
        ("", "HOST"),
    ] {
        let error = Proxy::parse(text).unwrap_err();
        let url = format!("http://{host}:PORT");
        assert_eq!(
            error.hints(),
            [Hint::setting("proxy", Some(&url))],
            "{text}"
        );
        let says = error.to_string();
        assert!(says.contains("neither a scheme nor a port"), "{says}");
        assert!(!says.contains("s3cret"), "{says}");
    }
    let values = |name: &str| (name == "HTTPS_PROXY").then(|| "foo".to_owned());
    let error = ProxyConfig::from_environment_values(values).unwrap_err();
    let hint = Hint::text("set `HTTPS_PROXY=http://foo:PORT`");
    assert_eq!(error.hints(), [hint]);
}
