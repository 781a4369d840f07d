//! What MCP 2025-03-26 did, and the server without OAuth.

use hallpass_core::{Diagnostic as _, Remedy, ServerSettings, http::HttpErrorKind};
use hallpass_discovery::{DiscoveryErrorKind, MetadataSource};

use crate::fixture::{
    AS, Fixture, MCP, MCP_AS, OIDC, PATH_PRM, ROOT_PRM, case, challenged, hints, issuer, pointed,
    url,
};

const NOWHERE: [&str; 3] = [PATH_PRM, ROOT_PRM, MCP_AS];

fn by_setting(case: Fixture) -> Fixture {
    case.set(|settings| settings.legacy_discovery = true)
}

#[test]
fn legacy_metadata_is_read_after_404_everywhere() {
    for headers in [&["Bearer"][..], &["Bearer realm=x"], &[]] {
        let found = case(headers)
            .issuer(MCP_AS, "https://mcp.example")
            .finds(&format!("https://mcp.example (Legacy) {MCP}"), &NOWHERE);
        assert_eq!(found.resource_metadata, None);
    }
    // Its issuer is the origin, or trusted.
    let error = challenged().issuer(MCP_AS, "https://cf.mcp.example").fails(
        &format!(
            "the metadata at {MCP_AS} claims the issuer `https://cf.mcp.example` where \
             `https://mcp.example` is expected (RFC 8414 §3.3)"
        ),
        "set `trusted_issuers` to `https://cf.mcp.example`",
        &NOWHERE,
    );
    assert_eq!(error.kind(), DiscoveryErrorKind::IssuerMismatch);
    challenged()
        .set(|settings| settings.trusted_issuers = vec![issuer("https://cf.mcp.example")])
        .issuer(MCP_AS, "https://cf.mcp.example")
        .finds(&format!("https://cf.mcp.example (Legacy) {MCP}"), &NOWHERE);
}

#[test]
fn default_endpoints_follow_404_of_legacy_metadata() {
    let found = challenged()
        .server("https://mcp.example/mcp?tenant=1")
        .run()
        .unwrap();
    assert_eq!(found.source, MetadataSource::Guessed);
    assert!(!found.has_server_document());
    assert_eq!(found.server.issuer.as_str(), "https://mcp.example");
    let at = |path: &str| Some(url(&format!("https://mcp.example{path}")));
    assert_eq!(found.server.authorization_endpoint, at("/authorize"));
    assert_eq!(found.server.token_endpoint, at("/token"));
    assert_eq!(found.server.registration_endpoint, at("/register"));
    assert!(found.pkce_waived(&ServerSettings::default()));
    assert_eq!(
        found.resource.unwrap().as_str(),
        "https://mcp.example/mcp?tenant=1"
    );
    challenged().server("http://localhost:3000/mcp").finds(
        "http://localhost:3000 (Guessed) http://localhost:3000/mcp",
        &[
            "http://localhost:3000/.well-known/oauth-protected-resource/mcp",
            "http://localhost:3000/.well-known/oauth-protected-resource",
            "http://localhost:3000/.well-known/oauth-authorization-server",
        ],
    );
}

#[test]
fn pkce_list_without_s256_is_not_waived() {
    let found = challenged()
        .serve(
            MCP_AS,
            r#"{"issuer": "https://mcp.example", "token_endpoint": "https://mcp.example/t",
                "code_challenge_methods_supported": ["plain"]}"#,
        )
        .run()
        .unwrap();
    assert!(!found.pkce_waived(&ServerSettings::default()));
}

#[test]
fn legacy_discovery_never_follows_another_answer_than_404() {
    for status in [200, 302, 400, 401, 403, 405, 410] {
        for candidate in [PATH_PRM, ROOT_PRM] {
            let case = challenged()
                .status(candidate, status)
                .issuer(MCP_AS, "https://mcp.example");
            let error = case.run().unwrap_err();
            assert!(hints(&error).contains("`legacy_discovery`"), "{error}");
            assert_eq!(case.network.take_asked(), [PATH_PRM, ROOT_PRM]);
        }
    }
    for status in [401, 403, 500] {
        let error = challenged().status(MCP_AS, status).run().unwrap_err();
        assert_eq!(error.to_string(), format!("{MCP_AS} answered {status}"));
    }
    let error = challenged().serve(MCP_AS, "<html>").run().unwrap_err();
    assert_eq!(error.kind(), DiscoveryErrorKind::NotJson);
    assert!(hints(&error).contains("`legacy_discovery`"));
    let error = challenged()
        .fail(MCP_AS, HttpErrorKind::Timeout)
        .run()
        .unwrap_err();
    assert_eq!(error.remedy(), Remedy::Retry);
    // Nor where there is resource metadata, or the challenge promises some.
    let error = challenged()
        .protected(PATH_PRM, MCP, &["https://as.example"])
        .issuer(MCP_AS, "https://mcp.example")
        .run()
        .unwrap_err();
    assert_eq!(error.kind(), DiscoveryErrorKind::ServerMetadataNotFound);
    let error = pointed()
        .issuer(MCP_AS, "https://mcp.example")
        .run()
        .unwrap_err();
    assert_eq!(error.kind(), DiscoveryErrorKind::ResourceMetadataNotFound);
}

#[test]
fn legacy_discovery_by_setting_follows_any_absence() {
    let outcome = format!("https://mcp.example (Legacy) {MCP}");
    let guess = format!("https://mcp.example (Guessed) {MCP}");
    for status in [401, 405, 500] {
        by_setting(challenged())
            .status(PATH_PRM, status)
            .issuer(MCP_AS, "https://mcp.example")
            .finds(&outcome, &NOWHERE);
    }
    by_setting(pointed()).finds(&guess, &[PATH_PRM, MCP_AS]);
    by_setting(case(&[])).finds(&guess, &NOWHERE);
    by_setting(challenged())
        .status(MCP_AS, 401)
        .finds(&guess, &NOWHERE);
    by_setting(challenged())
        .serve(MCP_AS, "<html>")
        .finds(&guess, &NOWHERE);
    by_setting(challenged())
        .protected(PATH_PRM, MCP, &[])
        .finds(&guess, &[PATH_PRM, MCP_AS]);
    by_setting(challenged())
        .protected(PATH_PRM, MCP, &["https://as.example"])
        .finds(&guess, &[PATH_PRM, AS, OIDC, MCP_AS]);
    // A document that must not be used, and a server that is down, are no absence.
    by_setting(challenged())
        .protected(PATH_PRM, MCP, &["https://as.example"])
        .issuer(AS, "https://attacker.example.com")
        .fails(
            &format!(
                "the metadata at {AS} claims the issuer `https://attacker.example.com` where \
                 `https://as.example` is expected (RFC 8414 §3.3)"
            ),
            "`trusted_issuers`",
            &[PATH_PRM, AS, OIDC],
        );
    let error = by_setting(challenged())
        .status(MCP_AS, 503)
        .run()
        .unwrap_err();
    assert_eq!(error.kind(), DiscoveryErrorKind::Unavailable);
    // What is published is used.
    by_setting(challenged())
        .protected(PATH_PRM, MCP, &["https://as.example"])
        .issuer(AS, "https://as.example")
        .finds(
            &format!("https://as.example (Rfc8414) {MCP}"),
            &[PATH_PRM, AS],
        );
}

#[test]
fn server_without_oauth_is_reported() {
    let error = case(&[]).fails(
        "`https://mcp.example/mcp` shows no trace of OAuth: nothing asks for a token, and there is \
         no metadata (RFC 9728 §3, RFC 8414 §3)",
        "check the URL",
        &NOWHERE,
    );
    assert_eq!(error.kind(), DiscoveryErrorKind::NoOAuth);
    assert_eq!(error.remedy(), Remedy::Configure);
    assert_eq!(error.attempts().len(), 3);
    // A challenge of another scheme asks for something else.
    let error = case(&["Basic realm=x"]).run().unwrap_err();
    assert_eq!(error.kind(), DiscoveryErrorKind::NoOAuth);
}

#[test]
fn configured_issuer_needs_no_resource_metadata() {
    let configured =
        |case: Fixture| case.set(|settings| settings.issuer = Some(issuer("https://as.example")));
    for status in [401, 404] {
        configured(challenged())
            .status(PATH_PRM, status)
            .issuer(AS, "https://as.example")
            .finds(
                &format!("https://as.example (Rfc8414) {MCP}"),
                &[PATH_PRM, ROOT_PRM, AS],
            );
    }
    configured(pointed())
        .issuer(AS, "https://as.example")
        .finds(
            &format!("https://as.example (Rfc8414) {MCP}"),
            &[PATH_PRM, AS],
        );
}
