//! Servers of HTTP+SSE (MCP 2024-11-05): the event stream is the session, and every answer comes on it.

use std::sync::Arc;

use hallpass_core::Remedy;
use hallpass_mcp::{AuthorizedEndpoint, Interactivity, SseConnection, jsonrpc::Message};

use crate::{
    connection::Connection, opening::check_size, request_error::ProxyRequestError,
    response_reader::ResponseReader, routing, shared::Shared, sse_session::SseSession,
};

impl Shared {
    /// Initializes the server over an open stream.
    pub(crate) async fn ask_http_sse(
        &self,
        server: &AuthorizedEndpoint,
        mut stream: SseConnection,
        opening: &Message,
    ) -> Result<(Connection, Message), ProxyRequestError> {
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
        check_size(&answer)?;
        connection.learn(&answer);
        session.put(stream);
        Ok((connection, answer))
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
                        session.fail(failure);
                    }
                    return;
                }
            }
        }
    }
}
