//! rmcp's client, with a store in memory or in a file.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use rmcp::transport::auth::{
    AuthClient, AuthorizationManager, CredentialStore, InMemoryCredentialStore, OAuthClientConfig,
    OAuthHttpClient, OAuthHttpClientFuture, OAuthHttpRequest, StoredCredentials,
};

use crate::{Source, rmcp_file_store::File, server::TokenEndpoint};

pub(crate) struct Theirs {
    client: AuthClient<()>,
    endpoint: Arc<Http>,
}

#[derive(Default)]
struct Http(TokenEndpoint);

impl OAuthHttpClient for Http {
    fn execute(&self, _: OAuthHttpRequest) -> OAuthHttpClientFuture<'_> {
        Box::pin(async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            Ok(self.0.answer().map(|body| body.to_vec()))
        })
    }
}

impl Theirs {
    pub(crate) async fn in_memory() -> Self {
        Self::new(InMemoryCredentialStore::new()).await
    }

    pub(crate) async fn in_file(path: &Path) -> Self {
        Self::new(File(path.to_owned())).await
    }

    async fn new(store: impl CredentialStore + 'static) -> Self {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
        let response = serde_json::json!({
            "access_token": "access-0",
            "refresh_token": "refresh-0",
            "token_type": "Bearer",
            "expires_in": 3600,
        });
        let response = serde_json::from_value(response).unwrap();
        let credentials =
            StoredCredentials::new("client".to_owned(), Some(response), Vec::new(), Some(now));
        store.save(credentials).await.unwrap();

        let endpoint = Arc::new(Http::default());
        let http = Arc::clone(&endpoint) as Arc<dyn OAuthHttpClient>;
        let url = "https://mcp.example/mcp";
        let manager = AuthorizationManager::new_with_oauth_http_client(url, http).await;
        let mut manager = manager.unwrap();
        let metadata = serde_json::json!({
            "issuer": "https://as.example",
            "authorization_endpoint": "https://as.example/authorize",
            "token_endpoint": "https://as.example/token",
        });
        manager.set_metadata(serde_json::from_value(metadata).unwrap());
        let config = OAuthClientConfig::new("client", "http://127.0.0.1/callback");
        manager.configure_client(config).unwrap();
        manager.set_credential_store(store);
        Self {
            client: AuthClient::new((), manager),
            endpoint,
        }
    }

    pub(crate) fn refreshes(&self) -> f64 {
        self.endpoint.0.count() as f64
    }
}

impl Source for Theirs {
    async fn token(&self) -> usize {
        self.client.get_access_token().await.unwrap().len()
    }

    async fn refused(&self) {
        // What rmcp's transport does after a 401, through its public parts.
        let manager = self.client.auth_manager.lock().await;
        manager.refresh_token().await.unwrap();
    }
}
