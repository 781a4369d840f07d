//! The order of the steps, and what one learns for the next.

use hallpass_core::{Challenge, CredentialKey, Hint, Record, Remedy, ServerSettings, redacted_url};
use hallpass_discovery::Discovered;
use hallpass_session::Token;
use http::StatusCode;

use crate::{Doctor, Report, Severity, Step, StepName, bounds, clock, metadata};

/// One run.
#[derive(Debug)]
pub(crate) struct Diagnosis<'a> {
    pub(crate) doctor: &'a Doctor,
    /// What the endpoint said to a request without a token; `None` when there was no answer.
    pub(crate) anonymous: Option<Anonymous>,
    /// The result of discovery.
    pub(crate) discovered: Option<Discovered>,
    /// The record that is kept, if it could be read.
    pub(crate) record: Option<Record>,
    /// The token that the server is asked with.
    pub(crate) token: Option<Token>,
}

/// An answer to a request without a token.
#[derive(Debug)]
pub(crate) struct Anonymous {
    pub(crate) status: StatusCode,
    /// What it challenges with; one bare challenge for a 401 that says nothing.
    pub(crate) challenges: Vec<Challenge>,
    /// Whether MCP begins with it.
    pub(crate) is_open: bool,
}

impl Diagnosis<'_> {
    /// Does all steps.
    pub(crate) async fn run(mut self) -> Report {
        let (mut network, endpoint) = self.network().await;
        let (resource, mut server) = if endpoint.is_passable() || self.may_have_metadata() {
            self.metadata().await
        } else {
            let why = "the URL leads to no MCP endpoint that answers";
            let skipped = |name| Step::skipped(name, why);
            (
                skipped(StepName::ResourceMetadata),
                skipped(StepName::AuthorizationServer),
            )
        };
        let store = self.store().await;
        self.unlisted_scopes(&mut server);
        let registration = self.registration(&mut server).await;
        server
            .findings
            .sort_by_key(|it| std::cmp::Reverse(it.severity));
        let account = self.account(&store).await;
        let token = self.token(&account).await;
        let (audience, mcp) = self.calls(&token).await;
        network
            .findings
            .extend(clock::skew(&self.doctor.parts.http.clocks()));
        let key = self.key();
        let mut steps = vec![
            network,
            endpoint,
            resource,
            server,
            store,
            registration,
            account,
            token,
            audience,
            mcp,
        ];
        let is_discovered = self.discovered.is_some();
        // The token of the user needs no sign-in, so what stands before one is no hindrance.
        self.leave_out_token_source(&mut steps);
        sign_in_once(&mut steps, is_discovered);
        steps.iter_mut().for_each(bounds::apply);
        Report {
            server: redacted_url(key.server.url()),
            account: key.account.to_string(),
            steps,
        }
    }

    /// No sign-in changes a token that comes from elsewhere: there is another one to get, or the source to
    /// leave out.
    fn leave_out_token_source(&self, steps: &mut [Step]) {
        let Some(source) = self.doctor.parts.hallpass.session().token_source() else {
            return;
        };
        let resource = self.discovered.as_ref().and_then(|it| it.resource.as_ref());
        let resource = resource.map_or_else(String::new, |resource| {
            format!(
                " for the resource {}",
                metadata::quoted_resource(Some(resource))
            )
        });
        let other = format!(
            "put another token{resource} in the place of the one from {}",
            source.describe()
        );
        for finding in steps.iter_mut().flat_map(|step| &mut step.findings) {
            let Some(at) = finding.hints.iter().position(|it| *it == Hint::SignIn) else {
                continue;
            };
            let instead = [Hint::text(other.as_str()), Hint::LeaveOutTokenSource];
            drop(finding.hints.splice(at..=at, instead));
            finding.remedy = Remedy::Configure;
        }
    }

    pub(crate) fn key(&self) -> &CredentialKey {
        self.doctor.parts.hallpass.key()
    }

    pub(crate) fn settings(&self) -> &ServerSettings {
        self.doctor.parts.hallpass.session().settings()
    }

    pub(crate) fn challenges(&self) -> &[Challenge] {
        self.anonymous
            .as_ref()
            .map_or(&[], |anonymous| &anonymous.challenges)
    }

    /// Whether the server answers MCP without a token.
    pub(crate) fn is_open(&self) -> bool {
        self.anonymous
            .as_ref()
            .is_some_and(|anonymous| anonymous.is_open)
    }

    /// Whether requests get through without a sign-in: the server asks for no token, or the user has one from
    /// elsewhere.
    pub(crate) fn needs_no_sign_in(&self) -> bool {
        self.is_open() || self.has_token_source()
    }

    pub(crate) fn has_token_source(&self) -> bool {
        let session = self.doctor.parts.hallpass.session();
        session.token_source().is_some()
    }

    /// Whether metadata is worth looking for although the endpoint does not answer as it should: it
    /// answers, and not that there is nothing.
    fn may_have_metadata(&self) -> bool {
        self.anonymous.as_ref().is_some_and(|anonymous| {
            !matches!(anonymous.status, StatusCode::NOT_FOUND | StatusCode::GONE)
        })
    }
}

impl Anonymous {
    /// MCP begins without a token.
    pub(crate) fn open() -> Self {
        Self {
            status: StatusCode::OK,
            challenges: Vec::new(),
            is_open: true,
        }
    }

    pub(crate) fn closed(status: StatusCode, challenges: Vec<Challenge>) -> Self {
        Self {
            status,
            challenges,
            is_open: false,
        }
    }
}

/// A sign-in fails, or leads no further, as long as a fault before it is there: at the MCP server's endpoint,
/// at the authorization server, at its client. The findings after that fault lead to its fix, which may be a
/// setting, whose hint signs in with it.
fn sign_in_once(steps: &mut [Step], is_discovered: bool) {
    let is_setting = |hint: &Hint| matches!(hint, Hint::Setting { .. } | Hint::Settings { .. });
    let mut first: Option<String> = None;
    for step in steps {
        let stops_sign_in = match step.name {
            StepName::ResourceMetadata => !is_discovered,
            StepName::Network
            | StepName::Endpoint
            | StepName::AuthorizationServer
            | StepName::Registration => true,
            _ => false,
        };
        for finding in &mut step.findings {
            if let Some(first) = &first {
                let sign_ins = finding.hints.iter_mut();
                for hint in sign_ins.filter(|hint| **hint == Hint::SignIn) {
                    *hint = Hint::text(first);
                }
            } else if finding.severity == Severity::Fault {
                let code = finding.code.as_str();
                if finding.hints.iter().any(is_setting) {
                    first = Some(format!("the fix of `{code}` signs in"));
                } else if stops_sign_in && !finding.hints.contains(&Hint::SignIn) {
                    first = Some(format!("fix `{code}` first"));
                }
            }
        }
    }
}
