//! What the user is told when something else than metadata comes back, or nothing.

use std::error::Error;

use hallpass_core::{Diagnostic as _, HttpError, Remedy, http::HttpErrorKind};
use hallpass_discovery::{DiscoveryError, DiscoveryErrorKind};
use hallpass_testkit::server_metadata_json;
use serde_json::json;

use crate::fixture::{
    AS, Fixture, MCP, OIDC, PATH_PRM, ROOT_PRM, case, challenged, exactly, pointed,
};

#[test]
fn web_page_instead_of_document_is_reported() {
    #[track_caller]
    fn check(media_type: &str, body: &str, found: &str) {
        let error = pointed().answer(PATH_PRM, 200, media_type, body).fails(
            &format!(
                "{PATH_PRM} answered 200 with {found} where protected resource metadata is a JSON \
                 object (RFC 9728 §3.2)"
            ),
            "`resource_metadata_url`",
            &[PATH_PRM],
        );
        assert_eq!(error.kind(), DiscoveryErrorKind::NotJson);
        assert_eq!(error.remedy(), Remedy::Configure);
        assert_eq!(error.attempts()[0].status().unwrap(), 200);
    }
    check("text/html; charset=utf-8", "hello", "an HTML page");
    check("text/plain", "\n<!DOCTYPE html><html>", "an HTML page");
    check("application/json", "hello", "something that is not JSON");
    check(
        "application/json",
        "{\"resource\": ",
        "something that is not JSON",
    );
    check("application/json", "[1]", "JSON that is no object");
    check("application/json", " \n", "an empty body");
    check(
        "application/json",
        &"[".repeat(10_000),
        "something that is not JSON",
    );
    let error = pointed()
        .protected(PATH_PRM, MCP, &["https://as.example"])
        .answer(AS, 200, "text/html", "<p>")
        .answer(OIDC, 200, "text/html", "<p>")
        .fails(
            &format!(
                "{AS} answered 200 with an HTML page where authorization server metadata is a \
                 JSON object (RFC 8414 §3.2)"
            ),
            "`server_metadata_url`",
            &[PATH_PRM, AS, OIDC],
        );
    assert_eq!(error.kind(), DiscoveryErrorKind::NotJson);
}

#[test]
fn network_failure_has_kind_remedy_and_hint() {
    #[track_caller]
    fn check(
        kind: HttpErrorKind,
        expected: DiscoveryErrorKind,
        remedy: Remedy,
        text: &str,
        hint: &str,
    ) {
        let error = pointed()
            .fail(PATH_PRM, kind)
            .fails(text, hint, &[PATH_PRM]);
        assert_eq!((error.kind(), error.remedy()), (expected, remedy));
        // The cause is in the chain, and not repeated on the way.
        let source = error.source().unwrap();
        assert_eq!(source.downcast_ref::<HttpError>().unwrap().kind(), kind);
        assert!(!error.to_string().contains(&source.to_string()));
        assert_eq!(
            source.source().unwrap().to_string(),
            "the script fails this request"
        );
        assert_eq!(error.attempts()[0].status(), None);
    }
    const UNREAD: &str = "the protected resource metadata of mcp.example can't be read";
    use DiscoveryErrorKind::{NotJson, TooLarge, Unreachable};
    use HttpErrorKind as Http;
    check(
        Http::Connect,
        Unreachable,
        Remedy::Retry,
        UNREAD,
        "mcp.example is up",
    );
    check(
        Http::Resolve,
        Unreachable,
        Remedy::Retry,
        UNREAD,
        "the proxy's settings",
    );
    check(
        Http::ConnectTimeout,
        Unreachable,
        Remedy::Retry,
        UNREAD,
        "mcp.example is up",
    );
    check(
        Http::Timeout,
        Unreachable,
        Remedy::Retry,
        UNREAD,
        "try again later",
    );
    check(
        Http::Interrupted,
        Unreachable,
        Remedy::Retry,
        UNREAD,
        "try again later",
    );
    check(
        Http::Tls,
        Unreachable,
        Remedy::Configure,
        UNREAD,
        "certificate authorities",
    );
    check(
        Http::Redirect,
        Unreachable,
        Remedy::Configure,
        UNREAD,
        "`resource_metadata_url`",
    );
    check(
        Http::AddressRefused,
        Unreachable,
        Remedy::Configure,
        UNREAD,
        "addresses",
    );
    check(
        Http::InvalidRequest,
        Unreachable,
        Remedy::Configure,
        UNREAD,
        "check the URL and the proxy's settings",
    );
    check(
        Http::ProxyAuthentication,
        Unreachable,
        Remedy::Configure,
        UNREAD,
        "the proxy's user name and password",
    );
    check(
        Http::Malformed,
        NotJson,
        Remedy::Configure,
        UNREAD,
        "contact the operator of mcp.example",
    );
    check(
        Http::BodyTooLarge,
        TooLarge,
        Remedy::Report,
        "the protected resource metadata of mcp.example is larger than such a document may be",
        "at most 1048576 bytes",
    );
}

#[test]
fn unreachable_server_is_asked_once() {
    challenged().fail(PATH_PRM, HttpErrorKind::Connect).fails(
        "the protected resource metadata of mcp.example can't be read",
        "mcp.example is up",
        &[PATH_PRM],
    );
    let error = pointed()
        .protected(PATH_PRM, MCP, &["https://as.example"])
        .fail(AS, HttpErrorKind::Tls)
        .fails(
            "the authorization server metadata of as.example can't be read",
            "certificate of as.example",
            &[PATH_PRM, AS],
        );
    assert_eq!(error.remedy(), Remedy::Configure);
    // A body that is too large says nothing about the next candidate.
    let error = challenged()
        .fail(PATH_PRM, HttpErrorKind::BodyTooLarge)
        .run()
        .unwrap_err();
    assert_eq!(error.kind(), DiscoveryErrorKind::TooLarge);
    assert_eq!(error.attempts().len(), 2);
}

#[test]
fn document_without_required_member_is_refused() {
    #[track_caller]
    fn check(document: &str, problem: &str) {
        let error = pointed().serve(PATH_PRM, document).fails(
            &format!("the document at {PATH_PRM} can't be used: {problem}"),
            "`resource_metadata_url`",
            &[PATH_PRM],
        );
        assert_eq!(error.kind(), DiscoveryErrorKind::InvalidDocument);
        assert_eq!(error.remedy(), Remedy::Report);
    }
    check("{}", "it has no `resource` (RFC 9728 §2)");
    check("{\"resource\": null}", "it has no `resource` (RFC 9728 §2)");
    check(
        "{\"resource\": []}",
        "its `resource` is no text (RFC 9728 §2)",
    );
    check(
        "{\"resource\": \"\"}",
        "its `resource` is empty or endless (RFC 9728 §2)",
    );
    check(
        "{\"resource\": \"/mcp\"}",
        "its `resource` `/mcp` is not an absolute URI without a fragment (RFC 8707 §2)",
    );
    check(
        "{\"resource\": \"https://mcp.example/mcp#x\"}",
        "its `resource` `https://mcp.example/mcp#…` is not an absolute URI without a fragment \
         (RFC 8707 §2)",
    );
    for (issuer, shown) in [
        ("http://as.example", "http://as.example"),
        (
            "https://as.example/\u{1b}]0;t\u{7}\u{202e}",
            "https://as.example/\\u{1b}]0;t\\u{7}\\u{202e}",
        ),
    ] {
        let document = json!({"issuer": issuer, "token_endpoint": "https://as.example/t"});
        let error = pointed()
            .protected(PATH_PRM, MCP, &["https://as.example"])
            .serve(AS, &document.to_string())
            .run()
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "the document at {AS} can't be used: its `issuer` `{shown}` is not an https URL in \
                 printable ASCII without query, fragment and user name (RFC 8414 §2)"
            )
        );
    }
}

#[test]
fn discovery_error_has_every_attempt() {
    let error = challenged().status(ROOT_PRM, 401).fails(
        "no protected resource metadata for `https://mcp.example/mcp` (RFC 9728 §3): \
         https://mcp.example/.well-known/oauth-protected-resource/mcp answered 404, \
         https://mcp.example/.well-known/oauth-protected-resource answered 401",
        "`legacy_discovery`",
        &[PATH_PRM, ROOT_PRM],
    );
    let account: Vec<String> = error.attempts().iter().map(ToString::to_string).collect();
    assert_eq!(
        account,
        [
            format!(
                "protected resource metadata at {PATH_PRM}: 404 in 7 ms, not used: {PATH_PRM} \
                 answered 404"
            ),
            format!(
                "protected resource metadata at {ROOT_PRM}: 401 in 7 ms, not used: {ROOT_PRM} \
                 answered 401"
            ),
        ]
    );
    assert_eq!(error.attempts()[0].duration().as_millis(), 7);
    let redirected = challenged().status(PATH_PRM, 302).run().unwrap_err();
    assert!(
        redirected
            .to_string()
            .contains("answered 302, a redirect that is not followed"),
        "{redirected}"
    );
}

/// Everything that could reach the user or a log.
fn all_texts(error: &DiscoveryError) -> String {
    use std::fmt::Write;
    let mut all = format!("{error} {error:?} {error:#?} {:?}", error.hints());
    for attempt in error.attempts() {
        write!(all, "{attempt} {attempt:?}").unwrap();
    }
    let mut source = error.source();
    while let Some(cause) = source {
        write!(all, "{cause} {cause:?}").unwrap();
        source = cause.source();
    }
    all
}

#[test]
fn discovery_error_hides_planted_canary() {
    #[track_caller]
    fn check(case: &Fixture) {
        let error = case.run().unwrap_err();
        let all = all_texts(&error);
        assert!(!all.contains("canary"), "{all}");
        assert!(all.len() > 100);
    }
    const KEYED: &str = "https://mcp.example/mcp?key=canary";
    let keyed = "https://mcp.example/.well-known/oauth-protected-resource/mcp?key=canary";
    // In a body that is no document,
    check(&pointed().answer(PATH_PRM, 200, "text/html", "<p>canary"));
    check(&pointed().answer(PATH_PRM, 500, "text/plain", "canary"));
    check(&pointed().serve(PATH_PRM, "{\"access_token\": \"canary\"}"));
    check(&pointed().serve(PATH_PRM, "{\"resource\": {\"x\": \"canary\"}}"));
    check(&pointed().serve(PATH_PRM, "\"canary"));
    // in the server's own URL, where people put API keys,
    check(&case(&[]).server(KEYED));
    check(&challenged().server(KEYED).status(keyed, 401));
    check(
        &challenged()
            .server(KEYED)
            .fail(keyed, HttpErrorKind::Connect),
    );
    check(
        &challenged()
            .server(KEYED)
            .protected(keyed, "https://evil.example", &[]),
    );
    check(
        &challenged()
            .server(KEYED)
            .protected(keyed, KEYED, &[])
            .set(|settings| settings.resource = exactly("https://x.example/?k=canary", false)),
    );
    check(&challenged().server(KEYED).protected(keyed, KEYED, &[]));
    // in URLs of challenges and documents.
    for named in [
        "https://u:canary@mcp.example/p",
        "https://evil.example/p?t=canary#canary",
    ] {
        check(&case(&[&format!("Bearer resource_metadata=\"{named}\"")]));
        check(&pointed().protected(PATH_PRM, named, &[]));
        check(&pointed().protected(PATH_PRM, MCP, &[named]));
    }
    let server = |endpoint: &str| {
        server_metadata_json("https://as.example").replace("https://as.example/token", endpoint)
    };
    for endpoint in [
        "https://u:canary@as.example/t",
        "http://as.example/t?t=canary",
    ] {
        check(
            &pointed()
                .protected(PATH_PRM, MCP, &["https://as.example"])
                .serve(AS, &server(endpoint)),
        );
    }
}

#[test]
fn server_text_is_escaped_and_cut() {
    let long = format!("https://evil.example/{}", "x".repeat(1000));
    let error = pointed().protected(PATH_PRM, &long, &[]).run().unwrap_err();
    assert!(error.to_string().len() < 500, "{error}");
    assert!(
        error.to_string().contains("xxx…` does not identify"),
        "{error}"
    );
    let json = "{\"resource\": \"https://mcp.example/\\u001b[2J\\n\"}";
    let error = pointed().serve(PATH_PRM, json).run().unwrap_err();
    assert!(
        error
            .to_string()
            .contains("`https://mcp.example/\\u{1b}[2J\\n`"),
        "{error}"
    );
}

#[test]
fn discovery_error_is_send_and_sync() {
    fn check<T: Error + Send + Sync + 'static>() {}
    check::<DiscoveryError>();
}
