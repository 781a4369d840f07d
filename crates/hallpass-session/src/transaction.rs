//! The refresh transaction.
//!
//! It runs in a task that belongs to the session: a caller that goes away changes nothing. Under the
//! credential's lock it reads the record again and adopts a newer token if there is one; else, when a post is
//! due, it marks the record (see [`fence`](crate::fence)), posts, saves the answer, and only then
//! publishes the token.
//!
//! # What may come of a post
//!
//! | outcome | seen as | what is kept | what follows |
//! |---|---|---|---|
//! | renewed | a readable 200 | the new grant, saved and then published | the fence is gone |
//! | not processed | no connection, TLS; 408, 425, 429, 503 | everything | a short pause of this session, or `Retry-After` for all processes; post again |
//! | lost | reset or timeout after the write, an unreadable 2xx, a process that died | everything, the fence stands | pause of all processes, post again |
//! | doubtful | any other 5xx | everything, the fence stands | pause of all processes, post again |
//! | definitive | `invalid_grant` with 400, 401 or 403 | the registration | that refresh token is dropped: sign-in needed, `refresh-refused`, or `refresh-outcome-unknown` where the fence stood |
//! | refused | any other 4xx, an empty 401, a redirect | everything, and the refusal | an error that names what to do, in all processes; for `invalid_client` to a client that registered itself, sign-in needed. Post again with other settings, or after a long pause |
//!
//! While the old access token lives it is used, whatever the outcome. The pauses stand in the record and
//! hold for every process that shares it, also when the process that posted was killed. No number of
//! posts ends a grant: a server that has replaced the refresh token says `invalid_grant` in the end. A
//! [setting](hallpass_core::ServerSettings::max_refresh_posts) can bound the posts.
//!
//! A new grant is saved until it is [saved](save), under the lock that it was obtained under. A save
//! whose answer was lost finds its own grant when it is repeated. A grant that finds another one in its
//! place is revoked.

mod attempt;
mod post;
mod save;

use std::{sync::Arc, time::Duration};

use hallpass_core::Challenge;
use tracing::{Instrument, Span, field, info_span};

use self::attempt::{Attempt, attempt};
use crate::{
    error::SessionError,
    external_token,
    shared::Shared,
    single_flight::{Join, Leader},
    token::Token,
    unauthorized,
};

/// How often one call posts.
const MAX_ATTEMPTS: u32 = 3;
/// The longest pause that a call waits through instead of ending with an error: shorter than the one
/// before the second post of a refresh token.
const MAX_PAUSE: Duration = Duration::from_secs(6);
/// How often a caller boards before it takes what there is.
const MAX_JOIN_ATTEMPTS: u32 = 8;

/// Which token a caller needs.
#[derive(Debug, Clone)]
pub(crate) enum RefreshIntent {
    /// A fresh one.
    Fresh,
    /// Another than this one, which the server refused.
    Replace(Token),
    /// Another than this one, which is good for some time yet.
    Refresh(Token),
}

impl RefreshIntent {
    pub(crate) fn accepts(&self, token: &Token) -> bool {
        match self {
            Self::Fresh => true,
            Self::Replace(other) | Self::Refresh(other) => !other.same(token),
        }
    }

    /// Whether the token that is there will do while it lives, if nothing newer comes.
    pub(crate) fn may_be_old(&self) -> bool {
        matches!(self, Self::Fresh | Self::Refresh(_))
    }

    /// Whether work for this leaves nothing to try for `other`.
    fn covers(&self, other: &RefreshIntent) -> bool {
        match (self, other) {
            (_, Self::Fresh) => true,
            (Self::Replace(one), Self::Replace(other) | Self::Refresh(other))
            | (Self::Refresh(one), Self::Refresh(other)) => one.same(other),
            (Self::Fresh | Self::Refresh(_), _) => false,
        }
    }
}

impl Shared {
    /// The token that is intent, from whoever gets it first.
    pub(crate) async fn renew(
        self: &Arc<Self>,
        intent: RefreshIntent,
        challenges: &[Challenge],
    ) -> Result<Token, SessionError> {
        let mut last = None;
        for _ in 0..MAX_JOIN_ATTEMPTS {
            let settled = || self.fresh().filter(|token| intent.accepts(token));
            let (waiting, covers_intent) = match self.refreshes.join(intent.clone(), settled) {
                Err(token) => {
                    self.counters.avoided.increment();
                    return Ok(token);
                }
                Ok(Join::Joined(other, waiting)) => {
                    self.counters.avoided.increment();
                    (waiting, other.covers(&intent))
                }
                Ok(Join::Started(leader, waiting)) => {
                    self.start(leader, intent.clone(), challenges)?;
                    (waiting, true)
                }
            };
            let result = tokio::select! {
                result = waiting.result() => result,
                error = self.unsaved_grant.wait_for_error() => return self.current_or(&intent, error),
            };
            match result {
                Some(Ok(token)) if intent.accepts(&token) => return Ok(token),
                Some(Err(error)) if covers_intent => return Err(error),
                // Lost with its runtime, or of no use to somebody whose token was refused.
                outcome => last = outcome,
            }
        }
        last.unwrap_or_else(|| Err(SessionError::concurrent_update(&self.key)))
    }

    /// The published token, where an old one will do; else the error.
    fn current_or(
        &self,
        intent: &RefreshIntent,
        error: SessionError,
    ) -> Result<Token, SessionError> {
        self.current()
            .filter(|token| intent.may_be_old() && token.is_alive(self.now()))
            .ok_or(error)
    }

    pub(crate) fn start(
        self: &Arc<Self>,
        leader: Leader<Result<Token, SessionError>>,
        intent: RefreshIntent,
        challenges: &[Challenge],
    ) -> Result<(), SessionError> {
        let completion = CompleteOnDrop {
            shared: Arc::clone(self),
            leader,
        };
        let challenges = challenges.to_vec();
        let span = info_span!(
            "refresh",
            key = %self.key,
            after_rejection = matches!(intent, RefreshIntent::Replace(_)),
            proactive = matches!(intent, RefreshIntent::Refresh(_)),
            outcome = field::Empty,
        );
        let work = async move {
            let shared = &completion.shared;
            let result = match (&shared.token_source, &intent) {
                (Some(source), intent) => external_token::run(shared, &**source, intent).await,
                (None, RefreshIntent::Replace(refused)) => {
                    unauthorized::run(shared, refused, &challenges).await
                }
                (None, intent) => run(shared, intent).await,
            };
            match &result {
                Ok(token) => shared.schedule_proactive_refresh(token),
                Err(error) => tracing::debug!(error = %error, "no fresh token"),
            }
            shared.refreshes.complete(&completion.leader, Some(result));
        };
        self.spawn(work.instrument(span))
    }
}

/// Lands the flight also when its task is dropped with the runtime, or was never started.
struct CompleteOnDrop {
    shared: Arc<Shared>,
    leader: Leader<Result<Token, SessionError>>,
}

impl Drop for CompleteOnDrop {
    fn drop(&mut self) {
        self.shared.refreshes.complete(&self.leader, None);
    }
}

/// One transaction with its repetitions.
pub(crate) async fn run(shared: &Shared, intent: &RefreshIntent) -> Result<Token, SessionError> {
    let mut attempts = 0;
    loop {
        if let Some(token) = adopt(shared, intent).await? {
            return Ok(token);
        }
        let (error, pause) = match attempt(shared, intent).await {
            Attempt::Done(token) => return Ok(token),
            Attempt::Conflict => (None, Some(Duration::ZERO)),
            Attempt::Failed { error, pause } => (Some(error), pause),
        };
        let error = match error.map(|error| shared.current_or(intent, error)) {
            Some(Ok(token)) => {
                record_outcome("the old token lives");
                return Ok(token);
            }
            Some(Err(error)) => Some(error),
            None => None,
        };
        attempts += 1;
        let pause = pause.filter(|pause| attempts < MAX_ATTEMPTS && *pause <= MAX_PAUSE);
        match (pause, error) {
            (Some(pause), _) if !pause.is_zero() => {
                tokio::select! {
                    () = shared.clock.sleep(pause) => {}
                    () = shared.closing() => return Err(SessionError::closed(&shared.key)),
                }
            }
            (Some(_), _) => {}
            (None, Some(error)) => return Err(error),
            (None, None) => return Err(shared.conflict_error()),
        }
    }
}

/// The store's token, if it is the one that is intent. Takes no lock: a saved token that is fresh may
/// be used at any time.
pub(crate) async fn adopt(
    shared: &Shared,
    intent: &RefreshIntent,
) -> Result<Option<Token>, SessionError> {
    let newest = shared.memory().newest;
    let record = shared.load().await?;
    let (record, _) = match shared.usable(record.as_ref()) {
        Ok(found) => found,
        Err(error) if shared.unpublish_unless_newer(newest) => return Err(error),
        // What was read is old by now: the look under the lock decides.
        Err(_) => return Ok(None),
    };
    // One that lives is published all the same: it is what is used if nothing newer comes.
    let token = shared.publish_if(record, |token| {
        intent.accepts(token) && token.is_alive(shared.now())
    })?;
    let token = token.filter(|token| token.is_fresh(shared.now()));
    if token.is_some() {
        record_outcome("adopted");
    }
    Ok(token)
}

/// Names the step that the transaction has come to, at trace level. Whoever watches may end the process
/// there: what the next one then finds is tested for each step.
pub(crate) fn step(name: &'static str) {
    tracing::trace!(step = name, "refresh transaction");
}

/// Notes what came of the transaction in its span.
pub(crate) fn record_outcome(word: &'static str) {
    Span::current().record("outcome", word);
}
