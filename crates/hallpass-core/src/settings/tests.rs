use super::*;

#[test]
fn default_settings_have_an_empty_fingerprint() {
    assert_eq!(
        ServerSettings::default().fingerprint(),
        SettingsFingerprint::default()
    );
}

#[test]
fn changed_setting_is_named() {
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
fn changed_dpop_setting_changes_the_fingerprint() {
    let bound = ServerSettings {
        dpop: DpopSetting::Always,
        ..ServerSettings::default()
    };
    let usual = ServerSettings::default().fingerprint();
    assert_eq!(usual.difference(&bound.fingerprint()), Some("dpop"));
}

#[test]
fn fingerprint_holds_no_secret() {
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
fn changed_callback_leaves_the_fingerprint() {
    let moved = ServerSettings {
        callback: CallbackSetting {
            port: Some(4000),
            ..CallbackSetting::default()
        },
        ..ServerSettings::default()
    };
    assert_eq!(moved.fingerprint(), ServerSettings::default().fingerprint());
}
