//! Real processes that share one store, against the testkit's strict servers: whether a credential
//! survives what processes do to each other and what is done to them.
//!
//! `storm` has eight processes make calls with tokens that live two seconds; `kills` ends a process at
//! each step of the refresh transaction; `creations` has eight processes create one store. Each prints
//! what it found and ends with 1 when something does not hold. This program starts itself again as
//! `worker`. `serve` runs the servers for other checks, and `person` is a browser with a user.
//!
//! A step is an event at trace level with a field `step`; the worker's subscriber stops its process
//! there, and the parent kills it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failed expectation is a failed check, told on the terminal"
)]

mod creations;
mod kills;
mod serve;
mod servers;
mod stop;
mod storm;
mod worker;

use std::{env, process::ExitCode};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let holds = match arguments.split_first() {
        Some((mode, [])) if mode == "storm" => runtime.block_on(storm::run()),
        Some((mode, [])) if mode == "kills" => runtime.block_on(kills::run()),
        Some((mode, [])) if mode == "creations" => runtime.block_on(creations::run()),
        Some((mode, [])) if mode == "serve" => runtime.block_on(serve::run()),
        Some((mode, [url])) if mode == "person" => runtime.block_on(serve::visit(url)),
        Some((mode, rest)) if mode == "worker" => {
            runtime.block_on(worker::run(&worker::Orders::parse(rest)))
        }
        _ => {
            println!("usage: processes storm | kills | creations | serve | person URL");
            return ExitCode::from(2);
        }
    };
    if holds {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
