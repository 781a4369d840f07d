//! How the client proves itself, and to whom.

use hallpass_core::{
    ClientId, CredentialKey, ExplicitEndpoints, Hint, Issuer, Record, Registration, Remedy,
    ServerMetadata, ServerSettings, SettingsFingerprint, SignInReason, TokenEndpointAuthMethod,
    record::RegistrationOrigin,
};
use hallpass_service::{ServiceClient, ServiceError, ServiceErrorKind};
use serde_json::{Value, json};

use crate::grants::{bearer, vouched_for};
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

/// A sign-in with `settings` at a server that lists `methods`.
async fn named_check(
    settings: ServerSettings,
    client: ServiceClient,
    methods: Value,
    is_sent: bool,
) -> Option<ServiceError> {
    let server = ScriptedServer::new(&json!({ "token_endpoint_auth_methods_supported": methods }));
    let asked = SignInCase {
        settings,
        ..SignInCase::default()
    };
    let outcome = asked.run(&server.login(client.clone())).await;
    let sent = [server.sent("/token"), server.sent("/exchange")].concat();
    assert_eq!(
        !sent.is_empty(),
        is_sent,
        "{client:?} {methods} sent {sent:?}"
    );
    let error = outcome.err();
    let kind = error.as_ref().map(ServiceError::kind);
    assert_eq!(kind, (!is_sent).then_some(ServiceErrorKind::IssuerNotNamed));
    error
}

#[tokio::test]
async fn secret_is_not_sent_to_issuer_that_the_server_alone_names() {
    let unnamed = |secret| with_client(secret).with_issuer(None);
    let secret = Some("canary-secret");
    for methods in [
        json!(null),
        json!(["client_secret_basic"]),
        json!(["client_secret_post"]),
    ] {
        named_check(unnamed(secret), itself(), methods.clone(), false).await;
        // The server chooses how the client proves itself, where it has both.
        named_check(unnamed(secret), signing(), methods, false).await;
    }
    // What another party signed is good wherever that party said.
    for client in [bearer("a.b.c"), vouched_for()] {
        named_check(unnamed(None), client.clone(), json!(null), false).await;
        named_check(unnamed(secret), client, json!(null), false).await;
    }
    // What the client signs is good at this issuer alone, and an identifier is no secret.
    let by_key = json!(["private_key_jwt"]);
    named_check(unnamed(None), signing(), by_key.clone(), true).await;
    named_check(unnamed(secret), signing(), by_key, true).await;
    named_check(unnamed(None), itself(), json!(["none"]), true).await;
}

#[tokio::test]
async fn secret_is_sent_to_issuer_that_the_user_named() {
    let unnamed = || with_client(Some("canary-secret")).with_issuer(None);
    let issuer: Issuer = ISSUER.parse().unwrap();
    let mut of_client = unnamed();
    of_client.client.pre_registered.as_mut().unwrap().issuer = Some(issuer.clone());
    let endpoints = ExplicitEndpoints::new("https://as.example/token".parse().unwrap());
    let document = "https://as.example/.well-known/oauth-authorization-server";
    for settings in [
        unnamed().with_issuer(issuer.clone()),
        unnamed()
            .with_issuer("https://as.example/".parse::<Issuer>().ok())
            .with_trusted_issuers(vec![issuer]),
        unnamed().with_endpoints(endpoints),
        unnamed().with_server_metadata_url(document.parse::<url::Url>().ok()),
        unnamed().with_issuer_from_resource(true),
        of_client,
    ] {
        for client in [itself(), bearer("a.b.c"), vouched_for()] {
            named_check(settings.clone(), client, json!(null), true).await;
        }
    }
}

#[tokio::test]
async fn issuer_that_the_server_alone_names_is_shown_to_be_checked() {
    let settings = with_client(Some("canary-secret")).with_issuer(None);
    let error = named_check(settings, itself(), json!(null), false)
        .await
        .unwrap();
    assert_eq!(error.remedy(), Remedy::Configure);
    assert_eq!(
        error.to_string(),
        "the client's secret is sent to no authorization server that https://mcp.example/mcp alone \
         names: its metadata names https://as.example"
    );
    assert_eq!(error.hints()[0], Hint::setting("issuer", Some(ISSUER)));
    assert!(error.hints()[1].to_string().starts_with("only if"));
}

#[tokio::test]
async fn nothing_is_sent_where_metadata_elsewhere_claims_a_trusted_issuer() {
    let honest: Issuer = "https://honest.example".parse().unwrap();
    let server = || {
        ScriptedServer::new(&json!({
            "issuer": honest.as_str(),
            "token_endpoint": "https://as.example/token",
        }))
    };
    let mut settings = with_client(Some("canary-secret"))
        .with_issuer(None)
        .with_trusted_issuers(vec![honest.clone()]);
    for bound in [None, Some(honest.clone())] {
        settings.client.pre_registered.as_mut().unwrap().issuer = bound;
        for from_resource in [false, true] {
            for client in [itself(), signing(), bearer("a.b.c"), vouched_for()] {
                let asked = SignInCase {
                    settings: settings.clone().with_issuer_from_resource(from_resource),
                    ..SignInCase::default()
                };
                let server = server();
                let outcome = asked.run(&server.login(client)).await;
                assert!(server.sent("/token").is_empty());
                assert!(server.sent("/exchange").is_empty());
                let kind = outcome.err().map(|error| error.kind());
                assert_eq!(kind, Some(ServiceErrorKind::OtherIssuer));
            }
        }
    }
}
