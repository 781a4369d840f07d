//! What another client of the same server kept is taken over.

use std::{sync::Arc, time::Duration};

use hallpass::{
    ClientId, ImportedCredentials, MemoryStore, PreRegisteredClient, Remedy, ServerSettings, State,
    store::{CredentialStore, LockKind, Saved},
};
use hallpass_testkit::{Endpoint, Fault, ReuseCounts};
use serde_json::{Value, json};

use crate::world::World;

/// A server that another client has signed in to, and what that one kept.
struct Left {
    world: World,
    client: Value,
    tokens: Value,
}

impl Left {
    async fn new() -> Self {
        let world = World::new().await;
        let other = world.host().build().unwrap();
        other.login().await.unwrap();
        let last = |endpoint| {
            let requests = world.requests_to(endpoint);
            let answer = requests.last().unwrap().answer.clone().unwrap();
            answer.json().unwrap().clone()
        };
        let client = last(Endpoint::Registration);
        let tokens = last(Endpoint::CodeExchange);
        Self {
            world,
            client,
            tokens,
        }
    }

    fn handover(&self) -> ImportedCredentials {
        ImportedCredentials::new(self.client.to_string()).with_tokens(self.tokens.to_string())
    }

    /// Why it can't be taken over.
    async fn refused(&self, settings: ServerSettings) -> (Remedy, String) {
        let host = self.world.host().settings(settings).build().unwrap();
        let error = host.take_over(&self.handover()).await.unwrap_err();
        (error.remedy(), error.to_string())
    }
}

#[tokio::test]
async fn the_first_refresh_makes_it_ours() {
    let left = Left::new().await;
    let store = Arc::new(MemoryStore::default());
    let host = left
        .world
        .host()
        .store(Arc::clone(&store) as Arc<dyn CredentialStore>);
    let host = host.build().unwrap();
    let before = left.world.issuer.recorder().len();
    let record = host.take_over(&left.handover()).await.unwrap();
    let since = left.world.issuer.recorder().since(before);
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
    let url = left.world.server.url();
    assert_eq!(left.world.resources(Endpoint::Refresh), [[url]]);
    assert_eq!(
        left.world.issuer.registry().reuse_counts(),
        ReuseCounts::default()
    );
    assert_eq!(left.world.visitor.visits(), 1, "the other one's");
}

#[tokio::test]
async fn without_a_refresh_token_there_is_the_client() {
    let mut left = Left::new().await;
    left.tokens.as_object_mut().unwrap().remove("refresh_token");
    let host = left.world.host().build().unwrap();
    for handover in [
        left.handover(),
        ImportedCredentials::new(left.client.to_string()),
    ] {
        let record = host.take_over(&handover).await.unwrap();
        assert_eq!(record.state, State::Registered);
        assert!(record.grant.is_none());
        let registration = record.registration.unwrap();
        assert_eq!(registration.redirect_uri, handover.redirect_uri());
        assert_eq!(
            Some(registration.client_id.as_str()),
            left.client["client_id"].as_str()
        );
    }
}

#[tokio::test]
async fn what_can_not_be_done_rightly_is_not_done() {
    let mut left = Left::new().await;

    let settings = ServerSettings {
        client: hallpass::ClientSetting {
            pre_registered: Some(PreRegisteredClient {
                id: ClientId::new("mine"),
                secret: None,
                auth_method: None,
                issuer: None,
            }),
            ..hallpass::ClientSetting::default()
        },
        ..ServerSettings::default()
    };
    let (remedy, what) = left.refused(settings).await;
    assert_eq!(remedy, Remedy::SignIn);
    assert!(what.contains("a client is set"), "{what}");

    // A document that another file named could send the refresh token anywhere.
    let settings = ServerSettings {
        server_metadata_url: Some("https://elsewhere.example/metadata".parse().unwrap()),
        ..ServerSettings::default()
    };
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
    left.world.server.once(Endpoint::ResourceMetadata, down);
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

    assert_eq!(left.world.requests_to(Endpoint::Refresh).len(), 0);
    let shown = format!("{:?}", left.handover());
    assert_eq!(shown, "Handover { has_tokens: true, .. }");
}
