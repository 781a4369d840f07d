//! Asks the keyring of this machine for what a store needs, and prints what it answers: makes a key,
//! reads it back through a second connection, and forgets it. Exits with 1 when it can't.
//!
//! For trying a real keyring by hand, unlocked, locked and absent.

#![expect(clippy::print_stdout, reason = "an example for the terminal")]

use std::{error::Error as _, process::ExitCode, time::Duration};

use hallpass_keyring::Keyring;
use hallpass_store::{KeyError, KeyId, KeySource as _};

const LIMIT: Duration = Duration::from_secs(3);

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let probed = match runtime {
        Ok(runtime) => runtime.block_on(probe()),
        Err(error) => {
            println!("no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    match probed {
        Ok(()) => {
            println!("works");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("{:?}: {error}", error.kind());
            if let Some(cause) = error.source() {
                println!("caused by: {cause}");
            }
            println!("hint: {}", error.hint().unwrap_or("none"));
            ExitCode::FAILURE
        }
    }
}

async fn probe() -> Result<(), KeyError> {
    let keyring = || {
        Keyring::new()
            .with_service("hallpass-probe")
            .with_time_limit(LIMIT)
    };
    let id = KeyId::generate()?;
    println!("asking {}", keyring().describe());
    let made = keyring().create(id).await?;
    let found = keyring().load(id).await?;
    println!("the same key: {}", made.expose() == found.expose());
    keyring().remove(id).await
}
