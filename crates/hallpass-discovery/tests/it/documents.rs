//! What of the documents is used (RFC 9728 §2, RFC 8414 §2), and what comes of it: endpoints,
//! scopes, PKCE.

use hallpass_core::{Diagnostic as _, PkceSetting, Remedy, Scopes, ServerSettings};
use hallpass_discovery::{DiscoveryErrorKind, challenges};
use hallpass_testkit::server_metadata_json;
use http::HeaderMap;

use crate::fixture::{AS, MCP, OIDC, PATH_PRM, issuer, naming, pointed, url};

const FOUND: &str = "https://as.example (Rfc8414) https://mcp.example/mcp";

#[test]
fn document_with_invalid_optional_members_is_used() {
    let found = pointed()
        .serve(
            PATH_PRM,
            r#"{"resource": "https://mcp.example/mcp",
                "authorization_servers": ["nonsense", 7, "http://as.example", "https://as.example?x=1",
                    "https://as.example", "https://as.example"],
                "scopes_supported": ["a", 1, "b"], "resource_name": {"x": 1},
                "dpop_bound_access_tokens_required": "true", "jwks_uri": "x"}"#,
        )
        .issuer(AS, "https://as.example")
        .finds(FOUND, &[PATH_PRM, AS]);
    let metadata = found.resource_metadata.as_ref().unwrap();
    assert_eq!(
        metadata.authorization_servers,
        [issuer("https://as.example")]
    );
    assert_eq!(metadata.scopes_supported.as_deref().unwrap(), ["a", "b"]);
    assert_eq!(metadata.resource_name, None);
    assert!(metadata.dpop_bound_access_tokens_required);
    assert_eq!(metadata.other["jwks_uri"], "x");
    assert_eq!(
        found.attempts[0].notes(),
        [
            "ignored 1 of `authorization_servers`: no text",
            "ignored `nonsense` of `authorization_servers`, which is no issuer (RFC 8414 §2)",
            "ignored `http://as.example` of `authorization_servers`, which is no issuer \
             (RFC 8414 §2)",
            "ignored `https://as.example?…` of `authorization_servers`, which is no issuer \
             (RFC 8414 §2)",
            "ignored 1 of `scopes_supported`: no text",
            "ignored `resource_name`: no text",
            "took the text of `dpop_bound_access_tokens_required` for a boolean",
        ]
    );
}

#[test]
fn text_for_list_and_other_media_type_are_read() {
    let found = pointed()
        .answer(
            PATH_PRM,
            200,
            "text/plain",
            "\u{feff}{\"resource\": \"https://mcp.example/mcp\", \
             \"authorization_servers\": \"https://as.example\", \"scopes_supported\": \"a b\", \
             \"resource_name\": null}",
        )
        .answer(
            AS,
            200,
            "application/octet-stream",
            &server_metadata_json("https://as.example"),
        )
        .finds(FOUND, &[PATH_PRM, AS]);
    let metadata = found.resource_metadata.as_ref().unwrap();
    assert_eq!(metadata.scopes_supported.as_deref().unwrap(), ["a", "b"]);
    assert_eq!(found.attempts[0].notes().len(), 2);
    // Empty lists are no mistake.
    let found = pointed()
        .serve(
            PATH_PRM,
            r#"{"resource": "https://mcp.example/mcp",
                "authorization_servers": ["https://as.example/"], "scopes_supported": []}"#,
        )
        .issuer(AS, "https://as.example")
        .finds(FOUND, &[PATH_PRM, AS]);
    assert!(found.attempts[0].notes().is_empty());
}

/// Server metadata with these members besides `issuer`.
fn with(members: &str) -> String {
    format!("{{\"issuer\": \"https://as.example\", {members}}}")
}

#[test]
fn insecure_or_foreign_endpoint_is_refused() {
    #[track_caller]
    fn check(name: &str, endpoint: &str, problem: &str) {
        let section = if name == "token_endpoint" {
            "§3.2"
        } else {
            "§3.1"
        };
        let members = format!(
            "\"authorization_endpoint\": \"https://as.example/a\", \
             \"token_endpoint\": \"https://as.example/t\", \"{name}\": {endpoint:?}"
        );
        let error = naming(&["https://as.example"])
            .serve(AS, &with(&members))
            .fails(
                &format!(
                    "the `{name}` `{endpoint}` in the document at {AS} can't be used: {problem} \
                 (RFC 6749 {section})"
                ),
                "`endpoints.token`",
                &[PATH_PRM, AS, OIDC],
            );
        assert_eq!(error.kind(), DiscoveryErrorKind::EndpointRefused);
        assert_eq!(error.remedy(), Remedy::Configure);
    }
    let plain = "plain http is for loopback hosts only";
    check("token_endpoint", "http://as.example/t", plain);
    check("authorization_endpoint", "http://as.example/a", plain);
    check(
        "authorization_endpoint",
        "javascript:alert(1)",
        "its scheme is not https",
    );
    check(
        "authorization_endpoint",
        "file:///etc/passwd",
        "its scheme is not https",
    );
    check("token_endpoint", "/token", "relative URL without a base");
}

#[test]
fn document_without_token_endpoint_is_refused() {
    let error = naming(&["https://as.example"])
        .serve(
            AS,
            &with("\"authorization_endpoint\": \"https://as.example/a\""),
        )
        .fails(
            &format!(
                "the document at {AS} can't be used: it names no `token_endpoint` (RFC 8414 §2)"
            ),
            "set `client` and `endpoints.authorization` to `https://as.example/a` and `endpoints.token`",
            &[PATH_PRM, AS, OIDC],
        );
    assert_eq!(error.kind(), DiscoveryErrorKind::InvalidDocument);
    assert_eq!(error.remedy(), Remedy::Report);
}

#[test]
fn hint_of_a_broken_document_names_no_endpoint_on_another_host() {
    #[track_caller]
    fn check(name: &str, endpoint: &str, members: &str, hint: &str) {
        let section = if name == "token_endpoint" {
            "§3.2"
        } else {
            "§3.1"
        };
        let members = format!("\"{name}\": \"{endpoint}\", {members}");
        naming(&["https://as.example"])
            .serve(AS, &with(&members))
            .fails(
                &format!(
                    "the `{name}` `{endpoint}` in the document at {AS} can't be used: relative URL \
                     without a base (RFC 6749 {section})"
                ),
                hint,
                &[PATH_PRM, AS, OIDC],
            );
    }
    check(
        "authorization_endpoint",
        "/a",
        r#""token_endpoint": "https://other.example/t", "registration_endpoint": "https://10.0.0.5/r""#,
        "set `client` and `endpoints.authorization` to `https://as.example/a` and `endpoints.token`",
    );
    check(
        "token_endpoint",
        "/t",
        r#""authorization_endpoint": "https://honest.example/a", "registration_endpoint": "/r""#,
        "set `endpoints.authorization` and `endpoints.registration` to `https://as.example/r` and \
         `endpoints.token` to `https://as.example/t`",
    );
}

#[test]
fn unusable_optional_member_is_left_out() {
    let found = naming(&["https://as.example"])
        .serve(
            AS,
            &with(
                r#""token_endpoint": "http://127.0.0.1:9/t", "authorization_endpoint": null,
                "registration_endpoint": "http://as.example/register",
                "revocation_endpoint": "https://as.example/r#x", "device_authorization_endpoint": 7,
                "pushed_authorization_request_endpoint": "",
                "scopes_supported": "a b", "grant_types_supported": ["refresh_token", null],
                "token_endpoint_auth_methods_supported": ["none", "new_method"],
                "code_challenge_methods_supported": {"x": 1},
                "require_pushed_authorization_requests": "yes",
                "authorization_response_iss_parameter_supported": true,
                "client_id_metadata_document_supported": true,
                "dpop_bound_access_tokens_required": true,
                "dpop_signing_alg_values_supported": ["ES256"], "mtls_endpoint_aliases": {"a": 1}"#,
            ),
        )
        .finds(
            &format!("https://as.example (Rfc8414) {MCP}"),
            &[PATH_PRM, AS],
        );
    let server = &found.server;
    assert_eq!(server.token_endpoint, Some(url("http://127.0.0.1:9/t")));
    assert_eq!(server.authorization_endpoint, None);
    assert_eq!(server.registration_endpoint, None);
    assert_eq!(server.revocation_endpoint, None);
    assert_eq!(server.device_authorization_endpoint, None);
    assert_eq!(server.pushed_authorization_request_endpoint, None);
    assert!(server.supports_grant("refresh_token"));
    assert!(server.supports_scope("b"));
    assert!(!server.require_pushed_authorization_requests);
    assert!(server.authorization_response_iss_parameter_supported);
    assert!(server.client_id_metadata_document_supported);
    assert_eq!(
        server.dpop_signing_alg_values_supported.as_deref().unwrap(),
        ["ES256"]
    );
    assert!(server.dpop_bound_access_tokens_required);
    assert_eq!(server.other["mtls_endpoint_aliases"]["a"], 1);
    let methods = server
        .token_endpoint_auth_methods_supported
        .as_deref()
        .unwrap();
    assert_eq!(methods[1].as_str(), "new_method");
    let notes = found.attempts[1].notes();
    assert_eq!(
        notes[0],
        "ignored `registration_endpoint` `http://as.example/register`: plain http is for \
         loopback hosts only"
    );
    assert_eq!(
        notes[1],
        "ignored `revocation_endpoint` `https://as.example/r#…`: it holds a fragment (`#`)"
    );
    assert_eq!(notes.len(), 7, "{notes:#?}");
}

#[test]
fn scopes_come_from_setting_challenge_or_metadata() {
    #[track_caller]
    fn check(setting: Option<&str>, header: &str, listed: &str, expected: &str) {
        let json = format!(
            "{{\"resource\": {MCP:?}, \"authorization_servers\": [\"https://as.example\"]{listed}}}"
        );
        let mut headers = HeaderMap::new();
        headers.insert("www-authenticate", header.parse().unwrap());
        let settings =
            ServerSettings::default().with_scopes(setting.map(|text| Scopes::parse(text).unwrap()));
        let found = pointed()
            .serve(PATH_PRM, &json)
            .issuer(AS, "https://as.example")
            .run();
        let scopes = found.unwrap().scopes(&challenges(&headers), &settings);
        assert_eq!(scopes.to_string(), expected);
    }
    let listed = ", \"scopes_supported\": [\"p\", \"bad scope\", \"q\"]";
    check(Some("set"), "Bearer scope=c", listed, "set");
    check(Some(""), "Bearer scope=c", listed, "");
    check(None, "Bearer scope=\"d c\"", listed, "c d");
    check(None, "Bearer, DPoP scope=c, Bearer scope=d", listed, "c");
    check(None, "Bearer scope=\"\"", listed, "p q");
    check(None, "Bearer", listed, "p q");
    check(None, "Bearer", ", \"scopes_supported\": []", "");
    check(None, "Bearer", "", "");
}

#[test]
fn dpop_requirement_follows_from_challenge_or_metadata() {
    #[track_caller]
    fn check(header: &str, listed: &str, expected: bool) {
        let json = format!(
            "{{\"resource\": {MCP:?}, \"authorization_servers\": [\"https://as.example\"]{listed}}}"
        );
        let mut headers = HeaderMap::new();
        headers.insert("www-authenticate", header.parse().unwrap());
        let found = pointed()
            .serve(PATH_PRM, &json)
            .issuer(AS, "https://as.example")
            .run();
        let demanded = found.unwrap().demands_bound_tokens(&challenges(&headers));
        assert_eq!(demanded, expected, "{header}{listed}");
    }
    let required = ", \"dpop_bound_access_tokens_required\": true";
    check("DPoP algs=\"ES256\"", "", true);
    check("DPoP, Bearer", "", false);
    check("Bearer", "", false);
    check("Bearer", required, true);
    check("Basic realm=x", required, true);
    check("Basic realm=x", "", false);
}

#[test]
fn missing_pkce_list_is_waived_by_the_setting_alone() {
    let found = naming(&["https://as.example"])
        .serve(AS, &with("\"token_endpoint\": \"https://as.example/t\""))
        .run()
        .unwrap();
    let assume = ServerSettings::default().with_pkce(PkceSetting::AssumeS256);
    assert!(!found.server.supports_s256());
    assert!(!found.pkce_waived(&ServerSettings::default()));
    assert!(found.pkce_waived(&assume));
    let found = naming(&["https://as.example"])
        .serve(AS, &server_metadata_json("https://as.example"))
        .run()
        .unwrap();
    assert!(found.server.supports_s256());
}
