//! Real `hallpass` processes that share a store, against authorization servers whose token endpoint
//! breaks: how often a refresh token is posted, and what is lost.
//!
//! `faults` has the token endpoints reset, close, hang and answer with a web page for one minute, while
//! commands run and are killed. `storm` kills callers and proxies at random for as long as it is told,
//! against a server that revokes a family whose refresh token comes back. `clock` sets the wall clock of the
//! processes by hours. Each prints what it found.
//!
//! The seed decides what is chosen; the operating system decides in which order processes run, so that
//! the same seed gives the same kind of run and not the same run.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a failed expectation is a failed check, told on the terminal"
)]

mod clock;
mod faults;
mod host;
mod judge;
mod random;
mod servers;
mod storm;

use std::{collections::BTreeMap, env, process::ExitCode, time::Duration};

use hallpass::{Clock, SystemClock};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let holds = match words[..] {
        ["clock", program, library] => runtime.block_on(clock::run(program, library)),
        ["faults", program, ref rest @ ..] => runtime.block_on(faults::run(program, seed(rest))),
        ["storm", program, ref rest @ ..] => {
            let minutes = after("--minutes", rest).and_then(|text| text.parse().ok());
            let options = storm::Options {
                duration: Duration::from_secs_f64(minutes.unwrap_or(10.0) * 60.0),
                seed: seed(rest),
                has_grace: rest.contains(&"--grace"),
            };
            runtime.block_on(storm::run(program, options)) || !rest.contains(&"--check")
        }
        _ => {
            println!("usage: refresh_faults clock PROGRAM LIBRARY");
            println!("       refresh_faults faults PROGRAM [--seed N]");
            println!(
                "       refresh_faults storm PROGRAM [--minutes N] [--seed N] [--grace] [--check]"
            );
            return ExitCode::from(2);
        }
    };
    if holds {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Prints the promises that were broken, each with its number; whether there is none.
fn are_kept(broken: Vec<String>) -> bool {
    let mut counted: BTreeMap<String, u32> = BTreeMap::new();
    for promise in broken {
        *counted.entry(promise).or_default() += 1;
    }
    for (promise, times) in &counted {
        println!("BROKEN ({times}): {promise}");
    }
    counted.is_empty()
}

/// The seed that is given, else the time of day.
fn seed(words: &[&str]) -> u64 {
    let given = after("--seed", words).and_then(|text| text.parse().ok());
    given.unwrap_or_else(|| SystemClock.now().as_unix_seconds().unsigned_abs())
}

/// The word after an option.
fn after<'a>(option: &str, words: &[&'a str]) -> Option<&'a str> {
    let place = words.iter().position(|word| *word == option)?;
    words.get(place + 1).copied()
}
