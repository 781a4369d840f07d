//! Faults as plain data: what goes wrong, where, and at which request.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use crate::Gate;

/// What a request is for. A request may be several: a refresh is also a token request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// An authorization server's metadata (RFC 8414, OpenID Connect Discovery).
    ServerMetadata,
    /// Registration of a client (RFC 7591).
    Registration,
    /// The authorization endpoint (RFC 6749 §3.1), and the answer to its consent page.
    Authorization,
    /// The token endpoint (RFC 6749 §3.2), whatever the grant.
    Token,
    /// A token request that redeems a code.
    CodeExchange,
    /// A token request that refreshes.
    Refresh,
    /// Revocation (RFC 7009).
    Revocation,
    /// A protected resource's metadata (RFC 9728).
    ResourceMetadata,
    /// An MCP request of any kind.
    Mcp,
    /// An MCP request that opens a stream of what the server says unasked: a GET.
    Stream,
    /// Anything else, such as a browser asking for `/favicon.ico`.
    Other,
}

/// What goes wrong with a request.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Fault {
    /// The server does nothing and answers with this status and a short text.
    Status {
        /// The status code, 400 to 599 in most cases.
        status: u16,
        /// The value of `Retry-After`: seconds or an HTTP date.
        retry_after: Option<String>,
    },
    /// The server does nothing and answers 200 with a page of HTML.
    Html,
    /// The server does what was asked, and answers 200 with a page of HTML in place of its answer.
    HtmlAnswer,
    /// The server does nothing and answers 200 with 1 GB of JSON that never gets anywhere.
    Endless,
    /// The server does nothing and answers with exactly this.
    Answer {
        /// The status code.
        status: u16,
        /// Header fields; a `Content-Type` should be among them.
        headers: Vec<(String, String)>,
        /// The body.
        body: String,
    },
    /// The server does nothing and answers with what `write` makes of the whole request: its line, its
    /// headers and its body, as they were received.
    Echo {
        /// The status code.
        status: u16,
        /// The value of `Content-Type`.
        media_type: &'static str,
        /// Makes the body.
        write: fn(&str) -> String,
    },
    /// The server does nothing and closes the connection without an answer.
    DropRequest,
    /// The server does what was asked, then closes the connection: the answer is lost.
    DropAnswer,
    /// The server does nothing and resets the connection. Over TLS it is closed.
    ResetRequest,
    /// The server does what was asked, then resets the connection. Over TLS it is closed.
    ResetAnswer,
    /// The server does nothing before the gate opens.
    HoldRequest(Gate),
    /// The server does what was asked, and answers when the gate opens.
    HoldAnswer(Gate),
}

/// At which requests a fault happens, counted from 1 over the life of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// At each.
    Always,
    /// At this one alone.
    Nth(u32),
    /// At this one and all after it.
    From(u32),
    /// At all up to and including this one.
    UpTo(u32),
}

impl When {
    fn is_now(self, count: u32) -> bool {
        match self {
            Self::Always => true,
            Self::Nth(n) => count == n,
            Self::From(n) => count >= n,
            Self::UpTo(n) => count <= n,
        }
    }
}

/// One fault of a server.
#[derive(Debug, Clone)]
pub struct PlannedFault {
    /// At which endpoint.
    pub endpoint: Endpoint,
    /// At which of the requests to that endpoint.
    pub when: When,
    /// What goes wrong.
    pub fault: Fault,
}

/// What is planned, and how many requests each endpoint has had.
#[derive(Debug, Default)]
pub(crate) struct FaultPlan(Mutex<Plan>);

#[derive(Debug, Default)]
struct Plan {
    planned: Vec<PlannedFault>,
    once: VecDeque<(Endpoint, Fault)>,
    counts: HashMap<Endpoint, u32>,
}

impl FaultPlan {
    pub(crate) fn new(planned: Vec<PlannedFault>) -> Self {
        Self(Mutex::new(Plan {
            planned,
            ..Plan::default()
        }))
    }

    pub(crate) fn replace(&self, planned: Vec<PlannedFault>) {
        self.plan(|plan| {
            plan.planned = planned;
            plan.once.clear();
        });
    }

    pub(crate) fn once(&self, endpoint: Endpoint, fault: Fault) {
        self.plan(|plan| plan.once.push_back((endpoint, fault)));
    }

    /// Counts a request, and says what goes wrong with it.
    pub(crate) fn take(&self, endpoints: &[Endpoint]) -> Option<Fault> {
        self.plan(|plan| {
            for endpoint in endpoints {
                *plan.counts.entry(*endpoint).or_default() += 1;
            }
            let once = plan.once.iter().position(|(at, _)| endpoints.contains(at));
            if let Some((_, fault)) = once.and_then(|at| plan.once.remove(at)) {
                return Some(fault);
            }
            let now = |planned: &&PlannedFault| {
                let count = plan.counts.get(&planned.endpoint).copied().unwrap_or(0);
                endpoints.contains(&planned.endpoint) && planned.when.is_now(count)
            };
            plan.planned.iter().find(now).map(|it| it.fault.clone())
        })
    }

    fn plan<T>(&self, change: impl FnOnce(&mut Plan) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(when: When, expected: [bool; 4]) {
        let plan = FaultPlan::new(vec![PlannedFault {
            endpoint: Endpoint::Refresh,
            when,
            fault: Fault::Html,
        }]);
        let got = [(); 4].map(|()| {
            assert!(plan.take(&[Endpoint::Token]).is_none());
            plan.take(&[Endpoint::Token, Endpoint::Refresh]).is_some()
        });
        assert_eq!(got, expected, "{when:?}");
    }

    #[test]
    fn fault_happens_at_its_requests() {
        check(When::Always, [true, true, true, true]);
        check(When::Nth(2), [false, true, false, false]);
        check(When::From(3), [false, false, true, true]);
        check(When::UpTo(1), [true, false, false, false]);
    }

    #[test]
    fn fault_for_once_is_used_up() {
        let plan = FaultPlan::default();
        plan.once(Endpoint::Token, Fault::DropAnswer);
        assert!(plan.take(&[Endpoint::Mcp]).is_none());
        assert!(plan.take(&[Endpoint::Token]).is_some());
        assert!(plan.take(&[Endpoint::Token]).is_none());
    }
}
