//! Servers that mean harm: documents of any shape, and too much of everything.

use hallpass_core::{Diagnostic as _, ServerUrl};
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Map, Value, json};

use crate::fixture::{AS, MCP, PATH_PRM, case, pointed};

#[test]
fn long_list_of_servers_costs_few_requests() {
    let issuers: Vec<String> = (0..500).map(|n| format!("https://as{n}.example")).collect();
    let issuers: Vec<&str> = issuers.iter().map(String::as_str).collect();
    let case = pointed().protected(PATH_PRM, MCP, &issuers);
    let error = case.run().unwrap_err();
    assert_eq!(case.network.take_asked().len(), 1 + 8 * 2);
    assert!(error.to_string().len() < 4000);
}

#[test]
fn many_challenges_cost_few_requests() {
    let headers: Vec<String> = (0..50)
        .map(|n| format!("Bearer resource_metadata=\"https://mcp.example/{n}\""))
        .collect();
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    let case = case(&headers);
    case.run().unwrap_err();
    assert_eq!(case.network.take_asked().len(), 4);
}

#[test]
fn many_malformed_entries_leave_few_notes() {
    let mut entries = vec!["nonsense"; 1000];
    entries.push("https://as.example");
    let found = pointed()
        .protected(PATH_PRM, MCP, &entries)
        .issuer(AS, "https://as.example")
        .run()
        .unwrap();
    assert_eq!(found.attempts[0].notes().len(), 16);
}

#[test]
fn endless_resource_identifier_is_refused() {
    let long = format!("https://mcp.example/mcp?{}", "x".repeat(3000));
    let error = pointed().protected(PATH_PRM, &long, &[]).run().unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("is empty or endless (RFC 9728 §2)"),
        "{error}"
    );
    let long = format!("https://as.example/{}", "x".repeat(3000));
    let error = pointed()
        .protected(PATH_PRM, MCP, &[&long])
        .run()
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("names no usable authorization server"),
        "{error}"
    );
}

const MEMBERS: [&str; 16] = [
    "resource",
    "authorization_servers",
    "scopes_supported",
    "resource_name",
    "dpop_bound_access_tokens_required",
    "issuer",
    "authorization_endpoint",
    "token_endpoint",
    "registration_endpoint",
    "revocation_endpoint",
    "grant_types_supported",
    "token_endpoint_auth_methods_supported",
    "code_challenge_methods_supported",
    "require_pushed_authorization_requests",
    "authorization_response_iss_parameter_supported",
    "x",
];

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        select(vec![
            MCP,
            "https://as.example",
            "https://as.example/t",
            "S256",
            "",
            "http://[::1"
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec(("[a-z]{0,3}", inner), 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn document() -> impl Strategy<Value = Map<String, Value>> {
    vec((select(MEMBERS.to_vec()), value()), 0..10).prop_map(|members| {
        members
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever the documents hold, what comes out obeys the rules.
    #[test]
    fn document_of_any_shape_obeys_the_rules(
        mut resource in document(),
        mut server in document(),
        keep_resource in any::<bool>(),
        keep_server in any::<bool>(),
    ) {
        if !keep_resource {
            resource.insert("resource".to_owned(), json!(MCP));
            resource.insert("authorization_servers".to_owned(), json!(["https://as.example"]));
        }
        if !keep_server {
            server.insert("issuer".to_owned(), json!("https://as.example"));
            server.entry("token_endpoint").or_insert(json!("https://as.example/t"));
        }
        let case = pointed()
            .serve(PATH_PRM, &Value::Object(resource).to_string())
            .serve(AS, &Value::Object(server).to_string());
        match case.run() {
            Ok(found) => {
                prop_assert_eq!(found.server.issuer.as_str(), "https://as.example");
                let published = &found.resource_metadata.as_ref().unwrap().resource;
                prop_assert!(published.matches_server(&ServerUrl::parse(MCP).unwrap()).is_ok());
                for endpoint in [
                    &found.server.authorization_endpoint,
                    &found.server.token_endpoint,
                    &found.server.registration_endpoint,
                    &found.server.revocation_endpoint,
                ].into_iter().flatten() {
                    prop_assert_eq!(endpoint.scheme(), "https");
                }
            }
            Err(error) => {
                prop_assert!(!error.to_string().is_empty());
                prop_assert!(!error.hints().is_empty(), "{}", error);
                prop_assert!(!error.attempts().is_empty());
            }
        }
    }
}
