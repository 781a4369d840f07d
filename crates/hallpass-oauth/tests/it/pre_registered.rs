use hallpass_core::{
    ClientId, ClientSecret, CredentialKey, Diagnostic as _, Issuer, PreRegisteredClient, Record,
    Registration, Remedy, SettingsFingerprint, SignInReason, TokenEndpointAuthMethod,
    record::RegistrationOrigin,
};
use hallpass_oauth::{PreRegisteredClientError, check_client_issuer, pre_registration};

use crate::metadata;

fn client(secret: bool, method: Option<&str>) -> PreRegisteredClient {
    let mut client = PreRegisteredClient::new(ClientId::new("by-hand"));
    client.secret = secret.then(|| ClientSecret::new("canary"));
    client.auth_method = method.map(|name| TokenEndpointAuthMethod::from(name.to_owned()));
    client
}

#[track_caller]
fn check_method(
    client: &PreRegisteredClient,
    has_key: bool,
    listed: Option<&str>,
    expected: Result<&str, &str>,
) {
    let mut metadata = metadata();
    metadata.token_endpoint_auth_methods_supported =
        listed.map(|name| vec![TokenEndpointAuthMethod::from(name.to_owned())]);
    let found = pre_registration(client, Some(&metadata), has_key);
    let found = found.as_ref().map_or_else(
        |error| {
            assert!(!format!("{error:?}").contains("canary"));
            assert_eq!(error.remedy(), Remedy::Configure);
            Err(error.to_string())
        },
        |registration| Ok(registration.auth_method.as_str()),
    );
    assert_eq!(found, expected.map_err(str::to_owned));
}

#[test]
fn method_of_pre_registered_client_is_configured_or_negotiated() {
    let (basic, post) = ("client_secret_basic", "client_secret_post");
    check_method(&client(true, None), false, None, Ok(basic));
    check_method(&client(false, None), false, None, Ok("none"));
    check_method(&client(true, None), false, Some(post), Ok(post));
    check_method(&client(true, Some(post)), false, Some(basic), Ok(post));
    check_method(&client(true, Some("none")), false, None, Ok("none"));
    let jwt = "private_key_jwt";
    check_method(&client(false, Some(jwt)), true, None, Ok(jwt));
    let none = "the client `by-hand` has no credential ";
    for (secret, key, method) in [
        (false, true, post),
        (false, false, basic),
        (true, false, jwt),
    ] {
        let text = format!("{none}for `{method}`");
        check_method(&client(secret, Some(method)), key, None, Err(&text));
    }
    let text = format!("{none}that https://as.example accepts");
    check_method(&client(false, None), true, Some(basic), Err(&text));
    check_method(&client(false, None), false, Some(jwt), Ok("none"));
}

#[test]
fn method_without_metadata_follows_from_the_secret() {
    for (secret, method) in [(true, "client_secret_basic"), (false, "none")] {
        let registration = pre_registration(&client(secret, None), None, false).unwrap();
        assert_eq!(registration.auth_method.as_str(), method);
    }
}

#[test]
fn pre_registered_client_of_another_issuer_is_refused() {
    let record = |issuer: &str| {
        let key = CredentialKey::new("https://mcp.example/mcp".parse().unwrap());
        let metadata = hallpass_core::ServerMetadata::new(Issuer::parse(issuer).unwrap());
        let mut record = Record::new(key, metadata, SettingsFingerprint::default());
        let id = ClientId::new("by-hand");
        record.registration = Some(Registration::new(RegistrationOrigin::PreRegistered, id));
        record
    };
    let found = metadata().issuer;
    let (here, elsewhere) = (record("https://as.example"), record("https://old.example"));
    let check = |issuer: Option<&str>, previous, reason, expected: Option<&str>| {
        let mut client = client(true, None);
        client.issuer = issuer.map(|issuer| Issuer::parse(issuer).unwrap());
        let refused = check_client_issuer(&client, &found, previous, reason).err();
        assert!(
            refused
                .as_ref()
                .is_none_or(PreRegisteredClientError::is_other_issuer)
        );
        let text = expected.map(|bound| {
            format!(
                "the client `by-hand` is registered with {bound}, and the server names \
                 https://as.example now"
            )
        });
        assert_eq!(refused.map(|error| error.to_string()), text);
    };
    let (first, moved) = (SignInReason::First, SignInReason::Migration);
    check(None, None, first, None);
    check(Some("https://as.example"), None, first, None);
    check(Some("https://as.example/"), None, moved, None);
    let old = Some("https://old.example");
    check(old, None, first, old);
    check(None, Some(&here), first, None);
    check(None, Some(&elsewhere), first, old);
    check(None, None, moved, Some("another authorization server"));
}
