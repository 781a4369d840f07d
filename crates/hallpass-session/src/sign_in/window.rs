//! One window for all processes that share a store.
//!
//! Of the processes that begin a sign-in to the same slot at once, the first asks the person, and the
//! others wait for what comes of it. What orders them is the store's lock of a slot that no server
//! can have, so the slot's own lock stays free while a person thinks: refreshes go on. It is taken
//! before the slot's own, and never while that is held.

use std::time::Duration;

use hallpass_core::{
    AuthorizeError, Remedy, ServerUrl, SignInReason, Slot,
    store::{Guard, StoreErrorKind},
};
use url::form_urlencoded;

use super::Ask;
use crate::{error::SessionError, shared::Shared, token::Token};

/// How long another process's sign-in is waited for: longer than any person is given.
const PATIENCE: Duration = Duration::from_secs(3600);

/// How long the window may be somebody's for a moment, as while a store is made, before it counts as
/// another process's.
const MOMENT: Duration = Duration::from_millis(250);

/// Whose turn it is to ask the person.
pub(super) enum Window {
    /// This process's, for as long as the guard lives. `None` where nobody is asked.
    Ours(Option<Guard>),
    /// Nobody's any more: another process has signed in meanwhile.
    Served(Token),
}

/// Takes the window, or waits for whoever has it.
pub(super) async fn window(shared: &Shared, ask: &Ask) -> Result<Window, SessionError> {
    if shared.authorizer.is_unattended() {
        return Ok(Window::Ours(None));
    }
    let slot = window_of(&shared.slot)?;
    let before = match ask.reason {
        // Decided on when nobody had signed in; whatever is there by now is another process's.
        SignInReason::First => None,
        _ => shared.load().await?,
    };
    let (guard, waited) = match shared.store.lock(&slot, MOMENT).await {
        Ok(guard) => (guard, false),
        Err(error) if error.kind() == StoreErrorKind::Busy => {
            // Somebody may sit before this one, and wonder why nothing opens.
            tracing::warn!(slot = %shared.slot, "waiting for the sign-in of another process");
            let guard = shared.store.lock(&slot, PATIENCE).await;
            (guard.map_err(SessionError::store)?, true)
        }
        Err(error) => return Err(SessionError::store(error)),
    };
    let after = shared.load().await?;
    let newer = after.filter(|after| {
        before.is_none_or(|before| before.generation != after.generation)
            && shared.usable(Some(after)).is_ok()
    });
    let grant = newer.as_ref().and_then(|record| record.grant.as_ref());
    match (&newer, grant) {
        (Some(record), Some(grant)) if grant.requested_scopes.covers(&ask.scopes) => {
            shared.release(guard).await;
            return shared.publish(record, None).map(Window::Served);
        }
        (None, _) if waited => {
            shared.release(guard).await;
            let what = "the sign-in that another process began came to nothing";
            let error = AuthorizeError::new(Remedy::SignIn, what)
                .with_hint(Some("sign in again, to be asked here"));
            return Err(SessionError::sign_in(&shared.slot, error));
        }
        _ => {}
    }
    Ok(Window::Ours(Some(guard)))
}

/// The slot whose lock stands for a slot's window: at a host that never is (RFC 2606 §2), so no
/// record is ever kept there.
pub(crate) fn window_of(slot: &Slot) -> Result<Slot, SessionError> {
    let name: String = form_urlencoded::byte_serialize(slot.server.as_str().as_bytes()).collect();
    let server = ServerUrl::parse(&format!("https://sign-in.invalid/{name}"))
        .map_err(|error| SessionError::sign_in(slot, AuthorizeError::new(Remedy::Report, error)))?;
    Ok(Slot::new(server).with_profile(slot.profile.clone()))
}
