//! One request for all callers that want the same document at the same moment.
//!
//! No runtime is needed: the first caller sends the request, and its answer wakes the others. When the first
//! one goes away before, the next one asks.

use std::{
    collections::HashMap,
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use hallpass_core::{Clock, HttpError};
use http::Response;

/// What came of a request.
pub(crate) type Answer = Result<Response<Bytes>, Arc<HttpError>>;

/// For how long an answer serves those who ask after it.
const SHARE_TIME: Duration = Duration::from_secs(5);

/// The requests that run, and those that were answered a moment ago.
#[derive(Default)]
pub(crate) struct SingleFlight(Mutex<HashMap<String, Flight>>);

enum Flight {
    /// It runs, and these wait for it.
    Running(Vec<Waker>),
    /// It was answered, which serves until the monotonic moment.
    Answered(Answer, Duration),
}

impl SingleFlight {
    /// The answer to `request`, or to the same one of another caller; with it, whether it is
    /// another's.
    pub(crate) async fn run(
        &self,
        key: &str,
        clock: &dyn Clock,
        request: impl Future<Output = Result<Response<Bytes>, HttpError>>,
    ) -> (Answer, bool) {
        if let Some(answer) = poll_fn(|context| self.join(key, clock, context)).await {
            return (answer, true);
        }
        let mut leader = Leader {
            flights: self,
            key,
            answer: None,
        };
        let answer = request.await.map_err(Arc::new);
        let until = clock.monotonic().saturating_add(SHARE_TIME);
        leader.answer = Some((answer.clone(), until));
        (answer, false)
    }

    /// Another's answer, or the duty to ask.
    fn join(
        &self,
        key: &str,
        clock: &dyn Clock,
        context: &mut Context<'_>,
    ) -> Poll<Option<Answer>> {
        let now = clock.monotonic();
        let mut flights = self.flights();
        match flights.get_mut(key) {
            Some(Flight::Running(waiting)) => {
                if !waiting.iter().any(|one| one.will_wake(context.waker())) {
                    waiting.push(context.waker().clone());
                }
                Poll::Pending
            }
            Some(Flight::Answered(answer, until)) if now < *until => {
                Poll::Ready(Some(answer.clone()))
            }
            _ => {
                flights.retain(|_, flight| match flight {
                    Flight::Running(_) => true,
                    Flight::Answered(_, until) => now < *until,
                });
                flights.insert(key.to_owned(), Flight::Running(Vec::new()));
                Poll::Ready(None)
            }
        }
    }

    /// Forgets what was answered.
    pub(crate) fn clear(&self) {
        self.flights()
            .retain(|_, flight| matches!(flight, Flight::Running(_)));
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<String, Flight>> {
        // Every change is one call on the map, so a poisoned lock still guards a whole map.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The caller that asks. However it ends, those who wait are woken.
struct Leader<'a> {
    flights: &'a SingleFlight,
    key: &'a str,
    answer: Option<(Answer, Duration)>,
}

impl Drop for Leader<'_> {
    fn drop(&mut self) {
        let mut flights = self.flights.flights();
        let flight = match self.answer.take() {
            Some((answer, until)) => {
                flights.insert(self.key.to_owned(), Flight::Answered(answer, until))
            }
            None => flights.remove(self.key),
        };
        drop(flights);
        if let Some(Flight::Running(waiting)) = flight {
            waiting.into_iter().for_each(Waker::wake);
        }
    }
}
