//! An access token that is ready to be sent.

use std::{
    fmt,
    ops::Deref,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hallpass_core::{
    AccessToken, AuthScheme, DpopKey, Generation, Grant, Issuer, Record, Scopes, Timestamp,
};
use http::HeaderValue;

use crate::{error::SessionTerminated, freshness, proof::OpenedKey};

/// An access token with its `Authorization` header. Cloning it copies a pointer.
#[derive(Clone)]
pub struct Token(Arc<Shard>);

/// Where clones of a token are counted: a place of its own, which no two lanes share a line of cache
/// with. See [`published`](crate::published).
#[repr(align(128))]
struct Shard(Arc<Parts>);

/// Where a token is, without keeping it: what is secret in it is wiped with its last clone.
pub(crate) struct WeakToken(Weak<Shard>);

impl WeakToken {
    /// Of no token.
    pub(crate) const fn nowhere() -> Self {
        Self(Weak::new())
    }

    /// The token, if it is still there.
    pub(crate) fn upgrade(&self) -> Option<Token> {
        self.0.upgrade().map(Token)
    }
}

impl Deref for Shard {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

struct Parts {
    access_token: AccessToken,
    scheme: AuthScheme,
    authorization: HeaderValue,
    expires_at: Option<Timestamp>,
    stale_at: Option<Timestamp>,
    scopes: Scopes,
    dpop_key: Option<DpopKey>,
    opened_key: OpenedKey,
    issuer: Option<Issuer>,
    generation: Generation,
    obtained: Option<Duration>,
    max_early: Duration,
    accepted: AtomicBool,
    used: AtomicBool,
}

impl Token {
    /// The token of `record`'s `grant`. `obtained` is the monotonic time at which this session got
    /// it from the authorization server in answer to a refusal or by a sign-in.
    pub(crate) fn new(
        record: &Record,
        grant: &Grant,
        obtained: Option<Duration>,
    ) -> Result<Self, SessionTerminated> {
        Ok(Self::from_parts(Parts {
            access_token: grant.access_token.clone(),
            scheme: grant.scheme,
            authorization: authorization(grant.scheme, &grant.access_token)?,
            expires_at: grant.expires_at,
            stale_at: freshness::stale_at(grant),
            scopes: grant.scopes().clone(),
            dpop_key: grant.dpop_key.clone(),
            opened_key: OpenedKey::default(),
            issuer: Some(record.issuer.clone()),
            generation: record.generation,
            obtained,
            max_early: freshness::max_early_refresh(grant),
            accepted: AtomicBool::new(false),
            used: AtomicBool::new(false),
        }))
    }

    /// A bearer token that a [`TokenSource`](hallpass_core::TokenSource) handed in, to be asked for
    /// again at `stale_at`.
    pub(crate) fn external(
        access_token: AccessToken,
        stale_at: Option<Timestamp>,
        obtained: Option<Duration>,
    ) -> Result<Self, SessionTerminated> {
        Ok(Self::from_parts(Parts {
            scheme: AuthScheme::Bearer,
            authorization: authorization(AuthScheme::Bearer, &access_token)?,
            access_token,
            expires_at: None,
            stale_at,
            scopes: Scopes::none(),
            dpop_key: None,
            opened_key: OpenedKey::default(),
            issuer: None,
            generation: Generation::default(),
            obtained,
            max_early: Duration::ZERO,
            accepted: AtomicBool::new(false),
            used: AtomicBool::new(false),
        }))
    }

    fn from_parts(parts: Parts) -> Self {
        Self(Arc::new(Shard(Arc::new(parts))))
    }

    /// The same token, its clones counted elsewhere.
    pub(crate) fn in_shard(&self) -> Self {
        Self(Arc::new(Shard(Arc::clone(&self.0.0))))
    }

    pub(crate) fn downgrade(&self) -> WeakToken {
        WeakToken(Arc::downgrade(&self.0))
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

    /// When it ends; `None`: the server did not say, so it is used until it is refused.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.0.expires_at
    }

    /// The scopes it has, as far as anybody said.
    pub fn scopes(&self) -> &Scopes {
        &self.0.scopes
    }

    /// The key it is bound to (RFC 9449); `None` for a bearer token.
    pub fn dpop_key(&self) -> Option<&DpopKey> {
        self.0.dpop_key.as_ref()
    }

    pub(crate) fn opened_key(&self) -> &OpenedKey {
        &self.0.opened_key
    }

    /// The authorization server that issued it; `None` for one that a
    /// [`TokenSource`](hallpass_core::TokenSource) handed in.
    pub fn issuer(&self) -> Option<&Issuer> {
        self.0.issuer.as_ref()
    }

    /// The generation of the record it was read from; zero where there is none.
    pub fn generation(&self) -> Generation {
        self.0.generation
    }

    /// Notes that the server took it for at least one request. A transport says so after each
    /// answer that is no refusal: a token that worked once and is refused later has ended and is
    /// refreshed, one that never worked is not worth another.
    pub fn mark_accepted(&self) {
        // Read before it is written, so that clones on other cores share the line it lies in.
        if !self.was_accepted() {
            self.0.accepted.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the server took it for at least one request, as far as this process knows.
    pub(crate) fn was_accepted(&self) -> bool {
        self.0.accepted.load(Ordering::Relaxed)
    }

    /// Notes that somebody asked for it.
    pub(crate) fn mark_used(&self) {
        // As above.
        if !self.was_used() {
            self.0.used.store(true, Ordering::Relaxed);
        }
    }

    /// Whether somebody asked for it since it was published.
    pub(crate) fn was_used(&self) -> bool {
        self.0.used.load(Ordering::Relaxed)
    }

    /// When it is replaced at the latest, and how much earlier it may be; `None` where there is
    /// nothing to replace it with.
    pub(crate) fn refresh_window(&self) -> Option<(Timestamp, Duration)> {
        let stale_at = self.0.stale_at.filter(|_| !self.0.max_early.is_zero())?;
        Some((stale_at, self.0.max_early))
    }

    /// Whether it lives longer than its early margin.
    pub(crate) fn is_fresh(&self, now: Timestamp) -> bool {
        self.0.stale_at.is_none_or(|end| now < end)
    }

    /// Whether it has not ended yet.
    pub(crate) fn is_alive(&self, now: Timestamp) -> bool {
        self.0.expires_at.is_none_or(|end| now < end)
    }

    /// Whether both are the same token, whatever record they were read from.
    pub(crate) fn same(&self, other: &Token) -> bool {
        Arc::ptr_eq(&self.0.0, &other.0.0) || self.0.access_token == other.0.access_token
    }

    /// Whether both say the same, so that one need not be put in the other's place.
    pub(crate) fn is_like(&self, other: &Token) -> bool {
        self.same(other)
            && self.0.scheme == other.0.scheme
            && self.0.issuer == other.0.issuer
            && self.0.expires_at == other.0.expires_at
            && self.0.stale_at == other.0.stale_at
            && self.0.scopes == other.0.scopes
    }

    /// Whether this session got it in answer to a refusal or by a sign-in.
    pub(crate) fn is_own(&self) -> bool {
        self.0.obtained.is_some()
    }

    /// When (monotonic) this session got it in answer to a refusal or by a sign-in.
    pub(crate) fn obtained(&self) -> Option<Duration> {
        self.0.obtained
    }

    /// Whether this session got it within the last `window` in answer to a refusal.
    pub(crate) fn obtained_within(&self, window: Duration, monotonic: Duration) -> bool {
        self.0
            .obtained
            .is_some_and(|at| monotonic.saturating_sub(at) < window)
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
            .field("expires_at", &self.0.expires_at)
            .field("scopes", &self.0.scopes)
            .field("issuer", &self.0.issuer)
            .field("generation", &self.0.generation)
            .finish_non_exhaustive()
    }
}
