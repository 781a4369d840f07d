//! The two metadata documents: what discovery comes to, and what it says on the way.

use std::{borrow::Cow, error::Error};

use hallpass_core::{Diagnostic as _, Hint, HttpError, Resource};
use hallpass_discovery::{
    Attempt, Discovered, Discovery, DiscoveryError, DiscoveryErrorKind, Document, MetadataSource,
};

use crate::{
    Code, Exchange, Finding, ResponsibleParty, Severity, Step, StepName, authorization_server,
    certificates, diagnosis::Diagnosis, recording_client::status_text, unanswered,
};

impl Diagnosis<'_> {
    /// Looks for both documents, as a sign-in does.
    pub(crate) async fn metadata(&mut self) -> (Step, Step) {
        let doctor = self.doctor;
        let discovery = Discovery {
            http: &doctor.parts.http,
            clock: &*doctor.parts.clock,
            settings: self.settings(),
        };
        let found = discovery.run(&self.key().server, self.challenges()).await;
        // The attempts tell the same, and more.
        drop(doctor.parts.http.exchanges());
        let (mut resource, mut server) = match found {
            Ok(discovered) => self.found_all(discovered).await,
            Err(error) => self.found_too_little(&error),
        };
        if let Some(discovered) = &self.discovered
            && let Some(url) = &discovered.server.token_endpoint
        {
            let handshakes = doctor.parts.handshakes.all();
            let (side, now) = (
                ResponsibleParty::AuthorizationServer,
                doctor.parts.clock.now(),
            );
            certificates::describe(&mut server, &handshakes, url, side, now);
        }
        resource
            .findings
            .sort_by_key(|it| std::cmp::Reverse(it.severity));
        server
            .findings
            .sort_by_key(|it| std::cmp::Reverse(it.severity));
        (resource, server)
    }

    async fn found_all(&mut self, discovered: Discovered) -> (Step, Step) {
        let (mut resource, mut server) = steps(&discovered.attempts);
        match &discovered.resource {
            Some(chosen) => resource.push_fact("resource", without_query(chosen.as_str())),
            None => resource.push_fact("resource", "left out, as configured"),
        }
        if let Some(origin) = &discovered.resource_metadata_origin {
            let what = format!("the challenge names metadata on another origin, {origin}");
            resource.push_finding(Finding::new(Code::MetadataElsewhere, what));
        }
        if let Some(metadata) = &discovered.resource_metadata {
            let issuers = metadata.authorization_servers.iter();
            let issuers: Vec<_> = issuers.take(8).map(hallpass_core::Issuer::as_str).collect();
            resource.push_fact("authorization servers", issuers.join(", "));
            resource
                .findings
                .extend(self.covers_more(&metadata.resource));
        }
        if matches!(
            discovered.source,
            MetadataSource::Legacy | MetadataSource::Guessed
        ) {
            let what = "there is no protected resource metadata: the server is taken for its own \
                        authorization server";
            resource.push_finding(Finding::new(Code::LegacyDiscovery, what));
        } else if discovered.resource_metadata.is_none() {
            resource.push_fact("metadata", "none, the settings take its place");
        }
        if discovered.is_provisional {
            let what = "a better place for the metadata did not answer, or only with a fault of its \
                        own; what was found may not be what the server means";
            server.push_finding(Finding::new(Code::MetadataProvisional, what).retry_later());
        }
        authorization_server::describe(&mut server, &discovered, self.settings());
        self.scopes(&mut server, &discovered);
        self.discovered = Some(discovered);
        self.endpoints(&mut server).await;
        (resource, server)
    }

    fn found_too_little(&self, error: &DiscoveryError) -> (Step, Step) {
        let (mut resource, mut server) = steps(error.attempts());
        let at_server = is_at_authorization_server(error);
        let finding = self.finding(error, at_server);
        if at_server {
            server.push_finding(finding);
        } else {
            resource.push_finding(finding);
            let why = "no authorization server is known";
            server = Step::skipped(StepName::AuthorizationServer, why);
        }
        (resource, server)
    }

    fn finding(&self, error: &DiscoveryError, at_server: bool) -> Finding {
        let side = if at_server {
            ResponsibleParty::AuthorizationServer
        } else {
            ResponsibleParty::Server
        };
        let http = error
            .source()
            .and_then(<dyn Error>::downcast_ref::<HttpError>);
        if let Some(http) = http {
            let proxy = url::Url::parse(http.url())
                .ok()
                .and_then(|url| self.doctor.proxy_for(&url));
            return unanswered::finding(http, side, proxy.as_deref());
        }
        let code = code_of(error.kind());
        let found = Finding::from_error(code, error).with_remedy(error.remedy());
        let found = match code.party() {
            ResponsibleParty::Here => found,
            _ => found.with_party(side),
        };
        // A page or an error at the well-known URLs says nothing about a server that asks for no token.
        let is_no_document = matches!(
            code,
            Code::MetadataNotJson | Code::MetadataUnavailable | Code::NoResourceMetadata
        );
        if is_no_document && !at_server && self.is_open() {
            return found.with_severity(Severity::Note);
        }
        let found = error.hints().into_iter().fold(found, Finding::hint);
        let found = match code {
            Code::EndpointRefused | Code::MetadataInvalid => {
                found.text("contact the server's operator: its document is wrong")
            }
            _ => found,
        };
        // A server that asks for nothing lacks nothing; one that does not answer says nothing.
        let refused = self
            .anonymous
            .as_ref()
            .is_some_and(|it| matches!(it.status.as_u16(), 401 | 403));
        if code == Code::NoOAuth && !refused {
            return found.with_severity(Severity::Note);
        }
        found
    }

    /// A resource above the server's own path.
    fn covers_more(&self, published: &Resource) -> Option<Finding> {
        let own = self.key().server.url().path().trim_end_matches('/');
        let published_url = url::Url::parse(published.as_str()).ok()?;
        let path = published_url.path().trim_end_matches('/');
        (path.len() < own.len()).then(|| {
            let what = format!(
                "the server calls itself `{}`: a token for it is good for all below that, and not \
                 for this endpoint alone",
                without_query(published.as_str())
            );
            Finding::new(Code::ResourceCoversMore, what)
        })
    }
}

/// A resource in a sentence.
pub(crate) fn quoted_resource(resource: Option<&Resource>) -> String {
    resource.map_or_else(
        || "none".to_owned(),
        |it| format!("`{}`", without_query(it.as_str())),
    )
}

/// A resource or an audience as it is written, without its query, which may hold a secret.
pub(crate) fn without_query(text: &str) -> Cow<'_, str> {
    match text.split_once('?') {
        Some((before, _)) => format!("{before}?…").into(),
        None => text.into(),
    }
}

/// Both steps, with what was tried.
fn steps(attempts: &[Attempt]) -> (Step, Step) {
    let mut resource = Step::new(StepName::ResourceMetadata);
    let mut server = Step::new(StepName::AuthorizationServer);
    for attempt in attempts {
        let step = match attempt.document() {
            Document::ProtectedResource => &mut resource,
            Document::AuthorizationServer => &mut server,
        };
        let outcome = match attempt.status() {
            Some(status) => status_text(status, attempt.duration()),
            None if attempt.duration().is_zero() => "not sent".to_owned(),
            None => format!("no answer in {} ms", attempt.duration().as_millis()),
        };
        let used = if attempt.reason().is_some() {
            ", not used"
        } else {
            ", used"
        };
        step.exchanges.push(Exchange {
            request: format!("GET {}", attempt.url()),
            outcome: format!("{outcome}{used}"),
        });
        for note in attempt.notes() {
            let side = match attempt.document() {
                Document::ProtectedResource => ResponsibleParty::Server,
                Document::AuthorizationServer => ResponsibleParty::AuthorizationServer,
            };
            step.push_finding(Finding::new(Code::OddMetadata, note.clone()).with_party(side));
        }
    }
    (resource, server)
}

/// Whether it is the authorization server's document that discovery ended at.
fn is_at_authorization_server(error: &DiscoveryError) -> bool {
    match error.kind() {
        DiscoveryErrorKind::ServerMetadataNotFound
        | DiscoveryErrorKind::IssuerMismatch
        | DiscoveryErrorKind::EndpointRefused => true,
        DiscoveryErrorKind::Settings => !error
            .hints()
            .contains(&Hint::setting("resource_metadata_url", None)),
        DiscoveryErrorKind::NotJson
        | DiscoveryErrorKind::InvalidDocument
        | DiscoveryErrorKind::TooLarge
        | DiscoveryErrorKind::Unavailable
        | DiscoveryErrorKind::Unreachable => error
            .attempts()
            .last()
            .is_some_and(|last| last.document() == Document::AuthorizationServer),
        _ => false,
    }
}

fn code_of(kind: DiscoveryErrorKind) -> Code {
    match kind {
        DiscoveryErrorKind::Settings => Code::SettingRefused,
        DiscoveryErrorKind::ChallengeRefused => Code::ChallengeRefused,
        DiscoveryErrorKind::NoOAuth => Code::NoOAuth,
        DiscoveryErrorKind::ResourceMismatch => Code::ResourceMismatch,
        DiscoveryErrorKind::ResourceSetting => Code::ResourceSetting,
        DiscoveryErrorKind::NoAuthorizationServer => Code::NoAuthorizationServer,
        DiscoveryErrorKind::IssuerNotListed => Code::IssuerNotListed,
        DiscoveryErrorKind::ServerMetadataNotFound => Code::NoServerMetadata,
        DiscoveryErrorKind::IssuerMismatch => Code::IssuerMismatch,
        DiscoveryErrorKind::EndpointRefused => Code::EndpointRefused,
        DiscoveryErrorKind::NotJson => Code::MetadataNotJson,
        DiscoveryErrorKind::InvalidDocument => Code::MetadataInvalid,
        DiscoveryErrorKind::TooLarge => Code::MetadataTooLarge,
        DiscoveryErrorKind::Unavailable => Code::MetadataUnavailable,
        _ => Code::NoResourceMetadata,
    }
}
