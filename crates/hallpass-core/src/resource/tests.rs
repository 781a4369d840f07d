use super::*;

#[track_caller]
fn check(resource: &str, server: &str, expected: Result<(), &str>) {
    let resource = Resource::parse(resource).unwrap();
    let server = ServerUrl::parse(server).unwrap();
    let got = resource.matches_server(&server);
    assert_eq!(
        got.as_ref().map_err(ResourceMismatch::part).copied(),
        expected,
        "{resource:?}"
    );
}

#[test]
fn resource_of_same_origin_and_parent_path_matches_server() {
    const MCP: &str = "https://mcp.example.com/mcp";
    check("https://mcp.example.com/mcp", MCP, Ok(()));
    check("https://mcp.example.com/mcp/", MCP, Ok(()));
    check("https://mcp.example.com", MCP, Ok(()));
    check("https://mcp.example.com/", MCP, Ok(()));
    check("https://MCP.example.com:443/mcp", MCP, Ok(()));
    check(
        "https://mcp.example.com/mcp",
        "https://mcp.example.com/mcp/",
        Ok(()),
    );
    check(
        "https://mcp.example.com/mcp",
        "https://mcp.example.com/mcp/tools",
        Ok(()),
    );
    check(
        "https://mcp.example.com/mcp",
        "https://mcp.example.com/mcp?tenant=1",
        Ok(()),
    );
    check(
        "https://mcp.example.com/mcp?tenant=1",
        "https://mcp.example.com/mcp?tenant=1",
        Ok(()),
    );
}

#[test]
fn resource_with_another_part_does_not_match_server() {
    const MCP: &str = "https://mcp.example.com/mcp";
    check("https://mcp.example.com/mc", MCP, Err("path"));
    check("https://mcp.example.com/mcp/tools", MCP, Err("path"));
    check("https://mcp.example.com/MCP", MCP, Err("path"));
    check("https://mcp.example.com/mcp//", MCP, Err("path"));
    check("https://mcp.example.com/%6Dcp", MCP, Err("path"));
    check(
        "https://mcp.example.com/mcp%2Ftools",
        "https://mcp.example.com/mcp/tools",
        Err("path"),
    );
    check(
        "https://mcp.example.com/mcp?tenant=2",
        "https://mcp.example.com/mcp?t=1",
        Err("query"),
    );
    check("https://mcp.example.com/mcp?tenant=2", MCP, Err("query"));
    check("https://evil.example.com/mcp", MCP, Err("host"));
    check("https://mcp.example.com.evil.example/mcp", MCP, Err("host"));
    check("http://mcp.example.com/mcp", MCP, Err("scheme"));
    check("https://mcp.example.com:8443/mcp", MCP, Err("port"));
    check(
        "https://mcp@mcp.example.com/mcp",
        MCP,
        Err("user information"),
    );
    check("urn:example:mcp", MCP, Err("scheme"));
}

#[test]
fn resource_text_is_kept_as_published() {
    for text in [
        "http://localhost:3000",
        "https://A.example/%7Euser",
        "urn:mcp:x",
    ] {
        assert_eq!(Resource::parse(text).unwrap().as_str(), text);
    }
}

#[test]
fn malformed_resource_is_refused() {
    for text in [
        "",
        "/mcp",
        "https://a.example/#f",
        "https://a.example/a b",
        "https://a.example/\n",
    ] {
        let error = Resource::parse(text).unwrap_err().to_string();
        assert!(error.contains("is not a resource indicator"), "{error}");
    }
}

#[test]
fn text_that_reads_otherwise_once_parsed_is_refused() {
    for text in [
        "https://a.example/tenantB/../tenantA/mcp",
        "https://a.example/tenantB/%2e%2e/tenantA/mcp",
        "https://a.example/tenantB/.%2E/tenantA/mcp",
        "https://a.example/./mcp",
        "https://a.example/mcp/.",
        "https://a.example\\mcp",
        "https://a.example/tenantB\\..\\mcp",
        "https:\\\\a.example/mcp",
        "https:a.example/mcp",
        "https:///a.example/mcp",
        "http://127.1/mcp",
        "http://2130706433/mcp",
        "http://0x7f.0.0.1/mcp",
        "http://[0:0:0:0:0:0:0:1]/mcp",
        "https://%61.example/mcp",
        "https://a.example:0443/mcp",
        "https://@a.example/mcp",
    ] {
        let error = Resource::parse(text).unwrap_err();
        assert!(error.reads_otherwise(), "{error}");
        // A record of an earlier version can still be read.
        assert_eq!(Resource::parse_any_spelling(text).unwrap().as_str(), text);
    }
    for text in [
        "https://A.example:443/mcp",
        "HTTPS://a.example",
        "http://127.0.0.1:80/mcp",
        "http://[::1]:3000/mcp",
        "https://a.example?tenant='1'",
        "https://a.example/a%2Fb//c/%7Euser{1}?x=../y",
        "https://a.example/..a/mcp",
        "api://0a1b/mcp",
        "urn:mcp:x",
        "https://user@a.example/mcp",
    ] {
        assert_eq!(Resource::parse(text).unwrap().as_str(), text);
    }
}

#[test]
fn server_is_its_url_and_nothing_above_it() {
    let check = |text: &str, expected| {
        let server = ServerUrl::parse("https://mcp.example.com/mcp").unwrap();
        assert_eq!(Resource::parse(text).unwrap().is_server(&server), expected);
    };
    check("https://mcp.example.com/mcp", true);
    check("https://MCP.example.com:443/mcp", true);
    check("https://mcp.example.com/mcp/", false);
    check("https://mcp.example.com", false);
    check("https://mcp.example.com/mcp?a", false);
}
