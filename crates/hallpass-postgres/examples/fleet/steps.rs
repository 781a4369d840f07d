//! `kill -9` of a replica at each step of a refresh, and what the next replica finds; before a server that
//! ends a sign-in when a refresh token comes back, and before one with a grace period.

use std::time::Duration;

use hallpass_testkit::{Endpoint, Fault, Gate};

use crate::{
    fleet::{Fleet, ROUND},
    replica::Replica,
};

/// Longer than a lease and a heartbeat: the next replica's post is within it.
const GRACE: Duration = Duration::from_secs(30);

/// Where a replica is killed.
#[derive(Debug, Clone, Copy)]
enum Stop {
    /// At the nth event with this step.
    Step(&'static str, usize),
    /// When the server has received the request and not processed it.
    Request,
    /// When the server has processed the request and not answered.
    Answer,
}

/// In the order of a refresh; whether the sign-in is lost where the server has no grace period.
const POINTS: &[(&str, Stop, bool)] = &[
    ("before the lock", Stop::Step("locking", 1), false),
    ("lock held", Stop::Step("locked", 1), false),
    ("attempt noted", Stop::Step("marked", 1), false),
    ("request at the server", Stop::Request, false),
    ("server has acted", Stop::Answer, true),
    ("answer here", Stop::Step("answered", 1), true),
    ("answer saved", Stop::Step("saved", 1), false),
    ("token published", Stop::Step("published", 1), false),
];

pub(crate) async fn run(is_long: bool) -> bool {
    let kills = if is_long { 10 } else { 2 };
    println!(
        "{:<24} {:>6} {:>6} {:>16}",
        "killed at", "kills", "lost", "lost with grace"
    );
    let strict = tried(None, kills).await;
    let gracious = tried(Some(GRACE), kills).await;
    let mut holds = true;
    for (number, (name, _, is_lost)) in POINTS.iter().enumerate() {
        let expected = if *is_lost { kills } else { 0 };
        let as_expected = strict[number] == expected && gracious[number] == 0;
        let verdict = if as_expected { "" } else { "  NOT AS EXPECTED" };
        println!(
            "{name:<24} {kills:>6} {:>6} {:>16}{verdict}",
            strict[number], gracious[number]
        );
        holds &= as_expected;
    }
    holds
}

/// Kills replicas at each point; how many sign-ins are lost at each.
async fn tried(grace: Option<Duration>, kills: usize) -> Vec<usize> {
    let accounts = POINTS.len() * kills;
    let fleet = Fleet::start(accounts, grace).await;
    // It lives for longer than a lease before it takes one over.
    let mut next = fleet.replica(accounts, 0);
    next.until_ready().await;
    for account in 0..accounts {
        kill(&fleet, account, POINTS[account / kills].1).await;
    }
    next.begin(ROUND, 0..accounts).await.unwrap();
    let round = next.end().await.unwrap();
    assert!(round.errors.is_empty(), "{:?}", round.errors);
    next.close().await;
    let lost_at = |point| round.lost.iter().filter(|it| *it / kills == point).count();
    (0..POINTS.len()).map(lost_at).collect()
}

/// Has a replica refresh the token of one account, and ends it at the point.
async fn kill(fleet: &Fleet, account: usize, stop: Stop) {
    let gate = Gate::new();
    let mut replica = match stop {
        Stop::Step(name, nth) => fleet.stopping_replica(account, name, nth),
        Stop::Request => {
            let fault = Fault::HoldRequest(gate.clone());
            fleet.issuer.once(Endpoint::Refresh, fault);
            fleet.replica(account, 0)
        }
        Stop::Answer => {
            let fault = Fault::HoldAnswer(gate.clone());
            fleet.issuer.once(Endpoint::Refresh, fault);
            fleet.replica(account, 0)
        }
    };
    replica.until_ready().await;
    replica.begin(ROUND, [account]).await.unwrap();
    match stop {
        Stop::Step(..) => until_stopped(&mut replica).await,
        Stop::Request | Stop::Answer => gate.until_arrived(1).await,
    }
    replica.kill().await;
}

async fn until_stopped(replica: &mut Replica) {
    assert_eq!(replica.line().await.as_deref(), Some("stopped"));
}
