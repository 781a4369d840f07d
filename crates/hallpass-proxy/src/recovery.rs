//! Looking after a server that can't be asked, without being asked to.
//!
//! Each call that comes meanwhile tries by itself. Where a sign-in is missing this looks whether
//! another process has saved one, which costs no request; else it asks the server, less and less
//! often.

use std::{sync::Arc, time::Duration};

use crate::{connection::ConnectionState, request_error::ProxyRequestError, shared::Shared};

/// How often it looks: at first, and at last.
const OFTEN: Duration = Duration::from_secs(3);
const RARELY: Duration = Duration::from_secs(60);

impl Shared {
    /// Looks after a connection that is down, for as long as it is: at what was signed in to by
    /// another process, and rarely at the server itself.
    pub(crate) fn tend(self: &Arc<Self>) {
        if std::mem::replace(&mut self.known().tended, true) {
            return;
        }
        let shared = Arc::clone(self);
        self.spawn(async move {
            loop {
                let phase = shared.phase.borrow().clone();
                let trouble = match phase {
                    ConnectionState::Down(trouble) => Some(trouble),
                    ConnectionState::Opening => None,
                    ConnectionState::Up(_) | ConnectionState::Unopened => {
                        let mut known = shared.known();
                        if matches!(
                            &*shared.phase.borrow(),
                            ConnectionState::Down(_) | ConnectionState::Opening
                        ) {
                            continue;
                        }
                        known.tended = false;
                        return;
                    }
                };
                shared.look_again(trouble.as_ref()).await;
            }
        });
    }

    async fn look_again(self: &Arc<Self>, trouble: Option<&ProxyRequestError>) {
        let failures = self.known().failures.min(8);
        let wants_sign_in = trouble.is_some_and(ProxyRequestError::wants_sign_in);
        let pause = if wants_sign_in || trouble.is_none() {
            OFTEN
        } else {
            OFTEN
                .saturating_mul(1 << failures.saturating_sub(1))
                .min(RARELY)
        };
        self.clock.sleep(pause).await;
        if wants_sign_in {
            let Ok(server) = self.server_anew().await else {
                return;
            };
            if server.session().token().await.is_err() {
                return;
            }
        }
        let mut known = self.known();
        if matches!(&*self.phase.borrow(), ConnectionState::Down(_)) {
            self.begin(&mut known);
        }
    }
}
