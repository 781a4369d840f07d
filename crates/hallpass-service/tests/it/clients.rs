//! How the client proves itself, and to whom.

use hallpass_core::{
    ClientId, CredentialKey, Record, Registration, Remedy, ServerMetadata, ServerSettings,
    SettingsFingerprint, SignInReason, TokenEndpointAuthMethod, record::RegistrationOrigin,
};
use hallpass_service::{ServiceClient, ServiceErrorKind};
use serde_json::{Value, json};

use crate::scripted_server::{
    ISSUER, SERVER, ScriptedServer, SignInCase, answer, claims, error, itself, key, token,
    with_client,
};

fn signing() -> ServiceClient {
    itself().with_key(key())
}

/// The method that is used with a server that lists `methods`.
async fn check(client: ServiceClient, secret: Option<&str>, methods: Value, expected: &str) {
    let server = ScriptedServer::new(&json!({ "token_endpoint_auth_methods_supported": methods }));
    let asked = SignInCase {
        settings: with_client(secret),
        ..SignInCase::default()
    };
    let record = asked.run(&server.login(client)).await.unwrap();
    let registration = record.registration.unwrap();
    assert_eq!(registration.origin, RegistrationOrigin::PreRegistered);
    assert_eq!(registration.auth_method.as_str(), expected, "{methods}");
    let sent = &server.sent("/token")[0];
    let found = (
        sent.header("authorization").is_some(),
        sent.parameter("client_secret").is_some(),
        sent.parameter("client_assertion").is_some(),
    );
    let wanted = match expected {
        "client_secret_basic" => (true, false, false),
        "client_secret_post" => (false, true, false),
        "private_key_jwt" => (false, false, true),
        _ => (false, false, false),
    };
    assert_eq!(found, wanted, "{methods}");
}

#[tokio::test]
async fn method_is_the_strongest_of_server_and_client() {
    let secret = Some("canary-secret");
    check(itself(), secret, json!(null), "client_secret_basic").await;
    check(
        itself(),
        secret,
        json!(["client_secret_basic", "client_secret_post"]),
        "client_secret_basic",
    )
    .await;
    check(
        itself(),
        secret,
        json!(["client_secret_post"]),
        "client_secret_post",
    )
    .await;
    check(itself(), None, json!(["none"]), "none").await;
    check(
        signing(),
        None,
        json!(["private_key_jwt"]),
        "private_key_jwt",
    )
    .await;
    check(
        signing(),
        secret,
        json!(["private_key_jwt", "client_secret_basic"]),
        "private_key_jwt",
    )
    .await;
}

#[tokio::test]
async fn client_assertion_is_for_the_issuer_and_one_request() {
    let server = ScriptedServer::new(
        &json!({ "token_endpoint_auth_methods_supported": ["private_key_jwt"] }),
    );
    server.on(
        "/token",
        [
            error(503, "temporarily_unavailable"),
            answer(200, &token("Bearer")),
        ],
    );
    SignInCase {
        settings: with_client(None),
        ..SignInCase::default()
    }
    .run(&server.login(signing()))
    .await
    .unwrap();
    let sent = server.sent("/token");
    let claims: Vec<_> = sent
        .iter()
        .map(|sent| claims(&sent.parameter("client_assertion").unwrap()))
        .collect();
    assert_eq!(claims.len(), 2, "the server was not ready at first");
    for claims in &claims {
        assert_eq!(claims["aud"], ISSUER);
        assert_eq!(
            (&claims["iss"], &claims["sub"]),
            (&json!("service"), &json!("service"))
        );
    }
    assert_ne!(claims[0]["jti"], claims[1]["jti"]);
}

#[tokio::test]
async fn metadata_document_is_the_client_where_supported() {
    let document = "https://service.example/client.json";
    let mut settings = ServerSettings::default();
    settings.client.metadata_document = Some(document.parse().unwrap());
    let asked = SignInCase {
        settings,
        ..SignInCase::default()
    };
    let server = ScriptedServer::new(&json!({ "client_id_metadata_document_supported": true }));
    asked.run(&server.login(itself())).await.unwrap();
    assert_eq!(
        server.sent("/token")[0].parameter("client_id").unwrap(),
        document
    );

    let server = ScriptedServer::new(&json!({}));
    let error = asked.run(&server.login(itself())).await.unwrap_err();
    assert_eq!(error.kind(), ServiceErrorKind::NoClient);
    assert_eq!(error.remedy(), Remedy::Configure);
    assert!(server.sent("/token").is_empty());
}

#[tokio::test]
async fn client_without_credentials_sends_nothing() {
    let methods = json!({ "token_endpoint_auth_methods_supported": ["private_key_jwt"] });
    let server = ScriptedServer::new(&methods);
    let asked = SignInCase {
        settings: with_client(None),
        ..SignInCase::default()
    };
    let error = asked.run(&server.login(itself())).await.unwrap_err();
    assert_eq!(error.kind(), ServiceErrorKind::NoClient);
    assert!(server.sent("/token").is_empty());

    let mut settings = with_client(None);
    let client = settings.client.pre_registered.as_mut().unwrap();
    client.auth_method = Some(TokenEndpointAuthMethod::ClientSecretPost);
    let asked = SignInCase {
        settings,
        ..SignInCase::default()
    };
    let error = asked.run(&server.login(itself())).await.unwrap_err();
    assert_eq!(error.kind(), ServiceErrorKind::NoClient);
}

/// A record of an earlier sign-in at `issuer`.
fn before(issuer: &str) -> Record {
    let metadata = ServerMetadata::new(issuer.parse().unwrap());
    let key = CredentialKey::new(SERVER.parse().unwrap());
    let mut record = Record::new(key, metadata, SettingsFingerprint::default());
    let client = ClientId::new("service");
    record.registration = Some(Registration::new(RegistrationOrigin::PreRegistered, client));
    let token = hallpass_core::AccessToken::new("old");
    let now = hallpass_core::Timestamp::from_unix_seconds(1_700_000_000);
    let kind = hallpass_core::record::GrantKind::ClientCredentials;
    record.grant = Some(hallpass_core::Grant::new(kind, token, now));
    record
}

#[tokio::test]
async fn client_is_not_sent_to_another_issuer() {
    async fn check(
        bound: Option<&str>,
        previous: Option<&Record>,
        reason: SignInReason,
        sent: bool,
    ) {
        let server = ScriptedServer::new(&json!({}));
        let mut settings = with_client(Some("canary-secret"));
        let client = settings.client.pre_registered.as_mut().unwrap();
        client.issuer = bound.map(|issuer| issuer.parse().unwrap());
        let asked = SignInCase {
            settings,
            reason,
            previous,
            ..SignInCase::default()
        };
        let outcome = asked.run(&server.login(itself())).await;
        assert_eq!(
            server.sent("/token").len(),
            usize::from(sent),
            "{bound:?} {reason:?}"
        );
        let kind = outcome.err().map(|error| error.kind());
        assert_eq!(kind, (!sent).then_some(ServiceErrorKind::OtherIssuer));
    }
    let (here, elsewhere) = (before(ISSUER), before("https://old.example"));
    check(None, None, SignInReason::First, true).await;
    check(Some(ISSUER), None, SignInReason::First, true).await;
    check(Some("https://as.example/"), None, SignInReason::First, true).await;
    check(
        Some("https://old.example"),
        None,
        SignInReason::First,
        false,
    )
    .await;
    check(None, Some(&here), SignInReason::Ended, true).await;
    check(None, Some(&elsewhere), SignInReason::Ended, false).await;
    check(None, None, SignInReason::Migration, false).await;
    check(Some(ISSUER), None, SignInReason::Migration, true).await;
}
