//! The order in which things are looked for.

use hallpass_core::{BoxFuture, Challenge, Clock, HttpClient, ServerSettings, ServerUrl};

use crate::{
    CacheMode, Discovered, DiscoveryError, authorization_server,
    error::{DiscoveryErrorKind, RequestFailure},
    protected_resource::{self, Candidate},
    reader::Reader,
    resource_choice,
};

/// The way from an MCP server's URL, or its 401, to its authorization server.
#[derive(Debug, Clone, Copy)]
pub struct Discovery<'a> {
    /// What sends the requests: a GET for each candidate, with the policy for metadata.
    pub http: &'a dyn HttpClient,
    /// What times them.
    pub clock: &'a dyn Clock,
    /// What the user set for this server.
    pub settings: &'a ServerSettings,
}

impl Discovery<'_> {
    /// Looks for the authorization server of `server`, with new requests for everything.
    ///
    /// `challenges` are those of the answer that refused a request; a 401 without any stands as one
    /// [`Challenge::new`], an empty list for a server that refused nothing yet.
    ///
    /// # Errors
    ///
    /// When nothing usable was found, or something that must not be used; with every try.
    pub async fn run(
        &self,
        server: &ServerUrl,
        challenges: &[Challenge],
    ) -> Result<Discovered, DiscoveryError> {
        self.run_with(server, challenges, CacheMode::Uncached).await
    }

    /// As [`run`](Self::run), with a cache that the caller holds.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub async fn run_with(
        &self,
        server: &ServerUrl,
        challenges: &[Challenge],
        reading: CacheMode<'_>,
    ) -> Result<Discovered, DiscoveryError> {
        let mut reader = Reader::new(self.http, self.clock, server, reading);
        match self.find_boxed(server, challenges, &mut reader).await {
            Ok(mut discovered) => {
                discovered.is_provisional = reader.met_a_passing_fault();
                discovered.attempts = reader.into_attempts();
                Ok(discovered)
            }
            Err(fault) => Err(DiscoveryError::new(fault, reader.into_attempts())),
        }
    }

    /// Boxed, it is compiled once, and not in each crate that awaits a discovery.
    fn find_boxed<'f>(
        &'f self,
        server: &'f ServerUrl,
        challenges: &'f [Challenge],
        reader: &'f mut Reader<'_>,
    ) -> BoxFuture<'f, Result<Discovered, RequestFailure>> {
        Box::pin(self.find(server, challenges, reader))
    }

    async fn find(
        &self,
        server: &ServerUrl,
        challenges: &[Challenge],
        reader: &mut Reader<'_>,
    ) -> Result<Discovered, RequestFailure> {
        let settings = self.settings;
        let (metadata, other_origin, nothing) =
            match protected_resource::find(settings, server, challenges, reader).await? {
                Candidate::Metadata(metadata, origin) => (Some(*metadata), origin, None),
                Candidate::Nothing {
                    fault,
                    looks_legacy,
                } => (None, None, Some((fault, looks_legacy))),
            };
        // The choice comes before the authorization server is asked for: a refused one costs no
        // further request.
        let resource = resource_choice::choose(&settings.resource, server, metadata.as_ref())?;
        let listed = metadata
            .as_ref()
            .map_or(&[][..], |metadata| &metadata.authorization_servers);
        let asked_for = !challenges.is_empty() || settings.legacy_discovery;

        let (server_metadata, source) = if let Some(endpoints) = &settings.endpoints {
            authorization_server::explicit(settings, endpoints, listed)?
        } else if let Some(url) = &settings.server_metadata_url {
            let expected = if settings.issuer.is_none() && listed.is_empty() {
                Vec::new()
            } else {
                authorization_server::issuers(settings, server, metadata.as_ref())?
            };
            authorization_server::at_named_url(settings, &expected, url, reader).await?
        } else if let (None, Some((fault, looks_legacy))) = (&settings.issuer, nothing) {
            // RFC 9728 is not what this server speaks. That it speaks MCP 2025-03-26 follows only
            // from a 404 everywhere, or is said by the user.
            if !looks_legacy && !settings.legacy_discovery {
                return Err(fault);
            }
            authorization_server::legacy(settings, server, asked_for, reader).await?
        } else {
            let found = match authorization_server::issuers(settings, server, metadata.as_ref()) {
                Ok(issuers) => authorization_server::from_issuers(settings, &issuers, reader).await,
                Err(fault) => Err(fault),
            };
            match found {
                Err(fault) if settings.legacy_discovery && is_absence(&fault) => {
                    authorization_server::legacy(settings, server, asked_for, reader).await?
                }
                found => found?,
            }
        };
        Ok(Discovered {
            resource_metadata: metadata,
            resource_metadata_origin: other_origin,
            resource,
            server: server_metadata,
            source,
            attempts: Vec::new(),
            is_provisional: false,
        })
    }
}

/// Whether a fault says that there is no authorization server to be found this way.
fn is_absence(fault: &RequestFailure) -> bool {
    matches!(
        fault.kind,
        DiscoveryErrorKind::NoAuthorizationServer
            | DiscoveryErrorKind::ServerMetadataNotFound
            | DiscoveryErrorKind::NotJson
    )
}
