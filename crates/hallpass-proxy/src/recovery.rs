//! Looking after a server that can't be asked, without being asked to.
//!
//! Each call that comes meanwhile tries by itself. Where a sign-in is missing this looks whether
//! another process has saved one, which costs no request; else it asks the server, less and less
//! often.

use std::{sync::Arc, time::Duration};

use crate::{connection::ConnectionState, request_error::ProxyRequestError, shared::Shared};

/// How often it looks: at first, and at last.
const MIN_INTERVAL: Duration = Duration::from_secs(3);
const MAX_INTERVAL: Duration = Duration::from_secs(60);

impl Shared {
    /// Looks after a connection that is down, for as long as it is: at what was signed in to by
    /// another process, and rarely at the server itself.
    pub(crate) fn recover(self: &Arc<Self>) {
        if std::mem::replace(&mut self.handshake().recovering, true) {
            return;
        }
        let shared = Arc::clone(self);
        self.spawn(async move {
            let mut states = shared.state.subscribe();
            loop {
                let state = states.borrow_and_update().clone();
                match state {
                    ConnectionState::Down(error) => shared.retry_opening(&error).await,
                    // The next pause depends on how that ends.
                    ConnectionState::Opening => {
                        let _ = states.changed().await;
                    }
                    ConnectionState::Up(_) | ConnectionState::Unopened => {
                        let mut handshake = shared.handshake();
                        if matches!(
                            &*shared.state.borrow(),
                            ConnectionState::Down(_) | ConnectionState::Opening
                        ) {
                            continue;
                        }
                        handshake.recovering = false;
                        return;
                    }
                }
            }
        });
    }

    async fn retry_opening(self: &Arc<Self>, error: &ProxyRequestError) {
        let failures = self.handshake().failures.min(8);
        let pause = if error.wants_sign_in() {
            MIN_INTERVAL
        } else {
            MIN_INTERVAL
                .saturating_mul(1 << failures.saturating_sub(1))
                .min(MAX_INTERVAL)
        };
        self.clock.sleep(pause).await;
        if error.wants_sign_in() {
            let Ok(server) = self.reload_server().await else {
                return;
            };
            if server.session().token().await.is_err() {
                return;
            }
        }
        let mut handshake = self.handshake();
        if matches!(&*self.state.borrow(), ConnectionState::Down(_)) {
            self.begin(&mut handshake);
        }
    }
}
