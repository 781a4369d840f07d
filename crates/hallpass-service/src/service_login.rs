//! The authorizer: a machine.

use std::sync::{Arc, Mutex, PoisonError};

use hallpass_core::{
    AuthorizeError, Authorizer, BoxFuture, Clock, Entropy, HttpClient, Record, SignIn,
};

use crate::{Assertion, ServiceClient, ServiceError, login::Login};

/// Signs a machine in, with a grant that asks nobody.
#[derive(Debug, Clone)]
pub struct ServiceLogin {
    pub(crate) http: Arc<dyn HttpClient>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) machine: ServiceClient,
    /// The last assertion that was refused for good. It is not sent again.
    refused: Arc<Mutex<Option<Assertion>>>,
}

impl ServiceLogin {
    /// A machine on the ports of its host.
    pub fn new(
        http: Arc<dyn HttpClient>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        machine: ServiceClient,
    ) -> Self {
        Self {
            http,
            clock,
            entropy,
            machine,
            refused: Arc::default(),
        }
    }

    /// The sign-in, with an error that says how far it came.
    ///
    /// # Errors
    ///
    /// A [`ServiceError`]. Whatever was saved before is still there.
    pub async fn run(&self, ask: SignIn<'_>) -> Result<Record, ServiceError> {
        Login::begin(self, ask).await?.run().await
    }

    /// Whether this assertion was refused before.
    pub(crate) fn was_refused(&self, assertion: &Assertion) -> bool {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.as_ref() == Some(assertion)
    }

    pub(crate) fn note_refused(&self, assertion: &Assertion) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        *refused = Some(assertion.clone());
    }
}

impl Authorizer for ServiceLogin {
    fn authorize<'a>(&'a self, ask: SignIn<'a>) -> BoxFuture<'a, Result<Record, AuthorizeError>> {
        Box::pin(async move { self.run(ask).await.map_err(AuthorizeError::from) })
    }

    fn is_interactive(&self) -> bool {
        false
    }
}
