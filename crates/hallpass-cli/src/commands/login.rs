//! `hallpass login URL`

use std::{sync::Arc, time::Duration};

use serde_json::json;

use super::with_login_line;
use crate::{
    arguments::Login,
    exit::Failed,
    program::Program,
    setup::{Options, Person, Setup},
    terminal::Terminal,
};

pub(super) async fn run(login: &Login, program: &Program) -> Result<(), Failed> {
    let person = (!login.non_interactive).then(|| {
        let terminal = Terminal::new(
            &program.environment,
            program.output.clone(),
            !login.no_browser,
        );
        Person {
            device: login.device || !terminal.opens_browser(),
            interaction: Arc::new(terminal),
            limit: Duration::from_secs(login.wait),
        }
    });
    let options = if login.reset_options {
        Options::Given
    } else {
        Options::Remembered
    };
    let setup = Setup::new(program, &login.server, options, person).await?;
    let token = if login.non_interactive {
        let token = setup.hallpass.session().token().await;
        token.map_err(|error| with_login_line(error.into(), &setup.hallpass))
    } else {
        setup.hallpass.login().await.map_err(Failed::from)
    };
    let token = token?;
    if setup.keeps {
        setup.remembered.save(&setup.options)?;
        for name in setup.options.literal_headers() {
            program.output.say(&format!(
                "note: the header `{name}` is remembered as it was typed; write its secret part as \
                 ${{NAME}} to keep it in an environment variable"
            ));
        }
    }
    let slot = setup.hallpass.slot();
    let data = json!({
        "server": slot.server.as_str(),
        "account": slot.profile.as_str(),
        "scopes": token.scopes().iter().collect::<Vec<_>>(),
        "expires_at": token.expires_at().map(hallpass::Timestamp::as_unix_seconds),
    });
    program
        .output
        .result(&format!("signed in to {slot}"), &data);
    Ok(())
}
