//! Eight processes, one grant, tokens that live two seconds.

use std::{collections::BTreeSet, time::Duration};

use hallpass_testkit::{Endpoint, ReuseCounts};
use tokio::time::Instant;

use crate::{
    servers::Servers,
    worker::{CALLS, Orders, SPAN, Worker},
};

const PROCESSES: usize = 8;
const LIFETIME: Duration = Duration::from_secs(2);

pub(crate) async fn run() -> bool {
    let servers = Servers::start(LIFETIME).await;
    servers.sign_in("default").await;
    let orders = Orders {
        work: "calls".to_owned(),
        store: servers.store(),
        url: servers.server.url(),
        account: "default".to_owned(),
        ahead: 0,
        stop: None,
    };
    let mut workers: Vec<Worker> = (0..PROCESSES).map(|_| orders.start()).collect();
    for worker in &mut workers {
        assert_eq!(worker.line().await.as_deref(), Some("ready"));
    }
    for worker in &mut workers {
        worker.go().await;
    }
    let begun = Instant::now();
    let mut finished = 0;
    for worker in &mut workers {
        while let Some(line) = worker.line().await {
            println!("  {line}");
            finished += usize::from(line.starts_with("failed 0 "));
        }
    }
    // One for each life of a token, whose early margin is a whole number of seconds and so none here,
    // and one more. A busy computer may need longer than the span.
    let took = begun.elapsed().max(SPAN).as_secs();
    let most = took / LIFETIME.as_secs() + 1;
    let requests = servers.issuer.requests_to(Endpoint::Refresh);
    let tokens: BTreeSet<_> = requests
        .iter()
        .map(|request| request.parameter("refresh_token"))
        .collect();
    let misuse = servers.issuer.registry().reuse_counts();
    let refreshes = requests.len() as u64;
    println!(
        "storm: {PROCESSES} processes, {CALLS} calls each in {took} s, tokens of {} s",
        LIFETIME.as_secs()
    );
    println!("  processes without a failed call: {finished} (all)");
    println!("  refreshes: {refreshes} (at most {most})");
    println!(
        "  different refresh tokens among them: {} (all)",
        tokens.len()
    );
    println!("  families revoked: {} (0)", misuse.refresh_tokens_reused);
    finished == PROCESSES
        && refreshes <= most
        && refreshes > 1
        && tokens.len() == requests.len()
        && misuse == ReuseCounts::default()
}
