//! Many replicas ask for a token of every account at the same time, round after round, and every token
//! ends between two rounds: each is to be refreshed once.

use tokio::time::Instant;

use crate::{
    fleet::{Fleet, ROUND},
    replica::{IN_FLIGHT, Replica, Round},
};

pub(crate) async fn run(is_long: bool) -> bool {
    let (replicas, accounts, rounds) = if is_long { (64, 2000, 10) } else { (64, 40, 4) };
    let fleet = Fleet::start(accounts, None).await;
    let mut replicas = start(&fleet, replicas).await;
    let begun = Instant::now();
    let mut outcome = Round::default();
    for _ in 0..rounds {
        let round = all(&mut replicas, ROUND, accounts).await;
        outcome.tokens += round.tokens;
        outcome.lost.extend(round.lost);
        outcome.errors.extend(round.errors);
    }
    let took = begun.elapsed().as_secs_f32();
    let expiries = accounts * rounds;
    let expected = expiries * replicas.len();
    let (posts, different) = fleet.posts();
    let reused = fleet.reused();
    println!(
        "rounds: {} replicas, {accounts} accounts, {rounds} rounds, {IN_FLIGHT} accounts at a time, {took:.1} s",
        replicas.len()
    );
    println!("  tokens handed out: {} ({expected})", outcome.tokens);
    println!("  refresh tokens posted: {posts} ({expiries}, one for each expiry)");
    println!("  different ones among them: {different} (all)");
    println!("  sign-ins lost: {} (0)", outcome.lost.len());
    println!("  refresh tokens reused: {reused} (0)");
    for error in &outcome.errors {
        println!("  {error}");
    }
    for replica in replicas {
        replica.close().await;
    }
    outcome.tokens == expected
        && posts == expiries
        && different == expiries
        && outcome.lost.is_empty()
        && outcome.errors.is_empty()
        && reused == 0
}

/// Starts replicas, and waits until all are connected.
pub(crate) async fn start(fleet: &Fleet, count: usize) -> Vec<Replica> {
    let mut replicas: Vec<_> = (0..count).map(|number| fleet.replica(number, 0)).collect();
    for replica in &mut replicas {
        replica.until_ready().await;
    }
    replicas
}

/// One round of all replicas on all accounts; what they found together.
pub(crate) async fn all(replicas: &mut [Replica], seconds: i64, accounts: usize) -> Round {
    for replica in &mut *replicas {
        replica.begin(seconds, 0..accounts).await.unwrap();
    }
    let mut outcome = Round::default();
    for replica in replicas {
        let round = replica.end().await.unwrap();
        outcome.tokens += round.tokens;
        outcome.lost.extend(round.lost);
        outcome.errors.extend(round.errors);
    }
    outcome.lost.sort_unstable();
    outcome.lost.dedup();
    outcome
}
