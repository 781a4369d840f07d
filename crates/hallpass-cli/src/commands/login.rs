//! `hallpass login URL`

use std::{path::Path, sync::Arc, time::Duration};

use clap::Args;
use hallpass::{Hint, login::LoginErrorKind};
use serde_json::json;

use crate::{
    client_credentials,
    config::Config,
    exit::{Code, CommandError},
    global_options::sign_in_seconds,
    open_server,
    open_sign_in::OpenSignIn,
    program::Program,
    saved_options::{FailedLogin, RefusedClient},
    server_options::Server,
    server_ref::ServerRef,
    setup::{self, Options, Setup, User},
    store,
    terminal::Terminal,
};

/// Sign in.
#[derive(Debug, Args)]
pub(crate) struct Login {
    #[command(flatten)]
    pub(crate) server: Server,

    /// Discard the options that earlier sign-ins saved.
    #[arg(long)]
    pub(crate) reset_options: bool,

    /// Print the URL to visit instead of opening a browser.
    #[arg(long)]
    pub(crate) no_browser: bool,

    /// Also show a code to enter on another device, if the server supports it. Without a browser it is
    /// shown anyway.
    #[arg(long)]
    pub(crate) device: bool,

    /// How long to wait for the user, in seconds; 3600 at most.
    #[arg(long, value_name = "SECONDS", default_value_t = WAIT, value_parser = sign_in_seconds)]
    pub(crate) wait: u64,
}

/// How long a login waits for the user.
const WAIT: u64 = 300;

impl Login {
    /// How the user is asked, as words of a command line with a space before each.
    fn own_options(&self) -> String {
        let mut words = String::new();
        for (option, is_set) in [
            ("--reset-options", self.reset_options),
            ("--no-browser", self.no_browser),
            ("--device", self.device),
        ] {
            if is_set {
                words.extend([" ", option]);
            }
        }
        if self.wait != WAIT {
            words.extend([" --wait ", &self.wait.to_string()]);
        }
        words
    }
}

pub(super) async fn run(login: &Login, program: &Program) -> Result<(), CommandError> {
    let is_there = program.environment.is_interactive();
    if login.device && !is_there {
        return Err(CommandError::usage(
            "`--device` can't be used with `--non-interactive`",
        ));
    }
    let url = &login.server.url;
    let key = setup::key(program, url, login.server.account.as_deref())?;
    let open_sign_in = OpenSignIn::new(&key, &store::folder(program)?);
    let server_ref = ServerRef::new(&key, program).keeping(&login.server.options);
    let user = is_there.then(|| {
        let terminal = Terminal::new(
            &program.environment,
            program.output.clone(),
            !login.no_browser,
        )
        .asking_for_code(login.device)
        .with_open_sign_in(open_sign_in)
        .with_doctor(server_ref.describe_doctor());
        User {
            device: login.device || !terminal.opens_browser(),
            interaction: Arc::new(terminal),
            limit: Duration::from_secs(login.wait),
            has_another_account: false,
        }
    });
    let options = if login.reset_options {
        Options::Given
    } else {
        Options::Saved
    };
    if !is_there && login.server.options.client_secret_prompt == Some(true) {
        return Err(CommandError::usage(
            "`--client-secret-prompt` can't be used with `--non-interactive`",
        ));
    }
    let mut setup = Setup::new(program, &login.server, options, user).await?;
    setup.server_ref = setup.server_ref.keeping_for_login(login.own_options());
    warn_config_mismatch(&setup, program)?;
    note_comma(login, program);
    let token = if is_there {
        let waiting = format!("waiting for the sign-in to {key}");
        let token = program.output.pending(&waiting, setup.hallpass.login());
        token.await.map_err(CommandError::from)
    } else {
        let token = setup.hallpass.session().token().await;
        token.map_err(CommandError::from)
    };
    let token = match token {
        Ok(token) => token,
        Err(failed) if is_open(login, &failed, program).await => {
            report_open_server(&setup, program);
            return Ok(());
        }
        Err(failed) => {
            let refused = refused_client(&failed, &setup, program);
            let failed = match &refused {
                Some(refused) => without_refused_methods(failed, refused),
                None => failed,
            };
            if setup.keeps
                && let Err(error) = save_failed_login(login, &setup, refused)
            {
                tracing::debug!(%error, "the options of the failed login are not saved");
            }
            let failed = with_open_sign_in(failed, &setup, &store::folder(program)?).await;
            return Err(setup.server_ref.with_advice(failed, true));
        }
    };
    save_options(&setup, program)?;
    let key = setup.hallpass.key();
    let data = json!({
        "server": key.server.as_str(),
        "account": key.account.as_str(),
        "scopes": token.scopes().iter().collect::<Vec<_>>(),
        "expires_at": token.expires_at().map(hallpass::Timestamp::as_unix_seconds),
        "needs_sign_in": true,
    });
    let text = match setup.hallpass.session().token_source() {
        Some(source) => format!("the tokens for {key} come from {}", source.describe()),
        None => format!("signed in to {key}"),
    };
    program.output.result(&text, &data);
    Ok(())
}

/// A failure that the user took too long, with where they can go on: a process that asks them too waits
/// since when, at which URL.
async fn with_open_sign_in(failed: CommandError, setup: &Setup, folder: &Path) -> CommandError {
    if failed.login_error_kind() != Some(LoginErrorKind::Timeout) {
        return failed;
    }
    let holders = setup.hallpass.session().lock_holders().await;
    let holder = holders.ok().and_then(|holders| holders.sign_in);
    let open_sign_in = OpenSignIn::new(setup.hallpass.key(), folder);
    let note = holder.and_then(|holder| Some((open_sign_in.read(&holder)?, holder)));
    match note {
        Some((note, holder)) => failed.hint(format!("{} {}", note.describe(&holder), note.url)),
        None => failed,
    }
}

/// Says that scopes are separated by spaces, where one has a comma.
fn note_comma(login: &Login, program: &Program) {
    let scope = login.server.options.scope.as_ref();
    if let Some(scope) = scope.filter(|scope| scope.contains(',')) {
        let apart = scope.replace(',', " ");
        program.output.status(&format!(
            "note: `{scope}` has a comma, and scopes are separated by spaces: --scope '{apart}'"
        ));
    }
}

/// Remembers the options of a login, and says where a secret is among them.
fn save_options(setup: &Setup, program: &Program) -> Result<(), CommandError> {
    if !setup.keeps {
        return Ok(());
    }
    setup.remembered.save(&setup.to_remember)?;
    client_credentials::advise(&setup.options, &program.output)?;
    for name in setup.to_remember.literal_headers() {
        program.output.status(&format!(
            "note: the header `{name}` is saved as typed; write its secret part as \
             ${{NAME}} to keep it in an environment variable"
        ));
    }
    Ok(())
}

/// The failure without the advice that the logins before this one followed in vain: another way to send the
/// secret of the same client.
fn without_refused_methods(failed: CommandError, refused: &RefusedClient) -> CommandError {
    refused.auth_methods.iter().fold(failed, |failed, method| {
        failed.without_hint(&Hint::setting("client.auth_method", Some(method)))
    })
}

/// The token endpoint's refusal of the client, if that is why a login failed. Of the same client the methods
/// that were refused before are kept.
fn refused_client(
    failed: &CommandError,
    setup: &Setup,
    program: &Program,
) -> Option<RefusedClient> {
    let (status, error) = failed.refusal_of_client()?;
    let client = RefusedClient::client_of(&setup.options);
    let before = setup.remembered.failed_login(program).unwrap_or_default();
    let before = before.refused_client.filter(|it| it.client == client);
    let mut auth_methods = before.map(|it| it.auth_methods).unwrap_or_default();
    if let Some(method) = setup.options.token_endpoint_auth_method {
        let method = method.as_str().to_owned();
        auth_methods.retain(|it| *it != method);
        auth_methods.push(method);
    }
    Some(RefusedClient {
        client,
        status,
        error,
        auth_methods,
    })
}

/// Remembers a login that failed, for the diagnosis that follows.
fn save_failed_login(
    login: &Login,
    setup: &Setup,
    refused_client: Option<RefusedClient>,
) -> Result<(), CommandError> {
    setup.remembered.save_failed_login(&FailedLogin {
        options: setup::given(&login.server)?,
        refused_client,
    })
}

/// Whether no sign-in is possible because the server wants none: it names no authorization server, and
/// answers without a token.
async fn is_open(login: &Login, failed: &CommandError, program: &Program) -> bool {
    let may_be = failed.login_error_kind() == Some(LoginErrorKind::Discovery)
        || failed.is(Code::SignInRequired);
    if !may_be {
        return false;
    }
    match open_server::answers_without_token(program, &login.server).await {
        Ok(answers) => answers == Some(true),
        Err(error) => {
            // The login's own failure is what the user has to know.
            tracing::debug!(%error, "it is not known whether the server wants a sign-in");
            false
        }
    }
}

fn report_open_server(setup: &Setup, program: &Program) {
    let key = setup.hallpass.key();
    let data = json!({
        "server": key.server.as_str(),
        "account": key.account.as_str(),
        "scopes": [],
        "expires_at": null,
        "needs_sign_in": false,
    });
    let text = format!(
        "{} needs no sign-in: it answers without a token",
        key.server
    );
    program.output.result(&text, &data);
}

/// An option that is given is no change of the file, which would take a user by surprise later.
fn warn_config_mismatch(setup: &Setup, program: &Program) -> Result<(), CommandError> {
    if setup.set_otherwise.is_empty() {
        return Ok(());
    }
    let config = Config::read(program)?;
    let file = config.path().unwrap_or(Path::new("")).display();
    let options = setup.set_otherwise.iter();
    let options: Vec<String> = options.map(|option| format!("`--{option}`")).collect();
    let is = if options.len() == 1 { "is" } else { "are" };
    program.output.status(&format!(
        "note: {} {is} set differently in {file}, which later commands use; change it there",
        options.join(", ")
    ));
    Ok(())
}
