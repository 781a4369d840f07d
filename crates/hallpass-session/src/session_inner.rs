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

use hallpass_core::Generation;
use hallpass_oauth::ClientKey;

use crate::{
    backoff::Backoff,
    context::Context,
    counters::AtomicCounters,
    external_token::ExternalTokens,
    proactive_refresh::{ProactiveRefresh, RefreshUsedToken},
    proof::ResourceNonce,
    refresh_engine::RefreshEngine,
    service_sign_in::ServiceTokens,
    session::SessionBuilder,
    sign_in::SignInCoordinator,
    stored_token::StoredTokens,
    tasks::Tasks,
    token::Token,
    token_cache::TokenCache,
    token_origin::TokenOrigin,
};

pub(crate) struct SessionInner {
    pub(crate) context: Arc<Context>,
    pub(crate) refresh: Arc<RefreshEngine>,
    pub(crate) sign_in: Arc<SignInCoordinator>,
    pub(crate) origin: Box<dyn TokenOrigin>,
    pub(crate) resource_nonce: ResourceNonce,
}

impl SessionInner {
    pub(crate) fn new(parts: SessionBuilder, client_key: Option<ClientKey>) -> Arc<Self> {
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
                client_key: client_key.map(Box::new),
                store: parts.store,
                ports: parts.ports,
                observer: parts.observer,
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
