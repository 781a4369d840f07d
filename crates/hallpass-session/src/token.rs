//! An access token that is ready to be sent.

use std::{
    fmt,
    ops::Deref,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hallpass_core::{
    AccessToken, AuthScheme, DpopKey, Generation, Grant, Issuer, Record, Scopes, Timestamp,
};
use hallpass_oauth::ProofKey;
use http::HeaderValue;

use crate::{
    error::SessionTerminated,
    freshness::{Deadline, Freshness, Moment},
};

/// An access token with its `Authorization` header. Cloning it copies a pointer.
#[derive(Clone)]
pub struct Token(Arc<Shard>);

/// A reference count in a cache line of its own: see [`token_cache`](crate::token_cache).
#[repr(align(64))]
struct Shard(Arc<TokenData>);

impl Deref for Shard {
    type Target = TokenData;

    fn deref(&self) -> &TokenData {
        &self.0
    }
}

struct TokenData {
    access_token: AccessToken,
    scheme: AuthScheme,
    authorization: HeaderValue,
    freshness: Freshness,
    scopes: Scopes,
    dpop_key: Option<DpopKey>,
    /// Boxed: most tokens have none.
    proof_key: OnceLock<Option<Box<ProofKey>>>,
    issuer: Option<Issuer>,
    generation: Generation,
    obtained: Option<Duration>,
    accepted: AtomicBool,
    used: AtomicBool,
}

impl Token {
    /// The token of `record`'s `grant`. `obtained` is the monotonic time at which this session got it from
    /// the authorization server, after a refusal or by a sign-in.
    pub(crate) fn new(
        record: &Record,
        grant: &Grant,
        obtained: Option<Duration>,
        freshness: Freshness,
    ) -> Result<Self, SessionTerminated> {
        Ok(Self::from_data(TokenData {
            access_token: grant.access_token.clone(),
            scheme: grant.scheme,
            authorization: authorization(grant.scheme, &grant.access_token)?,
            freshness,
            scopes: grant.scopes().clone(),
            dpop_key: grant.dpop_key.clone(),
            proof_key: OnceLock::new(),
            issuer: Some(record.issuer.clone()),
            generation: record.generation,
            obtained,
            accepted: AtomicBool::new(false),
            used: AtomicBool::new(false),
        }))
    }

    /// A bearer token of a [`TokenSource`](hallpass_core::TokenSource), which is read again at
    /// `stale`.
    pub(crate) fn external(
        access_token: AccessToken,
        stale: Option<Deadline>,
        obtained: Option<Duration>,
    ) -> Result<Self, SessionTerminated> {
        Ok(Self::from_data(TokenData {
            scheme: AuthScheme::Bearer,
            authorization: authorization(AuthScheme::Bearer, &access_token)?,
            access_token,
            freshness: Freshness::until(stale),
            scopes: Scopes::none(),
            dpop_key: None,
            proof_key: OnceLock::new(),
            issuer: None,
            generation: Generation::default(),
            obtained,
            accepted: AtomicBool::new(false),
            used: AtomicBool::new(false),
        }))
    }

    fn from_data(data: TokenData) -> Self {
        Self(Arc::new(Shard(Arc::new(data))))
    }

    /// The same token with another reference count for its clones.
    pub(crate) fn with_own_count(&self) -> Self {
        Self(Arc::new(Shard(Arc::clone(&self.0.0))))
    }

    /// The token itself.
    pub fn access_token(&self) -> &AccessToken {
        &self.0.access_token
    }

    /// The scheme it is sent with.
    pub fn scheme(&self) -> AuthScheme {
        self.0.scheme
    }

    /// The value of `Authorization`, marked as sensitive. A token that is bound to a key needs a
    /// proof besides: [`Session::authorize`](crate::Session::authorize) sets both.
    pub fn authorization(&self) -> &HeaderValue {
        &self.0.authorization
    }

    /// When it expires; `None`: the server did not say, so it is used until it is refused.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.0.freshness.expires.map(Deadline::wall)
    }

    /// Its times, if it is the token of `grant`. Read again after the wall clock was set, it gets no second
    /// lifetime.
    pub(crate) fn freshness(&self, grant: &Grant) -> Option<&Freshness> {
        let is_it = self.0.access_token == grant.access_token;
        is_it.then_some(&self.0.freshness)
    }

    /// The scopes it has, as far as the authorization server said.
    pub fn scopes(&self) -> &Scopes {
        &self.0.scopes
    }

    /// The key it is bound to (RFC 9449); `None` for a bearer token.
    pub fn dpop_key(&self) -> Option<&DpopKey> {
        self.0.dpop_key.as_ref()
    }

    /// Its key, parsed at the first use; `None` when it has none or the key is invalid.
    pub(crate) fn proof_key(&self) -> Option<&ProofKey> {
        let parse = || ProofKey::open(self.dpop_key()?).ok().map(Box::new);
        self.0.proof_key.get_or_init(parse).as_deref()
    }

    /// The authorization server that issued it; `None` for a token of a
    /// [`TokenSource`](hallpass_core::TokenSource).
    pub fn issuer(&self) -> Option<&Issuer> {
        self.0.issuer.as_ref()
    }

    /// The generation of the record it was read from; zero where there is none.
    pub fn generation(&self) -> Generation {
        self.0.generation
    }

    /// Notes that the server accepted it for a request. A transport calls this after each response
    /// that is no refusal. A token that was accepted and is refused later was revoked, so it is
    /// refreshed. A new token that is refused at once would be refused again.
    pub fn mark_accepted(&self) {
        // A read keeps the cache line shared between cores; a write would not.
        if !self.was_accepted() {
            self.0.accepted.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the server accepted it for a request of this process.
    pub(crate) fn was_accepted(&self) -> bool {
        self.0.accepted.load(Ordering::Relaxed)
    }

    /// Notes that a caller got it.
    pub(crate) fn mark_used(&self) {
        // As above.
        if !self.was_used() {
            self.0.used.store(true, Ordering::Relaxed);
        }
    }

    /// Whether a caller got it since it was published.
    pub(crate) fn was_used(&self) -> bool {
        self.0.used.load(Ordering::Relaxed)
    }

    /// How long until it is replaced at the latest, and how much earlier it may be; `None` when nothing
    /// can replace it.
    pub(crate) fn refresh_window(&self, now: Moment) -> Option<(Duration, Duration)> {
        self.0.freshness.refresh_window(now)
    }

    /// Whether it does not need to be replaced yet.
    pub(crate) fn is_fresh(&self, now: Moment) -> bool {
        let stale = self.0.freshness.stale;
        !stale.is_some_and(|stale| stale.has_come(now))
    }

    fn stale_at(&self) -> Option<Timestamp> {
        self.0.freshness.stale.map(Deadline::wall)
    }

    /// Whether it has not expired yet.
    pub(crate) fn is_alive(&self, now: Moment) -> bool {
        let expires = self.0.freshness.expires;
        !expires.is_some_and(|expires| expires.has_come(now))
    }

    /// Whether both are the same token, whatever record they were read from.
    pub(crate) fn same(&self, other: &Token) -> bool {
        Arc::ptr_eq(&self.0.0, &other.0.0) || self.0.access_token == other.0.access_token
    }

    /// Whether both are equal, so that one need not replace the other. When each was read makes no
    /// difference.
    pub(crate) fn is_like(&self, other: &Token) -> bool {
        self.same(other)
            && self.0.scheme == other.0.scheme
            && self.0.issuer == other.0.issuer
            && self.expires_at() == other.expires_at()
            && self.stale_at() == other.stale_at()
            && self.0.scopes == other.0.scopes
    }

    /// Whether this session got it after a refusal or by a sign-in.
    pub(crate) fn is_own(&self) -> bool {
        self.0.obtained.is_some()
    }

    /// When (monotonic) this session got it after a refusal or by a sign-in.
    pub(crate) fn obtained(&self) -> Option<Duration> {
        self.0.obtained
    }

    /// Whether this session got it within the last `max_age`, after a refusal or by a sign-in.
    pub(crate) fn obtained_within(&self, max_age: Duration, monotonic: Duration) -> bool {
        self.0
            .obtained
            .is_some_and(|at| monotonic.saturating_sub(at) < max_age)
    }
}

/// The header's value (RFC 6750 §2.1, RFC 9449 §7.1).
fn authorization(
    scheme: AuthScheme,
    token: &AccessToken,
) -> Result<HeaderValue, SessionTerminated> {
    let text = format!("{} {}", scheme.as_str(), token.expose());
    let mut value = HeaderValue::try_from(text).map_err(|_| SessionTerminated::unusable_token())?;
    value.set_sensitive(true);
    Ok(value)
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("scheme", &self.0.scheme)
            .field("access_token", &self.0.access_token)
            .field("expires_at", &self.expires_at())
            .field("scopes", &self.0.scopes)
            .field("issuer", &self.0.issuer)
            .field("generation", &self.0.generation)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
impl Token {
    /// Whether any clone of the token is left.
    pub(crate) fn liveness(&self) -> impl Fn() -> bool + use<> {
        let data = Arc::downgrade(&self.0.0);
        move || data.strong_count() > 0
    }
}
