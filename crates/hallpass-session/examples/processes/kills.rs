//! `kill -9` at each step of the refresh transaction, and what the next process finds.

use std::{collections::BTreeMap, time::Duration};

use hallpass_core::record::SignInCause;
use hallpass_session::{Session, SessionError, SignInNeed};
use hallpass_testkit::{Endpoint, Fault, Gate};
use tokio::task::JoinSet;

use crate::{
    servers::{Servers, session},
    worker::Orders,
};

const ROUNDS: usize = 20;
/// How far the clocks of the processes are ahead of the server's: their first token has ended.
const AHEAD: i64 = 7200;
/// How far those of the processes are that come after the kill: the pause after the post is over.
const AFTER_THE_PAUSE: i64 = AHEAD + 10;
/// How many points are tried at the same time.
const MAX_CONCURRENT_POINTS: usize = 4;

/// Where a process is killed.
#[derive(Debug, Clone, Copy)]
enum Stop {
    /// At the nth event with this step.
    Step(&'static str, usize),
    /// When the server has received the request and not processed it.
    Request,
    /// When the server has processed the request and not answered.
    Answer,
}

/// The result of the next process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// It has a token, without a sign-in.
    Token,
    /// A sign-in is needed: `refresh-outcome-unknown`.
    SignIn,
}

/// One point: its name, where it is, its result, and how often the server gets the first refresh token,
/// over all processes.
struct Point(&'static str, Stop, End, usize);

/// In the order of the transaction. A sign-in is lost from the moment when the server has replaced
/// the refresh token until its answer is in place, and at no other.
const POINTS: &[Point] = &[
    Point("before the lock", Stop::Step("locking", 1), End::Token, 1),
    Point("lock held", Stop::Step("locked", 1), End::Token, 1),
    Point("record read", Stop::Step("read", 1), End::Token, 1),
    Point(
        "mark written aside",
        Stop::Step("written aside", 1),
        End::Token,
        1,
    ),
    Point("mark in place", Stop::Step("in place", 1), End::Token, 1),
    Point("mark saved", Stop::Step("marked", 1), End::Token, 1),
    Point("request at the server", Stop::Request, End::Token, 2),
    Point("server has acted", Stop::Answer, End::SignIn, 2),
    Point("answer here", Stop::Step("answered", 1), End::SignIn, 2),
    Point(
        "answer written aside",
        Stop::Step("written aside", 2),
        End::SignIn,
        2,
    ),
    Point("answer in place", Stop::Step("in place", 2), End::Token, 1),
    Point("answer saved", Stop::Step("saved", 1), End::Token, 1),
    Point("token published", Stop::Step("published", 1), End::Token, 1),
];

pub(crate) async fn run() -> bool {
    println!(
        "{:<24} {:>5} {:>7} {:>8} {:>6}",
        "killed at", "kills", "healed", "sign-ins", "posts"
    );
    let (mut trying, mut rows) = (JoinSet::new(), BTreeMap::new());
    for (number, point) in POINTS.iter().enumerate() {
        if trying.len() == MAX_CONCURRENT_POINTS {
            rows.extend(trying.join_next().await.map(Result::unwrap));
        }
        trying.spawn(async move { (number, tried(point).await) });
    }
    while let Some(row) = trying.join_next().await {
        rows.extend([row.unwrap()]);
    }
    let mut holds = true;
    for (number, (line, as_expected)) in rows {
        let verdict = if as_expected { "" } else { "  NOT AS EXPECTED" };
        println!("{:<24} {line}{verdict}", POINTS[number].0);
        holds &= as_expected;
    }
    holds
}

/// Kills at one point over and over; the row of the table, and whether all is as expected.
async fn tried(Point(_, stop, expected, expected_posts): &Point) -> (String, bool) {
    let servers = Servers::start(Duration::from_secs(3600)).await;
    let (mut healed, mut sign_ins, mut most_posts, mut holds) = (0, 0, 0, true);
    for round in 0..ROUNDS {
        let account = format!("round-{round}");
        servers.sign_in(&account).await;
        let before = servers.issuer.requests_to(Endpoint::Refresh).len();
        kill(&servers, &account, *stop).await;

        // The record is there, with all that a next sign-in can use.
        let next = session(
            &servers.store(),
            &servers.server.url(),
            &account,
            AFTER_THE_PAUSE,
        )
        .await;
        let record = next.record().await.unwrap().unwrap();
        holds &= record.registration.is_some();
        let end = outcome(&next).await;
        // A third process has the same result, and sends no request.
        let settled = servers.issuer.requests_to(Endpoint::Refresh).len();
        let third = session(
            &servers.store(),
            &servers.server.url(),
            &account,
            AFTER_THE_PAUSE,
        )
        .await;
        holds &= outcome(&third).await == end;
        let requests = servers.issuer.requests_to(Endpoint::Refresh);
        holds &= requests.len() == settled;

        let mut posts: BTreeMap<_, usize> = BTreeMap::new();
        for request in &requests[before..] {
            *posts.entry(request.parameter("refresh_token")).or_default() += 1;
        }
        let posts = posts.into_values().max().unwrap_or(0);
        most_posts = most_posts.max(posts);
        healed += usize::from(end == End::Token);
        sign_ins += usize::from(end == End::SignIn);
        holds &= end == *expected && posts == *expected_posts;
    }
    let row = format!("{ROUNDS:>5} {healed:>7} {sign_ins:>8} {most_posts:>6}");
    (row, holds)
}

/// Has a process of its own refresh, and ends it at the point.
async fn kill(servers: &Servers, account: &str, stop: Stop) {
    let gate = Gate::new();
    let step = match stop {
        Stop::Step(name, nth) => Some((name.to_owned(), nth)),
        Stop::Request => {
            let fault = Fault::HoldRequest(gate.clone());
            servers.issuer.once(Endpoint::Refresh, fault);
            None
        }
        Stop::Answer => {
            let fault = Fault::HoldAnswer(gate.clone());
            servers.issuer.once(Endpoint::Refresh, fault);
            None
        }
    };
    let at_the_server = step.is_none();
    let orders = Orders {
        work: "token".to_owned(),
        store: servers.store(),
        url: servers.server.url(),
        account: account.to_owned(),
        ahead: AHEAD,
        stop: step,
    };
    let mut worker = orders.start();
    if at_the_server {
        gate.until_arrived(1).await;
    } else {
        assert_eq!(worker.line().await.as_deref(), Some("stopped"));
    }
    worker.kill().await;
}

async fn outcome(session: &Session) -> End {
    match session.token().await {
        Ok(_) => End::Token,
        Err(SessionError::SignInRequired(needed))
            if *needed.need() == SignInNeed::Ended(SignInCause::RefreshOutcomeUnknown) =>
        {
            End::SignIn
        }
        Err(error) => panic!("{error:?}"),
    }
}
