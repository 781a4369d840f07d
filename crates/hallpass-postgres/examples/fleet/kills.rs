//! `kill -9` of replicas at any moment of their work. Lost is at most what the killed had in flight, and
//! nothing where the authorization server has a grace period.

use std::{collections::BTreeSet, time::Duration};

use tokio::time;

use crate::{
    fleet::{Fleet, ROUND},
    replica::{IN_FLIGHT, Replica},
    rounds,
};

/// Longer than a lease and a heartbeat together.
const GRACE: Duration = Duration::from_secs(10);

pub(crate) async fn run(is_long: bool) -> bool {
    let (replicas, accounts, kills) = if is_long {
        (64, 2000, 24)
    } else {
        (16, 200, 6)
    };
    let mut holds = true;
    for grace in [None, Some(GRACE)] {
        let fleet = Fleet::start(accounts, grace).await;
        let lost = tried(&fleet, replicas, kills).await;
        let most = if grace.is_some() {
            0
        } else {
            kills * IN_FLIGHT
        };
        let (posts, _) = fleet.posts();
        println!(
            "kills: {replicas} replicas, {accounts} accounts, {kills} × kill -9, grace {} s",
            grace.map_or(0, |grace| grace.as_secs())
        );
        println!("  refresh tokens posted: {posts}");
        println!("  sign-ins lost: {lost} (at most {most})");
        holds &= lost <= most && posts > accounts;
    }
    holds
}

/// Kills one replica in each round, at a moment of its own, and starts another; how many sign-ins are lost.
async fn tried(fleet: &Fleet, replicas: usize, kills: usize) -> usize {
    let accounts = fleet.accounts;
    let mut replicas = rounds::start(fleet, replicas).await;
    let (mut lost, mut ahead) = (BTreeSet::new(), 0);
    for number in 0..kills {
        for replica in &mut replicas {
            replica.begin(ROUND, 0..accounts).await.unwrap();
        }
        ahead += ROUND;
        // Not to order anything: the moment of the kill.
        let moment = Duration::from_millis(20 + 37 * u64::try_from(number % 13).unwrap());
        time::sleep(moment).await;
        let victim = number % replicas.len();
        replicas[victim].kill().await;
        for replica in &mut replicas {
            if let Some(round) = replica.end().await {
                assert!(round.errors.is_empty(), "{:?}", round.errors);
                lost.extend(round.lost);
            }
        }
        replicas[victim] = fleet.replica(replicas.len() + number, ahead);
        replicas[victim].until_ready().await;
    }
    let round = rounds::all(&mut replicas, ROUND, accounts).await;
    assert!(round.errors.is_empty(), "{:?}", round.errors);
    lost.extend(round.lost);
    close(replicas).await;
    lost.len()
}

pub(crate) async fn close(replicas: Vec<Replica>) {
    for replica in replicas {
        replica.close().await;
    }
}
