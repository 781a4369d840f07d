use super::*;

#[track_caller]
fn check(text: &str, expected: &str) {
    let got = match ServerUrl::parse(text) {
        Ok(url) => url.as_str().to_owned(),
        Err(error) => format!("error: {error}"),
    };
    assert_eq!(got, expected);
}

#[test]
fn server_url_is_canonical() {
    check("https://mcp.example.com/mcp", "https://mcp.example.com/mcp");
    check(
        "HTTPS://MCP.Example.COM:443/Mcp",
        "https://mcp.example.com/Mcp",
    );
    check("https://mcp.example.com/", "https://mcp.example.com");
    check("https://mcp.example.com", "https://mcp.example.com");
    check(
        "https://mcp.example.com/mcp/",
        "https://mcp.example.com/mcp/",
    );
    check(
        "https://mcp.example.com/?tenant=1",
        "https://mcp.example.com/?tenant=1",
    );
    check(" http://localhost:3000/mcp ", "http://localhost:3000/mcp");
    check("http://127.0.0.1:3000/mcp", "http://127.0.0.1:3000/mcp");
    check("http://[::1]:3000/mcp", "http://[::1]:3000/mcp");
    check("http://app.localhost/mcp", "http://app.localhost/mcp");
}

#[test]
fn refused_server_url_names_the_reason() {
    check(
        "http://mcp.example.com/mcp",
        "error: `http://mcp.example.com/mcp` is not the URL of an MCP server: plain http is for \
         loopback hosts only, use https to reach another",
    );
    check(
        "https://user:hunter2@mcp.example.com/mcp",
        "error: `https://…@mcp.example.com/mcp` is not the URL of an MCP server: it holds a user \
         name or a password",
    );
    for password in ["hunter/2", "hunter?2", "hunter#2"] {
        check(
            &format!("https://user:{password}@mcp.example.com/mcp"),
            "error: `https://…` is not the URL of an MCP server: invalid port number",
        );
    }
    check(
        "https://mcp.example.com/mcp#top",
        "error: `https://mcp.example.com/mcp#top` is not the URL of an MCP server: it holds a \
         fragment (`#`)",
    );
    check(
        "ftp://mcp.example.com/",
        "error: `ftp://mcp.example.com/` is not the URL of an MCP server: its scheme is not https",
    );
    check(
        "mcp.example.com",
        "error: `mcp.example.com` is not the URL of an MCP server: relative URL without a base",
    );
    check(
        "http://localhost.example.com/",
        "error: `http://localhost.example.com/` is not the URL of an MCP server: plain http is for \
         loopback hosts only, use https to reach another",
    );
}

#[test]
fn display_of_a_server_url_hides_the_query() {
    let url = ServerUrl::parse("https://mcp.example.com/mcp?api_key=canary&x=1").unwrap();
    let key = crate::CredentialKey::new(url.clone());
    let resource = crate::Resource::from(&url);
    for shown in [format!("{url}"), format!("{key}"), format!("{resource}")] {
        assert_eq!(shown, "https://mcp.example.com/mcp?…");
    }
    let other = crate::Resource::parse("https://mcp.example.com/mcp?a=b").unwrap();
    let mismatch = other.matches_server(&url).unwrap_err();
    for text in [
        "http://mcp.example.com/mcp?api_key=canary",
        "https://user@mcp.example.com/mcp?api_key=canary",
        "mcp?api_key=canary",
    ] {
        let error = ServerUrl::parse(text).unwrap_err();
        let shown =
            format!("{error} {error:?} {url:?} {key:?} {resource:?} {mismatch} {mismatch:?}");
        assert!(!shown.contains("canary"), "{shown}");
    }
    assert_eq!(
        url.as_str(),
        "https://mcp.example.com/mcp?api_key=canary&x=1"
    );
    assert_eq!(resource.as_str(), url.as_str());
    assert_eq!(url.url().query(), Some("api_key=canary&x=1"));
}
