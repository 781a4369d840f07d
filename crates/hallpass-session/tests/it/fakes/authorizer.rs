use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use hallpass_core::{
    AuthorizeError, Authorizer, BoxFuture, ClientId, Record, Registration, Remedy, Scopes, SignIn,
    SignInReason,
    record::{GrantKind, RegistrationOrigin, SignInHosts},
};

use super::{Gate, Server};

/// Signs in at once, behind a gate, or fails.
#[derive(Debug)]
pub(crate) struct FakeAuthorizer {
    server: Arc<Server>,
    pub(crate) gate: Gate,
    pub(crate) refuses: AtomicBool,
    /// Whether it signs a service in, without a user.
    pub(crate) is_service: AtomicBool,
    /// Whether it saves a registration before the gate.
    pub(crate) registers: AtomicBool,
    pub(crate) calls: AtomicUsize,
    /// How many sessions wait for another process at the moment.
    pub(crate) waits: AtomicUsize,
    /// Those sessions give up when it opens.
    pub(crate) patience: Gate,
    asked: Mutex<Vec<(SignInReason, Scopes, Option<String>)>>,
}

impl FakeAuthorizer {
    pub(crate) fn new(server: Arc<Server>) -> Self {
        let patience = Gate::default();
        patience.shut();
        Self {
            patience,
            server,
            gate: Gate::default(),
            refuses: AtomicBool::new(false),
            is_service: AtomicBool::new(false),
            registers: AtomicBool::new(false),
            calls: AtomicUsize::new(0),
            waits: AtomicUsize::new(0),
            asked: Mutex::default(),
        }
    }

    /// What its user confirms.
    pub(crate) fn confirmed_hosts() -> SignInHosts {
        SignInHosts {
            page: "login.example.net".to_owned(),
            token: "as.example.com".to_owned(),
        }
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// Reason, scopes and the issuer of the previous record, of each call.
    pub(crate) fn asked(&self) -> Vec<(SignInReason, String, Option<String>)> {
        let asked = self.asked.lock().unwrap();
        let texts = asked
            .iter()
            .map(|(reason, scopes, issuer)| (*reason, scopes.to_string(), issuer.clone()));
        texts.collect()
    }
}

impl Authorizer for FakeAuthorizer {
    fn authorize<'a>(
        &'a self,
        request: SignIn<'a>,
    ) -> BoxFuture<'a, Result<Record, AuthorizeError>> {
        Box::pin(async move {
            self.calls.fetch_add(1, Ordering::SeqCst);
            let issuer = request.previous.map(|record| record.issuer.to_string());
            self.asked
                .lock()
                .unwrap()
                .push((request.reason, request.scopes.clone(), issuer));
            let metadata = self.server.metadata();
            let mut record = Record::new(
                request.key.clone(),
                metadata,
                request.settings.fingerprint(),
            );
            let registration =
                Registration::new(RegistrationOrigin::Dynamic, ClientId::new("registered"));
            record.registration = Some(registration);
            record.confirm_hosts([Self::confirmed_hosts()]);
            if self.registers.load(Ordering::SeqCst) {
                request.keep.save(&record).await.unwrap();
            }
            self.gate.pass().await;
            if self.refuses.load(Ordering::SeqCst) {
                return Err(AuthorizeError::new(Remedy::SignIn, "the user denied it"));
            }
            let mut grant = self.server.grant(request.scopes);
            if self.is_service.load(Ordering::SeqCst) {
                grant.kind = GrantKind::ClientCredentials;
                grant.refresh_token = None;
            }
            record.grant = Some(grant);
            Ok(record)
        })
    }

    fn is_interactive(&self) -> bool {
        !self.is_service.load(Ordering::SeqCst)
    }

    fn waits_for_process<'a>(&'a self, holder: Option<&'a str>) -> BoxFuture<'a, AuthorizeError> {
        Box::pin(async move {
            self.waits.fetch_add(1, Ordering::SeqCst);
            let _wait = Wait(&self.waits);
            self.patience.pass().await;
            let holder = holder.unwrap_or_default();
            AuthorizeError::new(Remedy::SignIn, format!("{holder} takes too long"))
        })
    }
}

/// One of the waits; it ends when this is dropped.
struct Wait<'a>(&'a AtomicUsize);

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
