//! What the server says unasked.

use std::{sync::Arc, time::Duration};

use hallpass_core::Remedy;
use hallpass_mcp_http::Content;
use http::StatusCode;

use crate::{
    connection::Connection,
    reading::{Place, Reading},
    routing,
    shared::Shared,
};

/// The pause before a stream is opened again, unless the server names one. It counts from the last
/// opening: a stream that a gateway closed after a minute is opened again at once.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// Passes on what the server says unasked on `connection`, for as long as that lasts. A server that
/// has no such stream is asked once.
pub(crate) async fn listen(shared: &Arc<Shared>, connection: &Arc<Connection>) {
    let mut place = Place::default();
    let mut failures = 0_u32;
    while shared.is_current(connection) {
        let Ok(request) = routing::stream(connection, place.after.as_deref()) else {
            return;
        };
        connection.expect_stream();
        let opened = shared.clock.monotonic();
        let sent = shared.send_aside(&request).await;
        connection.own_stream.answered();
        match sent {
            Ok(Ok(response)) if response.status().is_success() => {
                if response.content() != Content::Events {
                    return;
                }
                place.moved = false;
                let end = Reading::new(shared, connection, None)
                    .follow(response, &mut place)
                    .await;
                tracing::debug!("the server's own stream ended: {end:?}");
                if place.moved || lived(shared, opened) >= PAUSE {
                    failures = 0;
                }
            }
            Ok(Ok(response)) => match response.status() {
                StatusCode::NOT_FOUND if connection.session.is_some() => {
                    // What comes of it is for the next call to see.
                    let _ = shared.another(connection.number).await;
                    return;
                }
                status if status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED => {}
                StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {}
                status => {
                    tracing::debug!(%status, "the server has no stream of its own");
                    return;
                }
            },
            // Asking again would spend a refresh each time. Where a token is missing somebody may sign in
            // meanwhile.
            Ok(Err(stop)) if stop.refusal().is_some() && !heals(stop.remedy()) => {
                tracing::warn!("the server's own stream opens for no token: {stop}");
                return;
            }
            Ok(Err(stop)) => tracing::debug!("the server's own stream can't be opened: {stop}"),
            Err(trouble) => tracing::debug!("there is no way to the server: {trouble:?}"),
        }
        let pause = PAUSE.saturating_mul(1 << failures.min(6)).min(LONGEST);
        failures = failures.saturating_add(1);
        let pause = pause.saturating_sub(lived(shared, opened));
        shared
            .clock
            .sleep(place.pause.unwrap_or_default().max(pause))
            .await;
    }
}

/// Whether time or a sign-in may help.
fn heals(remedy: Remedy) -> bool {
    matches!(remedy, Remedy::Retry | Remedy::SignIn)
}

/// How long ago the stream was asked for.
fn lived(shared: &Shared, opened: Duration) -> Duration {
    shared.clock.monotonic().saturating_sub(opened)
}
