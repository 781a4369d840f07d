//! What rmcp's credentials are in a record, and what of a record rmcp is given.

use std::sync::Arc;

use hallpass_core::{
    AccessToken, AuthScheme, ClientId, ClientSecret, CredentialKey, CredentialStore, DpopKey,
    Grant, HttpClient, Issuer, Record, RefreshToken, Registration, Resource, Scopes,
    ServerMetadata, ServerUrl, SettingsFingerprint, State, Timestamp,
    record::{GrantKind, RegistrationOrigin},
    store::{LockKind, Saved},
};
use hallpass_http::{Client, HttpConfig};
use hallpass_rmcp_bridge::{Bridge, BridgeStore};
use hallpass_store::MemoryStore;
use hallpass_testkit::FakeClock;
use rmcp::transport::auth::{AuthError, CredentialStore as _, StoredCredentials};
use serde_json::{Value, json};

const AS: &str = "https://as.example/tenant";

struct StoreFixture {
    store: Arc<MemoryStore>,
    key: CredentialKey,
    rmcp: BridgeStore,
}

impl StoreFixture {
    fn new() -> Self {
        let store = Arc::new(MemoryStore::default());
        let key = CredentialKey::new(ServerUrl::parse("https://mcp.example/mcp").unwrap());
        let http: Arc<dyn HttpClient> = Arc::new(Client::new(HttpConfig::default()).unwrap());
        let clock = Arc::new(FakeClock::default());
        let bridge = Bridge::with_clock(key.clone(), store.clone(), http, clock);
        let rmcp = bridge.credential_store();
        Self { store, key, rmcp }
    }

    async fn record(&self) -> Option<Record> {
        self.store.load(&self.key).await.unwrap()
    }

    /// Puts a record there as a Hallpass session would.
    async fn put(&self, change: impl FnOnce(&mut Record)) {
        let mut metadata = ServerMetadata::new(Issuer::parse(AS).unwrap());
        metadata.token_endpoint = Some("https://as.example/token".parse().unwrap());
        let mut record = Record::new(self.key.clone(), metadata, SettingsFingerprint::default());
        let mut client = Registration::new(RegistrationOrigin::Dynamic, ClientId::new("c"));
        client.client_secret = Some(ClientSecret::new("s"));
        client.redirect_uri = Some("http://127.0.0.1/callback".to_owned());
        record.registration = Some(client);
        let received = Timestamp::from_unix_seconds(1_000);
        let kind = GrantKind::AuthorizationCode;
        let mut grant = Grant::new(kind, AccessToken::new("a1"), received);
        grant.expires_at = Some(Timestamp::from_unix_seconds(1_600));
        grant.refresh_token = Some(RefreshToken::new("r1"));
        grant.requested_scopes = Scopes::parse("read write").unwrap();
        grant.resource = Some(Resource::parse("https://mcp.example/mcp").unwrap());
        record.grant = Some(grant);
        record.state = State::SignedIn;
        change(&mut record);
        let wait = std::time::Duration::ZERO;
        let mut guard = self
            .store
            .lock(&self.key, LockKind::Credential, wait)
            .await
            .unwrap();
        let saved = self.store.save(&record, None, &mut guard).await.unwrap();
        assert!(matches!(saved, Saved::Written(_)));
    }
}

fn credentials(client: &str, answer: Value) -> StoredCredentials {
    let answer = Some(serde_json::from_value(answer).unwrap());
    let scopes = vec!["read".to_owned()];
    StoredCredentials::new(client.to_owned(), answer, scopes, Some(2_000))
        .with_issuer(Some(AS.to_owned()))
}

fn answer(token: &str) -> Value {
    json!({
        "access_token": token,
        "token_type": "bearer",
        "expires_in": 60,
        "refresh_token": "r2",
        "scope": "read",
    })
}

#[tokio::test]
async fn saved_credentials_are_loaded_again() {
    let fixture = StoreFixture::new();
    assert!(fixture.rmcp.load().await.unwrap().is_none());
    let saved = credentials("c", answer("a2"));
    fixture.rmcp.save(saved.clone()).await.unwrap();
    let loaded = fixture.rmcp.load().await.unwrap().unwrap();
    let as_json = |credentials| serde_json::to_value(credentials).unwrap();
    assert_eq!(as_json(loaded), as_json(saved));

    fixture.rmcp.clear().await.unwrap();
    assert!(fixture.rmcp.load().await.unwrap().is_none());
    assert!(fixture.record().await.is_none());
}

#[tokio::test]
async fn save_keeps_members_unknown_to_rmcp() {
    let fixture = StoreFixture::new();
    fixture.put(|_| {}).await;
    let given = fixture.rmcp.load().await.unwrap().unwrap();
    assert_eq!(given.client_id, "c");
    assert_eq!(given.granted_scopes, ["read", "write"]);
    assert_eq!(given.token_received_at, Some(1_000));
    assert_eq!(given.issuer.as_deref(), Some(AS));
    let given = serde_json::to_value(given.token_response).unwrap();
    assert_eq!(given["expires_in"], 600);
    assert_eq!(given["refresh_token"], "r1");

    let before = fixture.record().await.unwrap();
    fixture
        .rmcp
        .save(credentials("c", answer("a2")))
        .await
        .unwrap();
    let after = fixture.record().await.unwrap();
    assert_eq!(after.registration, before.registration);
    assert_eq!(after.metadata, before.metadata);
    let grant = after.grant.unwrap();
    assert_eq!(grant.resource, before.grant.unwrap().resource);
    assert_eq!(grant.access_token.expose(), "a2");
    assert_eq!(grant.refresh_token.unwrap().expose(), "r2");
    assert_eq!(grant.expires_at, Some(Timestamp::from_unix_seconds(2_060)));
    assert_eq!(grant.requested_scopes.to_string(), "read write");
    assert_eq!(grant.granted_scopes.unwrap().to_string(), "read");
}

/// Another client at the same server gets nothing of the first one's.
#[tokio::test]
async fn another_client_replaces_the_registration() {
    let fixture = StoreFixture::new();
    fixture.put(|_| {}).await;
    let document = "https://host.example/client.json";
    fixture
        .rmcp
        .save(credentials(document, answer("a2")))
        .await
        .unwrap();
    let record = fixture.record().await.unwrap();
    let client = record.registration.unwrap();
    assert_eq!(client.client_id.as_str(), document);
    assert_eq!(client.origin, RegistrationOrigin::MetadataDocument);
    assert_eq!(client.client_secret, None);
    assert_eq!(record.grant.unwrap().resource, None);
}

/// rmcp moves a client that is its document's URL to another server, without its tokens.
#[tokio::test]
async fn client_without_tokens_is_kept_for_its_issuer() {
    let fixture = StoreFixture::new();
    fixture.put(|_| {}).await;
    let document = "https://host.example/client.json";
    let moved = StoredCredentials::new(document.to_owned(), None, Vec::new(), None);
    let moved = moved.with_issuer(Some("https://other.example".to_owned()));
    fixture.rmcp.save(moved).await.unwrap();
    let record = fixture.record().await.unwrap();
    assert_eq!(record.issuer.as_str(), "https://other.example");
    assert_eq!(record.state, State::Registered);
    let given = fixture.rmcp.load().await.unwrap().unwrap();
    assert!(given.token_response.is_none());
    assert_eq!(fixture.store.records(&fixture.key).await.unwrap().len(), 2);
}

#[tokio::test]
async fn server_without_issuer_is_its_own_issuer() {
    let fixture = StoreFixture::new();
    let legacy = credentials("c", answer("a2")).with_issuer(None);
    fixture.rmcp.save(legacy).await.unwrap();
    let issuer = fixture.record().await.unwrap().issuer;
    assert_eq!(issuer.as_str(), "https://mcp.example");
}

#[tokio::test]
async fn bound_token_is_neither_loaded_nor_saved_as_bearer() {
    let fixture = StoreFixture::new();
    fixture
        .put(|record| {
            let grant = record.grant.as_mut().unwrap();
            grant.scheme = AuthScheme::Dpop;
            grant.dpop_key = Some(DpopKey::new("key"));
        })
        .await;
    let given = fixture.rmcp.load().await.unwrap().unwrap();
    assert!(given.token_response.is_none());

    let bound = json!({ "access_token": "a2", "token_type": "DPoP" });
    let refused = fixture.rmcp.save(credentials("c", bound)).await;
    let Err(AuthError::CredentialStoreError(text)) = refused else {
        panic!("{refused:?}");
    };
    assert!(text.contains("a DPoP token"), "{text}");
    assert!(!text.contains("a2"), "{text}");
    let kept = fixture.record().await.unwrap().grant.unwrap();
    assert_eq!(kept.access_token.expose(), "a1");

    // A user who signs in again gets a bearer token, and the key is of no use to it.
    fixture
        .rmcp
        .save(credentials("c", answer("a3")))
        .await
        .unwrap();
    let grant = fixture.record().await.unwrap().grant.unwrap();
    assert_eq!(grant.scheme, AuthScheme::Bearer);
    assert_eq!(grant.dpop_key, None);
}

/// A grant that a session has ended is not given out.
#[tokio::test]
async fn expired_grant_is_not_loaded() {
    let fixture = StoreFixture::new();
    fixture
        .put(|record| {
            let cause = hallpass_core::record::SignInCause::TokenRefused;
            record.state = State::SignInRequired(cause);
        })
        .await;
    let given = fixture.rmcp.load().await.unwrap().unwrap();
    assert!(given.token_response.is_none());
}

#[tokio::test]
async fn debug_shows_no_secret() {
    let fixture = StoreFixture::new();
    fixture.put(|_| {}).await;
    let shown = format!("{:?} {:?}", fixture.rmcp, fixture.rmcp.load().await);
    for secret in ["a1", "r1"] {
        assert!(!shown.contains(&format!("\"{secret}\"")), "{shown}");
    }
}
