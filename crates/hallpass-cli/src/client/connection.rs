//! A server that answered `initialize`: requests to it, and what it says and asks meanwhile.

use std::{collections::BTreeSet, time::Duration};

use hallpass::{ClientError, Clock as _, CredentialKey, Diagnostic as _, Remedy, SystemClock};
use rmcp::{
    ClientLifecycleMode, ClientServiceExt, RoleClient, ServiceExt,
    model::{
        ElicitRequestParams, ElicitResult, GetPromptRequestParams, GetPromptResult,
        PaginatedRequestParams, ProtocolVersion, ReadResourceRequestParams, ReadResourceResult,
        ServerCapabilities,
    },
    service::{ClientInitializeError, Peer, RunningService, ServiceError},
};

use super::{listener::Listener, rmcp_error};
use crate::{
    exit::{Code, CommandError},
    program::Program,
    server_options::Server,
    server_ref::ServerRef,
    setup::{Options, Setup},
    store,
    tool_names::ToolNames,
};

/// How many pages and entries of a list are read.
const MAX_PAGES: usize = 500;
const MAX_ITEMS: usize = 20_000;

/// How long the last lines of the server's log may take after the answer.
const LAST_LINES_TIMEOUT: Duration = Duration::from_secs(1);

/// One connection. It ends in good order with [`finish`](Self::finish).
pub(crate) struct Connection<'a> {
    program: &'a Program,
    setup: Setup,
    client: RunningService<RoleClient, Listener>,
}

/// Shakes hands with the server; where it refuses that with a message, as one of MCP 2026-07-28 does,
/// speaks to it without.
async fn serve(
    setup: &Setup,
    program: &Program,
) -> Result<RunningService<RoleClient, Listener>, ClientError> {
    let listener = || Listener::new(program, &setup.hallpass);
    let transport = || setup.hallpass.transport();
    let refused = match listener().serve(transport()).await {
        Err(ClientInitializeError::JsonRpcError(refused)) => refused,
        other => return other.map_err(ClientError::from),
    };
    let refused = ClientError::from(ClientInitializeError::JsonRpcError(refused));
    if refused.server_error().is_none() {
        // It was not the server that said so.
        return Err(refused);
    }
    let without = ClientLifecycleMode::Discover {
        preferred_versions: vec![ProtocolVersion::V_2026_07_28],
    };
    let client = listener().serve_with_lifecycle(transport(), without).await;
    client.map_err(|error| {
        let error = ClientError::from(error);
        match error.remedy() {
            // It was not the message that was refused.
            Remedy::SignIn | Remedy::Retry => error,
            Remedy::Configure | Remedy::Report => refused,
        }
    })
}

/// One page of a list, and where the next one begins.
pub(crate) type Page<T> = (Vec<T>, Option<String>);

impl<'a> Connection<'a> {
    /// Connects with the stored credentials, without a sign-in.
    pub(crate) async fn open(server: &Server, program: &'a Program) -> Result<Self, CommandError> {
        let setup = Setup::new(program, server, Options::Saved, None).await?;
        let serving = Box::pin(serve(&setup, program));
        let waiting = format!("waiting for {}", setup.hallpass.key().server);
        match program.output.while_waiting(&waiting, serving).await {
            Ok(client) => {
                let connection = Self {
                    program,
                    setup,
                    client,
                };
                connection.ask_for_log().await;
                Ok(connection)
            }
            Err(error) => Err(setup
                .server_ref
                .with_advice(rmcp_error::failed(error), false)),
        }
    }

    /// The server and the account on it.
    pub(crate) fn key(&self) -> &CredentialKey {
        self.setup.hallpass.key()
    }

    /// The server as command lines name it.
    pub(crate) fn server_ref(&self) -> &ServerRef {
        &self.setup.server_ref
    }

    /// Keeps the names of the server's tools and of their arguments for completions, where there is a store.
    pub(crate) fn remember_tools<'n>(&self, tools: impl Iterator<Item = (&'n str, Vec<&'n str>)>) {
        if self.setup.keeps
            && let Ok(folder) = store::folder(self.program)
        {
            ToolNames::new(self.key(), &folder).save(tools);
        }
    }

    /// Where requests go.
    pub(crate) fn peer(&self) -> &Peer<RoleClient> {
        self.client.peer()
    }

    /// Whether the server says that it has this at all.
    pub(crate) fn has(&self, what: impl Fn(&ServerCapabilities) -> bool) -> bool {
        let server = self.client.peer().peer_info();
        server.is_some_and(|server| what(&server.capabilities))
    }

    /// Waits for an answer, and shows on a terminal that it does.
    pub(crate) async fn wait<T>(
        &self,
        what: &str,
        answer: impl Future<Output = Result<T, ServiceError>>,
    ) -> Result<T, CommandError> {
        let waiting = format!("{what} at {}", self.key().server);
        let answer = self.program.output.while_waiting(&waiting, answer).await;
        answer.map_err(|error| self.failed(error))
    }

    /// All pages of a list. One that does not end, or that has more than a user can look at, is an error.
    pub(crate) async fn all<T>(
        &self,
        what: &str,
        page: impl AsyncFn(Option<PaginatedRequestParams>) -> Result<Page<T>, ServiceError>,
    ) -> Result<Vec<T>, CommandError> {
        let mut all = Vec::new();
        let mut seen = BTreeSet::new();
        let mut request = None;
        loop {
            let (items, next) = self.wait(what, Box::pin(page(request))).await?;
            all.extend(items);
            let Some(cursor) = next else {
                return Ok(all);
            };
            check_next_page(&mut seen, cursor.clone(), all.len())
                .map_err(|what| CommandError::new(what).code(Code::Refused))?;
            request = Some(PaginatedRequestParams::default().with_cursor(Some(cursor)));
        }
    }

    /// Reads a resource.
    pub(crate) async fn read(
        &self,
        request: ReadResourceRequestParams,
    ) -> Result<ReadResourceResult, ServiceError> {
        self.client.read_resource(request).await
    }

    /// Gets a prompt.
    pub(crate) async fn prompt(
        &self,
        request: GetPromptRequestParams,
    ) -> Result<GetPromptResult, ServiceError> {
        self.client.get_prompt(request).await
    }

    /// Has a user answer what the server asks for.
    pub(super) async fn elicit(&self, request: ElicitRequestParams) -> ElicitResult {
        self.client.service().ask(request).await
    }

    /// A failure of a request, in words.
    pub(crate) fn failed(&self, error: ServiceError) -> CommandError {
        if let ServiceError::InputRequiredRoundsExceeded { max_rounds } = error {
            let server = &self.key().server;
            let what = format!("{server} asked for input {max_rounds} times without a result");
            let failed = CommandError::new(what).code(Code::Refused);
            return failed.hint("give a different answer, or contact the server's operator");
        }
        self.setup
            .server_ref
            .with_advice(rmcp_error::failed(error), false)
    }

    /// Ends the connection, whatever came of the work.
    pub(crate) async fn finish<T>(
        self,
        outcome: Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        let handled = self.client.service().until_dropped();
        // The answer is there already: how the connection ends changes nothing about it.
        let _ = self.client.cancel().await;
        // What the server sent before the answer may still be printed.
        tokio::select! {
            () = handled => {}
            () = SystemClock.sleep(LAST_LINES_TIMEOUT) => {}
        }
        outcome
    }

    /// Asks for the server's log where it will be shown.
    #[expect(
        deprecated,
        reason = "the servers of today log so (SEP-2577 ends it later)"
    )]
    async fn ask_for_log(&self) {
        use rmcp::model::{LoggingLevel, SetLevelRequestParams};
        let level = match self.program.options.verbose {
            0 => return,
            1 => LoggingLevel::Info,
            _ => LoggingLevel::Debug,
        };
        if self.has(|server| server.logging.is_some()) {
            let asked = self.peer().set_level(SetLevelRequestParams::new(level));
            if let Err(error) = asked.await {
                tracing::debug!(%error, "the server does not take a level for its log");
            }
        }
    }
}

/// Whether another page is asked for, after the pages in `seen` with so many entries.
fn check_next_page(
    seen: &mut BTreeSet<String>,
    cursor: String,
    entries: usize,
) -> Result<(), String> {
    if !seen.insert(cursor) {
        return Err("the server repeats the same page of the list".to_owned());
    }
    if seen.len() >= MAX_PAGES || entries > MAX_ITEMS {
        return Err(format!(
            "the server's list does not end: there is more after {} pages with {entries} entries",
            seen.len()
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_without_an_end_is_an_error() {
        let mut seen = BTreeSet::new();
        let pages = (0..2 * MAX_PAGES)
            .find(|page: &usize| check_next_page(&mut seen, page.to_string(), page * 2).is_err());
        assert_eq!(pages, Some(MAX_PAGES - 1));
        let first = |entries| check_next_page(&mut BTreeSet::new(), "a".to_owned(), entries);
        assert_eq!(first(MAX_ITEMS), Ok(()));
        assert!(first(MAX_ITEMS + 1).is_err());
    }

    #[test]
    fn page_that_comes_again_is_an_error() {
        let mut seen = BTreeSet::new();
        assert_eq!(check_next_page(&mut seen, "a".to_owned(), 1), Ok(()));
        assert!(check_next_page(&mut seen, "a".to_owned(), 2).is_err());
    }
}
