//! The database crashes while many tokens are being refreshed, and comes back, at once or later than a
//! lease lasts. No sign-in is lost.

use std::time::Duration;

use tokio::time::{self, Instant};

use crate::{
    fleet::{Fleet, ROUND},
    kills::close,
    rounds,
};

/// For how long the database is away, and how soon after it is back the accounts have to have tokens.
const SHORT: Duration = Duration::from_secs(3);
const LONG: Duration = Duration::from_secs(30);
const RECOVERY: Duration = Duration::from_secs(12);

pub(crate) async fn run(is_long: bool) -> bool {
    let outages: &[Duration] = if is_long { &[SHORT, LONG] } else { &[SHORT] };
    let (replicas, accounts) = if is_long { (64, 1000) } else { (16, 200) };
    let mut holds = true;
    for outage in outages {
        holds &= tried(*outage, replicas, accounts).await;
    }
    holds
}

async fn tried(outage: Duration, replicas: usize, accounts: usize) -> bool {
    let fleet = Fleet::start(accounts, None).await;
    let mut replicas = rounds::start(&fleet, replicas).await;
    for replica in &mut replicas {
        replica.begin(ROUND, 0..accounts).await.unwrap();
    }
    // In the middle of the work: a tenth of the accounts has been refreshed.
    while fleet.posts().0 < accounts / 10 {
        time::sleep(Duration::from_millis(5)).await;
    }
    fleet.database.control(&["stop", "--mode=immediate"]);
    time::sleep(outage).await;
    fleet.database.control(&["start"]);
    let back = Instant::now();
    let (mut lost, mut tokens, mut recovery) = (0, 0, Duration::ZERO);
    let mut errors = Vec::new();
    for replica in &mut replicas {
        let round = replica.end().await.unwrap();
        recovery = recovery.max(back.elapsed());
        tokens += round.tokens;
        lost += round.lost.len();
        errors.extend(round.errors);
    }
    let expected = accounts * replicas.len();
    let reused = fleet.reused();
    println!(
        "restart: {} replicas, {accounts} accounts, database away for {} s",
        replicas.len(),
        outage.as_secs()
    );
    println!("  tokens handed out: {tokens} ({expected})");
    println!("  sign-ins lost: {lost} (0), refresh tokens reused: {reused} (0)");
    println!(
        "  every account has a token {:.1} s after the database is back (at most {} s)",
        recovery.as_secs_f32(),
        RECOVERY.as_secs()
    );
    for error in &errors {
        println!("  {error}");
    }
    close(replicas).await;
    let is_whole = lost == 0 && reused == 0 && errors.is_empty();
    is_whole && tokens == expected && recovery <= RECOVERY
}
