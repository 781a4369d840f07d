//! A rule of the contract, and what is said of a backend that fails it.

use std::{error::Error, fmt, time::Duration};

use hallpass_core::{
    AccessToken, CredentialKey, CredentialStore, Generation, Grant, Issuer, Record, RefreshToken,
    ServerMetadata, ServerUrl, SettingsFingerprint, State, StoreError, Timestamp,
    record::GrantKind,
    store::{Guard, LockKind, Saved, StoreErrorKind},
};

/// How long a rule waits for a lock that it must get.
const LONG: Duration = Duration::from_secs(30);

/// A rule of the contract that a backend broke.
#[derive(Debug)]
pub struct Violation {
    rule: &'static str,
    found: String,
    source: Option<StoreError>,
}

impl Violation {
    /// The rule.
    pub fn rule(&self) -> &'static str {
        self.rule
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.found)
    }
}

impl Error for Violation {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}

/// One rule: its rule, and how what was found compares with it.
#[derive(Clone, Copy)]
pub(super) struct Rule(pub(super) &'static str);

impl Rule {
    pub(super) fn same<T: PartialEq + fmt::Debug>(
        self,
        found: &T,
        wanted: &T,
    ) -> Result<(), Violation> {
        if found == wanted {
            return Ok(());
        }
        self.broken(format!("found {found:?}, wanted {wanted:?}"))
    }

    pub(super) fn done<T>(self, result: Result<T, StoreError>) -> Result<T, Violation> {
        result.map_err(|source| Violation {
            rule: self.0,
            found: source.to_string(),
            source: Some(source),
        })
    }

    pub(super) fn refused<T>(
        self,
        result: Result<T, StoreError>,
        kind: StoreErrorKind,
    ) -> Result<(), Violation> {
        match result {
            Err(error) if error.kind() == kind => Ok(()),
            Err(error) => self.broken(format!("refused as {:?}, wanted {kind:?}", error.kind())),
            Ok(_) => self.broken(format!("accepted, wanted {kind:?}")),
        }
    }

    /// A result that the rule says is there.
    pub(super) fn some<T>(self, found: Option<T>, wanted: &str) -> Result<T, Violation> {
        found.ok_or_else(|| Violation {
            rule: self.0,
            found: format!("found nothing, wanted {wanted}"),
            source: None,
        })
    }

    pub(super) fn broken(self, found: String) -> Result<(), Violation> {
        Err(Violation {
            rule: self.0,
            found,
            source: None,
        })
    }

    pub(super) async fn lock(
        self,
        store: &dyn CredentialStore,
        credential: &CredentialKey,
    ) -> Result<Guard, Violation> {
        self.done(store.lock(credential, LockKind::Credential, LONG).await)
    }

    pub(super) async fn save(
        self,
        store: &dyn CredentialStore,
        record: &Record,
        expected: Option<Generation>,
        guard: &mut Guard,
    ) -> Result<Generation, Violation> {
        match self.done(store.save(record, expected, guard).await)? {
            Saved::Written(generation) => Ok(generation),
            Saved::Conflict { found } => Err(Violation {
                rule: self.0,
                found: format!("a conflict with {found:?}, wanted the record to be written"),
                source: None,
            }),
        }
    }

    /// The active record of a credential is the one for `record`'s issuer.
    pub(super) async fn activates(
        self,
        store: &dyn CredentialStore,
        record: &Record,
    ) -> Result<(), Violation> {
        let active = self.done(store.load(&record.key).await)?;
        let issuer = active.map(|record| record.issuer);
        self.same(&issuer.as_ref(), &Some(&record.issuer))
    }

    /// The active record of a credential is `wanted`.
    pub(super) async fn loads(
        self,
        store: &dyn CredentialStore,
        credential: &CredentialKey,
        wanted: Option<&Record>,
    ) -> Result<(), Violation> {
        let found = self.done(store.load(credential).await)?;
        self.same(&found.as_ref(), &wanted)
    }

    /// Removing a record says whether there `was` one.
    pub(super) async fn removes(
        self,
        store: &dyn CredentialStore,
        record: &Record,
        guard: &mut Guard,
        was: bool,
    ) -> Result<(), Violation> {
        let removed = store.remove(&record.key, &record.issuer, guard).await;
        self.same(&self.done(removed)?, &was)
    }

    pub(super) async fn does_not_list(
        self,
        store: &dyn CredentialStore,
        credential: &CredentialKey,
    ) -> Result<(), Violation> {
        let listing = self.done(store.list().await)?;
        self.same(&listing.credentials.contains(credential), &false)
    }

    /// The first save of a credential: its record, and the guard.
    pub(super) async fn saved(
        self,
        store: &dyn CredentialStore,
        name: &str,
    ) -> Result<(Record, Guard), Violation> {
        let mut record = self.record(name)?;
        let mut guard = self.lock(store, &record.key).await?;
        record.generation = self.save(store, &record, None, &mut guard).await?;
        Ok((record, guard))
    }

    /// A credential of its own for the rule, with a record for the issuer `as`.
    pub(super) fn record(self, name: &str) -> Result<Record, Violation> {
        self.record_for(name, "https://as.contract.example")
    }

    pub(super) fn record_for(self, name: &str, issuer: &str) -> Result<Record, Violation> {
        let server = format!("https://{name}.contract.example/mcp");
        let (Ok(server), Ok(issuer)) = (ServerUrl::parse(&server), Issuer::parse(issuer)) else {
            return Err(Violation {
                rule: self.0,
                found: "the rule names no server".to_owned(),
                source: None,
            });
        };
        let metadata = ServerMetadata::new(issuer);
        let mut record = Record::new(
            CredentialKey::new(server),
            metadata,
            SettingsFingerprint::default(),
        );
        let now = Timestamp::from_unix_seconds(1_000);
        let token = AccessToken::new("contract-access-token");
        let mut grant = Grant::new(GrantKind::AuthorizationCode, token, now);
        grant.refresh_token = Some(RefreshToken::new("contract-refresh-token"));
        record.grant = Some(grant);
        record.state = State::SignedIn;
        Ok(record)
    }
}
