//! What the server says unasked.

use hallpass_core::Remedy;
use hallpass_mcp::{Reconnection, StreamResponse};

use crate::{connection::Connection, response_reader::ResponseReader, routing, shared::Shared};

/// Why the server's own stream is not opened again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamEnd {
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

impl StreamEnd {
    /// Why no answer comes any more to a request that was accepted without one.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Unavailable => NO_STREAM,
            Self::SessionLost => SESSION_ENDED,
        }
    }
}

/// Passes on what the server says unasked on `connection`, for as long as that lasts. A server that
/// has no such stream is asked once.
pub(crate) async fn listen(shared: &Shared, connection: &Connection) -> StreamEnd {
    let now = || shared.clock.monotonic();
    let mut stream = Reconnection::of_own_stream(now());
    while shared.is_current(connection) {
        let Ok(request) = routing::stream(connection, stream.last_event_id()) else {
            return StreamEnd::Unavailable;
        };
        connection.expect_stream();
        stream.opened(now());
        let sent = shared.send_for_stream(&request, stream.budget()).await;
        connection.own_stream.answered();
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
                            return StreamEnd::Unavailable;
                        }
                        Some(false) => return StreamEnd::SessionLost,
                        None => {}
                    }
                }
                StreamResponse::Retry => {}
                StreamResponse::NotFound | StreamResponse::Unavailable => {
                    let status = response.status();
                    tracing::debug!(%status, "the server has no stream of its own");
                    return StreamEnd::Unavailable;
                }
            },
            // Asking again would spend a refresh each time. Where a token is missing somebody may sign in
            // meanwhile.
            Ok(Err(stop)) if stop.refusal().is_some() && !heals(stop.remedy()) => {
                tracing::warn!("the server's own stream opens for no token: {stop}");
                return StreamEnd::Unavailable;
            }
            Ok(Err(stop)) => tracing::debug!("the server's own stream can't be opened: {stop}"),
            Err(trouble) => tracing::debug!("there is no way to the server: {trouble:?}"),
        }
        stream.ended(now());
        let Some(pause) = stream.delay(now()) else {
            return StreamEnd::Unavailable;
        };
        if was_open && pause <= Reconnection::MIN_DELAY {
            // Calls wait no longer than they would for the server's answer to the GET.
            connection.expect_stream();
        }
        shared.clock.sleep(pause).await;
    }
    StreamEnd::Unavailable
}

/// Whether time or a sign-in may help.
fn heals(remedy: Remedy) -> bool {
    matches!(remedy, Remedy::Retry | Remedy::SignIn)
}
