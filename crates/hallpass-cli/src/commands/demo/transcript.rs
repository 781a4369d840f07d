//! What is shown, and what is checked: both from the servers' own record.

use hallpass_testkit::{Endpoint, RecordedRequest, Recorder};
use serde_json::{Value, json};

use super::request;
use crate::{exit::CommandError, output::Output};

/// Shows the requests of each step as they come out of the record.
pub(super) struct Transcript {
    output: Output,
    recorder: Recorder,
    resource: String,
    shown: usize,
    waiting: Vec<RecordedRequest>,
    step: usize,
    data: Vec<Value>,
}

impl Transcript {
    pub(super) fn new(output: Output, recorder: Recorder, resource: String) -> Self {
        Self {
            output,
            recorder,
            resource,
            shown: 0,
            waiting: Vec::new(),
            step: 0,
            data: Vec::new(),
        }
    }

    pub(super) fn line(&self, text: &str) {
        self.output.line(text);
    }

    /// A step of which the record holds these requests.
    pub(super) fn part(&mut self, title: &str, endpoints: &[Endpoint]) -> Result<(), CommandError> {
        self.collect();
        let is_part = |request: &RecordedRequest| endpoints.iter().any(|end| request.is_to(*end));
        let (part, rest) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(is_part);
        self.waiting = rest;
        self.show(title, &part)
    }

    /// A step of which the record holds all that has not been shown yet.
    pub(super) fn rest(&mut self, title: &str) -> Result<(), CommandError> {
        self.collect();
        let rest = std::mem::take(&mut self.waiting);
        self.show(title, &rest)
    }

    /// Passes over what has not been shown yet.
    pub(super) fn drop_rest(&mut self) {
        self.collect();
        self.waiting.clear();
    }

    /// Passes over what has not been shown yet, but for the requests to one endpoint.
    pub(super) fn drop_all_but(&mut self, endpoint: Endpoint) {
        self.collect();
        self.waiting.retain(|request| request.is_to(endpoint));
    }

    /// Checks that there were so many requests to `endpoint`, each with exactly the one resource.
    pub(super) fn carries_resource(
        &self,
        endpoint: Endpoint,
        times: usize,
    ) -> Result<(), CommandError> {
        let mut requests = self.recorder.requests_to(endpoint);
        // The answer to a consent page goes to the same endpoint, and is not the client's.
        requests.retain(|request| endpoint != Endpoint::Authorization || request.method == "GET");
        let right = |request: &RecordedRequest| request.parameters("resource") == [&self.resource];
        let holds = requests.len() == times && requests.iter().all(right);
        let what = format!(
            "{times} × {endpoint:?} with resource={}, exactly once",
            self.resource
        );
        self.check(holds, &what)
    }

    /// Says `what` with a tick, or fails with it.
    pub(super) fn check(&self, holds: bool, what: &str) -> Result<(), CommandError> {
        if !holds {
            return Err(CommandError::new(format!("check failed: {what}")));
        }
        self.output.line(&format!("   ✓ {what}"));
        Ok(())
    }

    pub(super) fn into_data(self) -> Vec<Value> {
        self.data
    }

    fn collect(&mut self) {
        let new = self.recorder.since(self.shown);
        self.shown += new.len();
        self.waiting.extend(new);
    }

    fn show(&mut self, title: &str, requests: &[RecordedRequest]) -> Result<(), CommandError> {
        if requests.is_empty() {
            return Err(CommandError::new(format!("no such request: {title}")));
        }
        self.step += 1;
        self.output.line(&format!("\n{}. {title}", self.step));
        for request in requests {
            for line in request::lines(request) {
                self.output.line(&format!("   {line}"));
            }
        }
        let requests: Vec<Value> = requests.iter().map(request::data).collect();
        self.data
            .push(json!({ "step": title, "requests": requests }));
        Ok(())
    }
}
