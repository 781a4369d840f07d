//! Replicas whose clocks are an hour ahead and an hour behind. They refresh more often than others would;
//! no sign-in is lost, and leases go by the database's time.

use crate::{
    fleet::{Fleet, ROUND},
    kills::close,
    rounds,
};

const HOUR: i64 = 3600;

pub(crate) async fn run() -> bool {
    const ACCOUNTS: usize = 40;
    const ROUNDS: usize = 3;
    let fleet = Fleet::start(ACCOUNTS, None).await;
    let mut replicas = Vec::new();
    for (number, ahead) in [-HOUR, -HOUR, 0, 0, 0, 0, HOUR, HOUR]
        .into_iter()
        .enumerate()
    {
        let mut replica = fleet.replica(number, ahead);
        replica.until_ready().await;
        replicas.push(replica);
    }
    let (mut tokens, mut lost, mut errors) = (0, 0, Vec::new());
    for _ in 0..ROUNDS {
        let round = rounds::all(&mut replicas, ROUND, ACCOUNTS).await;
        tokens += round.tokens;
        lost += round.lost.len();
        errors.extend(round.errors);
    }
    let expected = ACCOUNTS * ROUNDS * replicas.len();
    let reused = fleet.reused();
    println!("clocks: 8 replicas, four of them an hour off, {ACCOUNTS} accounts, {ROUNDS} rounds");
    println!("  tokens handed out: {tokens} ({expected})");
    println!("  sign-ins lost: {lost} (0), refresh tokens reused: {reused} (0)");
    for error in &errors {
        println!("  {error}");
    }
    close(replicas).await;
    tokens == expected && lost == 0 && errors.is_empty() && reused == 0
}
