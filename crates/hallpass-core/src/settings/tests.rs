use super::*;

#[test]
fn the_default_settings_have_an_empty_fingerprint() {
    assert_eq!(
        ServerSettings::default().fingerprint(),
        SettingsFingerprint::default()
    );
}

#[test]
fn a_changed_setting_is_named() {
    let before = ServerSettings::default();
    let after = ServerSettings {
        resource: ResourceSetting::Omitted,
        ..before.clone()
    };
    assert_eq!(
        before.fingerprint().difference(&after.fingerprint()),
        Some("resource")
    );
    assert_eq!(
        after.fingerprint().difference(&before.fingerprint()),
        Some("resource")
    );
    assert_eq!(after.fingerprint().difference(&after.fingerprint()), None);
}

#[test]
fn bound_tokens_are_another_credential() {
    let bound = ServerSettings {
        dpop: DpopSetting::Always,
        ..ServerSettings::default()
    };
    let usual = ServerSettings::default().fingerprint();
    assert_eq!(usual.difference(&bound.fingerprint()), Some("dpop"));
}

#[test]
fn a_secret_does_not_enter_the_fingerprint() {
    let client = |secret: &str| ServerSettings {
        client: ClientSetting {
            pre_registered: Some(PreRegisteredClient {
                id: ClientId::new("id"),
                secret: Some(ClientSecret::new(secret)),
                auth_method: None,
                issuer: None,
            }),
            ..ClientSetting::default()
        },
        ..ServerSettings::default()
    };
    assert_eq!(client("one").fingerprint(), client("two").fingerprint());
}

#[test]
fn the_callback_is_no_part_of_a_credential() {
    let moved = ServerSettings {
        callback: CallbackSetting {
            port: Some(4000),
            ..CallbackSetting::default()
        },
        ..ServerSettings::default()
    };
    assert_eq!(moved.fingerprint(), ServerSettings::default().fingerprint());
}
