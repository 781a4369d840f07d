use hallpass_core::{
    AccessToken, ClientId, Grant, RefreshToken, Resource, Scopes, record::GrantKind,
};
use hallpass_oauth::{ClientAuthentication, TokenRequest};

use crate::{NOW, form, url};

#[track_caller]
fn check(request: TokenRequest, expected: &str) {
    let id = ClientId::new("c");
    let request = request.into_http(
        &url("https://as.example//token?t=1"),
        &ClientAuthentication::none(&id),
    );
    assert_eq!(request.uri(), "https://as.example//token?t=1");
    assert_eq!(form(&request), format!("{expected}client_id=c\n"));
}

#[test]
fn refresh_request_has_the_grant_s_resource() {
    let mut grant = Grant::new(GrantKind::AuthorizationCode, AccessToken::new("a"), NOW);
    assert!(TokenRequest::refresh(&grant).is_none());
    grant.refresh_token = Some(RefreshToken::new("r+/=:1"));
    grant.requested_scopes = Scopes::from_server("a b");
    grant.granted_scopes = Some(Scopes::from_server("a"));
    check(
        TokenRequest::refresh(&grant).unwrap(),
        "grant_type=refresh_token\nrefresh_token=r+/=:1\n",
    );
    // For a server that wants the scopes of the sign-in named.
    check(
        TokenRequest::refresh(&grant)
            .unwrap()
            .with_scopes_of(&grant),
        "grant_type=refresh_token\nrefresh_token=r+/=:1\nscope=a b\n",
    );
    // The text as it was published: no slash is added.
    grant.resource = Some(Resource::parse("https://MCP.example").unwrap());
    check(
        TokenRequest::refresh(&grant).unwrap(),
        "grant_type=refresh_token\nrefresh_token=r+/=:1\nresource=https://MCP.example\n",
    );
}

#[test]
fn client_credentials_and_jwt_bearer_requests_have_scope_and_resource() {
    let scopes = Scopes::from_server("b a");
    let resource = Resource::parse("https://mcp.example/mcp").unwrap();
    check(
        TokenRequest::client_credentials(&scopes, Some(&resource)),
        "grant_type=client_credentials\nscope=a b\nresource=https://mcp.example/mcp\n",
    );
    check(
        TokenRequest::client_credentials(&Scopes::none(), None),
        "grant_type=client_credentials\n",
    );
    check(
        TokenRequest::jwt_bearer("h.c.s", &scopes, Some(&resource)),
        "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer\nassertion=h.c.s\nscope=a b\n\
         resource=https://mcp.example/mcp\n",
    );
}

#[test]
fn parameter_in_the_endpoint_s_query_is_not_sent_twice() {
    let resource = Resource::parse("https://mcp.example/mcp").unwrap();
    let id = ClientId::new("c");
    let request = TokenRequest::client_credentials(&Scopes::none(), Some(&resource)).into_http(
        &url("https://as.example/token?resource=x&t=%31&client_id=d&grant_type"),
        &ClientAuthentication::none(&id),
    );
    assert_eq!(request.uri(), "https://as.example/token?t=%31");
    assert_eq!(
        form(&request),
        "grant_type=client_credentials\nresource=https://mcp.example/mcp\nclient_id=c\n"
    );
}
