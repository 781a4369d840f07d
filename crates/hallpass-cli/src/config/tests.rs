use super::*;

fn parse(text: &str) -> Result<Config, CommandError> {
    Config::parse(text, PathBuf::from("/c/config.toml"))
}

#[test]
fn entry_has_url_account_and_options() {
    let config = parse(
        "# mine\n[servers.work]\nurl = \"https://mcp.example.com/mcp\"\naccount = \"w\"\n\
         scope = \"a b\"\ndpop = true\ncallback-port = 4711\nmax-refresh-posts = 3\ntrusted-issuer = \"https://i.example\"\n\
         header = [\"X: 1\"]\nca-certificate = \"ca.pem\"\n",
    )
    .unwrap();
    let entry = &config.servers()["work"];
    assert_eq!(entry.key.server.as_str(), "https://mcp.example.com/mcp");
    assert_eq!(entry.key.account.as_str(), "w");
    let set = Value::Object(entry.options.to_map().unwrap());
    let file = std::path::absolute("/c/ca.pem").unwrap();
    assert_eq!(
        set,
        serde_json::json!({
            "scope": "a b", "dpop": true, "callback-port": 4711, "max-refresh-attempts": 3, "header": ["X: 1"],
            "trusted-issuer": ["https://i.example"], "ca-certificate": file,
        })
    );
}

#[test]
fn faulty_entry_is_an_error_for_its_server_that_names_the_line() {
    let url = "url = \"https://a.example/mcp\"";
    for (text, expected) in [
        (
            format!("[servers.a]\n{url}\nscopes = \"a\"\n"),
            "/c/config.toml:3: unknown key `scopes`; did you mean `scope`?",
        ),
        (
            format!("[servers.a]\n{url}\nclient_id = \"a\"\n"),
            "did you mean `client-id`?",
        ),
        (
            format!("[servers.a]\n{url}\nwholly-other-thing = 1\n"),
            "/c/config.toml:3: unknown key `wholly-other-thing`",
        ),
        (
            format!("[servers.a]\n{url}\nscope = 1\n"),
            "/c/config.toml:3: `scope`: it is to be text",
        ),
        (
            format!("[servers.a]\n{url}\ncallback-port = 70000\n"),
            "/c/config.toml:3: `callback-port`: it is to be a number from 0 to 65535",
        ),
        (
            format!("[servers.a]\n{url}\ndpop = \"yes\"\n"),
            "/c/config.toml:3: `dpop`: it is to be `true` or `false`",
        ),
        (
            format!("[servers.a]\n{url}\nmax-message-size = 0\n"),
            "/c/config.toml:3: `max-message-size`: it is to be a whole number above 0",
        ),
        (
            format!("[servers.a]\n{url}\ntransport = \"stdio\"\n"),
            "/c/config.toml:3: `transport`: it is to be `auto`, `http` or `sse`",
        ),
        (
            format!("[servers.a]\n{url}\nscope = [\"a\", \"b\"]\n"),
            "/c/config.toml:3: `scope`: it is to be text",
        ),
        (
            format!("[servers.a]\n{url}\nheader = 1\n"),
            "/c/config.toml:3: `header`: it is to be text, or a list of texts",
        ),
        (
            format!("[servers.a]\n{url}\nheader = [1]\n"),
            "/c/config.toml:3: `header`",
        ),
        (
            "[servers.a]\nurl = \"http://a.example/mcp\"\n".to_owned(),
            "/c/config.toml:2: `url`: ",
        ),
        (
            "[servers.a]\nscope = \"a\"\n".to_owned(),
            "/c/config.toml:1: `a` has no `url`",
        ),
        (
            format!("[servers.a]\n{url}\naccount = \"no spaces\"\n"),
            "/c/config.toml:3: `account`: ",
        ),
        (
            format!("[servers.a]\n{url}\nclient-key = \"k\"\n"),
            "/c/config.toml:1: `a`: `client-key` needs",
        ),
    ] {
        let config = parse(&text).unwrap();
        let failed = config.key("a", None).unwrap_err().to_string();
        assert!(failed.contains(expected), "{text}: {failed}");
        assert_eq!(config.warnings().count(), 1);
    }
}

#[test]
fn faulty_entry_is_an_error_for_its_url_and_not_for_others() {
    let config = parse(
        "[servers.a]\nurl = \"https://a.example/mcp\"\nscopes = \"a\"\n\
         [servers.b]\nurl = \"https://b.example/mcp\"\n",
    )
    .unwrap();
    let key = |url: &str| CredentialKey::new(ServerUrl::parse(url).unwrap());
    let a = key("https://a.example/mcp");
    assert!(config.options(&a).is_err());
    assert!(
        config
            .options(&a.with_account(Account::parse("w").unwrap()))
            .is_err()
    );
    assert!(config.options(&key("https://b.example/mcp")).is_ok());
    assert!(config.options(&key("https://c.example/mcp")).is_ok());
    assert!(config.key("b", None).is_ok());
    assert!(
        config
            .check_free("a", &key("https://c.example/mcp"), false)
            .is_err()
    );
}

#[test]
fn key_outside_servers_is_a_warning() {
    let config = parse("[server.a]\n").unwrap();
    let warnings: Vec<_> = config.warnings().collect();
    let expected = "/c/config.toml:1: unknown key `server`; did you mean `servers`?";
    assert_eq!(warnings, [expected]);
}

#[test]
fn name_that_is_not_allowed_is_a_warning() {
    let config = parse("[servers.\"a b\"]\nurl = \"https://a.example/mcp\"\n").unwrap();
    let warnings: Vec<_> = config.warnings().collect();
    assert_eq!(warnings, ["/c/config.toml:1: `a b` can't name a server"]);
}

#[test]
fn syntax_error_and_two_entries_for_one_account_are_errors() {
    let url = "url = \"https://a.example/mcp\"";
    for (text, expected) in [
        ("[servers.a]\nurl = \"x".to_owned(), "/c/config.toml:2: "),
        (
            format!("[servers.a]\n{url}\n[servers.b]\n{url}\n"),
            "/c/config.toml:3: `b` and `a` are the same account",
        ),
    ] {
        let failed = parse(&text).unwrap_err().to_string();
        assert!(failed.contains(expected), "{text}: {failed}");
    }
}

#[test]
fn credential_key_is_found_by_name_and_url() {
    let config = parse(
        "[servers.home]\nurl = \"https://a.example/mcp\"\nscope = \"home\"\n\
         [servers.work]\nurl = \"https://a.example/mcp\"\naccount = \"work\"\nscope = \"work\"\n",
    )
    .unwrap();
    for (server, account, expected, scope) in [
        ("home", None, "default", Some("home")),
        ("work", None, "work", Some("work")),
        ("work", Some("other"), "other", Some("home")),
        ("work", Some("default"), "default", Some("home")),
        ("https://a.example/mcp", Some("work"), "work", Some("work")),
        ("https://a.example/mcp", None, "default", Some("home")),
        ("https://b.example/mcp", None, "default", None),
    ] {
        let key = config.key(server, account).unwrap();
        assert_eq!(key.account.as_str(), expected, "{server} {account:?}");
        let found = config.options(&key).unwrap().scope;
        assert_eq!(found.as_deref(), scope, "{server} {account:?}");
    }
    let failed = config.key("hom", None).unwrap_err().to_string();
    assert!(failed.contains("did you mean `home`?"), "{failed}");
    let failed = config.key("mcp.example.com", None).unwrap_err().to_string();
    assert!(
        failed.contains("is not the URL of an MCP server"),
        "{failed}"
    );
}
