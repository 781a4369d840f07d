//! `hallpass token URL`

use serde_json::json;

use super::with_login_line;
use crate::{
    arguments::Server,
    exit::Failed,
    program::Program,
    setup::{Options, Setup},
};

pub(super) async fn run(server: &Server, program: &Program) -> Result<(), Failed> {
    let setup = Setup::new(program, server, Options::Remembered, None).await?;
    let token = setup.hallpass.session().token().await;
    let token = token.map_err(|error| with_login_line(Failed::from(error), &setup.hallpass))?;
    let secret = token.access_token().expose();
    let data = json!({
        "access_token": secret,
        "token_type": token.scheme().as_str(),
        "expires_at": token.expires_at().map(hallpass::Timestamp::as_unix_seconds),
    });
    program.output.result(secret, &data);
    Ok(())
}
