//! What another client of the same server kept is taken over.

use std::{sync::Arc, time::Duration};

use hallpass::{
    ClientId, ImportedCredentials, Remedy, ServerSettings,
    record::State,
    settings::PreRegisteredClient,
    store::{CredentialStore, LockKind, MemoryStore, Saved},
};
use hallpass_testkit::{Endpoint, Fault, ReuseCounts};
use serde_json::{Value, json};

use crate::fixture::Fixture;

/// A server that another client has signed in to, and what that one kept.
struct Left {
    fixture: Fixture,
    client: Value,
    tokens: Value,
}

impl Left {
    async fn new() -> Self {
        let fixture = Fixture::new().await;
        let other = fixture.host().build().unwrap();
        other.login().await.unwrap();
        let last = |endpoint| {
            let requests = fixture.requests_to(endpoint);
            let answer = requests.last().unwrap().answer.clone().unwrap();
            answer.json().unwrap().clone()
        };
        let client = last(Endpoint::Registration);
        let tokens = last(Endpoint::CodeExchange);
        Self {
            fixture,
            client,
            tokens,
        }
    }

    fn imported(&self) -> ImportedCredentials {
        ImportedCredentials::new(self.client.to_string()).with_tokens(self.tokens.to_string())
    }

    /// Why it can't be taken over.
    async fn refused(&self, settings: ServerSettings) -> (Remedy, String) {
        let host = self.fixture.host().settings(settings).build().unwrap();
        let error = host.import_credentials(&self.imported()).await.unwrap_err();
        (error.remedy(), error.to_string())
    }
}

#[tokio::test]
async fn imported_credentials_sign_in_and_are_refreshed() {
    let left = Left::new().await;
    let store = Arc::new(MemoryStore::default());
    let host = left
        .fixture
        .host()
        .store(Arc::clone(&store) as Arc<dyn CredentialStore>);
    let host = host.build().unwrap();
    let before = left.fixture.issuer.recorder().len();
    let record = host.import_credentials(&left.imported()).await.unwrap();
    let since = left.fixture.issuer.recorder().since(before);
    let harmless = [
        Endpoint::Mcp,
        Endpoint::ResourceMetadata,
        Endpoint::ServerMetadata,
    ];
    assert!(
        since
            .iter()
            .all(|request| harmless.iter().any(|it| request.is_to(*it))),
        "{since:?}"
    );
    assert_eq!(record.state, State::SignedIn);

    let key = host.key().clone();
    let mut guard = store
        .lock(&key, LockKind::Credential, Duration::from_secs(1))
        .await
        .unwrap();
    let saved = store.save(&record, None, &mut guard).await.unwrap();
    assert!(matches!(saved, Saved::Written(_)));
    guard.release().await.unwrap();

    let token = host.session().token().await.unwrap();
    assert!(token.expires_at().is_some());
    let url = left.fixture.server.url();
    assert_eq!(left.fixture.resources(Endpoint::Refresh), [[url]]);
    assert_eq!(
        left.fixture.issuer.registry().reuse_counts(),
        ReuseCounts::default()
    );
    assert_eq!(left.fixture.browser.visits(), 1, "the other one's");
}

#[tokio::test]
async fn credentials_without_refresh_token_import_the_client() {
    let mut left = Left::new().await;
    left.tokens.as_object_mut().unwrap().remove("refresh_token");
    let host = left.fixture.host().build().unwrap();
    for imported in [
        left.imported(),
        ImportedCredentials::new(left.client.to_string()),
    ] {
        let record = host.import_credentials(&imported).await.unwrap();
        assert_eq!(record.state, State::Registered);
        assert!(record.grant.is_none());
        let registration = record.registration.unwrap();
        assert_eq!(registration.redirect_uri, imported.redirect_uri());
        assert_eq!(
            Some(registration.client_id.as_str()),
            left.client["client_id"].as_str()
        );
    }
}

#[tokio::test]
async fn unusable_credentials_are_refused() {
    let mut left = Left::new().await;

    let settings = ServerSettings::default().with_client(
        hallpass::settings::ClientSetting::default()
            .with_pre_registered(PreRegisteredClient::new(ClientId::new("mine"))),
    );
    let (remedy, what) = left.refused(settings).await;
    assert_eq!(remedy, Remedy::SignIn);
    assert!(what.contains("a client is set"), "{what}");

    // A document that another file named could send the refresh token anywhere.
    let settings = ServerSettings::default()
        .with_server_metadata_url(url::Url::parse("https://elsewhere.example/metadata").unwrap());
    let (remedy, what) = left.refused(settings).await;
    assert_eq!(remedy, Remedy::SignIn);
    assert!(what.contains("the settings say where"), "{what}");

    // RFC 9068 §2.2: a token of another issuer.
    let kept = left.tokens["access_token"].take();
    left.tokens["access_token"] =
        "eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL290aGVyLmV4YW1wbGUifQ.c2ln".into();
    let (remedy, what) = left.refused(ServerSettings::default()).await;
    assert_eq!(remedy, Remedy::SignIn);
    assert!(what.contains("is from https://other.example"), "{what}");
    left.tokens["access_token"] = kept;

    // Where the right document may only be down, another one counts for nothing.
    let down = Fault::Status {
        status: 503,
        retry_after: None,
    };
    left.fixture.server.once(Endpoint::ResourceMetadata, down);
    let (remedy, what) = left.refused(ServerSettings::default()).await;
    assert_eq!(remedy, Remedy::Retry, "{what}");

    left.tokens = json!({ "refresh_token": "b" });
    let (_, what) = left.refused(ServerSettings::default()).await;
    assert_eq!(what, "what was kept is no answer with tokens");
    left.tokens = json!({ "access_token": "a", "refresh_token": "b" });
    left.client["redirect_uris"] = json!(["https://host.example/callback"]);
    let (_, what) = left.refused(ServerSettings::default()).await;
    assert!(what.contains("no redirect URI on this machine"), "{what}");
    left.client = json!({ "redirect_uris": ["http://localhost:1/cb"] });
    let (_, what) = left.refused(ServerSettings::default()).await;
    assert_eq!(what, "what was kept is no registration of a client");

    assert_eq!(left.fixture.requests_to(Endpoint::Refresh).len(), 0);
    let shown = format!("{:?}", left.imported());
    assert_eq!(shown, "ImportedCredentials { has_tokens: true, .. }");
}
