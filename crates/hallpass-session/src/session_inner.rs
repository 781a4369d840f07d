//! The wiring of a session's parts.
//!
//! | part | what it does |
//! |---|---|
//! | [`TokenCache`](crate::token_cache::TokenCache) | holds the published token |
//! | [`SingleFlight`](crate::single_flight::SingleFlight) | lets concurrent callers share one piece of work |
//! | [`RefreshEngine`] | runs refreshes, with their pauses |
//! | [`SignInCoordinator`] | runs sign-ins, with their pauses |
//!
//! The engine and the coordinator don't know each other. Both work on the [`Context`]. A
//! [`TokenOrigin`] decides which of them gets the next token.

use std::{fmt, sync::Arc};

use hallpass_core::{
    Authorizer, Clock, CredentialKey, CredentialStore, Entropy, Generation, HttpClient,
    ServerSettings, TokenSource,
};
use hallpass_discovery::MetadataCache;
use hallpass_oauth::ClientKey;

use crate::{
    backoff::Backoff,
    circuit_breaker::CircuitBreakers,
    context::Context,
    counters::AtomicCounters,
    external_token::ExternalTokens,
    proactive_refresh::{ProactiveRefresh, RefreshUsedToken},
    proof::ResourceNonce,
    refresh_engine::RefreshEngine,
    service_sign_in::ServiceTokens,
    sign_in::SignInCoordinator,
    stored_token::StoredTokens,
    tasks::Tasks,
    token::Token,
    token_cache::TokenCache,
    token_origin::TokenOrigin,
};

/// What a session is made from.
pub(crate) struct Parts {
    pub(crate) key: CredentialKey,
    pub(crate) settings: ServerSettings,
    pub(crate) client_key: Option<ClientKey>,
    pub(crate) store: Arc<dyn CredentialStore>,
    pub(crate) http: Arc<dyn HttpClient>,
    pub(crate) metadata: Arc<MetadataCache>,
    pub(crate) authorizer: Arc<dyn Authorizer>,
    pub(crate) token_source: Option<Arc<dyn TokenSource>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) breakers: Arc<CircuitBreakers>,
    pub(crate) proactive_refresh: bool,
}

pub(crate) struct SessionInner {
    pub(crate) context: Arc<Context>,
    pub(crate) refresh: Arc<RefreshEngine>,
    pub(crate) sign_in: Arc<SignInCoordinator>,
    pub(crate) origin: Box<dyn TokenOrigin>,
    pub(crate) resource_nonce: ResourceNonce,
}

impl SessionInner {
    pub(crate) fn new(parts: Parts) -> Arc<Self> {
        Arc::new_cyclic(|session| {
            let proactive_refresh = ProactiveRefresh::new(
                parts
                    .proactive_refresh
                    .then(|| session.clone() as std::sync::Weak<dyn RefreshUsedToken>),
            );
            let context = Arc::new(Context {
                fingerprint: parts.settings.fingerprint(),
                key: parts.key,
                settings: parts.settings,
                client_key: parts.client_key.map(Box::new),
                store: parts.store,
                http: parts.http,
                clock: parts.clock,
                entropy: parts.entropy,
                cache: TokenCache::default(),
                backoff: Backoff::default(),
                counters: AtomicCounters::default(),
                proactive_refresh,
                tasks: Tasks::default(),
            });
            let is_service = !parts.authorizer.is_interactive();
            let refresh = RefreshEngine::new(Arc::clone(&context), parts.metadata, parts.breakers);
            let refresh = Arc::new(refresh);
            let sign_in = SignInCoordinator::new(Arc::clone(&context), parts.authorizer);
            let sign_in = Arc::new(sign_in);
            let stored = StoredTokens(Arc::clone(&refresh));
            let origin: Box<dyn TokenOrigin> = match parts.token_source {
                Some(source) => Box::new(ExternalTokens::new(Arc::clone(&refresh), source)),
                None if is_service => Box::new(ServiceTokens {
                    stored,
                    sign_in: Arc::clone(&sign_in),
                }),
                None => Box::new(stored),
            };
            Self {
                context,
                refresh,
                sign_in,
                origin,
                resource_nonce: ResourceNonce::default(),
            }
        })
    }
}

impl RefreshUsedToken for SessionInner {
    fn refresh_used_token(&self, generation: Generation) {
        let token = self.context.cache.current();
        let is_used = |token: &Token| token.generation() == generation && token.was_used();
        if let Some(token) = token.filter(is_used) {
            self.origin.refresh_in_background(token);
        }
    }
}

impl fmt::Debug for SessionInner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionInner")
            .field("context", &self.context)
            .finish_non_exhaustive()
    }
}
