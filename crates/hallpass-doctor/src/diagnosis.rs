//! The order of the steps, and what one learns for the next.

use hallpass_core::{Challenge, CredentialKey, Hint, Record, ServerSettings, redacted_url};
use hallpass_discovery::Discovered;
use hallpass_session::Token;
use http::StatusCode;

use crate::{Code, Doctor, Report, Severity, Step, StepName, clock};

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
        sign_in_once(&mut steps);
        Report {
            server: redacted_url(key.server.url()),
            account: key.account.to_string(),
            steps,
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

/// Where a fault is removed by a setting, whose hint signs in with it, a sign-in without that setting would
/// fail: the findings after that fault lead to its fix.
fn sign_in_once(steps: &mut [Step]) {
    let is_setting = |hint: &Hint| matches!(hint, Hint::Setting { .. } | Hint::Settings { .. });
    let mut fix: Option<Code> = None;
    for finding in steps.iter_mut().flat_map(|step| &mut step.findings) {
        if let Some(code) = fix {
            let sign_ins = finding.hints.iter_mut();
            for hint in sign_ins.filter(|hint| **hint == Hint::SignIn) {
                *hint = Hint::text(format!("the fix of `{}` signs in", code.as_str()));
            }
        } else if finding.severity == Severity::Fault && finding.hints.iter().any(is_setting) {
            fix = Some(finding.code);
        }
    }
}
