//! Asks the keyring of this machine for what a store needs, and prints what it answers: makes a key,
//! reads it back through a second connection, and forgets it.
//!
//! For trying a real keyring. With a word (`works`, `locked`, `unavailable`, `timed-out`) it exits
//! with 0 when that is the outcome, found within the time limit of 3 seconds and one more, and with
//! 1 when it is another.

#![expect(clippy::print_stdout, reason = "an example for the terminal")]

use std::{env, error::Error as _, process::ExitCode, time::Duration};

use hallpass_keyring::Keyring;
use hallpass_seal::{KeyError, KeyErrorKind, KeyId, KeySource as _};
use tokio::time::Instant;

const LIMIT: Duration = Duration::from_secs(3);

fn main() -> ExitCode {
    let wanted = env::args().nth(1).unwrap_or_else(|| "works".to_owned());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let (found, took) = match runtime {
        Ok(runtime) => runtime.block_on(async {
            let begun = Instant::now();
            (outcome().await, begun.elapsed())
        }),
        Err(error) => {
            println!("no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("{found} after {} ms", took.as_millis());
    if found == wanted && took < LIMIT + Duration::from_secs(1) {
        ExitCode::SUCCESS
    } else {
        println!("wanted: {wanted}");
        ExitCode::FAILURE
    }
}

async fn outcome() -> &'static str {
    let Err(error) = probe().await else {
        return "works";
    };
    println!("{error}");
    if let Some(cause) = error.source() {
        println!("caused by: {cause}");
    }
    println!(
        "hint: {}",
        error
            .hints()
            .first()
            .map_or("none".to_owned(), ToString::to_string)
    );
    match error.kind() {
        KeyErrorKind::Absent => "absent",
        KeyErrorKind::Locked => "locked",
        KeyErrorKind::Unavailable => "unavailable",
        KeyErrorKind::TimedOut => "timed-out",
        _ => "unusable",
    }
}

async fn probe() -> Result<(), KeyError> {
    let keyring = || {
        let keyring = Keyring::new().with_service("hallpass-probe");
        keyring.with_timeout(LIMIT)
    };
    let id = KeyId::generate()?;
    println!("asking {}", keyring().describe());
    let made = keyring().create(id).await?;
    let found = keyring().load(id).await?;
    keyring().remove(id).await?;
    if made.expose() == found.expose() {
        Ok(())
    } else {
        Err(KeyError::new(
            KeyErrorKind::Unusable,
            "the key came back as another one",
        ))
    }
}
