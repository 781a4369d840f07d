use hallpass_core::{
    AccessToken, CallbackSetting, ClientPrivateKey, ClientSecret, ClientSigningKey, CredentialKey,
    Grant, Issuer, Remedy, ServerUrl, SettingsFingerprint, record::GrantKind,
};
use url::Url;

use super::*;

const ISSUER: &str = "https://as.example";
const CALLBACK: &str = "http://127.0.0.1:40123/callback";

struct Case {
    settings: ServerSettings,
    metadata: ServerMetadata,
    previous: Option<Record>,
    scopes: Scopes,
    device_grant: bool,
    reason: SignInReason,
}

impl Case {
    fn new() -> Self {
        let mut metadata = ServerMetadata::new(Issuer::parse(ISSUER).unwrap());
        metadata.registration_endpoint = Some(Url::parse("https://as.example/register").unwrap());
        Self {
            settings: ServerSettings::default(),
            metadata,
            previous: None,
            scopes: Scopes::from_server("a"),
            device_grant: false,
            reason: SignInReason::Requested,
        }
    }

    fn registered(issuer: &str) -> Self {
        let mut case = Self::new();
        let key = CredentialKey::new(ServerUrl::parse("https://mcp.example/mcp").unwrap());
        let metadata = ServerMetadata::new(Issuer::parse(issuer).unwrap());
        let mut record = Record::new(key, metadata, SettingsFingerprint::default());
        let mut registration =
            Registration::new(RegistrationOrigin::Dynamic, ClientId::new("before"));
        registration.redirect_uri = Some(CALLBACK.to_owned());
        record.registration = Some(registration);
        case.previous = Some(record);
        case
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn registration(&mut self) -> &mut Registration {
        self.previous
            .as_mut()
            .unwrap()
            .registration
            .as_mut()
            .unwrap()
    }

    fn configure(&mut self, issuer: Option<&str>) {
        self.settings.client.pre_registered = Some(
            PreRegisteredClient::new(ClientId::new("by-hand"))
                .with_secret(ClientSecret::new("canary"))
                .with_issuer(issuer.map(|issuer| Issuer::parse(issuer).unwrap())),
        );
    }

    fn choose(
        &self,
        reregister: Option<ReregistrationReason>,
    ) -> Result<PlannedClient, LoginError> {
        let candidates = ClientCandidates {
            settings: &self.settings,
            metadata: &self.metadata,
            previous: self.previous.as_ref(),
            scopes: &self.scopes,
            device_grant: self.device_grant,
            callback: &CallbackAddress::from_setting(&self.settings.callback).unwrap(),
            reason: self.reason,
            now: Timestamp::from_unix_seconds(1000),
        };
        candidates.choose(reregister).map(|(client, _)| client)
    }

    fn check(&self, expected: &str) {
        let found = match self.choose(None) {
            Ok(PlannedClient::Configured(client)) => {
                format!("configured {} {}", client.client_id, client.auth_method)
            }
            Ok(PlannedClient::Reused(client)) => format!("reused {}", client.client_id),
            Ok(PlannedClient::Register(None)) => "register".to_owned(),
            Ok(PlannedClient::Register(Some(reason))) => format!("register: {reason}"),
            Err(error) => {
                let shown = format!("{error} {error:?}");
                assert!(!shown.contains("canary"), "{shown}");
                assert_eq!(error.remedy(), Remedy::Configure);
                assert!(!error.hints().is_empty());
                format!("{:?}", error.kind())
            }
        };
        assert_eq!(found, expected);
    }
}

#[test]
fn client_is_chosen_in_the_order_of_mcp() {
    let document = Some(Url::parse("https://host.example/client.json").unwrap());
    Case::new().check("register");
    Case::new()
        .with(|case| case.metadata.registration_endpoint = None)
        .check("NoClient");
    Case::new()
        .with(|case| case.settings.client.metadata_document.clone_from(&document))
        .check("register");
    let mut case = Case::registered(ISSUER).with(|case| {
        case.settings.client.metadata_document.clone_from(&document);
        case.metadata.client_id_metadata_document_supported = true;
    });
    case.check("configured https://host.example/client.json none");
    case.configure(None);
    case.check("configured by-hand client_secret_basic");
}

#[test]
fn configured_client_of_another_issuer_is_refused() {
    let check = |issuer, previous: Option<&str>, expected| {
        let mut case = match previous {
            Some(previous) => Case::registered(previous).with(|case| {
                let registration = case.registration();
                registration.origin = RegistrationOrigin::PreRegistered;
                registration.client_id = ClientId::new("by-hand");
            }),
            None => Case::new(),
        };
        case.configure(issuer);
        case.check(expected);
    };
    let known = "configured by-hand client_secret_basic";
    check(None, None, known);
    check(Some(ISSUER), None, known);
    check(Some("https://as.example/"), None, known);
    check(Some("https://evil.example"), None, "OtherIssuer");
    check(None, Some(ISSUER), known);
    check(None, Some("https://evil.example"), "OtherIssuer");
    check(Some(ISSUER), Some("https://before.example"), known);

    // After a migration there is no record of the new server, and so no binding to go by.
    let mut moved = Case::new().with(|case| case.reason = SignInReason::Migration);
    moved.configure(None);
    moved.check("OtherIssuer");
    moved.configure(Some(ISSUER));
    moved.check(known);
}

#[test]
fn method_of_configured_client_is_negotiated() {
    let check = |listed: Option<&[&str]>, secret: bool, expected: &str| {
        let mut case = Case::new();
        case.configure(None);
        if !secret {
            case.settings.client.pre_registered.as_mut().unwrap().secret = None;
        }
        case.metadata.token_endpoint_auth_methods_supported =
            listed.map(|names| names.iter().map(|name| (*name).to_owned().into()).collect());
        case.check(expected);
    };
    check(None, true, "configured by-hand client_secret_basic");
    check(None, false, "configured by-hand none");
    check(
        Some(&["client_secret_post"]),
        true,
        "configured by-hand client_secret_post",
    );
    check(
        Some(&["client_secret_post"]),
        false,
        "configured by-hand none",
    );
}

#[test]
fn configured_method_without_its_credential_is_refused() {
    let check = |method: &str, secret: bool, key: bool, expected: &str| {
        let mut case = Case::new();
        case.configure(None);
        let client = case.settings.client.pre_registered.as_mut().unwrap();
        client.auth_method = Some(method.to_owned().into());
        if !secret {
            client.secret = None;
        }
        case.settings.client.key = key.then(|| ClientSigningKey {
            pem: ClientPrivateKey::new("canary"),
            id: None,
        });
        case.metadata.token_endpoint_auth_methods_supported =
            Some(vec![TokenEndpointAuthMethod::ClientSecretBasic]);
        case.check(expected);
    };
    check("none", true, false, "configured by-hand none");
    check(
        "client_secret_post",
        true,
        false,
        "configured by-hand client_secret_post",
    );
    check("client_secret_post", false, true, "Setting");
    check("client_secret_basic", false, false, "Setting");
    check("private_key_jwt", true, false, "Setting");
    check(
        "private_key_jwt",
        false,
        true,
        "configured by-hand private_key_jwt",
    );
}

#[test]
fn registration_is_reused_unless_it_no_longer_fits() {
    Case::registered(ISSUER).check("reused before");
    Case::registered("https://other.example").check("register");
    Case::registered("https://as.example/").check("register");
    Case::registered(ISSUER)
        .with(|case| case.registration().origin = RegistrationOrigin::PreRegistered)
        .check("register");
    Case::registered(ISSUER)
        .with(|case| case.registration().redirect_uri = None)
        .check("register: the callback setting has changed");
    Case::registered(ISSUER)
        .with(|case| {
            case.settings.callback = CallbackSetting::default().with_port(3118);
        })
        .check("register: the callback setting has changed");
    let expires = |at| {
        Case::registered(ISSUER).with(|case| {
            case.registration().secret_expires_at = Some(Timestamp::from_unix_seconds(at));
        })
    };
    expires(1000).check("register: its secret has expired");
    expires(1001).check("reused before");
    assert_eq!(
        Case::registered(ISSUER)
            .choose(Some(ReregistrationReason::Refused))
            .unwrap(),
        PlannedClient::Register(Some(ReregistrationReason::Refused))
    );
    // At a first sign-in there is no earlier registration.
    let mut first = Case::registered(ISSUER);
    first.previous = None;
    for reregister in [None, Some(ReregistrationReason::NeedsSecret)] {
        assert_eq!(
            first.choose(reregister).unwrap(),
            PlannedClient::Register(reregister)
        );
    }
    // Without a registration endpoint a reusable registration is still used.
    Case::registered(ISSUER)
        .with(|case| case.metadata.registration_endpoint = None)
        .check("reused before");
}

#[test]
fn registration_with_the_path_of_its_issuer_is_reused() {
    let case = |path: &str| {
        Case::registered(ISSUER).with(|case| {
            let redirect_uri = format!("http://127.0.0.1:40123{path}");
            case.registration().redirect_uri = Some(redirect_uri);
        })
    };
    let changed = "register: the callback setting has changed";
    let own = "/callback/93e20fbd9d9436f7";
    case(own).check("reused before");
    case("/callback/eb8aeaa7d6dcc18a").check(changed);
    case("/callback/").check(changed);
    // A path that the user set is for every issuer.
    let set = |path: &str, setting: &str| {
        case(path).with(|case| {
            let setting = setting.to_owned();
            case.settings.callback = CallbackSetting::default().with_path(setting);
        })
    };
    set("/callback", "/callback").check("reused before");
    set(own, "/callback").check(changed);
    set("/callback", "/other").check(changed);
}

#[test]
fn more_scopes_than_registered_register_again_once() {
    let case = |registered: &str, asked: &str| {
        Case::registered(ISSUER).with(|case| {
            case.registration().scopes = Some(Scopes::from_server(registered));
            case.scopes = Scopes::from_server(asked);
        })
    };
    case("a b", "a").check("reused before");
    let narrow = case("a", "a b");
    narrow.check("register: it was registered for fewer scopes");
    // The server narrowed the registration when both were asked for: asking again changes nothing.
    narrow
        .with(|case| {
            let mut grant = Grant::new(
                GrantKind::AuthorizationCode,
                AccessToken::new("canary"),
                Timestamp::from_unix_seconds(0),
            );
            grant.requested_scopes = Scopes::from_server("a b");
            case.previous.as_mut().unwrap().grant = Some(grant);
        })
        .check("reused before");
}
