//! Whether a server wants no sign-in at all.

use std::{sync::Arc, time::Duration};

use hallpass::{Clock as _, SystemClock, store::MemoryStore};
use hallpass_doctor::Doctor;

use crate::{
    exit::CommandError,
    program::Program,
    server_options::Server,
    settings,
    setup::{self, Setup},
};

/// How long a server may take to answer. The command has another result or error to print meanwhile.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Whether the server answers MCP requests without a token. `None` if it does not answer in time.
pub(crate) async fn answers_without_token(
    program: &Program,
    server: &Server,
) -> Result<Option<bool>, CommandError> {
    let key = setup::key(program, &server.url, server.account.as_deref())?;
    let options = Setup::options(program, server)?;
    let settings = settings::settings(&options, &program.environment)?;
    let nothing = Arc::new(MemoryStore::new());
    let waiting = format!("asking {} whether it wants a sign-in", key.server);
    let builder = setup::builder(key, &options, settings, nothing, program)?;
    let doctor = Doctor::new(builder).map_err(CommandError::usage)?;
    let asked = program
        .output
        .while_waiting(&waiting, doctor.answers_without_token());
    Ok(tokio::select! {
        answers = asked => answers,
        () = SystemClock.sleep(TIMEOUT) => None,
    })
}
