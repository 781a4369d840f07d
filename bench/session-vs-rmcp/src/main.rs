//! A fresh access token, from Hallpass's session and from rmcp's own `AuthClient`, side by side.
//!
//! Both have a token that lives for an hour. Rounds are interleaved, and each row is their median.
//! Prints `ROW<tab>VALUE<tab>UNIT` for `cargo xtask bench session`; the targets are in
//! `xtask/bench-targets.json`.

mod ours;
mod rmcp_file_store;
mod server;
mod theirs;

use std::{future::Future, sync::Arc, time::Instant};

use tokio::{runtime::Runtime, task::JoinSet};

use crate::{ours::Ours, theirs::Theirs};

const ROUNDS: usize = 15;
const TASKS: usize = 16;
const REFUSALS: usize = 100;

/// A user who has tokens.
trait Source: Send + Sync + 'static {
    fn token(&self) -> impl Future<Output = usize> + Send;

    /// What a transport does after a 401 with the token that everybody has.
    fn refused(&self) -> impl Future<Output = ()> + Send;
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ours = Arc::new(runtime.block_on(Ours::new(&folder.path().join("ours"))));
    let memory = Arc::new(runtime.block_on(Theirs::in_memory()));
    let file = Arc::new(runtime.block_on(Theirs::in_file(&folder.path().join("theirs.json"))));

    let (mut one, mut many) = ([vec![], vec![], vec![]], [vec![], vec![], vec![]]);
    for _ in 0..ROUNDS {
        one[0].push(one_by_one(&ours, 20_000));
        one[1].push(one_by_one(&memory, 5_000));
        one[2].push(one_by_one(&file, 500));
        many[0].push(at_once(&runtime, &ours, 20_000));
        many[1].push(at_once(&runtime, &memory, 1_000));
        many[2].push(at_once(&runtime, &file, 50));
    }
    let [one_ours, one_memory, one_file] = one.map(median);
    let [many_ours, many_memory, many_file] = many.map(median);
    row("fresh token, hallpass", one_ours, "ns");
    row("fresh token, rmcp in memory", one_memory, "ns");
    row("fresh token, rmcp with a file", one_file, "ns");
    row("16 tasks, hallpass", 1e3 / many_ours, "million/s");
    row("16 tasks, rmcp in memory", 1e3 / many_memory, "million/s");
    row("16 tasks, rmcp with a file", 1e3 / many_file, "million/s");
    row(
        "16 tasks, times rmcp in memory",
        many_memory / many_ours,
        "x",
    );
    row(
        "16 tasks, times rmcp with a file",
        many_file / many_ours,
        "x",
    );

    row("allocations, hallpass", allocations(&ours), "");
    row("allocations, rmcp in memory", allocations(&memory), "");

    runtime.block_on(async {
        all_refused(&ours).await;
        all_refused(&memory).await;
    });
    row("refreshes for 100 refusals, hallpass", ours.refreshes(), "");
    row("refreshes for 100 refusals, rmcp", memory.refreshes(), "");
}

/// Nanoseconds for one token, one after the other, on one thread and without a runtime's own cost.
fn one_by_one(source: &Arc<impl Source>, count: u32) -> f64 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let begun = Instant::now();
        for _ in 0..count {
            std::hint::black_box(source.token().await);
        }
        begun.elapsed().as_secs_f64() * 1e9 / f64::from(count)
    })
}

/// Nanoseconds of the wall clock for one token, when 16 tasks want `each` of them.
fn at_once(runtime: &Runtime, source: &Arc<impl Source>, each: u32) -> f64 {
    runtime.block_on(async {
        let begun = Instant::now();
        let mut tasks = JoinSet::new();
        for _ in 0..TASKS {
            let source = Arc::clone(source);
            tasks.spawn(async move {
                for _ in 0..each {
                    std::hint::black_box(source.token().await);
                }
            });
        }
        tasks.join_all().await;
        begun.elapsed().as_secs_f64() * 1e9 / (f64::from(each) * TASKS as f64)
    })
}

/// Allocations for one fresh token.
fn allocations(source: &Arc<impl Source>) -> f64 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        source.token().await;
        let counted = allocation_counter::measure(|| {
            let mut token = std::pin::pin!(source.token());
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            assert!(token.as_mut().poll(&mut context).is_ready());
        });
        counted.count_total as f64
    })
}

async fn all_refused(source: &Arc<impl Source>) {
    let mut tasks = JoinSet::new();
    for _ in 0..REFUSALS {
        let source = Arc::clone(source);
        tasks.spawn(async move { source.refused().await });
    }
    tasks.join_all().await;
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn row(name: &str, value: f64, unit: &str) {
    println!("{name}\t{value:.3}\t{unit}");
}
