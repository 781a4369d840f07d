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
            loop {
                let state = shared.state.borrow().clone();
                let error = match state {
                    ConnectionState::Down(error) => Some(error),
                    ConnectionState::Opening => None,
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
                };
                shared.retry_opening(error.as_ref()).await;
            }
        });
    }

    async fn retry_opening(self: &Arc<Self>, error: Option<&ProxyRequestError>) {
        let failures = self.handshake().failures.min(8);
        let wants_sign_in = error.is_some_and(ProxyRequestError::wants_sign_in);
        let pause = if wants_sign_in || error.is_none() {
            MIN_INTERVAL
        } else {
            MIN_INTERVAL
                .saturating_mul(1 << failures.saturating_sub(1))
                .min(MAX_INTERVAL)
        };
        self.clock.sleep(pause).await;
        if wants_sign_in {
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
