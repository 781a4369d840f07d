//! rmcp's port to credentials at rest, over one file.

use std::{fs, path::PathBuf};

use rmcp::transport::auth::{AuthError, CredentialStore, StoredCredentials};

pub(crate) struct File(pub(crate) PathBuf);

#[async_trait::async_trait]
impl CredentialStore for File {
    async fn load(&self) -> Result<Option<StoredCredentials>, AuthError> {
        Ok(serde_json::from_slice(&fs::read(&self.0).unwrap()).unwrap())
    }

    async fn save(&self, credentials: StoredCredentials) -> Result<(), AuthError> {
        fs::write(&self.0, serde_json::to_vec(&Some(credentials)).unwrap()).unwrap();
        Ok(())
    }

    async fn clear(&self) -> Result<(), AuthError> {
        fs::write(&self.0, "null").unwrap();
        Ok(())
    }
}
