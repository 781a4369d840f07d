//! Every code and token that an authorization server has issued, and what it is good for. The MCP
//! server looks tokens up here, as token introspection (RFC 7662) would over the wire.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use hallpass_core::Clock;

use crate::FixedEntropy;

mod policy;

pub(crate) use policy::{RefreshPolicy, TokenPolicy};

/// All codes and tokens of one authorization server. Clones share them.
#[derive(Clone)]
pub struct TokenRegistry {
    pages: Arc<Mutex<Pages>>,
    clock: Arc<dyn Clock>,
    entropy: Arc<FixedEntropy>,
}

/// What an access token is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Introspection {
    /// The resource it was issued for; `None` is good for nothing.
    pub audience: Option<String>,
    /// Its scopes, as in the token response, separated by spaces.
    pub scope: String,
    /// The client it was issued to.
    pub client_id: String,
}

/// What clients did that no client may do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReuseCounts {
    /// Codes that were presented again.
    pub codes_reused: usize,
    /// Refresh tokens that were presented after they had been replaced. Each revoked its family.
    pub refresh_tokens_reused: usize,
}

/// A grant that a user gave: every token that comes of it belongs to one family.
#[derive(Clone)]
pub(crate) struct Grant {
    pub(crate) client_id: String,
    pub(crate) redirect_uri: String,
    pub(crate) code_challenge: String,
    pub(crate) resource: Option<String>,
    pub(crate) scope: String,
}

/// Newly issued tokens.
pub(crate) struct Issued {
    pub(crate) access_token: String,
    pub(crate) refresh_token: Option<String>,
    pub(crate) scope: String,
}

/// Why a code or a refresh token is not honoured; all of it is `invalid_grant` to the client
/// (RFC 6749 §5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotHonoured(pub(crate) &'static str);

#[derive(Default)]
struct Pages {
    families: Vec<Family>,
    codes: HashMap<String, Code>,
    access: HashMap<String, Access>,
    refresh: HashMap<String, Refresh>,
    reuse_counts: ReuseCounts,
}

struct Family {
    grant: Grant,
    revoked: bool,
}

struct Code {
    family: usize,
    expires: Duration,
    used: bool,
}

struct Access {
    family: usize,
    audience: Option<String>,
    scope: String,
    expires: Duration,
}

struct Refresh {
    family: usize,
    expires: Option<Duration>,
    /// When it was replaced.
    replaced_at: Option<Duration>,
    /// When it came back, which revoked its family.
    reused_at: Option<Duration>,
}

impl TokenRegistry {
    pub(crate) fn new(clock: Arc<dyn Clock>, entropy: Arc<FixedEntropy>) -> Self {
        Self {
            pages: Arc::default(),
            clock,
            entropy,
        }
    }

    /// What a token is good for; `None` where it is unknown, expired or revoked.
    pub fn introspect(&self, access_token: &str) -> Option<Introspection> {
        let now = self.clock.monotonic();
        self.open(|pages| {
            let access = pages.access.get(access_token)?;
            let family = pages.families.get(access.family)?;
            (now < access.expires && !family.revoked).then(|| Introspection {
                audience: access.audience.clone(),
                scope: access.scope.clone(),
                client_id: family.grant.client_id.clone(),
            })
        })
    }

    /// Ends the life of every access token at once. Refresh tokens stay good.
    pub fn expire_access_tokens(&self) {
        self.open(|pages| {
            for access in pages.access.values_mut() {
                access.expires = Duration::ZERO;
            }
        });
    }

    /// Revokes everything that was ever granted, as when a user signs out everywhere.
    pub fn revoke_all(&self) {
        self.open(|pages| {
            for family in &mut pages.families {
                family.revoked = true;
            }
        });
    }

    /// Writes an access token into the registry without a grant, good for an hour.
    pub fn plant(&self, audience: Option<&str>, scope: &str) -> String {
        let policy = TokenPolicy {
            access_lifetime: Duration::from_secs(3600),
            refresh: RefreshPolicy::None,
        };
        self.plant_family("planted", audience, scope, policy)
            .access_token
    }

    /// Writes a grant into the registry that no user gave: its access token, and the first of its
    /// rotated refresh tokens. For checks with thousands of accounts.
    pub fn plant_grant(
        &self,
        client_id: &str,
        audience: Option<&str>,
        scope: &str,
        access_lifetime: Duration,
    ) -> (String, String) {
        let policy = TokenPolicy {
            access_lifetime,
            refresh: RefreshPolicy::Rotated {
                lifetime: None,
                grace: None,
            },
        };
        let issued = self.plant_family(client_id, audience, scope, policy);
        (
            issued.access_token,
            issued.refresh_token.unwrap_or_default(),
        )
    }

    fn plant_family(
        &self,
        client_id: &str,
        audience: Option<&str>,
        scope: &str,
        policy: TokenPolicy,
    ) -> Issued {
        let audience = audience.map(str::to_owned);
        let grant = Grant {
            client_id: client_id.to_owned(),
            redirect_uri: String::new(),
            code_challenge: String::new(),
            resource: audience.clone(),
            scope: scope.to_owned(),
        };
        self.open(|pages| {
            let family = pages.begin_family(grant);
            self.issue(pages, family, audience, scope, policy)
        })
    }

    /// When a refresh token was replaced for the first time, by the monotonic time of the server's
    /// clock, which [`RecordedRequest::at`](crate::RecordedRequest::at) is by too.
    pub fn replaced_at(&self, refresh_token: &str) -> Option<Duration> {
        self.open(|pages| pages.refresh.get(refresh_token)?.replaced_at)
    }

    /// When a refresh token came back for the first time after it had been replaced, which revoked its
    /// family; by the same clock.
    pub fn reused_at(&self, refresh_token: &str) -> Option<Duration> {
        self.open(|pages| pages.refresh.get(refresh_token)?.reused_at)
    }

    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    /// What clients did that no client may do.
    pub fn reuse_counts(&self) -> ReuseCounts {
        self.open(|pages| pages.reuse_counts)
    }

    /// A code for a grant.
    pub(crate) fn new_code(&self, grant: Grant, lifetime: Duration) -> String {
        let code = self.entropy.token("code-");
        let expires = self.clock.monotonic() + lifetime;
        self.open(|pages| {
            let family = pages.begin_family(grant);
            let used = false;
            let entry = Code {
                family,
                expires,
                used,
            };
            pages.codes.insert(code.clone(), entry);
        });
        code
    }

    /// Takes a code in. It is used up by this, whatever comes after; a second time revokes all that
    /// came of the first (RFC 6749 §4.1.2, RFC 9700 §2.1.1).
    pub(crate) fn take_code(
        &self,
        code: &str,
        client_id: &str,
    ) -> Result<(usize, Grant), NotHonoured> {
        let now = self.clock.monotonic();
        self.open(|pages| {
            let Pages {
                families,
                codes,
                reuse_counts,
                ..
            } = pages;
            let unknown = NotHonoured("no such authorization code");
            let entry = codes.get_mut(code).ok_or(unknown)?;
            let family = families.get_mut(entry.family).ok_or(unknown)?;
            if family.grant.client_id != client_id {
                return Err(NotHonoured("the code was issued to another client"));
            }
            if std::mem::replace(&mut entry.used, true) {
                reuse_counts.codes_reused += 1;
                family.revoked = true;
                return Err(NotHonoured("the code was used before"));
            }
            if now >= entry.expires {
                return Err(NotHonoured("the code has expired"));
            }
            Ok((entry.family, family.grant.clone()))
        })
    }

    /// The first tokens of a family.
    pub(crate) fn begin(
        &self,
        family: usize,
        audience: Option<String>,
        policy: TokenPolicy,
    ) -> Issued {
        self.open(|pages| {
            let entry = pages.families.get(family);
            let scope = entry.map_or_else(String::new, |it| it.grant.scope.clone());
            self.issue(pages, family, audience, &scope, policy)
        })
    }

    /// Takes a refresh token in. `check` sees the grant and says what the new access token is for;
    /// its refusal uses nothing up. A token that was replaced before revokes its family (RFC 9700
    /// §4.14.2), or within the grace is replaced once more.
    pub(crate) fn refresh<E: From<NotHonoured>>(
        &self,
        refresh_token: &str,
        client_id: &str,
        policy: TokenPolicy,
        check: impl FnOnce(&Grant) -> Result<(Option<String>, String), E>,
    ) -> Result<Issued, E> {
        let now = self.clock.monotonic();
        self.open(|pages| {
            let unknown = NotHonoured("no such refresh token");
            let entry = pages.refresh.get_mut(refresh_token).ok_or(unknown)?;
            let number = entry.family;
            let family = pages.families.get_mut(number).ok_or(unknown)?;
            if family.grant.client_id != client_id {
                return Err(NotHonoured("the refresh token was issued to another client").into());
            }
            let in_grace = |replaced: Duration| {
                let grace = policy.refresh.grace();
                grace.is_some_and(|grace| now < replaced + grace)
            };
            if entry
                .replaced_at
                .is_some_and(|replaced| !in_grace(replaced))
            {
                pages.reuse_counts.refresh_tokens_reused += 1;
                entry.reused_at.get_or_insert(now);
                family.revoked = true;
                let why = "the refresh token was replaced before; all of its family is revoked";
                return Err(NotHonoured(why).into());
            }
            if family.revoked {
                return Err(NotHonoured("the refresh token is revoked").into());
            }
            if entry.expires.is_some_and(|expires| now >= expires) {
                return Err(NotHonoured("the refresh token has expired").into());
            }
            let (audience, scope) = check(&family.grant)?;
            if matches!(policy.refresh, RefreshPolicy::Rotated { .. }) {
                entry.replaced_at.get_or_insert(now);
                return Ok(self.issue(pages, number, audience, &scope, policy));
            }
            let policy = TokenPolicy {
                refresh: RefreshPolicy::None,
                ..policy
            };
            Ok(self.issue(pages, number, audience, &scope, policy))
        })
    }

    /// Revokes a token of the client's own: a refresh token takes its whole family with it, an
    /// access token goes alone (RFC 7009 §2.1). An unknown token is revoked already.
    pub(crate) fn revoke(&self, token: &str, client_id: &str) {
        self.open(|pages| {
            if let Some(refresh) = pages.refresh.get(token) {
                let family = pages.families.get_mut(refresh.family);
                if let Some(family) = family.filter(|it| it.grant.client_id == client_id) {
                    family.revoked = true;
                }
            }
            if let Some(access) = pages.access.get_mut(token) {
                let family = pages.families.get(access.family);
                if family.is_some_and(|it| it.grant.client_id == client_id) {
                    access.expires = Duration::ZERO;
                }
            }
        });
    }

    fn issue(
        &self,
        pages: &mut Pages,
        family: usize,
        audience: Option<String>,
        scope: &str,
        policy: TokenPolicy,
    ) -> Issued {
        let now = self.clock.monotonic();
        let access_token = self.entropy.token("at-");
        let access = Access {
            family,
            audience,
            scope: scope.to_owned(),
            expires: now + policy.access_lifetime,
        };
        pages.access.insert(access_token.clone(), access);
        let refresh_token = match policy.refresh {
            RefreshPolicy::None => None,
            RefreshPolicy::Kept { lifetime } | RefreshPolicy::Rotated { lifetime, .. } => {
                let token = self.entropy.token("rt-");
                let refresh = Refresh {
                    family,
                    expires: lifetime.map(|lifetime| now + lifetime),
                    replaced_at: None,
                    reused_at: None,
                };
                pages.refresh.insert(token.clone(), refresh);
                Some(token)
            }
        };
        Issued {
            access_token,
            refresh_token,
            scope: scope.to_owned(),
        }
    }

    fn open<T>(&self, look: impl FnOnce(&mut Pages) -> T) -> T {
        look(&mut self.pages.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Pages {
    fn begin_family(&mut self, grant: Grant) -> usize {
        let revoked = false;
        self.families.push(Family { grant, revoked });
        self.families.len() - 1
    }
}

impl fmt::Debug for TokenRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.open(|pages| {
            f.debug_struct("TokenRegistry")
                .field("families", &pages.families.len())
                .field("access_tokens", &pages.access.len())
                .field("refresh_tokens", &pages.refresh.len())
                .field("reuse_counts", &pages.reuse_counts)
                .finish()
        })
    }
}
