//! `hallpass login URL`

use std::{sync::Arc, time::Duration};

use serde_json::json;

use super::with_login_line;
use crate::{
    arguments::{Arguments, Login},
    environment::Environment,
    exit::Failed,
    output::Output,
    setup::{Person, Setup},
    terminal::Terminal,
};

pub(super) async fn run(
    login: &Login,
    arguments: &Arguments,
    environment: &Environment,
    output: &Output,
) -> Result<(), Failed> {
    let person = (!login.non_interactive).then(|| {
        let terminal = Terminal::new(environment, output.clone(), !login.no_browser);
        Person {
            device: login.device || !terminal.opens_browser(),
            interaction: Arc::new(terminal),
            limit: Duration::from_secs(login.wait),
        }
    });
    let setup = Setup::new(arguments, &login.server, person, environment).await?;
    let token = if login.non_interactive {
        let token = setup.hallpass.session().token().await;
        token.map_err(|error| with_login_line(error.into(), &setup.hallpass))
    } else {
        setup.hallpass.login().await.map_err(Failed::from)
    };
    setup.hallpass.close().await;
    let token = token?;
    if setup.keeps {
        setup.remembered.save(&setup.options)?;
    }
    let slot = setup.hallpass.slot();
    let data = json!({
        "server": slot.server.as_str(),
        "account": slot.profile.as_str(),
        "scopes": token.scopes().iter().collect::<Vec<_>>(),
        "expires_at": token.expires_at().map(hallpass::Timestamp::as_unix_seconds),
    });
    output.result(&format!("signed in to {slot}"), &data);
    Ok(())
}
