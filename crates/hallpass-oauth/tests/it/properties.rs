use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hallpass_core::{AuthScheme, ClientId, ClientSecret, Resource, Scopes};
use hallpass_oauth::{
    AuthorizationRequest, ClientAuthentication, RetryAfter, TokenRequest, TokenResponse,
    registration_from_http,
};
use http::{HeaderMap, HeaderValue, Response};
use proptest::prelude::*;

use crate::{
    Counting,
    authorization::{REDIRECT, begin},
    metadata, parameter, url,
};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Any text goes through a form and comes out the same.
    #[test]
    fn encoded_form_is_parsed_to_the_same_pairs(assertion in "\\PC*|[ -~]*|[\\x00-\\x1f]*", id in "\\PC{1,20}") {
        let id = ClientId::new(id);
        let request = TokenRequest::jwt_bearer(&assertion, &Scopes::none(), None)
            .into_http(&url("https://as.example/token"), &ClientAuthentication::none(&id));
        let pairs: Vec<_> = form_urlencoded::parse(request.body()).into_owned().collect();
        prop_assert_eq!(&pairs[1], &("assertion".to_owned(), assertion));
        prop_assert_eq!(&pairs[2], &("client_id".to_owned(), id.as_str().to_owned()));
        prop_assert_eq!(pairs.len(), 3);
    }

    /// Any identifier and any secret go through the `Authorization` header and come out the same.
    #[test]
    fn basic_credentials_round_trip(id in "\\PC{1,20}|[ -~]{1,20}", secret in "\\PC*|[ -~]*") {
        let (id, secret) = (ClientId::new(id), ClientSecret::new(secret));
        let request = TokenRequest::client_credentials(&Scopes::none(), None).into_http(
            &url("https://as.example/token"),
            &ClientAuthentication::basic(&id, &secret),
        );
        let header = request.headers()["authorization"].to_str().unwrap();
        let pair = STANDARD.decode(header.strip_prefix("Basic ").unwrap()).unwrap();
        let pair = String::from_utf8(pair).unwrap();
        let (got_id, got_secret) = pair.split_once(':').unwrap();
        // Each half is one value of a form.
        let decode = |half: &str| {
            let form = format!("v={half}");
            let pairs: Vec<_> = form_urlencoded::parse(form.as_bytes()).into_owned().collect();
            assert_eq!(pairs.len(), 1);
            pairs[0].1.clone()
        };
        prop_assert_eq!(decode(got_id), id.as_str());
        prop_assert_eq!(decode(got_secret), secret.expose());
    }

    /// Whatever the endpoint's own query is, each parameter of ours stands once, with our value.
    #[test]
    fn endpoint_query_changes_no_parameter_of_ours(
        query in "((resource|state|client_id|scope|p|re%73ource|%)?(=|&|%3D|[a-z%+]{0,3})){0,12}"
    ) {
        let mut metadata = metadata();
        metadata.authorization_endpoint = Some(url(&format!("https://as.example/a?{query}")));
        let resource = Resource::parse("https://mcp.example").unwrap();
        let pending = AuthorizationRequest {
            metadata: &metadata,
            client_id: &ClientId::new("c"),
            redirect_uri: REDIRECT,
            resource: Some(&resource),
            scopes: &Scopes::from_server("a"),
            pkce_waived: false,
            extra: &[],
        }
        .begin(&Counting::default())
        .unwrap();
        let of = |name: &str| parameter(pending.url(), name).unwrap();
        prop_assert_eq!(of("resource"), "https://mcp.example");
        prop_assert_eq!(of("client_id"), "c");
        prop_assert_eq!(of("scope"), "a");
        prop_assert_eq!(of("redirect_uri"), REDIRECT);
        prop_assert_eq!(of("state").len(), 43);
    }

    /// No query makes `receive` panic, and none without this login's state brings a code or ends it.
    #[test]
    fn callback_with_another_state_is_stray(
        query in "\\PC*|((code|state|iss|error|error_description)[=&%a-zA-Z0-9]{0,6}&?){0,8}"
    ) {
        let pending = begin(&metadata());
        let error = pending.receive(&query).unwrap_err();
        prop_assert!(!error.is_fatal());
        prop_assert!(!error.to_string().is_empty());
    }

    /// The same with the right state: never a panic, and a code only where there is one.
    #[test]
    fn any_response_is_read(query in "\\PC*|((code|iss|error)=?[%a-zA-Z0-9]{0,6}&){0,8}") {
        let pending = begin(&metadata());
        let state = parameter(pending.url(), "state").unwrap();
        match pending.receive(&format!("state={state}&{query}")) {
            Ok(_) => prop_assert!(query.contains("code=") || query.contains('%')),
            Err(error) => {
                prop_assert!(error.to_string().chars().count() < 700);
                prop_assert!(!error.to_string().chars().any(char::is_control));
            }
        }
    }

    /// No body makes a reader panic, and no error text holds a control character or is long.
    #[test]
    fn any_answer_is_read(
        status in 100_u16..=999,
        body in "\\PC*|\\{\"error\":\"\\PC{0,30}\",\"error_description\":\"\\PC{0,300}\"\\}",
    ) {
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
        if let Err(error) = TokenResponse::from_http(&response, AuthScheme::Bearer) {
            prop_assert!(error.to_string().chars().count() < 400);
            prop_assert!(!error.to_string().chars().any(char::is_control));
        }
        let _ = registration_from_http(&response, REDIRECT, &metadata());
    }

    #[test]
    fn any_retry_after_is_read(value in "[ -~]{0,40}") {
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", HeaderValue::from_str(&value).unwrap());
        let _ = RetryAfter::from_headers(&headers);
    }
}
