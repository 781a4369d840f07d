//! The authorizer: a service.

use std::sync::{Arc, Mutex, PoisonError};

use hallpass_core::{
    AuthorizeError, Authorizer, BoxFuture, Clock, Entropy, HttpClient, Record, SignIn,
};

use hallpass_session::Ports;

use crate::{Assertion, ServiceClient, ServiceError, login::Login};

/// Signs a service in, with a grant that needs no user.
#[derive(Debug, Clone)]
pub struct ServiceLogin {
    pub(crate) ports: Ports,
    pub(crate) client: ServiceClient,
    /// The last assertion that was refused for good. It is not sent again.
    refused: Arc<Mutex<Option<Assertion>>>,
}

impl ServiceLogin {
    /// A service on the ports of its host.
    pub fn new(
        http: Arc<dyn HttpClient>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        client: ServiceClient,
    ) -> Self {
        Self {
            ports: Ports {
                http,
                clock,
                entropy,
            },
            client,
            refused: Arc::default(),
        }
    }

    /// Signs in; the error says which step failed.
    ///
    /// # Errors
    ///
    /// A [`ServiceError`]. Whatever was saved before is still there.
    pub async fn run(&self, request: SignIn<'_>) -> Result<Record, ServiceError> {
        Login::start(self, request).await?.run().await
    }

    /// Whether this assertion was refused before.
    pub(crate) fn was_refused(&self, assertion: &Assertion) -> bool {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.as_ref() == Some(assertion)
    }

    pub(crate) fn remember_refused(&self, assertion: &Assertion) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        *refused = Some(assertion.clone());
    }
}

impl Authorizer for ServiceLogin {
    fn authorize<'a>(
        &'a self,
        request: SignIn<'a>,
    ) -> BoxFuture<'a, Result<Record, AuthorizeError>> {
        Box::pin(async move { self.run(request).await.map_err(AuthorizeError::from) })
    }

    fn is_interactive(&self) -> bool {
        false
    }
}
