//! The slot document: every record of one slot as one piece of JSON, for a store to seal and write.
//!
//! One document a slot makes the change of the active issuer atomic: either all of a save is there
//! or none of it. This module alone turns secrets into bytes.
//!
//! The format is versioned. A document of a newer version is refused; fields that this version does
//! not know survive a rewrite.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;
use zeroize::Zeroizing;

use super::{
    Fence, Generation, Grant, GrantKind, Record, Registration, RegistrationManagement,
    RegistrationOrigin, State,
};
use crate::{
    AccessToken, AuthScheme, ClientId, ClientSecret, DpopKey, Issuer, Profile, RefreshToken,
    RegistrationAccessToken, Resource, Scopes, ServerMetadata, ServerUrl, SettingsFingerprint,
    Slot, Timestamp, TokenEndpointAuthMethod, store::Saved,
};

/// The version that this crate writes.
pub const VERSION: u32 = 1;

/// Every record of one slot.
#[derive(Debug, Clone, PartialEq)]
pub struct SlotDocument {
    slot: Slot,
    active: Option<Issuer>,
    last_generation: Generation,
    records: Vec<Record>,
    unknown: Map<String, Value>,
}

impl SlotDocument {
    /// The document of a slot that holds nothing.
    pub fn empty(slot: Slot) -> Self {
        Self {
            slot,
            active: None,
            last_generation: Generation::default(),
            records: Vec::new(),
            unknown: Map::new(),
        }
    }

    /// The slot.
    pub fn slot(&self) -> &Slot {
        &self.slot
    }

    /// The records, in no order that means anything.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The active record.
    pub fn active(&self) -> Option<&Record> {
        self.record(self.active.as_ref()?)
    }

    /// The record for one exact issuer.
    pub fn record(&self, issuer: &Issuer) -> Option<&Record> {
        self.records.iter().find(|record| record.issuer == *issuer)
    }

    /// Puts `record` in place of the one at generation `expected`, and makes it active, as
    /// [`CredentialStore::save`](crate::CredentialStore::save) says.
    pub fn save(&mut self, record: &Record, expected: Option<Generation>) -> Saved {
        let found = self.record(&record.issuer).map(|record| record.generation);
        if found != expected {
            return Saved::Conflict { found };
        }
        let generation = self.last_generation.next();
        self.last_generation = generation;
        self.active = Some(record.issuer.clone());
        self.records.retain(|old| old.issuer != record.issuer);
        self.records.push(Record {
            generation,
            ..record.clone()
        });
        Saved::Written(generation)
    }

    /// Removes the record for one issuer; whether there was one. Generations go on from where they
    /// were.
    pub fn remove(&mut self, issuer: &Issuer) -> bool {
        let before = self.records.len();
        self.records.retain(|record| record.issuer != *issuer);
        if self.active.as_ref() == Some(issuer) {
            self.active = None;
        }
        self.records.len() < before
    }

    /// The document as JSON, secrets included. The bytes are wiped when they are dropped.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let wire = DocumentWire {
            version: VERSION,
            server: self.slot.server.clone(),
            profile: self.slot.profile.clone(),
            active: self.active.clone(),
            last_generation: self.last_generation,
            records: self.records.iter().map(RecordWire::from).collect(),
            unknown: self.unknown.clone(),
        };
        let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
        // Serialising into memory fails only for maps whose keys are not strings; these have none.
        if let Err(error) = serde_json::to_writer(&mut *bytes, &wire) {
            debug_assert!(false, "a slot document is always JSON: {error}");
        }
        bytes
    }

    /// Reads a document.
    ///
    /// # Errors
    ///
    /// [`DocumentError::Newer`] for a version after [`VERSION`]; [`DocumentError::Malformed`] for
    /// anything that is no slot document. Neither error repeats any of the content.
    pub fn decode(bytes: &[u8]) -> Result<Self, DocumentError> {
        #[derive(Deserialize)]
        struct Head {
            version: u32,
        }

        let head: Head = serde_json::from_slice(bytes).map_err(|error| malformed(&error))?;
        if head.version > VERSION {
            return Err(DocumentError::Newer {
                version: head.version,
            });
        }
        let wire: DocumentWire =
            serde_json::from_slice(bytes).map_err(|error| malformed(&error))?;
        let slot = Slot {
            server: wire.server,
            profile: wire.profile,
        };
        let records = wire
            .records
            .into_iter()
            .map(|record| record.into_record(&slot))
            .collect();
        Ok(Self {
            slot,
            active: wire.active,
            last_generation: wire.last_generation,
            records,
            unknown: wire.unknown,
        })
    }
}

/// Bytes that are no slot document of this version.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DocumentError {
    /// Written by a newer version of Hallpass.
    Newer {
        /// The version found.
        version: u32,
    },
    /// No slot document.
    Malformed {
        /// The line where reading stopped, from 1.
        line: usize,
        /// The column where reading stopped, from 1.
        column: usize,
    },
}

impl fmt::Display for DocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newer { version } => write!(
                f,
                "the record has format version {version}, this Hallpass reads up to {VERSION}"
            ),
            Self::Malformed { line, column } => {
                write!(
                    f,
                    "the record is no slot document (line {line}, column {column})"
                )
            }
        }
    }
}

impl std::error::Error for DocumentError {}

/// The messages of `serde_json` repeat what they read, so only the position is kept.
fn malformed(error: &serde_json::Error) -> DocumentError {
    DocumentError::Malformed {
        line: error.line(),
        column: error.column(),
    }
}

#[derive(Serialize, Deserialize)]
struct DocumentWire {
    version: u32,
    server: ServerUrl,
    profile: Profile,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    active: Option<Issuer>,
    last_generation: Generation,
    records: Vec<RecordWire>,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

#[derive(Serialize, Deserialize)]
struct RecordWire {
    issuer: Issuer,
    generation: Generation,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    registration: Option<RegistrationWire>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    grant: Option<GrantWire>,
    metadata: ServerMetadata,
    #[serde(default)]
    settings: SettingsFingerprint,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fence: Option<Fence>,
    #[serde(flatten)]
    state: State,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

#[derive(Serialize, Deserialize)]
struct RegistrationWire {
    origin: RegistrationOrigin,
    client_id: ClientId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secret_expires_at: Option<Timestamp>,
    auth_method: TokenEndpointAuthMethod,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    redirect_uri: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scopes: Option<Scopes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    registration_client_uri: Option<Url>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    registration_access_token: Option<String>,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

#[derive(Serialize, Deserialize)]
struct GrantWire {
    kind: GrantKind,
    access_token: String,
    scheme: SchemeWire,
    obtained_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    requested_scopes: Scopes,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    granted_scopes: Option<Scopes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resource: Option<Resource>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dpop_key: Option<String>,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
enum SchemeWire {
    Bearer,
    DPoP,
}

impl From<&Record> for RecordWire {
    fn from(record: &Record) -> Self {
        Self {
            issuer: record.issuer.clone(),
            generation: record.generation,
            registration: record.registration.as_ref().map(RegistrationWire::from),
            grant: record.grant.as_ref().map(GrantWire::from),
            metadata: record.metadata.clone(),
            settings: record.settings.clone(),
            fence: record.fence,
            state: record.state.clone(),
            unknown: record.unknown.clone(),
        }
    }
}

impl RecordWire {
    fn into_record(self, slot: &Slot) -> Record {
        Record {
            slot: slot.clone(),
            issuer: self.issuer,
            generation: self.generation,
            registration: self.registration.map(Registration::from),
            grant: self.grant.map(Grant::from),
            metadata: self.metadata,
            settings: self.settings,
            fence: self.fence,
            state: self.state,
            unknown: self.unknown,
        }
    }
}

impl From<&Registration> for RegistrationWire {
    fn from(registration: &Registration) -> Self {
        let management = registration.management.as_ref();
        Self {
            origin: registration.origin,
            client_id: registration.client_id.clone(),
            client_secret: registration
                .client_secret
                .as_ref()
                .map(|s| s.expose().to_owned()),
            secret_expires_at: registration.secret_expires_at,
            auth_method: registration.auth_method.clone(),
            redirect_uri: registration.redirect_uri.clone(),
            scopes: registration.scopes.clone(),
            registration_client_uri: management.map(|management| management.uri.clone()),
            registration_access_token: management.map(|m| m.token.expose().to_owned()),
            unknown: registration.unknown.clone(),
        }
    }
}

impl From<RegistrationWire> for Registration {
    fn from(wire: RegistrationWire) -> Self {
        let management = wire
            .registration_client_uri
            .zip(wire.registration_access_token);
        Self {
            origin: wire.origin,
            client_id: wire.client_id,
            client_secret: wire.client_secret.map(ClientSecret::new),
            secret_expires_at: wire.secret_expires_at,
            auth_method: wire.auth_method,
            redirect_uri: wire.redirect_uri,
            scopes: wire.scopes,
            management: management.map(|(uri, token)| RegistrationManagement {
                uri,
                token: RegistrationAccessToken::new(token),
            }),
            unknown: wire.unknown,
        }
    }
}

impl From<&Grant> for GrantWire {
    fn from(grant: &Grant) -> Self {
        Self {
            kind: grant.kind,
            access_token: grant.access_token.expose().to_owned(),
            scheme: match grant.scheme {
                AuthScheme::Bearer => SchemeWire::Bearer,
                AuthScheme::Dpop => SchemeWire::DPoP,
            },
            obtained_at: grant.obtained_at,
            expires_at: grant.expires_at,
            refresh_token: grant
                .refresh_token
                .as_ref()
                .map(|token| token.expose().to_owned()),
            requested_scopes: grant.requested_scopes.clone(),
            granted_scopes: grant.granted_scopes.clone(),
            resource: grant.resource.clone(),
            dpop_key: grant.dpop_key.as_ref().map(|key| key.expose().to_owned()),
            unknown: grant.unknown.clone(),
        }
    }
}

impl From<GrantWire> for Grant {
    fn from(wire: GrantWire) -> Self {
        Self {
            kind: wire.kind,
            access_token: AccessToken::new(wire.access_token),
            scheme: match wire.scheme {
                SchemeWire::Bearer => AuthScheme::Bearer,
                SchemeWire::DPoP => AuthScheme::Dpop,
            },
            obtained_at: wire.obtained_at,
            expires_at: wire.expires_at,
            refresh_token: wire.refresh_token.map(RefreshToken::new),
            requested_scopes: wire.requested_scopes,
            granted_scopes: wire.granted_scopes,
            resource: wire.resource,
            dpop_key: wire.dpop_key.map(DpopKey::new),
            unknown: wire.unknown,
        }
    }
}

#[cfg(test)]
mod tests;
