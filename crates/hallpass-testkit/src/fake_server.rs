//! What the authorization server and the MCP server have in common.

use std::{fmt, io, sync::Arc};

use hallpass_core::Clock;

use crate::{
    Endpoint, Fault, ListenOptions, PlannedFault, RecordedRequest, Recorder,
    exchange::{Answering, Exchange},
    fault::FaultPlan,
    listen::{Bound, Listening},
};

/// A server of the testkit: where it listens, what it was sent, and what goes wrong at it.
pub struct FakeServer {
    listening: Listening,
    recorder: Recorder,
    faults: Arc<FaultPlan>,
}

impl FakeServer {
    pub(crate) fn start(
        bound: Bound,
        listen: ListenOptions,
        answering: Arc<dyn Answering>,
        clock: Arc<dyn Clock>,
        recorder: Option<Recorder>,
        faults: Vec<PlannedFault>,
    ) -> Self {
        let recorder = recorder.unwrap_or_default();
        let faults = Arc::new(FaultPlan::new(faults));
        let exchange = Exchange {
            server: answering,
            recorder: recorder.clone(),
            faults: faults.clone(),
            clock,
            origin: bound.origin().to_owned(),
            name: listen.name,
            required_header: listen.required_header,
        };
        Self {
            listening: bound.serve(exchange),
            recorder,
            faults,
        }
    }

    /// Scheme, host and port, without a slash at the end.
    pub fn origin(&self) -> &str {
        self.listening.origin()
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.listening.port()
    }

    /// What this server was sent, in the order it arrived.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        let mut requests = self.recorder.requests();
        requests.retain(|request| request.origin == self.origin());
        requests
    }

    /// What this server was sent at one endpoint.
    pub fn requests_to(&self, endpoint: Endpoint) -> Vec<RecordedRequest> {
        let mut requests = self.recorder.requests_to(endpoint);
        requests.retain(|request| request.origin == self.origin());
        requests
    }

    /// The record, to be shared with other servers.
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// Plans faults in the place of those planned before.
    pub fn plan(&self, faults: Vec<PlannedFault>) {
        self.faults.replace(faults);
    }

    /// Lets the next request to an endpoint go wrong. Several wait in line.
    pub fn once(&self, endpoint: Endpoint, fault: Fault) {
        self.faults.once(endpoint, fault);
    }

    /// Goes down: breaks off every connection, and refuses new ones once this has ended. Its state
    /// stays.
    pub async fn stop(&self) {
        self.listening.stop().await;
    }

    /// Comes up again on the same port, with the state that it had.
    ///
    /// # Errors
    ///
    /// When another process has the port.
    pub async fn resume(&self) -> io::Result<()> {
        self.listening.resume().await
    }
}

impl fmt::Debug for FakeServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeServer")
            .field("origin", &self.origin())
            .finish_non_exhaustive()
    }
}
