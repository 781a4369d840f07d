use super::*;

#[track_caller]
fn check(text: &str, expected: &str) {
    let got = match ServerUrl::parse(text) {
        Ok(url) => url.to_string(),
        Err(error) => format!("error: {error}"),
    };
    assert_eq!(got, expected);
}

#[test]
fn canonical_form() {
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
fn what_is_refused_and_why() {
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
