//! A session over sealed files.

use std::{path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use hallpass_core::{
    AccessToken, AuthScheme, BoxFuture, Challenge, ClientId, Clock as _, CredentialStore as _,
    Grant, HttpClient, HttpError, Issuer, Record, RefreshToken, Registration, ServerMetadata,
    ServerSettings, ServerUrl, CredentialKey, State,
    http::{Body, RequestOptions},
    record::{GrantKind, RegistrationOrigin}, store::LockKind};
use hallpass_session::{Session, SystemClock, Token};
use hallpass_store::{FileStore, KeyFile};
use http::{Request, Response};

use crate::{Source, server::TokenEndpoint};

pub(crate) struct Ours {
    session: Session,
    endpoint: Arc<Http>,
    refused: Token,
}

#[derive(Debug, Default)]
struct Http(TokenEndpoint);

impl HttpClient for Http {
    fn open(
        &self,
        _: Request<Bytes>,
        _: RequestOptions,
    ) -> BoxFuture<'_, Result<Response<Body>, HttpError>> {
        Box::pin(async {
            // So that all who wait for it come to wait.
            tokio::time::sleep(Duration::from_millis(5)).await;
            Ok(self.0.answer().map(Body::whole))
        })
    }
}

impl Ours {
    pub(crate) async fn new(folder: &Path) -> Self {
        let key = CredentialKey::new(ServerUrl::parse("https://mcp.example/mcp").unwrap());
        let settings = ServerSettings::default();
        let mut metadata = ServerMetadata::new(Issuer::parse("https://as.example").unwrap());
        metadata.token_endpoint = Some("https://as.example/token".parse().unwrap());
        let mut record = Record::new(key.clone(), metadata, settings.fingerprint());
        let client = ClientId::new("client");
        record.registration = Some(Registration::new(RegistrationOrigin::Dynamic, client));
        let now = SystemClock.now();
        let access_token = AccessToken::new("access-0".to_owned());
        let mut grant = Grant::new(GrantKind::AuthorizationCode, access_token, now);
        grant.refresh_token = Some(RefreshToken::new("refresh-0".to_owned()));
        grant.expires_at = Some(now.saturating_add(Duration::from_secs(3600)));
        record.grant = Some(grant);
        record.state = State::SignedIn;

        let store = FileStore::open(folder, KeyFile::in_folder(folder))
            .await
            .unwrap();
        let mut guard = store.lock(&key, LockKind::Credential, Duration::from_secs(5)).await.unwrap();
        let _ = store.save(&record, None, &mut guard).await.unwrap();
        drop(guard);
        let endpoint = Arc::new(Http::default());
        let (store, http) = (Arc::new(store), Arc::clone(&endpoint));
        let session = Session::builder(key, settings, store, http)
            .build()
            .unwrap();
        let refused = session.token().await.unwrap();
        Self {
            session,
            endpoint,
            refused,
        }
    }

    pub(crate) fn refreshes(&self) -> f64 {
        self.endpoint.0.count() as f64
    }
}

impl Source for Ours {
    async fn token(&self) -> usize {
        let token = self.session.token().await.unwrap();
        token.authorization().len()
    }

    async fn refused(&self) {
        let challenges = [Challenge::new(AuthScheme::Bearer)];
        let renewed = self
            .session
            .token_after_rejection(&self.refused, &challenges);
        renewed.await.unwrap();
    }
}
