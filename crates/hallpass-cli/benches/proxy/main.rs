//! `hallpass proxy` and npm's `mcp-remote`, side by side in front of the same servers.
//!
//! The servers are npm's `server-everything`, which is open, and the testkit's, which wants a token.
//! Rounds are interleaved, and each row is their median; ratios are of what one run has measured. The
//! calls are the tool `echo`, and where something stands between, its time is what it adds to a direct
//! call.
//!
//! Prints `ROW<tab>VALUE<tab>UNIT` for `cargo xtask bench proxy`, which hands over the folder where
//! the npm packages are; the targets are in `xtask/bench-targets.json`. It needs Linux, whose `/proc`
//! tells how much memory a process has had at most.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark prints, takes the time, and stops at the first surprise"
)]

mod bridge;
mod direct;
mod place;

use std::time::Duration;

use crate::{bridge::Bridge, direct::Direct, place::Place};

const ROUNDS: usize = 3;
const CALLS: usize = 200;
const AT_ONCE: usize = 64;
/// As many calls as the proxy has under way at a time.
const LARGE_ANSWERS: usize = 256;

/// In milliseconds: less than this is what two measurements of the same differ by.
const LEAST: f64 = 0.05;

/// Which bridge.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Which {
    Ours,
    Theirs,
}

/// What was measured of one bridge, one value a round.
#[derive(Debug, Default)]
struct Measured {
    start: Vec<f64>,
    list: Vec<f64>,
    call: Vec<f64>,
    rate: Vec<f64>,
    memory: Vec<f64>,
}

#[tokio::main]
async fn main() {
    let Some(packages) = std::env::args()
        .skip(1)
        .find(|word| !word.starts_with("--"))
    else {
        // As a test it has nothing to say.
        return;
    };
    idle(&packages).await;
    for kind in ["json", "events"] {
        silent_host(&packages, kind).await;
    }
    for place in [
        Place::everything(&packages).await,
        Place::testkit(&packages).await,
    ] {
        compare(&place).await;
    }
}

/// What the proxy takes with a server that is there and nothing to do.
async fn idle(packages: &str) {
    let place = Place::testkit(packages).await;
    let mut bridge = Bridge::start(place.bridge(Which::Ours)).await;
    bridge.list().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    row("idle, hallpass", bridge.memory(), "MiB");
    bridge.end().await;
}

/// The most memory that the proxy takes for many large answers while its host reads nothing.
async fn silent_host(packages: &str, kind: &'static str) {
    let place = Place::large_answers(packages, kind).await;
    let mut bridge = Bridge::start(place.bridge(Which::Ours)).await;
    for _ in 0..LARGE_ANSWERS {
        bridge.call().await;
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    let name = format!("silent host, {LARGE_ANSWERS} answers of 32 MiB as {kind}, hallpass");
    row(&name, bridge.memory(), "MiB");
    bridge.end().await;
}

async fn compare(place: &Place) {
    let (mut ours, mut theirs) = (Measured::default(), Measured::default());
    let (mut direct_call, mut direct_rate) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let direct = Direct::open(place).await;
        direct_call.push(direct.calls(CALLS).await);
        direct_rate.push(direct.at_once(AT_ONCE, place.many).await);
        for (which, measured) in [(Which::Ours, &mut ours), (Which::Theirs, &mut theirs)] {
            let mut bridge = Bridge::start(place.bridge(which)).await;
            measured.start.push(bridge.first_answer());
            measured.list.push(bridge.list().await);
            measured.call.push(bridge.calls(CALLS).await);
            measured
                .rate
                .push(bridge.at_once(AT_ONCE, place.many).await);
            measured.memory.push(bridge.memory());
            bridge.end().await;
        }
    }
    let name = place.name;
    let direct = median(direct_call);
    let show = |what: &str, unit: &str, ours: f64, theirs: f64| {
        row(&format!("{name}: {what}, hallpass"), ours, unit);
        row(&format!("{name}: {what}, mcp-remote"), theirs, unit);
    };
    let ratio = |what: &str, ratio: f64| row(&format!("{name}: {what}"), ratio, "times");
    let (start, start_theirs) = (median(ours.start), median(theirs.start));
    show("start to first answer", "ms", start, start_theirs);
    ratio("how much sooner the first answer is", start_theirs / start);
    show(
        "start to the server's tools",
        "ms",
        median(ours.list),
        median(theirs.list),
    );
    let (memory, memory_theirs) = (median(ours.memory), median(theirs.memory));
    show("peak memory", "MiB", memory, memory_theirs);
    ratio("how much less memory", memory_theirs / memory);
    let (call, call_theirs) = (median(ours.call), median(theirs.call));
    row(&format!("{name}: a call, direct"), direct, "ms");
    show("added to a call", "ms", call - direct, call_theirs - direct);
    ratio(
        "how much less is added",
        (call_theirs - direct) / (call - direct).max(LEAST),
    );
    let (rate, rate_theirs) = (median(ours.rate), median(theirs.rate));
    row(
        &format!("{name}: calls with {AT_ONCE} at once, direct"),
        median(direct_rate),
        "/s",
    );
    show(
        &format!("calls with {AT_ONCE} at once"),
        "/s",
        rate,
        rate_theirs,
    );
    ratio("how many more calls", rate / rate_theirs);
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn row(name: &str, value: f64, unit: &str) {
    println!("{name}\t{value:.3}\t{unit}");
}
