//! Servers of HTTP+SSE (MCP 2024-11-05): the event stream is the session, and every answer comes on it.

use std::sync::{Arc, Mutex, PoisonError};

use hallpass_core::Remedy;
use hallpass_mcp::{AuthorizedEndpoint, Interactivity, SseConnection, Unanswered};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    connection::Connection, request_error::ProxyRequestError, response_reader::ResponseReader,
    routing, shared::Shared,
};
use hallpass_mcp::jsonrpc::Message;

/// One event stream.
#[derive(Debug)]
pub(crate) struct SseSession {
    /// Where messages are posted to.
    pub(crate) endpoint: Url,
    /// The stream, until a task reads it.
    stream: Mutex<Option<SseConnection>>,
    /// Ends when the stream does, or when it is not wanted any more.
    pub(crate) ended: CancellationToken,
    /// Why it can't go on, where that is worth telling.
    failure: Mutex<Option<ProxyRequestError>>,
}

impl SseSession {
    fn new(endpoint: Url) -> Self {
        Self {
            endpoint,
            stream: Mutex::default(),
            ended: CancellationToken::new(),
            failure: Mutex::default(),
        }
    }

    fn take(&self) -> Option<SseConnection> {
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        stream.take()
    }

    /// Why a request with this method is not answered any more.
    pub(crate) fn unanswered(&self, method: &str) -> ProxyRequestError {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        let failure = failure.clone();
        failure.unwrap_or_else(|| Unanswered::stream_ended(method).into())
    }
}

impl Shared {
    /// Initializes the server over an open stream.
    pub(crate) async fn ask_http_sse(
        &self,
        server: &AuthorizedEndpoint,
        mut stream: SseConnection,
        opening: &Message,
    ) -> Result<Connection, ProxyRequestError> {
        let session = Arc::new(SseSession::new(stream.endpoint().clone()));
        let mut connection = Connection {
            http_sse: Some(Arc::clone(&session)),
            ..Connection::default()
        };
        let request = routing::post(opening, &connection, &self.tools)?;
        let response = server.send(&request, Interactivity::Interactive).await;
        let response = response.map_err(|error| ProxyRequestError::from_error(&error))?;
        if !response.status().is_success() {
            return Err(self.opening_refusal(opening, response).await);
        }
        drop(response);
        let answer = self.answer_on(opening, &mut stream).await?;
        let part = answer.single();
        connection.version = part.and_then(|part| part.text_at(&["protocolVersion"]));
        connection.answer = Some(answer);
        let mut kept = session
            .stream
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *kept = Some(stream);
        drop(kept);
        Ok(connection)
    }

    /// Reads the stream of `connection`, if it has one that is not read yet. When it ends another session
    /// is opened.
    pub(crate) fn follow_http_sse(self: &Arc<Self>, connection: &Arc<Connection>) {
        let Some(session) = connection.http_sse.clone() else {
            return;
        };
        let Some(stream) = session.take() else { return };
        let (shared, connection) = (Arc::clone(self), Arc::clone(connection));
        self.spawn(async move {
            let _ended = session.ended.clone().drop_guard();
            tokio::select! {
                () = session.ended.cancelled() => {}
                () = shared.read_http_sse(&connection, &session, stream) => {}
            }
            session.ended.cancel();
            shared.renew_session(&connection).await;
        });
    }

    async fn read_http_sse(
        &self,
        connection: &Connection,
        session: &SseSession,
        mut stream: SseConnection,
    ) {
        let source = stream.source().clone();
        let mut reader = ResponseReader::new(self, connection, None);
        while let Some(data) = reader.meter.next_message(&mut stream).await {
            match data {
                Ok(data) => reader.take(data.into(), &source).await,
                Err(error) => {
                    tracing::debug!("the event stream broke off: {error:?}");
                    let failure = ProxyRequestError::from(error);
                    if failure.remedy() != Remedy::Retry {
                        let mut kept = session
                            .failure
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner);
                        *kept = Some(failure);
                    }
                    return;
                }
            }
        }
    }
}
