//! Whether a server wants no sign-in at all.

use std::time::Duration;

use hallpass::{Clock as _, SystemClock};
use hallpass_doctor::Doctor;

use crate::{exit::CommandError, program::Program, server_options::Server, setup::Setup};

/// How long a server may take to answer. The command has another result or error to print meanwhile.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Whether the server answers MCP requests without a token. `None` if it does not answer in time.
pub(crate) async fn answers_without_token(
    program: &Program,
    server: &Server,
) -> Result<Option<bool>, CommandError> {
    let builder = Setup::without_credentials(program, server)?;
    let doctor = Doctor::new(builder).map_err(CommandError::usage)?;
    let url = &doctor.hallpass().key().server;
    let waiting = format!("asking {url} whether it wants a sign-in");
    let asked = program
        .output
        .while_waiting(&waiting, doctor.answers_without_token());
    Ok(tokio::select! {
        answers = asked => answers,
        () = SystemClock.sleep(TIMEOUT) => None,
    })
}
