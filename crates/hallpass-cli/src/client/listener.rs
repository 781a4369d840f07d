//! What a server says and asks while it works on a request.

use std::sync::{Mutex, PoisonError};

use hallpass::Hallpass;
use rmcp::{
    ClientHandler, RoleClient,
    model::{
        ClientCapabilities, ClientConfig, ElicitRequestParams, ElicitResult, ElicitationCapability,
        ErrorData, FormElicitationCapability, Implementation, ProgressNotificationParam,
        UrlElicitationCapability,
    },
    service::{NotificationContext, RequestContext},
};
use tokio::sync::watch;

use super::elicitation::Elicitor;
use crate::{output::Output, program::Program, text};

/// Shows progress and log messages, and has a user answer what the server asks.
pub(crate) struct Listener {
    server: String,
    output: Output,
    verbose: bool,
    /// There is one terminal: what is asked at once is asked one after the other.
    asking: tokio::sync::Mutex<Elicitor>,
    /// How far the server was when it was furthest.
    furthest: Mutex<f64>,
    /// Dropped with the listener.
    dropped: watch::Sender<()>,
}

impl Listener {
    pub(crate) fn new(program: &Program, hallpass: &Hallpass) -> Self {
        Self {
            server: hallpass.key().server.to_string(),
            output: program.output.clone(),
            verbose: program.options.verbose > 0,
            asking: Elicitor::new(program, hallpass).into(),
            furthest: Mutex::new(f64::NEG_INFINITY),
            dropped: watch::Sender::default(),
        }
    }

    /// Completes once the listener is dropped. Each message of the server is handled by a task of its own,
    /// which keeps the listener until it has printed.
    pub(super) fn until_dropped(&self) -> impl Future<Output = ()> + use<> {
        let mut dropped = self.dropped.subscribe();
        async move { while dropped.changed().await.is_ok() {} }
    }
}

impl Listener {
    /// Has a user answer.
    pub(super) async fn ask(&self, request: ElicitRequestParams) -> ElicitResult {
        let asking = self.asking.lock().await;
        let _still = self.output.hold_status();
        asking.answer(request).await
    }

    /// Whether this goes beyond what was told before. Progress always grows (MCP, Progress), but what
    /// comes at once is not told in its order.
    fn is_further(&self, progress: f64) -> bool {
        let mut furthest = self.furthest.lock().unwrap_or_else(PoisonError::into_inner);
        let further = progress > *furthest;
        if further {
            *furthest = progress;
        }
        further
    }
}

impl ClientHandler for Listener {
    fn get_info(&self) -> ClientConfig {
        let form = FormElicitationCapability::new().with_schema_validation(true);
        let mut capabilities = ClientCapabilities::default();
        capabilities.elicitation = Some(
            ElicitationCapability::new()
                .with_form(form)
                .with_url(UrlElicitationCapability::new()),
        );
        let program = Implementation::new("hallpass", env!("CARGO_PKG_VERSION"));
        ClientConfig::new(capabilities, program)
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        tokio::select! {
            answer = self.ask(request) => Ok(answer),
            () = context.ct.cancelled() => Err(ErrorData::internal_error("cancelled", None)),
        }
    }

    async fn on_progress(
        &self,
        progress: ProgressNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        let words = describe(&progress);
        if self.is_further(progress.progress) {
            let waiting = format!("{}: {words}", self.server);
            self.output.now_waiting(&waiting);
        }
        if self.verbose {
            self.output.status(&format!("progress: {words}"));
        }
    }

    #[expect(
        deprecated,
        reason = "the servers of today log so (SEP-2577 ends it later)"
    )]
    async fn on_logging_message(
        &self,
        message: rmcp::model::LoggingMessageNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        if self.verbose {
            let level = format!("{:?}", message.level).to_lowercase();
            let logger = message.logger.map(|name| format!(" {name}"));
            let text = match message.data {
                serde_json::Value::String(text) => text,
                other => other.to_string(),
            };
            let line = format!("server {level}{}: {text}", logger.unwrap_or_default());
            self.output.status(&text::line(&line));
        }
    }
}

/// `3 of 10, reading files`, or as much of it as was said.
fn describe(progress: &ProgressNotificationParam) -> String {
    let count = match progress.total {
        Some(total) => format!("{} of {total}", progress.progress),
        None => progress.progress.to_string(),
    };
    match &progress.message {
        Some(message) => format!("{count}, {}", text::line(message)),
        None => count,
    }
}
