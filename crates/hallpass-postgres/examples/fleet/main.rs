//! Replicas of a fleet on one PostgreSQL, as real processes, against the testkit's strict authorization
//! server: whether a sign-in survives what replicas do to each other, and what is done to them and to the
//! database.
//!
//! Each mode prints what it found and ends with 1 when something does not hold. This program starts itself
//! again as `replica`. A step of a refresh is an event at trace level with a field `step`; a replica can be
//! told to stop there, and is killed.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failed expectation is a failed check, told on the terminal"
)]

mod clocks;
mod fleet;
mod kills;
mod outage;
mod pause;
mod replica;
mod rounds;
#[expect(
    dead_code,
    clippy::disallowed_methods,
    reason = "the tests need more of the server, whose files are no credentials"
)]
#[path = "../../tests/it/server.rs"]
mod server;
mod steps;
#[path = "../../../hallpass-session/examples/processes/stop.rs"]
mod stop;

use std::{env, process::ExitCode};

const USAGE: &str = "usage: fleet rounds | steps | kills | restart | pause | clocks [long]";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let is_long = words.get(1) == Some(&"long");
    let holds = match words.split_first() {
        Some((&"replica", orders)) => runtime.block_on(replica::run(orders)),
        Some((&"rounds", _)) => runtime.block_on(rounds::run(is_long)),
        Some((&"steps", _)) => runtime.block_on(steps::run(is_long)),
        Some((&"kills", _)) => runtime.block_on(kills::run(is_long)),
        Some((&"restart", _)) => runtime.block_on(outage::run(is_long)),
        Some((&"pause", _)) => runtime.block_on(pause::run()),
        Some((&"clocks", _)) => runtime.block_on(clocks::run()),
        _ => {
            println!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    if holds {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
