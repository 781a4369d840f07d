//! The way to the server, and what its endpoint says to a request without a token.

use std::{sync::Arc, time::Duration};

use hallpass_core::{Clock, HttpClient, http::RequestOptions};
use hallpass_mcp::{Anonymous as NoToken, Endpoint, Error, Response, TransportKind};

use crate::{
    Code, Finding, ResponsibleParty, Step, StepName, certificates, diagnosis::Diagnosis, endpoint,
    opening::InitializeOutcome, unanswered,
};

impl Diagnosis<'_> {
    /// Asks as a host does that was told nothing but the URL: with a POST, since some servers answer
    /// nothing else.
    pub(crate) async fn network(&mut self) -> (Step, Step) {
        let mut step = Step::new(StepName::Network);
        let url = self.key().server.url().clone();
        let doctor = self.doctor;
        match (&doctor.parts.client, doctor.proxy_for(&url)) {
            (None, _) => step.push_fact("reached", "through the host's own HTTP client"),
            (Some(_), None) => step.push_fact("reached", "directly, without a proxy"),
            (Some(_), Some(proxy)) => {
                step.push_fact("reached", format!("through the proxy {proxy}"));
                let what = format!(
                    "where names lead is decided by the proxy {proxy}: addresses that metadata \
                     names are checked here only where they are written as numbers"
                );
                step.push_finding(Finding::new(Code::ProxyDecides, what));
            }
        }
        let server = self.endpoint();
        let probe = InitializeOutcome::request(doctor.parts.transport);
        let answer = server.send(&probe, &NoToken).await;
        step.exchanges = doctor.parts.http.exchanges();
        let handshakes = doctor.parts.handshakes.all();
        let now = doctor.parts.clock.now();
        certificates::describe(&mut step, &handshakes, &url, ResponsibleParty::Server, now);
        match answer {
            Ok(response) => {
                let endpoint = self.judge(response).await;
                (step, endpoint)
            }
            Err(error) => {
                step.push_finding(self.no_answer(&error));
                let why = "there was no answer to judge";
                (step, Step::skipped(StepName::Endpoint, why))
            }
        }
    }

    /// The MCP server's endpoint, under the diagnosis's time limit.
    pub(crate) fn endpoint(&self) -> Endpoint {
        let http: Arc<dyn HttpClient> = Arc::new(self.doctor.parts.http.clone());
        // A stream that only keeps itself alive must not hold up the report.
        let options = RequestOptions {
            timeout: Some(Duration::MAX),
            ..RequestOptions::mcp(&self.key().server)
        };
        Endpoint::new(http, &self.key().server).with_options(options)
    }

    /// How the server is spoken to, and the clock that goes with it.
    pub(crate) fn spoken(&self) -> (TransportKind, &dyn Clock) {
        (self.doctor.parts.transport, &*self.doctor.parts.clock)
    }

    /// An MCP request without an answer.
    pub(crate) fn no_answer(&self, error: &Error) -> Finding {
        match error {
            Error::Http(error) => {
                let proxy = self.doctor.proxy_for(self.key().server.url());
                unanswered::finding(error, ResponsibleParty::Server, proxy.as_deref())
            }
            Error::Redirect(error) => unanswered::redirected(error),
            error => Finding::from_error(Code::McpUnreadable, error),
        }
    }

    async fn judge(&mut self, response: Response) -> Step {
        let server = self.endpoint();
        let (step, anonymous) = endpoint::judge(response, &server, self.spoken()).await;
        self.anonymous = Some(anonymous);
        let mut step = step;
        step.exchanges.extend(self.doctor.parts.http.exchanges());
        step
    }
}
