//! `hallpass token URL`

use serde_json::json;

use super::with_login_line;
use crate::{
    arguments::{Arguments, Server},
    environment::Environment,
    exit::Failed,
    output::Output,
    setup::Setup,
};

pub(super) async fn run(
    server: &Server,
    arguments: &Arguments,
    environment: &Environment,
    output: &Output,
) -> Result<(), Failed> {
    let setup = Setup::new(arguments, server, None, environment).await?;
    let token = setup.hallpass.session().token().await;
    setup.hallpass.close().await;
    let token = token.map_err(|error| with_login_line(Failed::from(error), &setup.hallpass))?;
    let secret = token.access_token().expose();
    let data = json!({
        "access_token": secret,
        "token_type": token.scheme().as_str(),
        "expires_at": token.expires_at().map(hallpass::Timestamp::as_unix_seconds),
    });
    output.result(secret, &data);
    Ok(())
}
