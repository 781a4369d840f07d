//! Eight processes open a store that is not there yet, at once.

use std::collections::BTreeSet;

use tempfile::TempDir;

use crate::worker::{Orders, Worker};

const ROUNDS: usize = 20;
const PROCESSES: usize = 8;

pub(crate) async fn run() -> bool {
    let mut holds = true;
    for _ in 0..ROUNDS {
        let folder = TempDir::new().unwrap();
        let orders = Orders {
            work: "create".to_owned(),
            store: folder.path().join("store"),
            url: "http://127.0.0.1".to_owned(),
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
        let mut keys = BTreeSet::new();
        for worker in &mut workers {
            keys.insert(worker.line().await);
        }
        holds &= keys.len() == 1 && !keys.contains(&None);
    }
    println!("creations: {PROCESSES} processes, {ROUNDS} times, one key each time: {holds}");
    holds
}
