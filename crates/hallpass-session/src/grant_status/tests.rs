use hallpass_core::{
    AccessToken, ClientId, ClientSecret, ClientSetting, Issuer, PreRegisteredClient,
    ResourceSetting, ServerMetadata, ServerUrl, TokenEndpointAuthMethod, record::GrantKind,
};

use super::*;

const NOW: Timestamp = Timestamp::from_unix_seconds(1_000);

fn key() -> CredentialKey {
    CredentialKey::new(ServerUrl::parse("https://mcp.example.com/mcp").unwrap())
}

fn issuer(text: &str) -> Issuer {
    Issuer::parse(text).unwrap()
}

fn signed_in(settings: &ServerSettings) -> Record {
    let metadata = ServerMetadata::new(issuer("https://as.example.com"));
    let mut record = Record::new(key(), metadata, settings.fingerprint());
    record.grant = Some(Grant::new(
        GrantKind::AuthorizationCode,
        AccessToken::new("access"),
        NOW,
    ));
    record.registration = Some(Registration::new(
        RegistrationOrigin::PreRegistered,
        ClientId::new("client"),
    ));
    record.state = State::SignedIn;
    record
}

fn pre_registered(at: Option<&str>) -> ServerSettings {
    ServerSettings {
        client: ClientSetting {
            pre_registered: Some(PreRegisteredClient {
                id: ClientId::new("client"),
                secret: Some(ClientSecret::new("new-secret")),
                auth_method: None,
                issuer: at.map(issuer),
            }),
            ..ClientSetting::default()
        },
        ..ServerSettings::default()
    }
}

#[track_caller]
fn check(record: &Record, settings: &ServerSettings, expected: impl Into<Option<SignInNeed>>) {
    let found = usable(Some(record), &key(), settings, &settings.fingerprint());
    assert_eq!(found.err(), expected.into());
}

#[test]
fn record_is_used_for_its_own_credential_only() {
    let settings = ServerSettings::default();
    let record = signed_in(&settings);
    check(&record, &settings, None);

    let mut moved = record.clone();
    moved.key = CredentialKey::new(ServerUrl::parse("https://other.example.com").unwrap());
    check(&moved, &settings, SignInNeed::First);

    let mut foreign = record;
    foreign.issuer = issuer("https://other-as.example.com");
    check(&foreign, &settings, SignInNeed::First);
    assert_eq!(
        usable(None, &key(), &settings, &settings.fingerprint()).unwrap_err(),
        SignInNeed::First
    );
}

#[test]
fn changed_setting_is_named() {
    let before = signed_in(&ServerSettings::default());
    let changed = |setting: &str| SignInNeed::SettingChanged(setting.to_owned());
    let omitted = ServerSettings {
        resource: ResourceSetting::Omitted,
        ..ServerSettings::default()
    };
    check(&before, &omitted, changed("resource"));
    let other_issuer = ServerSettings {
        issuer: Some(issuer("https://other-as.example.com")),
        ..ServerSettings::default()
    };
    check(&signed_in(&other_issuer), &other_issuer, changed("issuer"));
    let bound = pre_registered(Some("https://other-as.example.com"));
    check(&signed_in(&bound), &bound, changed("client"));
    for same in ["https://as.example.com", "https://as.example.com/"] {
        let bound = pre_registered(Some(same));
        check(&signed_in(&bound), &bound, None);
        let named = ServerSettings {
            issuer: Some(issuer(same)),
            ..ServerSettings::default()
        };
        check(&signed_in(&named), &named, None);
    }
    let trusting = ServerSettings {
        issuer: Some(issuer("https://other-as.example.com")),
        trusted_issuers: vec![issuer("https://as.example.com")],
        ..ServerSettings::default()
    };
    check(&signed_in(&trusting), &trusting, None);
}

#[test]
fn ended_record_has_its_cause() {
    let settings = ServerSettings::default();
    for (state, expected) in [
        (State::Registered, Some(SignInNeed::First)),
        (State::OutcomeUnknown, None),
        (
            State::SignInRequired(SignInCause::RefreshRefused),
            Some(SignInNeed::Ended(SignInCause::RefreshRefused)),
        ),
        (
            State::SignInRequired(SignInCause::SignedOut),
            Some(SignInNeed::Ended(SignInCause::SignedOut)),
        ),
    ] {
        let mut record = signed_in(&settings);
        record.state = state;
        check(&record, &settings, expected);
    }
}

#[test]
fn replaced_secret_is_taken_from_the_settings() {
    let settings = pre_registered(None);
    let mut record = signed_in(&settings);
    if let Some(kept) = &mut record.registration {
        kept.client_secret = Some(ClientSecret::new("old-secret"));
        kept.secret_expires_at = Some(NOW);
        kept.auth_method = TokenEndpointAuthMethod::ClientSecretBasic;
        assert!(secret_has_expired(kept, NOW));
    }
    let client = registration(&record, &settings).unwrap();
    assert_eq!(
        client.client_secret.as_ref().unwrap().expose(),
        "new-secret"
    );
    assert!(!secret_has_expired(&client, NOW));

    let mut dynamic = record;
    if let Some(kept) = &mut dynamic.registration {
        kept.origin = RegistrationOrigin::Dynamic;
    }
    let client = registration(&dynamic, &settings).unwrap();
    assert_eq!(client.client_secret.unwrap().expose(), "old-secret");
}

#[test]
fn reusable_record_keeps_its_valid_parts() {
    let settings = ServerSettings::default();
    let reuse = |settings: &ServerSettings, record: Record| {
        reusable(record, settings, &settings.fingerprint(), NOW)
    };
    let record = signed_in(&settings);
    assert_eq!(reuse(&settings, record.clone()), Some(record.clone()));
    assert_eq!(reuse(&pre_registered(None), record.clone()), None);

    let mut expired = record;
    if let Some(kept) = &mut expired.registration {
        kept.client_secret = Some(ClientSecret::new("old-secret"));
        kept.secret_expires_at = Some(NOW);
        kept.auth_method = TokenEndpointAuthMethod::ClientSecretPost;
    }
    assert_eq!(reuse(&settings, expired).unwrap().registration, None);
}
