//! When an event stream that ended is opened again.
//!
//! A server may end a stream at any time and give the rest to a GET with the last event's id (MCP,
//! streamable HTTP). One that ends each stream at once would be asked without pause. So there is at
//! least a second between two requests for the same stream; the pause doubles until a message comes.
//! The server's `retry` makes it longer, never shorter. Events without a message don't count: a server
//! that only hands out ids says nothing.

use std::time::Duration;

use crate::{AttemptBudget, Event};

/// An event stream, as far as opening it again depends on it: the last event's id, the pause, and what
/// has been tried.
///
/// It knows no clock: each `now` is the caller's monotonic time.
#[derive(Debug)]
pub struct Reconnection {
    /// Whether the stream answers a request, so that there is an end to waiting for it.
    answers: bool,
    last_event_id: Option<String>,
    retry: Option<Duration>,
    opened: Duration,
    not_before: Duration,
    /// How often it ended since the last message, and since the last event.
    without_message: u32,
    without_event: u32,
    given_up: bool,
    warned: bool,
    budget: AttemptBudget,
    rounds_since: Duration,
}

impl Reconnection {
    /// The shortest time between two requests for the same stream.
    pub const MIN_DELAY: Duration = Duration::from_secs(1);

    /// The longest time that failures alone lead to.
    pub const MAX_DELAY: Duration = Duration::from_secs(30);

    /// The longest time that a server can ask for.
    pub const MAX_RETRY: Duration = Duration::from_secs(300);

    /// How often the stream of a request may end in a row without a message: ten minutes at least,
    /// which is for servers that are polled while they work.
    const MAX_WITHOUT_MESSAGE: u32 = 24;

    /// How often in a row it may end without any event: half a minute at least.
    const MAX_WITHOUT_EVENT: u32 = 5;

    /// How long the challenges of a stream count together.
    const ROUNDS_LAST: Duration = Duration::from_secs(600);

    /// The stream that answers a request, which is sent at `now`.
    pub fn of_request(now: Duration) -> Self {
        Self::new(true, now)
    }

    /// The stream of what the server says unasked, for which a GET is sent at `now`. As long as the
    /// session lasts it is opened again.
    pub fn of_own_stream(now: Duration) -> Self {
        Self::new(false, now)
    }

    fn new(answers: bool, now: Duration) -> Self {
        Self {
            answers,
            last_event_id: None,
            retry: None,
            opened: now,
            not_before: now,
            without_message: 0,
            without_event: 0,
            given_up: false,
            warned: false,
            budget: AttemptBudget::default(),
            rounds_since: now,
        }
    }

    /// Whether the stream answers a request.
    pub fn answers_a_request(&self) -> bool {
        self.answers
    }

    /// The id to resume after.
    pub fn last_event_id(&self) -> Option<&str> {
        self.last_event_id.as_deref()
    }

    /// A request for the stream is sent at `now`.
    pub fn opened(&mut self, now: Duration) {
        self.opened = now;
        if now.saturating_sub(self.rounds_since) >= Self::ROUNDS_LAST {
            self.budget = AttemptBudget::default();
            self.rounds_since = now;
        }
    }

    /// The challenges that requests for the stream have been answered with. They count together for ten
    /// minutes: a server that refuses each second request must not cost a refresh each time.
    pub fn budget(&mut self) -> &mut AttemptBudget {
        &mut self.budget
    }

    /// An event has come. Whether it holds a message that has not come before.
    pub fn received(&mut self, event: &Event) -> bool {
        self.without_event = 0;
        let retry = event.retry.map(|retry| retry.min(Self::MAX_RETRY));
        self.retry = retry.or(self.retry);
        let repeated = event.id.is_some() && event.id == self.last_event_id;
        if let Some(id) = &event.id {
            self.last_event_id = (!id.is_empty()).then(|| id.clone());
        }
        let is_message = event.event.as_deref().is_none_or(|kind| kind == "message");
        let has_data = event.data.as_ref().is_some_and(|data| !data.is_empty());
        let is_new = is_message && has_data && !repeated;
        if is_new {
            self.without_message = 0;
        }
        is_new
    }

    /// The stream has ended at `now`, or could not be opened.
    pub fn ended(&mut self, now: Duration) {
        let doubled = 1_u32.checked_shl(self.without_message).unwrap_or(u32::MAX);
        let delay = Self::MIN_DELAY.saturating_mul(doubled).min(Self::MAX_DELAY);
        let wanted = now.saturating_add(self.retry.unwrap_or_default());
        self.not_before = self.opened.saturating_add(delay).max(wanted);
        self.without_message = self.without_message.saturating_add(1);
        self.without_event = self.without_event.saturating_add(1);
    }

    /// How long to wait at `now` before the stream is opened again; `None` when it is not.
    pub fn delay(&self, now: Duration) -> Option<Duration> {
        let enough = self.said_nothing() || self.without_event > Self::MAX_WITHOUT_EVENT;
        let is_over = self.given_up || self.answers && enough;
        (!is_over).then(|| self.not_before.saturating_sub(now))
    }

    /// Whether the stream has ended again and again without a message, though events came: to send the
    /// request again would lead to the same.
    pub fn said_nothing(&self) -> bool {
        self.without_message > Self::MAX_WITHOUT_MESSAGE
    }

    /// The stream can't go on from here.
    pub fn give_up(&mut self) {
        self.given_up = true;
    }

    /// Whether this is the first thing about the stream to warn of.
    pub fn is_first_warning(&mut self) -> bool {
        !std::mem::replace(&mut self.warned, true)
    }
}

#[cfg(test)]
mod tests;
