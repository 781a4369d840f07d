//! Where the authorization server's metadata is looked for (RFC 8414 §3, OpenID Connect Discovery
//! §4), whose it is, and what of it is used.

use hallpass_core::{
    Diagnostic as _, ExplicitEndpoints, Remedy, ServerSettings, http::HttpErrorKind,
};
use hallpass_discovery::DiscoveryErrorKind;

use crate::fixture::{AS, Fixture, MCP, OIDC, PATH_PRM, challenged, issuer, naming, pointed, url};

const TENANT: &str = "https://as.example/tenant1";
const TENANT_AS: &str = "https://as.example/.well-known/oauth-authorization-server/tenant1";
const TENANT_OIDC: &str = "https://as.example/.well-known/openid-configuration/tenant1";
const TENANT_APPENDED: &str = "https://as.example/tenant1/.well-known/openid-configuration";

#[test]
fn server_metadata_candidates_are_read_in_order() {
    #[track_caller]
    fn check(issuer: &str, at: &str, source: &str, asked: &[&str]) {
        let asked: Vec<&str> = [PATH_PRM].iter().chain(asked).copied().collect();
        naming(&[issuer])
            .issuer(at, issuer)
            .finds(&format!("{issuer} ({source}) {MCP}"), &asked);
    }
    check("https://as.example", AS, "Rfc8414", &[AS]);
    check("https://as.example/", AS, "Rfc8414", &[AS]);
    check("https://as.example", OIDC, "OpenId", &[AS, OIDC]);
    check(TENANT, TENANT_AS, "Rfc8414", &[TENANT_AS]);
    check(TENANT, TENANT_OIDC, "OpenId", &[TENANT_AS, TENANT_OIDC]);
    let all = [TENANT_AS, TENANT_OIDC, TENANT_APPENDED];
    check(TENANT, TENANT_APPENDED, "OpenId", &all);
    // A slash at the end is removed for the URL and kept in the issuer.
    check(&format!("{TENANT}/"), TENANT_APPENDED, "OpenId", &all);
    check(
        "http://localhost:9000",
        "http://localhost:9000/.well-known/oauth-authorization-server",
        "Rfc8414",
        &["http://localhost:9000/.well-known/oauth-authorization-server"],
    );
}

#[test]
fn issuer_with_path_is_not_read_at_the_root() {
    let error = naming(&[TENANT])
        .issuer(AS, TENANT)
        .issuer(OIDC, TENANT)
        .fails(
            "no metadata of the authorization server `https://as.example/tenant1` (RFC 8414 §3, \
         OpenID Connect Discovery §4): \
         https://as.example/.well-known/oauth-authorization-server/tenant1 answered 404, \
         https://as.example/.well-known/openid-configuration/tenant1 answered 404, \
         https://as.example/tenant1/.well-known/openid-configuration answered 404",
            "set `server_metadata_url`",
            &[PATH_PRM, TENANT_AS, TENANT_OIDC, TENANT_APPENDED],
        );
    assert_eq!(error.kind(), DiscoveryErrorKind::ServerMetadataNotFound);
    assert_eq!(error.remedy(), Remedy::Configure);
    assert_eq!(error.attempts().len(), 4);
}

#[test]
fn answer_without_document_leads_to_the_next_candidate() {
    for status in [201, 302, 400, 401, 403, 405, 500, 503] {
        naming(&["https://as.example"])
            .status(AS, status)
            .issuer(OIDC, "https://as.example")
            .finds(
                &format!("https://as.example (OpenId) {MCP}"),
                &[PATH_PRM, AS, OIDC],
            );
    }
    for body in [
        "",
        "<!doctype html>",
        "[]",
        "{\"issuer\": \"https://as.example\"}",
        "{\"token_endpoint\": \"https://as.example/t\"}",
    ] {
        naming(&["https://as.example"])
            .serve(AS, body)
            .issuer(OIDC, "https://as.example")
            .finds(
                &format!("https://as.example (OpenId) {MCP}"),
                &[PATH_PRM, AS, OIDC],
            );
    }
}

#[test]
fn issuer_other_than_the_urls_is_refused() {
    #[track_caller]
    fn check(named: &str, claimed: &str) {
        let error = naming(&[named]).issuer(AS, claimed).fails(
            &format!(
                "the metadata at {AS} claims the issuer `{claimed}` where `{named}` is expected \
                 (RFC 8414 §3.3)"
            ),
            &format!("set `trusted_issuers` to `{claimed}`"),
            &[PATH_PRM, AS, OIDC],
        );
        assert_eq!(error.kind(), DiscoveryErrorKind::IssuerMismatch);
        assert_eq!(error.remedy(), Remedy::Configure);
        // The setting that the hint names does change it.
        naming(&[named])
            .set(|settings| settings.trusted_issuers = vec![issuer(claimed)])
            .issuer(AS, claimed)
            .finds(&format!("{claimed} (Rfc8414) {MCP}"), &[PATH_PRM, AS]);
    }
    check("https://as.example", "https://attacker.example.com");
    check("https://as.example", "https://as.example/tenant");
    check("https://as.example", "https://AS.example");
    check("https://as.example", "https://as.example:443");
    check("https://as.example", "https://as.example//");
}

#[test]
fn issuer_may_differ_by_one_root_slash_and_keeps_its_text() {
    naming(&["https://as.example/"])
        .issuer(AS, "https://as.example")
        .finds(
            &format!("https://as.example (Rfc8414) {MCP}"),
            &[PATH_PRM, AS],
        );
    naming(&["https://as.example"])
        .issuer(AS, "https://as.example/")
        .finds(
            &format!("https://as.example/ (Rfc8414) {MCP}"),
            &[PATH_PRM, AS],
        );
    let error = naming(&[TENANT])
        .issuer(TENANT_AS, &format!("{TENANT}/"))
        .run()
        .unwrap_err();
    assert_eq!(error.kind(), DiscoveryErrorKind::IssuerMismatch);
}

#[test]
fn issuer_mismatch_is_reported_before_later_failures() {
    let error = naming(&["https://as.example"])
        .issuer(AS, "https://attacker.example.com")
        .status(OIDC, 503)
        .run()
        .unwrap_err();
    assert_eq!(error.kind(), DiscoveryErrorKind::IssuerMismatch);
    assert_eq!(error.attempts().len(), 3);
}

#[test]
fn several_servers_are_tried_in_order() {
    let both = ["https://one.example", "https://as.example"];
    let one = "https://one.example/.well-known/oauth-authorization-server";
    let one_oidc = "https://one.example/.well-known/openid-configuration";
    naming(&both)
        .issuer(one, both[0])
        .issuer(AS, both[1])
        .finds(
            &format!("https://one.example (Rfc8414) {MCP}"),
            &[PATH_PRM, one],
        );
    let found = naming(&both).issuer(AS, both[1]).finds(
        &format!("https://as.example (Rfc8414) {MCP}"),
        &[PATH_PRM, one, one_oidc, AS],
    );
    assert!(!found.is_provisional);
    // A host that is down is asked once.
    let found = naming(&both)
        .fail(one, HttpErrorKind::Connect)
        .issuer(AS, both[1])
        .run()
        .unwrap();
    assert_eq!(found.attempts.len(), 3);
    assert!(found.is_provisional);
    assert_eq!(
        found.attempts[1].to_string(),
        format!(
            "authorization server metadata at {one}: no answer in 7 ms, not used: the \
             authorization server metadata of one.example can't be read: metadata request to \
             {one}: no connection"
        )
    );
}

#[test]
fn configured_issuer_is_chosen_among_several() {
    let both = ["https://one.example", "https://as.example"];
    let configured = |text: &'static str| {
        move |settings: &mut ServerSettings| settings.issuer = Some(issuer(text))
    };
    naming(&both)
        .set(configured("https://as.example"))
        .issuer(AS, "https://as.example")
        .finds(
            &format!("https://as.example (Rfc8414) {MCP}"),
            &[PATH_PRM, AS],
        );
    naming(&both)
        .set(configured("https://as.example/"))
        .issuer(AS, "https://as.example")
        .finds(
            &format!("https://as.example (Rfc8414) {MCP}"),
            &[PATH_PRM, AS],
        );
    // One that the server does not name is refused, unless it is trusted.
    let error = naming(&["https://one.example"]).set(configured("https://as.example")).fails(
        "the configured `issuer` `https://as.example` is not among the `authorization_servers` of \
         `https://mcp.example/mcp`: `https://one.example` (RFC 9728 §2)",
        "set `trusted_issuers` to `https://as.example`",
        &[PATH_PRM],
    );
    assert_eq!(error.kind(), DiscoveryErrorKind::IssuerNotListed);
    naming(&["https://one.example"])
        .set(configured("https://as.example"))
        .set(|settings| settings.trusted_issuers = vec![issuer("https://as.example")])
        .issuer(AS, "https://as.example")
        .finds(
            &format!("https://as.example (Rfc8414) {MCP}"),
            &[PATH_PRM, AS],
        );
}

#[test]
fn metadata_without_authorization_server_is_refused() {
    for list in ["[]", "null", "[\"nonsense\"]", "7"] {
        let json = format!("{{\"resource\": {MCP:?}, \"authorization_servers\": {list}}}");
        let error = pointed().serve(PATH_PRM, &json).fails(
            "the metadata of `https://mcp.example/mcp` names no usable authorization server in \
             `authorization_servers` (RFC 9728 §2)",
            "set `issuer`",
            &[PATH_PRM],
        );
        assert_eq!(error.kind(), DiscoveryErrorKind::NoAuthorizationServer);
    }
    naming(&[])
        .set(|settings| settings.issuer = Some(issuer("https://as.example")))
        .issuer(AS, "https://as.example")
        .finds(
            &format!("https://as.example (Rfc8414) {MCP}"),
            &[PATH_PRM, AS],
        );
}

#[test]
fn explicit_server_metadata_url_is_read() {
    let at = "https://as.example/strange/openid-configuration";
    let named = |case: Fixture| case.set(|settings| settings.server_metadata_url = Some(url(at)));
    named(naming(&["https://as.example"]))
        .issuer(at, "https://as.example")
        .finds(
            &format!("https://as.example (Rfc8414) {MCP}"),
            &[PATH_PRM, at],
        );
    // The issuer is checked all the same.
    let error = named(naming(&["https://as.example"]))
        .issuer(at, "https://else.example")
        .fails(
            &format!(
                "the metadata at {at} claims the issuer `https://else.example` where \
             `https://as.example` is expected (RFC 8414 §3.3)"
            ),
            "`trusted_issuers`",
            &[PATH_PRM, at],
        );
    assert_eq!(error.kind(), DiscoveryErrorKind::IssuerMismatch);
    // Where nothing names an issuer it must be the one that the URL belongs to, or trusted.
    let root = "https://mcp.example/.well-known/oauth-protected-resource";
    challenged()
        .set(|settings| settings.server_metadata_url = Some(url(OIDC)))
        .issuer(OIDC, "https://as.example")
        .finds(
            &format!("https://as.example (OpenId) {MCP}"),
            &[PATH_PRM, root, OIDC],
        );
    named(challenged()).issuer(at, "https://as.example").fails(
        &format!(
            "the metadata at {at} claims the issuer `https://as.example` where the one that this \
             URL is built from is expected (RFC 8414 §3.3)"
        ),
        "set `trusted_issuers` to `https://as.example`",
        &[PATH_PRM, root, at],
    );
    named(challenged())
        .set(|settings| settings.trusted_issuers = vec![issuer("https://as.example")])
        .issuer(at, "https://as.example")
        .finds(
            &format!("https://as.example (Rfc8414) {MCP}"),
            &[PATH_PRM, root, at],
        );
    named(naming(&["https://as.example"]))
        .issuer(AS, "https://as.example")
        .fails(
            &format!(
                "no authorization server metadata at the configured `server_metadata_url`: {at} \
             answered 404"
            ),
            "set `server_metadata_url`",
            &[PATH_PRM, at],
        );
    challenged()
        .set(|settings| settings.server_metadata_url = Some(url("http://as.example/x")))
        .fails(
            "the configured `server_metadata_url` `http://as.example/x` can't be asked: plain http \
             is for loopback hosts only (RFC 8414 §3)",
            "`server_metadata_url`",
            &[PATH_PRM, root],
        );
}

fn endpoints() -> ExplicitEndpoints {
    ExplicitEndpoints::new(url("https://as.example/t?x=1"))
        .with_authorization(url("https://as.example/a"))
        .with_revocation(url("http://127.0.0.1:9/r"))
}

#[test]
fn explicit_endpoints_need_no_request() {
    let explicit = |case: Fixture| case.set(|settings| settings.endpoints = Some(endpoints()));
    let found = explicit(challenged()).finds(&format!("https://as.example (Explicit) {MCP}"), &[]);
    assert_eq!(
        found.server.token_endpoint,
        Some(url("https://as.example/t?x=1"))
    );
    assert_eq!(
        found.server.authorization_endpoint,
        Some(url("https://as.example/a"))
    );
    assert_eq!(found.server.registration_endpoint, None);
    assert_eq!(
        found.server.revocation_endpoint,
        Some(url("http://127.0.0.1:9/r"))
    );
    assert!(found.pkce_waived(&ServerSettings::default()));
    explicit(challenged())
        .set(|settings| settings.issuer = Some(issuer("https://id.example/x")))
        .finds(&format!("https://id.example/x (Explicit) {MCP}"), &[]);
    // What the challenge names is read for its `resource`, issuer and scopes.
    explicit(naming(&["https://as.example/tenant"])).finds(
        &format!("https://as.example/tenant (Explicit) {MCP}"),
        &[PATH_PRM],
    );
    explicit(pointed()).finds(&format!("https://as.example (Explicit) {MCP}"), &[PATH_PRM]);
    let error = challenged()
        .set(|settings| {
            let token = url("http://as.example/t");
            settings.endpoints = Some(endpoints().with_token(token));
        })
        .fails(
            "the configured `endpoints.token` `http://as.example/t` can't be used: plain http is for \
             loopback hosts only (RFC 6749 §3.1, §3.2)",
            "`endpoints.token`",
            &[],
        );
    assert_eq!(error.kind(), DiscoveryErrorKind::Settings);
}

#[test]
fn explicit_endpoints_are_not_of_an_issuer_that_the_resource_names_on_another_host() {
    let case =
        |listed: &[&str]| naming(listed).set(|settings| settings.endpoints = Some(endpoints()));
    case(&["https://honest.example"])
        .finds(&format!("https://as.example (Explicit) {MCP}"), &[PATH_PRM]);
    case(&["https://honest.example", "https://as.example/tenant"]).finds(
        &format!("https://as.example/tenant (Explicit) {MCP}"),
        &[PATH_PRM],
    );
    case(&["https://honest.example"])
        .set(|settings| settings.issuer = Some(issuer("https://honest.example")))
        .finds(
            &format!("https://honest.example (Explicit) {MCP}"),
            &[PATH_PRM],
        );
}
