//! The server's own stream.

use hallpass_core::{Diagnostic as _, Remedy};
use hallpass_mcp::{Reconnection, StreamResponse};

use crate::{connection::Connection, response_reader::ResponseReader, routing, shared::Shared};

/// Why the server's own stream is not opened again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListenEnd {
    /// The server has none, or opens it for no token, or there is another connection by now.
    Unavailable,
    /// The server has ended the session.
    SessionLost,
}

/// Why a response without an answer is none.
pub(crate) const NO_STREAM: &str =
    "it is no answer, and the server has no stream of its own that brings one";
pub(crate) const SESSION_ENDED: &str =
    "it is no answer, and the server has ended the session before one came";

impl ListenEnd {
    /// Why no answer comes any more to a request that was accepted without one.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Unavailable => NO_STREAM,
            Self::SessionLost => SESSION_ENDED,
        }
    }
}

/// Passes on what comes on the server's own stream, for as long as `connection` is the present one. A
/// server without such a stream is asked once.
pub(crate) async fn listen(shared: &Shared, connection: &Connection) -> ListenEnd {
    let now = || shared.clock.monotonic();
    let mut stream = Reconnection::for_server_stream(now());
    while shared.is_current(connection) {
        let Ok(request) = routing::stream(connection, stream.last_event_id()) else {
            return ListenEnd::Unavailable;
        };
        connection.expect_stream();
        stream.opened(now());
        let sent = shared.send_for_stream(&request, stream.budget()).await;
        connection.server_stream.settled();
        let mut was_open = false;
        match sent {
            Ok(Ok(response)) => match StreamResponse::new(&response) {
                StreamResponse::Open => {
                    was_open = true;
                    let reading = &mut ResponseReader::new(shared, connection, None);
                    let end = reading.follow(response, &mut stream).await;
                    tracing::debug!("the server's own stream ended: {end:?}");
                }
                StreamResponse::NotFound if connection.session.is_some() => {
                    match shared.knows_session(connection).await {
                        Some(true) => {
                            tracing::debug!("the server has no stream of its own");
                            return ListenEnd::Unavailable;
                        }
                        Some(false) => return ListenEnd::SessionLost,
                        None => {}
                    }
                }
                StreamResponse::Retry => {}
                StreamResponse::NotFound | StreamResponse::Unavailable => {
                    let status = response.status();
                    tracing::debug!(%status, "the server has no stream of its own");
                    return ListenEnd::Unavailable;
                }
            },
            // Asking again would spend a refresh each time. Where a token is missing the user may sign
            // in meanwhile.
            Ok(Err(error)) if error.challenge_response().is_some() && !heals(error.remedy()) => {
                tracing::warn!("the server's own stream opens for no token: {error}");
                return ListenEnd::Unavailable;
            }
            Ok(Err(error)) => tracing::debug!("the server's own stream can't be opened: {error}"),
            Err(error) => tracing::debug!("the server has no endpoint: {error:?}"),
        }
        stream.ended(now());
        let Some(pause) = stream.delay(now()) else {
            return ListenEnd::Unavailable;
        };
        if was_open && pause <= Reconnection::MIN_DELAY {
            // Calls wait no longer than they would for the server's answer to the GET.
            connection.expect_stream();
        }
        shared.clock.sleep(pause).await;
    }
    ListenEnd::Unavailable
}

/// Whether time or a sign-in may help.
fn heals(remedy: Remedy) -> bool {
    matches!(remedy, Remedy::Retry | Remedy::SignIn)
}
