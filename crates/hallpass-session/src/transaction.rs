//! The refresh transaction.
//!
//! It runs in a task that belongs to the session: a caller that goes away changes nothing. Under the
//! slot's lock it reads the record again and adopts a newer token if there is one; else it saves the
//! [fence](crate::fence), posts, saves the answer, and only then publishes the token.
//!
//! # What may come of a post
//!
//! | outcome | seen as | what is kept | what follows |
//! |---|---|---|---|
//! | renewed | a readable 200 | the new grant, saved and then published | the fence is gone |
//! | not processed | no connection, TLS; 408, 425, 429, 503 | everything | pause (`Retry-After`), post again |
//! | lost | reset or timeout after the write, an unreadable 2xx, a process that died | everything, the fence stands | pause, a minute after silence, post at most once more |
//! | doubtful | any other 5xx | everything, the doubt stands | pause, post again |
//! | definitive | `invalid_grant` with 400, 401 or 403 | the registration | that refresh token is dropped: sign-in needed, `refresh-refused`, or `refresh-outcome-unknown` where the fence stood |
//! | refused | any other 4xx, an empty 401, a redirect | everything | an error that names what to mend; for `invalid_client` to a client that registered itself, sign-in needed |
//!
//! While the old access token lives it is used, whatever the outcome. When a lost post was repeated
//! and lost again, its refresh token is not posted a third time: the end is `refresh-outcome-unknown`,
//! once the access token has ended. A server that *answers* with 5xx is not counted as lost, since an
//! outage must not cost a sign-in: one that had consumed the token would say `invalid_grant`.
//!
//! An answer that could not be saved is not published. It is kept in memory and saved before anything
//! else by the next call.

mod attempt;
mod post;

use std::{sync::Arc, time::Duration};

use hallpass_core::Challenge;
use tracing::{Instrument, Span, field, info_span};

use self::attempt::{Attempt, attempt, save_unsaved};
use crate::{
    error::SessionError,
    flight::{Boarding, Ticket},
    handed_in, rejection,
    shared::Shared,
    token::Token,
};

/// How often one call posts.
const MOST_TRIES: u32 = 3;
/// The longest pause that a call waits through instead of ending with an error.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How often a caller boards before it takes what there is.
const MOST_BOARDINGS: u32 = 8;

/// Which token a caller needs.
#[derive(Debug, Clone)]
pub(crate) enum Wanted {
    /// A fresh one.
    Fresh,
    /// Another than this one, which the server refused.
    Instead(Token),
    /// Another than this one, which is good for some time yet.
    Newer(Token),
}

impl Wanted {
    pub(crate) fn accepts(&self, token: &Token) -> bool {
        match self {
            Self::Fresh => true,
            Self::Instead(other) | Self::Newer(other) => !other.same(token),
        }
    }

    /// Whether the token that is there will do while it lives, if nothing newer comes.
    pub(crate) fn may_be_old(&self) -> bool {
        matches!(self, Self::Fresh | Self::Newer(_))
    }

    /// Whether work for this leaves nothing to try for `other`.
    fn covers(&self, other: &Wanted) -> bool {
        match (self, other) {
            (_, Self::Fresh) => true,
            (Self::Instead(one), Self::Instead(other) | Self::Newer(other))
            | (Self::Newer(one), Self::Newer(other)) => one.same(other),
            (Self::Fresh | Self::Newer(_), _) => false,
        }
    }
}

impl Shared {
    /// The token that is wanted, from whoever gets it first.
    pub(crate) async fn renew(
        self: &Arc<Self>,
        wanted: Wanted,
        challenges: &[Challenge],
    ) -> Result<Token, SessionError> {
        let mut last = None;
        for _ in 0..MOST_BOARDINGS {
            let settled = || self.fresh().filter(|token| wanted.accepts(token));
            let (waiting, same) = match self.refreshes.board(wanted.clone(), settled) {
                Err(token) => {
                    self.counting.avoided.one();
                    return Ok(token);
                }
                Ok(Boarding::Joined(other, waiting)) => {
                    self.counting.avoided.one();
                    (waiting, other.covers(&wanted))
                }
                Ok(Boarding::Started(ticket, waiting)) => {
                    self.start(ticket, wanted.clone(), challenges)?;
                    (waiting, true)
                }
            };
            match waiting.result().await {
                Some(Ok(token)) if wanted.accepts(&token) => return Ok(token),
                Some(Err(error)) if same => return Err(error),
                // Lost with its runtime, or of no use to somebody whose token was refused.
                outcome => last = outcome,
            }
        }
        last.unwrap_or_else(|| Err(SessionError::overtaken(&self.slot)))
    }

    pub(crate) fn start(
        self: &Arc<Self>,
        ticket: Ticket<Result<Token, SessionError>>,
        wanted: Wanted,
        challenges: &[Challenge],
    ) -> Result<(), SessionError> {
        let landing = Landing {
            shared: Arc::clone(self),
            ticket,
        };
        let challenges = challenges.to_vec();
        let span = info_span!(
            "refresh",
            slot = %self.slot,
            after_rejection = matches!(wanted, Wanted::Instead(_)),
            ahead = matches!(wanted, Wanted::Newer(_)),
            outcome = field::Empty,
        );
        let work = async move {
            let shared = &landing.shared;
            let result = match (&shared.token_source, &wanted) {
                (Some(source), wanted) => handed_in::run(shared, &**source, wanted).await,
                (None, Wanted::Instead(refused)) => {
                    rejection::run(shared, refused, &challenges).await
                }
                (None, wanted) => run(shared, wanted).await,
            };
            match &result {
                Ok(token) => shared.plan_ahead(token),
                Err(error) => tracing::debug!(error = %error, "no fresh token"),
            }
            shared.refreshes.land(&landing.ticket, Some(result));
        };
        self.spawn(work.instrument(span))
    }
}

/// Lands the flight also when its task is dropped with the runtime, or was never started.
struct Landing {
    shared: Arc<Shared>,
    ticket: Ticket<Result<Token, SessionError>>,
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.shared.refreshes.land(&self.ticket, None);
    }
}

/// One transaction with its repetitions.
pub(crate) async fn run(shared: &Shared, wanted: &Wanted) -> Result<Token, SessionError> {
    let mut tries = 0;
    loop {
        if let Some(token) = adopt(shared, wanted).await? {
            return Ok(token);
        }
        let (error, pause) = match attempt(shared, wanted).await {
            Attempt::Done(token) => return Ok(token),
            Attempt::Conflict => (None, Some(Duration::ZERO)),
            Attempt::Failed { error, pause } => (Some(error), pause),
        };
        if wanted.may_be_old()
            && let Some(token) = shared
                .current()
                .filter(|token| token.is_alive(shared.now()))
        {
            outcome("the old token lives");
            return Ok(token);
        }
        tries += 1;
        let pause = pause.filter(|pause| tries < MOST_TRIES && *pause <= LONGEST_PAUSE);
        match (pause, error) {
            (Some(pause), _) if !pause.is_zero() => {
                tokio::select! {
                    () = shared.clock.sleep(pause) => {}
                    () = shared.closing() => return Err(SessionError::closed(&shared.slot)),
                }
            }
            (Some(_), _) => {}
            (None, Some(error)) => return Err(error),
            (None, None) => return Err(shared.keeps_changing()),
        }
    }
}

/// The store's token, if it is the one that is wanted. Takes no lock: a fresh token that is saved is
/// good whoever is about to do what.
pub(crate) async fn adopt(shared: &Shared, wanted: &Wanted) -> Result<Option<Token>, SessionError> {
    let newest = {
        let memory = shared.memory();
        if memory.unsaved.is_some() {
            return Ok(None);
        }
        memory.newest
    };
    let record = shared.load().await?;
    let (record, _) = match shared.usable(record.as_ref()) {
        Ok(found) => found,
        Err(error) if shared.unpublish_unless_newer(newest) => return Err(error),
        // What was read is old by now: the look under the lock decides.
        Err(_) => return Ok(None),
    };
    // One that lives is published all the same: it is what is used if nothing newer comes.
    let token = shared.publish_if(record, |token| {
        wanted.accepts(token) && token.is_alive(shared.now())
    })?;
    let token = token.filter(|token| token.is_fresh(shared.now()));
    if token.is_some() {
        outcome("adopted");
    }
    Ok(token)
}

/// Saves a refreshed grant that could not be saved before, when the session ends.
pub(crate) async fn settle(shared: &Shared) -> Result<(), SessionError> {
    if shared.memory().unsaved.is_none() {
        return Ok(());
    }
    let mut guard = shared.lock().await?;
    let loaded = shared.load_locked(&guard).await?;
    save_unsaved(shared, loaded, &mut guard).await?;
    Ok(())
}

/// Names the step that the transaction has come to, at trace level. Whoever watches may end the process
/// there: what the next one then finds is tested for each step.
pub(crate) fn step(name: &'static str) {
    tracing::trace!(step = name, "refresh transaction");
}

/// Notes what came of the transaction in its span.
pub(crate) fn outcome(word: &'static str) {
    Span::current().record("outcome", word);
}
