//! Where the protected resource's metadata is looked for (RFC 9728 §3.1, §5.1), and where not.

use hallpass_core::{Diagnostic as _, Remedy, http::HttpErrorKind};
use hallpass_discovery::{Attempt, DiscoveryErrorKind, Document};

use crate::fixture::{AS, MCP, PATH_PRM, ROOT_PRM, case, challenged, issuer, pointed, url};

const FOUND: &str = "https://as.example (Rfc8414) https://mcp.example/mcp";

#[test]
fn challenge_with_metadata_url_costs_two_requests() {
    let found = pointed()
        .protected(PATH_PRM, MCP, &["https://as.example"])
        .issuer(AS, "https://as.example")
        .finds(FOUND, &[PATH_PRM, AS]);
    let account: Vec<String> = found.attempts.iter().map(ToString::to_string).collect();
    assert_eq!(
        account,
        [
            format!("protected resource metadata at {PATH_PRM}: 200 in 7 ms, used"),
            format!("authorization server metadata at {AS}: 200 in 7 ms, used"),
        ]
    );
    assert_eq!(found.attempts[0].document(), Document::ProtectedResource);
    assert_eq!(found.attempts[1].document(), Document::AuthorizationServer);
    assert!(!found.is_provisional);
}

#[test]
fn challenge_may_name_any_path_on_the_origin() {
    let custom = "https://mcp.example/custom/metadata/location.json";
    case(&[&format!("Bearer resource_metadata=\"{custom}\"")])
        .protected(custom, MCP, &["https://as.example"])
        .issuer(AS, "https://as.example")
        .finds(FOUND, &[custom, AS]);
    case(&[
        "Basic realm=x",
        &format!("DPoP resource_metadata=\"{custom}\""),
    ])
    .protected(custom, MCP, &["https://as.example"])
    .issuer(AS, "https://as.example")
    .finds(FOUND, &[custom, AS]);
    // The default port is the same origin.
    case(&["Bearer resource_metadata=\"https://mcp.example:443/p\""])
        .protected("https://mcp.example/p", MCP, &["https://as.example"])
        .issuer(AS, "https://as.example")
        .finds(FOUND, &["https://mcp.example/p", AS]);
    // An empty value names nothing.
    case(&["Bearer resource_metadata=\"\""])
        .protected(PATH_PRM, MCP, &["https://as.example"])
        .issuer(AS, "https://as.example")
        .finds(FOUND, &[PATH_PRM, AS]);
}

#[test]
fn challenge_with_metadata_url_allows_no_guess() {
    let error = pointed()
        .protected(ROOT_PRM, "https://mcp.example", &["https://as.example"])
        .fails(
            "no protected resource metadata for `https://mcp.example/mcp` (RFC 9728 §3): \
             https://mcp.example/.well-known/oauth-protected-resource/mcp answered 404",
            "`resource_metadata_url`",
            &[PATH_PRM],
        );
    assert_eq!(error.kind(), DiscoveryErrorKind::ResourceMetadataNotFound);
    assert_eq!(error.remedy(), Remedy::Configure);
}

#[test]
fn two_challenges_may_name_two_urls() {
    let headers = [
        "Bearer resource_metadata=\"https://mcp.example/gone\"",
        "DPoP resource_metadata=\"https://mcp.example/here\", algs=ES256",
        "Bearer resource_metadata=\"https://mcp.example/here\"",
    ];
    case(&headers)
        .protected("https://mcp.example/here", MCP, &["https://as.example"])
        .issuer(AS, "https://as.example")
        .finds(
            FOUND,
            &["https://mcp.example/gone", "https://mcp.example/here", AS],
        );
    // The same place named twice is asked once.
    let error = case(&[headers[1], headers[2]]).run().unwrap_err();
    assert_eq!(error.attempts().len(), 1);
    // Nor does another origin come before the server's own.
    case(&[
        "Bearer resource_metadata=\"https://evil.example/p\"",
        headers[1],
    ])
    .protected("https://evil.example/p", MCP, &["https://evil.example"])
    .protected("https://mcp.example/here", MCP, &["https://as.example"])
    .issuer(AS, "https://as.example")
    .finds(FOUND, &["https://mcp.example/here", AS]);
    // One that is not to be asked does not stand in the way of one that is.
    let found = case(&[
        "Bearer resource_metadata=\"http://evil.example/p\"",
        headers[1],
    ])
    .protected("https://mcp.example/here", MCP, &["https://as.example"])
    .issuer(AS, "https://as.example")
    .finds(FOUND, &["https://mcp.example/here", AS]);
    assert_eq!(found.attempts[0].url(), "http://evil.example/p");
    assert!(
        found.attempts[0]
            .to_string()
            .contains(": not asked, not used: the challenge of")
    );
}

#[test]
fn challenge_with_refused_metadata_url_fails() {
    #[track_caller]
    fn check(named: &str, problem: &str, hint: &str) {
        let error = case(&[&format!("Bearer resource_metadata=\"{named}\"")])
            .protected(PATH_PRM, MCP, &["https://as.example"])
            .fails(
                &format!(
                    "the challenge of `{MCP}` names `{named}` as `resource_metadata`, which is not \
                     asked: {problem}"
                ),
                hint,
                &[],
            );
        assert_eq!(error.kind(), DiscoveryErrorKind::ChallengeRefused);
        assert_eq!(error.remedy(), Remedy::Configure);
        assert_eq!(error.attempts().len(), 1);
        assert_eq!(error.attempts()[0].status(), None);
    }
    check(
        "http://localhost/p",
        "it is on another origin (RFC 9728 §3, §7.3)",
        "`resource_metadata_url`",
    );
    check(
        "http://mcp.example/p",
        "plain http is for loopback hosts only (RFC 9728 §3)",
        "set `resource_metadata_url` to `https://mcp.example/p`",
    );
    check(
        "file:///etc/passwd",
        "its scheme is not https (RFC 9728 §3)",
        "set `resource_metadata_url`",
    );
    check(
        "/.well-known/oauth-protected-resource",
        "it is not an absolute URL (RFC 9728 §5.1)",
        "set `resource_metadata_url`",
    );
}

#[test]
fn challenge_may_name_another_origin() {
    let at = |server: &str, named: &str, resource: &str| {
        case(&[&format!("Bearer resource_metadata=\"{named}\"")])
            .server(server)
            .protected(named, resource, &["https://as.example"])
            .issuer(AS, "https://as.example")
    };
    for named in ["https://docs.example/prm?t=1", "https://mcp.example:8443/p"] {
        let found = at(MCP, named, MCP).finds(FOUND, &[named, AS]);
        let origin = url(named).origin().ascii_serialization();
        assert_eq!(found.resource_metadata_origin, Some(origin));
    }
    let found = at(MCP, PATH_PRM, MCP).run().unwrap();
    assert_eq!(found.resource_metadata_origin, None);
    let found = case(&[])
        .set(|settings| settings.resource_metadata_url = Some(url("https://docs.example/p")))
        .protected("https://docs.example/p", MCP, &["https://as.example"])
        .issuer(AS, "https://as.example")
        .run()
        .unwrap();
    assert_eq!(found.resource_metadata_origin, None, "the user named it");
    // Plain http is for a loopback server and a loopback URL.
    let local = "http://localhost:3000/mcp";
    let found = at(local, "http://127.0.0.1:4000/p", local).run().unwrap();
    let origin = found.resource_metadata_origin.as_deref();
    assert_eq!(origin, Some("http://127.0.0.1:4000"));
    // Its document names the server's URL exactly.
    for resource in ["https://mcp.example", "https://mcp.example/mcp/"] {
        let named = "https://docs.example/.well-known/oauth-protected-resource/mcp";
        let error = at(MCP, named, resource).run().unwrap_err();
        assert_eq!(error.kind(), DiscoveryErrorKind::ResourceMismatch);
    }
}

#[test]
fn resource_metadata_url_setting_may_name_any_origin() {
    let elsewhere = "https://docs.example/prm.json";
    let named = |case: crate::fixture::Fixture| {
        case.set(|settings| settings.resource_metadata_url = Some(url(elsewhere)))
    };
    for case in [pointed(), challenged(), case(&[])] {
        named(case)
            .protected(elsewhere, MCP, &["https://as.example"])
            .issuer(AS, "https://as.example")
            .finds(FOUND, &[elsewhere, AS]);
    }
    let error = named(pointed())
        .protected(PATH_PRM, MCP, &["https://as.example"])
        .fails(
            "no protected resource metadata for `https://mcp.example/mcp` (RFC 9728 §3): \
         https://docs.example/prm.json answered 404",
            "set `resource_metadata_url`",
            &[elsewhere],
        );
    assert_eq!(error.kind(), DiscoveryErrorKind::ResourceMetadataNotFound);
    let error = pointed()
        .set(|settings| settings.resource_metadata_url = Some(url("http://docs.example/prm")))
        .fails(
            "the configured `resource_metadata_url` `http://docs.example/prm` can't be asked: \
             plain http is for loopback hosts only (RFC 9728 §3)",
            "`resource_metadata_url`",
            &[],
        );
    assert_eq!(error.kind(), DiscoveryErrorKind::Settings);
}

#[test]
fn challenge_without_metadata_url_reads_well_known_urls() {
    // Path-inserted first,
    challenged()
        .protected(PATH_PRM, MCP, &["https://as.example"])
        .issuer(AS, "https://as.example")
        .finds(FOUND, &[PATH_PRM, AS]);
    // then the root.
    let found = challenged()
        .protected(ROOT_PRM, "https://mcp.example", &["https://as.example"])
        .issuer(AS, "https://as.example")
        .finds(
            "https://as.example (Rfc8414) https://mcp.example",
            &[PATH_PRM, ROOT_PRM, AS],
        );
    assert_eq!(
        found.attempts[0].reason(),
        Some("https://mcp.example/.well-known/oauth-protected-resource/mcp answered 404")
    );
    // Without any challenge, as for a sign-in before the first request.
    case(&[])
        .protected(PATH_PRM, MCP, &["https://as.example"])
        .issuer(AS, "https://as.example")
        .finds(FOUND, &[PATH_PRM, AS]);
}

#[test]
fn well_known_urls_follow_from_the_server_url() {
    #[track_caller]
    fn check(server: &str, candidates: &[&str]) {
        let error = case(&["Bearer"])
            .server(server)
            .set(|settings| settings.resource = hallpass_core::ResourceSetting::Omitted)
            .status(candidates[0], 401)
            .run()
            .unwrap_err();
        let asked: Vec<&str> = error.attempts().iter().map(Attempt::url).collect();
        assert_eq!(asked, candidates);
    }
    const WELL_KNOWN: &str = "https://mcp.example/.well-known/oauth-protected-resource";
    check("https://mcp.example", &[WELL_KNOWN]);
    check("https://mcp.example/", &[WELL_KNOWN]);
    check(
        "https://mcp.example/a/b",
        &[&format!("{WELL_KNOWN}/a/b"), WELL_KNOWN],
    );
    check(
        "https://mcp.example/a/",
        &[
            &format!("{WELL_KNOWN}/a/"),
            &format!("{WELL_KNOWN}/a"),
            WELL_KNOWN,
        ],
    );
    check(
        "https://mcp.example/a%2Fb",
        &[&format!("{WELL_KNOWN}/a%2Fb"), WELL_KNOWN],
    );
    check(
        "http://localhost:3000/mcp",
        &[
            "http://localhost:3000/.well-known/oauth-protected-resource/mcp",
            "http://localhost:3000/.well-known/oauth-protected-resource",
        ],
    );
    check(
        "http://[::1]:3000",
        &["http://[::1]:3000/.well-known/oauth-protected-resource"],
    );
}

#[test]
fn server_query_is_sent_and_not_shown() {
    let queried = "https://mcp.example/.well-known/oauth-protected-resource/mcp?tenant=1";
    let found = challenged()
        .server("https://mcp.example/mcp?tenant=1")
        .protected(
            queried,
            "https://mcp.example/mcp?tenant=1",
            &["https://as.example"],
        )
        .issuer(AS, "https://as.example")
        .finds(
            "https://as.example (Rfc8414) https://mcp.example/mcp?tenant=1",
            &[queried, AS],
        );
    assert_eq!(
        found.attempts[0].url(),
        "https://mcp.example/.well-known/oauth-protected-resource/mcp?…"
    );
}

#[test]
fn answer_without_resource_metadata_leads_to_the_next_candidate() {
    let root = |case: crate::fixture::Fixture| {
        case.protected(ROOT_PRM, "https://mcp.example", &["https://as.example"])
            .issuer(AS, "https://as.example")
    };
    let outcome = "https://as.example (Rfc8414) https://mcp.example";
    let asked = [PATH_PRM, ROOT_PRM, AS];
    for status in [204, 301, 400, 401, 403, 405, 410] {
        let found = root(challenged().status(PATH_PRM, status)).finds(outcome, &asked);
        assert!(!found.is_provisional, "{status}");
    }
    for body in [
        "",
        "<html>hi",
        "null",
        "[]",
        "{",
        "{}",
        "{\"resource\": 1}",
        "{\"resource\": \"\"}",
    ] {
        let case = challenged().serve(PATH_PRM, body);
        let found = root(case).finds(outcome, &asked);
        assert_eq!(found.attempts[0].status().unwrap(), 200, "{body}");
    }
    for kind in [
        HttpErrorKind::BodyTooLarge,
        HttpErrorKind::Malformed,
        HttpErrorKind::Redirect,
    ] {
        let case = challenged()
            .fail(PATH_PRM, kind)
            .protected(ROOT_PRM, "https://mcp.example", &["https://as.example"])
            .issuer(AS, "https://as.example");
        assert!(case.run().is_ok(), "{kind:?}");
        assert_eq!(case.network.take_asked(), asked);
    }
    // A fault that may pass leads on as well, and is remembered.
    for status in [408, 429, 500, 503] {
        let found = root(challenged().status(PATH_PRM, status)).finds(outcome, &asked);
        assert!(found.is_provisional, "{status}");
    }
}

#[test]
fn unavailable_metadata_does_not_lead_to_legacy_discovery() {
    let error = challenged()
        .status(PATH_PRM, 503)
        .issuer(
            "https://mcp.example/.well-known/oauth-authorization-server",
            "https://mcp.example",
        )
        .fails(
            "https://mcp.example/.well-known/oauth-protected-resource/mcp answered 503",
            "try again later",
            &[PATH_PRM, ROOT_PRM],
        );
    assert_eq!(error.kind(), DiscoveryErrorKind::Unavailable);
    assert_eq!(error.remedy(), Remedy::Retry);
    // Not even when the user named the authorization server: the resource may be another.
    challenged()
        .set(|settings| settings.issuer = Some(issuer("https://as.example")))
        .status(PATH_PRM, 500)
        .issuer(AS, "https://as.example")
        .fails(
            "https://mcp.example/.well-known/oauth-protected-resource/mcp answered 500",
            "try again later",
            &[PATH_PRM, ROOT_PRM],
        );
}
