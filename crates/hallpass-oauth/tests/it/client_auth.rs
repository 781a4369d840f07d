use base64::{Engine, engine::general_purpose::STANDARD};
use hallpass_core::{
    ClientId, ClientSecret, Registration, Scopes, TokenEndpointAuthMethod,
    record::RegistrationOrigin,
};
use hallpass_oauth::{AvailableCredentials, ClientAuthentication, TokenRequest, negotiate};

use crate::{form, metadata, url};

/// The `Authorization` header (opened) and the form of a request.
fn sent(client: &ClientAuthentication<'_>) -> (Option<String>, String) {
    let request = TokenRequest::client_credentials(&Scopes::none(), None)
        .into_http(&url("https://as.example/token"), client);
    let header = request.headers().get("authorization").map(|value| {
        assert!(value.is_sensitive());
        let credentials = value.to_str().unwrap().strip_prefix("Basic ").unwrap();
        String::from_utf8(STANDARD.decode(credentials).unwrap()).unwrap()
    });
    (header, form(&request))
}

#[track_caller]
fn check(client: &ClientAuthentication<'_>, header: Option<&str>, body: &str) {
    let (got_header, got_body) = sent(client);
    assert_eq!(got_header.as_deref(), header);
    assert_eq!(got_body, format!("grant_type=client_credentials\n{body}"));
}

#[test]
fn request_has_one_authentication_method() {
    let id = ClientId::new("my:id");
    let secret = ClientSecret::new("p&w");
    check(&ClientAuthentication::none(&id), None, "client_id=my:id\n");
    check(
        &ClientAuthentication::basic(&id, &secret),
        Some("my%3Aid:p%26w"),
        "client_id=my:id\n",
    );
    check(
        &ClientAuthentication::post(&id, &secret),
        None,
        "client_id=my:id\nclient_secret=p&w\n",
    );
    check(
        &ClientAuthentication::assertion(&id, "a.b.c"),
        None,
        "client_id=my:id\n\
         client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer\n\
         client_assertion=a.b.c\n",
    );
}

#[test]
fn basic_form_encodes_id_and_secret() {
    for (id, secret, expected) in [
        (
            "pre-registered-client",
            "pre-registered-secret",
            "pre-registered-client:pre-registered-secret",
        ),
        ("a b", "c+d", "a+b:c%2Bd"),
        (
            "https://app.example/c.json",
            "%",
            "https%3A%2F%2Fapp.example%2Fc.json:%25",
        ),
        ("é", "~*", "%C3%A9:~*"),
        ("id", "", "id:"),
    ] {
        let (id, secret) = (ClientId::new(id), ClientSecret::new(secret));
        check(
            &ClientAuthentication::basic(&id, &secret),
            Some(expected),
            &format!("client_id={}\n", id.as_str()),
        );
    }
}

#[test]
fn registration_decides_the_method() {
    use TokenEndpointAuthMethod::{ClientSecretBasic, ClientSecretPost, None as Public, Other};

    for (method, secret, expected) in [
        (Public, None, Public),
        (Public, Some("s"), Public),
        (ClientSecretBasic, Some("s"), ClientSecretBasic),
        (ClientSecretPost, Some("s"), ClientSecretPost),
        (ClientSecretPost, None, Public),
        (Other("tls_client_auth".to_owned()), Some("s"), Public),
    ] {
        let mut registration =
            Registration::new(RegistrationOrigin::PreRegistered, ClientId::new("id"));
        registration.auth_method = method;
        registration.client_secret = secret.map(ClientSecret::new);
        let client = ClientAuthentication::from_registration(&registration);
        assert_eq!(client.method(), expected);
        assert_eq!(client.client_id().as_str(), "id");
    }
}

#[test]
fn method_is_negotiated_from_metadata_and_credentials() {
    let nothing = AvailableCredentials::default();
    let secret = AvailableCredentials {
        secret: true,
        key: false,
    };
    let key = AvailableCredentials {
        secret: false,
        key: true,
    };
    let both = AvailableCredentials {
        secret: true,
        key: true,
    };
    for (listed, means, expected) in [
        // A server that lists nothing takes Basic (RFC 8414 §2).
        (None, nothing, Some("none")),
        (None, secret, Some("client_secret_basic")),
        (None, key, Some("private_key_jwt")),
        // A client without secret and key is public, whatever is listed.
        (Some(""), nothing, Some("none")),
        (Some(""), secret, Some("client_secret_basic")),
        (Some("none"), nothing, Some("none")),
        (Some("none"), secret, Some("none")),
        (
            Some("client_secret_post"),
            secret,
            Some("client_secret_post"),
        ),
        (
            Some("client_secret_post client_secret_basic"),
            secret,
            Some("client_secret_basic"),
        ),
        (
            Some("none client_secret_post"),
            secret,
            Some("client_secret_post"),
        ),
        (Some("client_secret_basic"), nothing, Some("none")),
        (
            Some("client_secret_post private_key_jwt client_secret_basic"),
            nothing,
            Some("none"),
        ),
        (Some("client_secret_basic"), key, None),
        (
            Some("private_key_jwt client_secret_basic"),
            both,
            Some("private_key_jwt"),
        ),
        (Some("private_key_jwt"), key, Some("private_key_jwt")),
        (Some("client_secret_basic none"), key, Some("none")),
        (Some("tls_client_auth"), secret, Some("client_secret_basic")),
        (Some("tls_client_auth"), nothing, Some("none")),
    ] {
        let mut metadata = metadata();
        metadata.token_endpoint_auth_methods_supported = listed.map(|listed: &str| {
            listed
                .split_whitespace()
                .map(|name| TokenEndpointAuthMethod::from(name.to_owned()))
                .collect()
        });
        let got = negotiate(&metadata, means);
        assert_eq!(
            got.as_ref().map(TokenEndpointAuthMethod::as_str),
            expected,
            "{listed:?}"
        );
    }
}
