//! What a client that was registered by hand proves itself with: its secret, from the environment, a
//! file or the terminal, or its private key, from a file.

use std::{fs, io, path::Path};

use hallpass::{
    ClientId, ClientSecret, Diagnostic as _, Record,
    record::RegistrationOrigin,
    service::ClientKey,
    settings::{ClientPrivateKey, ClientSigningKey, PreRegisteredClient},
};

use crate::{
    environment::Environment, exit::CommandError, output::Output, password_prompt,
    server_options::ServerOptions, text,
};

/// What there is of both.
#[derive(Debug, Default)]
pub(crate) struct ClientCredentials {
    pub(crate) secret: Option<ClientSecret>,
    pub(crate) key: Option<ClientSigningKey>,
}

/// Reads what the options name in the environment and in files.
pub(crate) fn read(
    options: &ServerOptions,
    environment: &Environment,
) -> Result<ClientCredentials, CommandError> {
    let secret = match (&options.client_secret_env, &options.client_secret_file) {
        (Some(name), _) => Some(ClientSecret::new(
            environment.secret_of("--client-secret-env", name)?,
        )),
        (None, Some(file)) => Some(ClientSecret::new(text_of(file, "the client's secret")?)),
        (None, None) => None,
    };
    let key = match &options.client_key {
        None => None,
        Some(file) => {
            let key = ClientSigningKey {
                pem: ClientPrivateKey::new(text_of(file, "the client's key")?),
                id: options.client_key_id.clone(),
            };
            // What is wrong with it is said here, where the file has a name.
            ClientKey::open(&key).map_err(|error| {
                let hints = error.hints();
                let failed =
                    CommandError::usage(error).hint(format!("it is read from {}", file.display()));
                hints.into_iter().fold(failed, CommandError::hint)
            })?;
            Some(key)
        }
    };
    Ok(ClientCredentials { secret, key })
}

/// A file's text without the end of its line.
fn text_of(file: &Path, what: &str) -> Result<String, CommandError> {
    let text = fs::read_to_string(file).map_err(|error| {
        let file = file.display();
        CommandError::usage(format!("{what} can't be read from {file}: {error}"))
    })?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(CommandError::usage(format!(
            "{what} can't be read: {} is empty",
            file.display()
        )));
    }
    Ok(text.to_owned())
}

/// Notes which of those files other users can read.
pub(crate) fn advise(options: &ServerOptions, output: &Output) -> io::Result<()> {
    for file in [&options.client_secret_file, &options.client_key]
        .into_iter()
        .flatten()
    {
        if others_can_read(file)? {
            let file = file.display();
            output.status(&format!(
                "note: other users of this machine can read {file}; `chmod 600 {file}` prevents it"
            ));
        }
    }
    Ok(())
}

#[cfg(unix)]
fn others_can_read(file: &Path) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;

    Ok(fs::metadata(file)?.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it may fail")]
fn others_can_read(_: &Path) -> io::Result<bool> {
    Ok(false)
}

/// The client with the secret that the user types, or typed at an earlier login: that one is kept
/// with the credentials, and goes to the server it was typed for alone.
///
/// `anew` asks also where there is one.
pub(crate) async fn typed(
    client: &mut PreRegisteredClient,
    record: Option<&Record>,
    anew: bool,
    environment: &Environment,
    output: &Output,
) -> Result<(), CommandError> {
    let kept = record.and_then(|record| kept(record, &client.id));
    if let (Some((secret, record)), false) = (kept, anew) {
        client.secret = Some(secret.clone());
        client.issuer.get_or_insert_with(|| record.issuer.clone());
        return Ok(());
    }
    if !environment.stdin_is_terminal() {
        return Err(
            CommandError::usage("no terminal: can't prompt for the client's secret").hint(
                "use `--client-secret-env` or `--client-secret-file`, or sign in at a terminal",
            ),
        );
    }
    let question = format!(
        "secret of the client `{}`: ",
        text::line(client.id.as_str())
    );
    let secret = password_prompt::line(|| output.ask(&question)).await?;
    if secret.is_empty() {
        return Err(CommandError::usage("the client's secret is empty"));
    }
    client.secret = Some(ClientSecret::new(secret.as_str()));
    Ok(())
}

/// The secret that a record keeps of a client that was registered by hand.
fn kept<'a>(record: &'a Record, id: &ClientId) -> Option<(&'a ClientSecret, &'a Record)> {
    let registration = record.registration.as_ref()?;
    let is_it =
        registration.origin == RegistrationOrigin::PreRegistered && registration.client_id == *id;
    let secret = registration.client_secret.as_ref()?;
    is_it.then_some((secret, record))
}
