//! Sessions that the server knows no more, as far as rmcp has to be told.
//!
//! rmcp opens another session after one answer alone, `SessionExpired`, and sends the same request
//! again in it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hallpass_mcp::{RequestRefusal, SessionRenewals};
use rmcp::{model::RequestId, transport::streamable_http_client::StreamableHttpError};

use crate::error::RmcpError;

#[derive(Debug, Clone, Default)]
pub(crate) struct Sessions(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// The session that was lost last without a 404.
    lost: Option<Arc<str>>,
    /// The session in which a stream brought an error that may be for it.
    suspect: Option<(Arc<str>, RequestRefusal)>,
    renewals: SessionRenewals,
    /// The requests that rmcp sends again, the newest ones.
    repeated: VecDeque<RequestId>,
}

const MAX_REPEATED: usize = 256;

impl Sessions {
    /// Nothing is sent in a session that is known to be lost: rmcp opens another one.
    pub(crate) fn check(&self, session: &Arc<str>) -> Result<(), RmcpError> {
        if self.is_lost(session) {
            return Err(StreamableHttpError::SessionExpired);
        }
        Ok(())
    }

    pub(crate) fn is_lost(&self, session: &Arc<str>) -> bool {
        self.state().lost.as_ref() == Some(session)
    }

    /// A stream in this session has brought `refusal`. It may be for the session, which the next request
    /// looks at: the answer has gone to rmcp already.
    pub(crate) fn suspect(&self, session: &Arc<str>, refusal: RequestRefusal) {
        self.state().suspect = Some((Arc::clone(session), refusal));
    }

    /// The refusal by which the session is suspect, once.
    pub(crate) fn suspicion(&self, session: &Arc<str>) -> Option<RequestRefusal> {
        let mut state = self.state();
        let suspect = state.suspect.take_if(|(suspect, _)| suspect == session);
        suspect.map(|(_, refusal)| refusal)
    }

    /// Whether another session may be opened at `now` for other words than 404.
    pub(crate) fn may_renew(&self, now: Duration) -> bool {
        self.state().renewals.delay(now).is_zero()
    }

    /// The session is lost, which was found at `now`.
    pub(crate) fn lose(&self, session: &Arc<str>, now: Duration) {
        let mut state = self.state();
        state.renewals.begin(now);
        state.lost = Some(Arc::clone(session));
    }

    /// The server has opened this session, which may have the id of another.
    pub(crate) fn opened(&self, session: &str) {
        let mut state = self.state();
        state.lost = state.lost.take().filter(|lost| **lost != *session);
    }

    /// Whether rmcp is told to send the request `id` again in another session, as it is once.
    pub(crate) fn may_repeat(&self, id: Option<&RequestId>) -> bool {
        let Some(id) = id else { return true };
        let mut state = self.state();
        if let Some(index) = state.repeated.iter().position(|it| it == id) {
            state.repeated.remove(index);
            return false;
        }
        if state.repeated.len() == MAX_REPEATED {
            state.repeated.pop_front();
        }
        state.repeated.push_back(id.clone());
        true
    }

    /// The request `id` has its answer. Its number may serve again, for another connection.
    pub(crate) fn complete(&self, id: Option<&RequestId>) {
        if let Some(id) = id {
            self.state().repeated.retain(|it| it != id);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for State {
    /// Ids of sessions are no reader's.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").finish_non_exhaustive()
    }
}
