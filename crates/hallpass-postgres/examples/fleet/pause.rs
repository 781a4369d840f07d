//! A replica is stopped (SIGSTOP) for longer than its lease while it waits for the answer to a refresh
//! token, and goes on (SIGCONT) when another has taken over. A newer generation is never replaced by an
//! older one, and the grant that comes late is saved or revoked.

use std::{process::Command, time::Duration};

use hallpass_testkit::{Endpoint, Fault, Gate};
use tokio::time;

use crate::{
    fleet::{Fleet, ROUND},
    kills::close,
};

const GRACE: Duration = Duration::from_secs(60);
/// Two leases.
const STOPPED: Duration = Duration::from_secs(12);

pub(crate) async fn run() -> bool {
    let alone = tried(false).await;
    let taken_over = tried(true).await;
    alone && taken_over
}

async fn tried(is_taken_over: bool) -> bool {
    let fleet = Fleet::start(1, Some(GRACE)).await;
    let before = fleet.record(0).await.generation;
    let (mut holder, mut other) = (fleet.replica(0, 0), fleet.replica(1, 0));
    holder.until_ready().await;
    other.until_ready().await;
    let gate = Gate::new();
    fleet
        .issuer
        .once(Endpoint::Refresh, Fault::HoldAnswer(gate.clone()));
    holder.begin(ROUND, [0]).await.unwrap();
    gate.until_arrived(1).await;
    signal("-STOP", holder.process());
    gate.open();
    time::sleep(STOPPED).await;
    let mut tokens = 0;
    if is_taken_over {
        other.begin(ROUND, [0]).await.unwrap();
        tokens += other.end().await.unwrap().tokens;
    }
    let between = fleet.record(0).await;
    signal("-CONT", holder.process());
    tokens += holder.end().await.unwrap().tokens;
    if !is_taken_over {
        other.begin(0, [0]).await.unwrap();
        tokens += other.end().await.unwrap().tokens;
    }
    close(vec![holder, other]).await;
    let after = fleet.record(0).await;
    let revoked = fleet.issuer.requests_to(Endpoint::Revocation).len();
    let posts = fleet.posts().0;
    println!(
        "pause: the holder stopped for two leases, {}",
        if is_taken_over {
            "another takes over"
        } else {
            "nobody takes over"
        }
    );
    println!(
        "  generations: {before}, {} meanwhile, {} in the end",
        between.generation, after.generation
    );
    println!("  posts: {posts}, tokens handed out: {tokens} (2), grants revoked: {revoked}");
    let holds = if is_taken_over {
        // The other's grant stays, and the late one is revoked.
        after.grant == between.grant && between.generation > before && revoked > 0 && posts == 2
    } else {
        after.generation > before && between.generation == before && revoked == 0 && posts == 1
    };
    holds && tokens == 2
}

fn signal(name: &str, process: u32) {
    let status = Command::new("kill")
        .args([name, &process.to_string()])
        .status();
    assert!(status.unwrap().success());
}
